/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of vfio_user*.c. vfio_user.c has the socket, vfio_user_client.c the
 * client: framing, fds, replies. vfio_user_dev.c has what requests mean,
 * vfio_user_irq.c the vectors, vfio_user_config.c PCI configuration space.
 */
#ifndef DUCTNET_VFIO_USER_PRIV_H
#define DUCTNET_VFIO_USER_PRIV_H

#include <sys/types.h>
#include <sys/un.h>

#include "log.h"
#include "vfio_user.h"
#include "vfio_user_proto.h"

#define VU_FDS_MAX		16	/* in one message */
#define VU_VECTORS_MAX		16
#define VU_CONFIG_SIZE		256u
#define VU_BAR2_SIZE		4096u
#define VU_PBA_OFFSET		0x800u	/* in BAR2; the MSI-X table is at 0 */
#define VU_DATA_MAX		4096u	/* of one REGION_READ: the largest region */

/*
 * No legal request is larger. The largest that makes sense is a WRITE_MULTI
 * of VU_MULTI_MAX writes, 4824 bytes.
 */
#define VU_MESSAGE_MAX		8192u

struct vu_fds {
	unsigned int count;
	int fd[VU_FDS_MAX];		/* -1: taken */
};

struct vu_request {
	struct vu_header header;
	const uint8_t *body;		/* not aligned */
	size_t size;			/* of @body */
	struct vu_fds *fds;		/* those not taken are closed */
};

struct vu_client {
	struct loop_source source;	/* fd -1: nobody there */
	bool ready;			/* past VERSION */
	int64_t late_ms;		/* how long its socket may have waited */
	struct vu_fds held;		/* of the message rx begins with */
	size_t rx_len;
	size_t tx_len;			/* of replies the socket did not take */
	uint8_t *tx;
	uint8_t rx[VU_MESSAGE_MAX];
};

struct vu_config {
	uint8_t byte[VU_CONFIG_SIZE];
	uint8_t writable[VU_CONFIG_SIZE];	/* bits a write changes */
};

struct vu_irqs {
	int vector[VU_VECTORS_MAX];	/* eventfds of MSI-X, -1: not armed */
	int error;			/* eventfd of the ERR interrupt, or -1 */
	uint32_t pending;		/* vectors signalled while not armed */
};

struct vfio_user {
	struct loop *loop;
	struct sockaddr_un addr;
	dev_t dev;			/* of the socket file: ours? */
	ino_t ino;
	struct loop_source listener;
	struct loop_source alarm;	/* a file under guest memory was cut off */
	int spare;			/* a descriptor for when there is none */
	struct vfio_user_ident ident;
	const struct vfio_user_ops *ops;
	void *device;
	struct guest_mem *mem;
	struct vu_client client;
	struct vu_config config;
	struct vu_irqs irqs;
	struct vfio_user_counters counters;
	struct log_limit limit;		/* of what a client can make us say */
	uint8_t reply[sizeof(struct vu_header) + sizeof(struct vu_access) +
		      VU_DATA_MAX];
};

__attribute__((format(printf, 2, 3)))
void vu_warn(struct vfio_user *vu, const char *fmt, ...);

/* vfio_user_client.c */

int vu_client_open(struct vfio_user *vu, int fd);	/* 0 or -errno */
/* Is one there? Not one that has hung up, whose end was not read yet. */
bool vu_client_is_there(const struct vfio_user *vu);
/* The end of a client, if there is one: reset, and ready for the next. */
void vu_client_close(struct vfio_user *vu);
void vu_client_gone(struct vfio_user *vu);	/* it has hung up */
__attribute__((format(printf, 2, 3)))
void vu_client_drop(struct vfio_user *vu, const char *fmt, ...);

/* vfio_user_dev.c */

/*
 * Carries out a request. A reply's body goes to @body.
 * Return: length of the reply's body, or -errno to be answered.
 */
ssize_t vu_request(struct vfio_user *vu, const struct vu_request *request,
		   uint8_t *body);
const char *vu_command_name(unsigned int command);

/* Power-on state of everything but the client, its memory and eventfds. */
void vu_device_reset(struct vfio_user *vu);

/* vfio_user_config.c */

void vu_config_init(struct vu_config *config,
		    const struct vfio_user_ident *ident);
void vu_config_reset(struct vu_config *config);
void vu_config_write(struct vu_config *config, size_t offset,
		     const uint8_t *data, size_t size);
bool vu_config_master(const struct vu_config *config);
bool vu_config_msix_enabled(const struct vu_config *config);

/* vfio_user_irq.c */

void vu_irqs_init(struct vu_irqs *irqs);
void vu_irqs_disarm(struct vu_irqs *irqs);	/* and forget what is pending */
unsigned int vu_irqs_count(const struct vfio_user *vu, uint32_t index);
ssize_t vu_irqs_set(struct vfio_user *vu, const struct vu_request *request);

/* Return: false when there is no eventfd for it. */
bool vu_irqs_fire_error(struct vu_irqs *irqs);

#endif /* DUCTNET_VFIO_USER_PRIV_H */
