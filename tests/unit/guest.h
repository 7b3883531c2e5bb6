/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest without a virtual machine: memory of ours, a card that looks into
 * it, and what a driver does with both, one step a function.
 */
#ifndef DUCT_GUEST_H
#define DUCT_GUEST_H

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "card.h"
#include "guest_mem.h"
#include "unit.h"

/* The guest's memory, and where in it things are, as bus addresses. */
#define RAM		0x140000000u	/* above 4 GiB: high halves matter */
#define RAM_SIZE	0x1000000u
#define CMD_RING	(RAM + 0x000000)
#define TX_RING		(RAM + 0x100000)
#define RX_RING		(RAM + 0x200000)
#define TX_DATA		(RAM + 0x400000)
#define RX_DATA		(RAM + 0x800000)
#define RX_ROOM		DUCT_PACKET_MAX
#define RX_BUFS		64		/* receive buffers of RX_ROOM bytes */
#define NOWHERE		0x200000000u	/* no memory there */

struct guest {
	struct card card;
	struct guest_mem *mem;
	uint8_t *ram;
	unsigned int signals[DUCT_VECTORS];
	uint32_t cmd_next, tx_next, rx_next;	/* free running */
	uint32_t cmd_shift, tx_shift, rx_shift;
};

static inline void guest_signal(void *ctx, unsigned int vector)
{
	struct guest *g = ctx;

	assert_in_range(vector, 0, DUCT_VECTORS - 1);
	g->signals[vector]++;
}

static inline struct guest *guest_new(struct bus *bus, uint32_t hwaddr,
				      enum card_signal signal)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct card_host host = { .signal = guest_signal, .ctx = g };

	assert_non_null(g);
	g->ram = aligned_alloc(4096, RAM_SIZE);
	assert_non_null(g->ram);
	memset(g->ram, 0, RAM_SIZE);
	g->mem = guest_mem_new();
	assert_non_null(g->mem);
	assert_int_equal(guest_mem_map_host(g->mem, RAM, RAM_SIZE,
					    GUEST_READ | GUEST_WRITE, g->ram),
			 0);
	card_init(&g->card, bus, "unit", hwaddr, signal, &host, g->mem);
	return g;
}

static inline void guest_free(struct guest *g)
{
	card_detach(&g->card);
	guest_mem_free(g->mem);
	free(g->ram);
	free(g);
}

static inline void *at(struct guest *g, uint64_t addr)
{
	assert_true(addr >= RAM && addr < RAM + RAM_SIZE);
	return g->ram + (addr - RAM);
}

static inline uint32_t rd(struct guest *g, uint32_t reg)
{
	return (uint32_t)card_read(&g->card, reg, 4);
}

static inline void wr(struct guest *g, uint32_t reg, uint32_t value)
{
	card_write(&g->card, reg, 4, value);
}

static inline void wr64(struct guest *g, uint32_t reg, uint64_t value)
{
	card_write(&g->card, reg, 8, value);
}

static inline struct duct_cmd_desc *cmd_desc(struct guest *g, uint32_t i)
{
	return (struct duct_cmd_desc *)at(g, CMD_RING) +
	       (i & ((1u << g->cmd_shift) - 1));
}

static inline struct duct_pkt_desc *tx_desc(struct guest *g, uint32_t i)
{
	return (struct duct_pkt_desc *)at(g, TX_RING) +
	       (i & ((1u << g->tx_shift) - 1));
}

static inline struct duct_pkt_desc *rx_desc(struct guest *g, uint32_t i)
{
	return (struct duct_pkt_desc *)at(g, RX_RING) +
	       (i & ((1u << g->rx_shift) - 1));
}

static inline void set_cmd_ring(struct guest *g, uint32_t shift)
{
	g->cmd_shift = shift;
	g->cmd_next = 0;
	wr64(g, DUCT_CMDBASE, CMD_RING);
	wr(g, DUCT_CMDSHIFT, shift);
}

static inline void set_packet_rings(struct guest *g, uint32_t tx_shift,
				    uint32_t rx_shift)
{
	g->tx_shift = tx_shift;
	g->rx_shift = rx_shift;
	wr64(g, DUCT_TXBASE, TX_RING);
	wr(g, DUCT_TXSHIFT, tx_shift);
	wr64(g, DUCT_RXBASE, RX_RING);
	wr(g, DUCT_RXSHIFT, rx_shift);
}

/* Hands a command over, without the doorbell. Return: its descriptor. */
static inline struct duct_cmd_desc *put_command(struct guest *g, uint8_t type,
						uint32_t mask, uint32_t addr)
{
	struct duct_cmd_desc *desc = cmd_desc(g, g->cmd_next++);

	memset(desc, 0, sizeof(*desc));
	desc->type = type;
	desc->err = 0x77;
	desc->filtmask = htole32(mask);
	desc->filtaddr = htole32(addr);
	desc->owner = DUCT_OWNER_CARD;
	return desc;
}

static inline void cmd_doorbell(struct guest *g)
{
	wr(g, DUCT_DBELL, (g->cmd_next - 1) & ((1u << g->cmd_shift) - 1));
}

/* Return: what the card answered, or -1 when it did not. */
static inline int command(struct guest *g, uint8_t type, uint32_t mask,
			  uint32_t addr)
{
	struct duct_cmd_desc *desc = put_command(g, type, mask, addr);

	cmd_doorbell(g);
	return desc->owner == DUCT_OWNER_HOST ? desc->err : -1;
}

static inline int start(struct guest *g)
{
	g->tx_next = 0;
	g->rx_next = 0;
	return command(g, DUCT_CMD_START, 0, 0);
}

static inline int stop(struct guest *g)
{
	return command(g, DUCT_CMD_STOP, 0, 0);
}

static inline uint64_t rx_buf(uint32_t i)
{
	return RX_DATA + (uint64_t)(i % RX_BUFS) * RX_ROOM;
}

/* Gives the card a slot to receive in. */
static inline struct duct_pkt_desc *put_rx(struct guest *g, uint64_t addr,
					   uint32_t room)
{
	struct duct_pkt_desc *desc = rx_desc(g, g->rx_next++);

	memset(desc, 0xee, sizeof(*desc));
	for (unsigned int i = 0; i < DUCT_PIECES; i++)
		desc->length[i] = 0;
	desc->length[0] = htole32(room);
	desc->pointer[0] = htole64(addr);
	desc->owner = DUCT_OWNER_CARD;
	return desc;
}

static inline void put_rx_bufs(struct guest *g, unsigned int count)
{
	while (count--)
		put_rx(g, rx_buf(g->rx_next), RX_ROOM);
}

/* Hands a packet over in one piece, without the doorbell. */
static inline struct duct_pkt_desc *put_tx(struct guest *g, uint32_t dst,
					   uint64_t addr, uint32_t len)
{
	struct duct_pkt_desc *desc = tx_desc(g, g->tx_next++);

	memset(desc, 0xee, sizeof(*desc));
	for (unsigned int i = 0; i < DUCT_PIECES; i++)
		desc->length[i] = 0;
	desc->length[0] = htole32(len);
	desc->pointer[0] = htole64(addr);
	desc->dst = htole32(dst);
	desc->owner = DUCT_OWNER_CARD;
	return desc;
}

static inline void tx_doorbell(struct guest *g)
{
	wr(g, DUCT_DBELL, DUCT_DBELL_TX |
			  ((g->tx_next - 1) & ((1u << g->tx_shift) - 1)));
}

static inline void run_bus(struct bus *bus)
{
	unsigned int rounds = 0;

	while (bus_run(bus))
		assert_true(rounds++ < 1000000);
}

/* Sends bytes and sees them gone. */
static inline void send_bytes(struct guest *g, uint32_t dst, const void *bytes,
			      uint32_t len)
{
	struct duct_pkt_desc *desc;

	memcpy(at(g, TX_DATA), bytes, len);
	desc = put_tx(g, dst, TX_DATA, len);
	tx_doorbell(g);
	run_bus(g->card.station.bus);
	assert_int_equal(desc->owner, DUCT_OWNER_HOST);
}

/* Rings, START, its own address, all receive slots the card's. */
static inline void guest_up(struct guest *g, uint32_t tx_shift,
			    uint32_t rx_shift)
{
	set_cmd_ring(g, 4);
	set_packet_rings(g, tx_shift, rx_shift);
	assert_int_equal(start(g), DUCT_ERR_OK);
	assert_int_equal(command(g, DUCT_CMD_ADDFILT, 0xffffffff,
				 g->card.hwaddr), DUCT_ERR_OK);
	put_rx_bufs(g, 1u << rx_shift);
	rd(g, DUCT_EVFLAGS);
	memset(g->signals, 0, sizeof(g->signals));
}

static inline void fill(uint8_t *p, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245u + 12345u;
		p[i] = (uint8_t)(seed >> 16);
	}
}

#endif /* DUCT_GUEST_H */
