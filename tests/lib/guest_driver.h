/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plays a guest's driver on a vfio_client: rings and buffers in its memory,
 * commands, packets. Slots are used in order and buffers belong to slots.
 *
 * What returns int returns 0, or as vfio_client.h has it. Waits look at the
 * descriptors and take the client's timeout_ms; nobody waits for a signal, so
 * that they can be counted.
 */
#ifndef TESTS_GUEST_DRIVER_H
#define TESTS_GUEST_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "duct_hw.h"
#include "vfio_client.h"

struct gd_ring {
	uint8_t *slots;
	uint64_t iova;
	uint32_t desc_size;
	uint32_t shift;
	uint32_t head;			/* free running: next to be handed over */
	uint32_t tail;			/* free running: next to come back */
	uint64_t buffers;		/* bus address, DUCT_PACKET_MAX a slot */
};

struct guest_driver {
	struct vfio_client *vc;
	uint32_t hwaddr;
	struct gd_ring cmd, tx, rx;
};

/* Guest memory needed for two packet rings of 1 << @shift descriptors. */
uint64_t gd_memory(uint32_t shift);

/* Lays out memory and programs the rings of an attached client's card. */
int gd_setup(struct guest_driver *gd, struct vfio_client *vc, uint32_t shift);

/* Fills the receive ring, START, and a filter for the card's own address. */
int gd_start(struct guest_driver *gd);

/* A command. Return: 0 with its err in @err, or -errno. */
int gd_command(struct guest_driver *gd, uint8_t type, uint32_t mask,
	       uint32_t addr, uint8_t *err);

/* Puts a command into the next slot, the owner's byte last; no doorbell. */
struct duct_cmd_desc *gd_put_command(struct guest_driver *gd, uint8_t type,
				     uint32_t mask, uint32_t addr);
int gd_ring_command(struct guest_driver *gd);	/* doorbell for the last one */

/* Puts a packet into the next slot. Return: 0, or -ENOSPC: ring full. */
int gd_put(struct guest_driver *gd, uint32_t dst, const void *data,
	   uint32_t len);
int gd_ring_tx(struct guest_driver *gd);	/* doorbell for the last one */
/* Waits until everything put has been sent. */
int gd_wait_sent(struct guest_driver *gd);

/* All three. */
int gd_send(struct guest_driver *gd, uint32_t dst, const void *data,
	    uint32_t len);

struct gd_packet {
	uint32_t dst, src, len;
	const uint8_t *data;		/* good until the slot is given back */
};

/* Waits for the next packet, which stays in its slot. */
int gd_receive(struct guest_driver *gd, struct gd_packet *packet);
/* Is one there? Does not wait. */
bool gd_peek(const struct guest_driver *gd);
/* Gives the slot gd_receive() showed back to the card. */
void gd_give_back(struct guest_driver *gd);

/* Waits until the card gave @owner back. */
int gd_wait_host(const struct guest_driver *gd, const uint8_t *owner);

#endif /* TESTS_GUEST_DRIVER_H */
