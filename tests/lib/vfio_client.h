/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vfio-user client: what a virtual machine monitor does, without one. Its
 * guest memory is a memfd at bus address 0. Every wait ends after timeout_ms.
 *
 * What returns int returns 0, a positive errno the server answered with, or a
 * negative one of its own: -ETIMEDOUT, -EPIPE (the server hung up), -EPROTO
 * (the answer is not one to the request).
 */
#ifndef TESTS_VFIO_CLIENT_H
#define TESTS_VFIO_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfio_user_proto.h"

#define VC_VECTORS		2
#define VC_TIMEOUT_MS		5000
#define VC_MESSAGE_MAX		8192

struct vfio_client {
	int fd;				/* socket, -1: not connected */
	int timeout_ms;
	uint16_t id;			/* of the last request */
	int memfd;
	uint8_t *mem;			/* guest memory */
	uint64_t mem_size;
	int event[VC_VECTORS];		/* eventfds of the vectors */
};

/* Makes guest memory and eventfds. Connect next, and close in any case. */
int vc_open(struct vfio_client *vc, uint64_t mem_size);
void vc_close(struct vfio_client *vc);

int vc_connect(struct vfio_client *vc, const char *path);
void vc_disconnect(struct vfio_client *vc);

/* Connects and goes on to a card with memory, bus master and both vectors. */
int vc_attach(struct vfio_client *vc, const char *path);

/* Bytes as they are, with @count fds on the first of them. */
int vc_send(struct vfio_client *vc, const void *data, size_t size,
	    const int *fds, unsigned int count);

/* Waits until the server has taken all that was sent. */
int vc_wait_taken(struct vfio_client *vc);

/* Fills in a message; @room at least sizeof(struct vu_header) + @size. */
size_t vc_format(void *message, uint16_t id, uint16_t command, uint32_t flags,
		 const void *body, size_t size);

/* One message from the server, whole. @body may be NULL with @room 0. */
int vc_receive(struct vfio_client *vc, struct vu_header *header, void *body,
	       size_t room);

/* Return: 0 when the server hangs up in time, -EPROTO when it says something. */
int vc_wait_hangup(struct vfio_client *vc);

struct vc_call {
	uint16_t command;
	uint32_t flags;			/* VU_NO_REPLY: no answer is awaited */
	const void *body;
	size_t size;
	const int *fds;
	unsigned int fd_count;
	void *reply;			/* body of the answer */
	size_t reply_size;		/* bytes it must have */
};

/* A request and its answer. */
int vc_call(struct vfio_client *vc, const struct vc_call *call);

int vc_version(struct vfio_client *vc);
int vc_reset(struct vfio_client *vc);
int vc_map(struct vfio_client *vc, uint64_t iova, uint64_t size, int fd,
	   uint64_t offset, uint32_t flags);
int vc_unmap(struct vfio_client *vc, uint64_t iova, uint64_t size,
	     uint32_t flags);

int vc_read(struct vfio_client *vc, uint32_t region, uint64_t offset,
	    void *data, uint32_t count);
int vc_write(struct vfio_client *vc, uint32_t region, uint64_t offset,
	     const void *data, uint32_t count);
/* Posted: the server does not answer. */
int vc_post(struct vfio_client *vc, uint32_t region, uint64_t offset,
	    const void *data, uint32_t count);
int vc_post_multi(struct vfio_client *vc, const struct vu_multi *multi,
		  uint64_t count);

/* Registers of BAR0; a read that fails gives all ones, as on a bus. */
uint32_t vc_read32(struct vfio_client *vc, uint32_t offset);
int vc_write32(struct vfio_client *vc, uint32_t offset, uint32_t value);
int vc_write64(struct vfio_client *vc, uint32_t offset, uint64_t value);

int vc_set_irqs(struct vfio_client *vc, uint32_t flags, uint32_t index,
		uint32_t start, uint32_t count, const int *fds,
		unsigned int fd_count);
/* Gives the server the eventfd of one vector. */
int vc_arm(struct vfio_client *vc, uint32_t vector);
int vc_disarm_all(struct vfio_client *vc);

/* Waits for a signal. Return: how many there were, 0 = none in time. */
uint64_t vc_wait_event(struct vfio_client *vc, uint32_t vector);
/* The same, without waiting. */
uint64_t vc_poll_event(struct vfio_client *vc, uint32_t vector);

/* Time for bounded waits. */
int64_t vc_now_ms(void);

#endif /* TESTS_VFIO_CLIENT_H */
