/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PCI device on a UNIX socket for a virtual machine monitor that speaks
 * vfio-user (QEMU's docs/interop/vfio-user.rst). One client at a time; when it
 * goes away the device is reset and the socket waits for the next one.
 */
#ifndef DUCTNET_VFIO_USER_H
#define DUCTNET_VFIO_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest_mem.h"
#include "loop.h"

struct vfio_user;

/*
 * What the protocol wants of a device. All are called from the event loop,
 * must not block, and must leave packet work for after the reply.
 */
struct vfio_user_ops {
	/* BAR0 access: any @offset and @size (1, 2, 4, 8) inside the BAR. */
	uint64_t (*read)(void *device, uint32_t offset, unsigned int size);
	void (*write)(void *device, uint32_t offset, unsigned int size,
		      uint64_t value);
	/* Power-on state, at DEVICE_RESET, and when a client comes or goes. */
	void (*reset)(void *device);
};

/* What config space tells of a device; BAR2 holds the MSI-X table and PBA. */
struct vfio_user_ident {
	uint16_t vendor;
	uint16_t device;
	uint32_t class;		/* 24 bits: base, sub, interface */
	uint8_t revision;
	uint32_t bar0_size;	/* bytes, a power of two */
	uint16_t vectors;	/* MSI-X vectors, 1 to 16 */
};

struct vfio_user_counters {
	uint64_t clients;		/* connections accepted */
	uint64_t refused;		/* connections refused: one was there */
	uint64_t messages;		/* requests handled */
	uint64_t errors;		/* requests answered with an error */
	uint64_t broken;		/* connections dropped for bad framing */
	uint64_t signals_sent;		/* eventfd writes */
	uint64_t signals_latched;	/* signals kept for a vector without eventfd */
};

/**
 * vfio_user_new() - listen on a socket
 * @loop: event loop
 * @path: of the socket, copied; at most 107 bytes
 * @ident: what the device is, copied
 * @ops: the device's verbs
 * @device: their first argument
 * @mem: the device's map of guest memory, filled here, emptied at disconnect
 * @err: room for one line of explanation on failure
 * @err_size: bytes at @err
 *
 * A socket file nobody listens on is replaced; a living one is an error, as is
 * a file that is no socket. The socket's mode is 0660: its group may plug in.
 *
 * Return: the server, or NULL with @err filled.
 */
struct vfio_user *vfio_user_new(struct loop *loop, const char *path,
				const struct vfio_user_ident *ident,
				const struct vfio_user_ops *ops, void *device,
				struct guest_mem *mem, char *err,
				size_t err_size);

/* Drops the client, closes and removes the socket. @vu may be NULL. */
void vfio_user_free(struct vfio_user *vu);

/*
 * Sends an MSI-X message; without eventfd (vector not armed) it is kept and
 * sent when the client arms the vector, once.
 */
void vfio_user_signal(struct vfio_user *vu, unsigned int vector);

/* Is a client there, past VERSION? */
bool vfio_user_connected(const struct vfio_user *vu);

/* Bytes of replies that wait to be sent: more than 0 means a slow client. */
size_t vfio_user_unsent(const struct vfio_user *vu);

const struct vfio_user_counters *vfio_user_counters(const struct vfio_user *vu);

#endif /* DUCTNET_VFIO_USER_H */
