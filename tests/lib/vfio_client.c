// SPDX-License-Identifier: GPL-2.0-only
#include "vfio_client.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "duct_hw.h"

#define FDS_MAX		64		/* more than a server takes */
#define PCI_COMMAND	4		/* config space */
#define PCI_MASTER	0x0006		/* memory space, bus master */

int64_t vc_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int guest_memory(struct vfio_client *vc, uint64_t size)
{
	void *mem;

	vc->memfd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (vc->memfd < 0 || ftruncate(vc->memfd, (off_t)size))
		return -errno;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vc->memfd,
		   0);
	if (mem == MAP_FAILED)
		return -errno;
	vc->mem = mem;
	vc->mem_size = size;
	return 0;
}

int vc_open(struct vfio_client *vc, uint64_t mem_size)
{
	memset(vc, 0, sizeof(*vc));
	vc->fd = -1;
	vc->memfd = -1;
	vc->timeout_ms = VC_TIMEOUT_MS;
	for (int i = 0; i < VC_VECTORS; i++)
		vc->event[i] = -1;
	for (int i = 0; i < VC_VECTORS; i++) {
		vc->event[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vc->event[i] < 0)
			return -errno;
	}
	return guest_memory(vc, mem_size);
}

void vc_close(struct vfio_client *vc)
{
	vc_disconnect(vc);
	if (vc->mem)
		munmap(vc->mem, vc->mem_size);
	if (vc->memfd >= 0)
		close(vc->memfd);
	for (int i = 0; i < VC_VECTORS; i++)
		if (vc->event[i] >= 0)
			close(vc->event[i]);
	vc->mem = NULL;
	vc->memfd = -1;
	for (int i = 0; i < VC_VECTORS; i++)
		vc->event[i] = -1;
}

int vc_connect(struct vfio_client *vc, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int err;

	if (len >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, len);
	vc_disconnect(vc);
	vc->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (vc->fd < 0)
		return -errno;
	if (connect(vc->fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		vc_disconnect(vc);
		return err;
	}
	return 0;
}

void vc_disconnect(struct vfio_client *vc)
{
	if (vc->fd >= 0)
		close(vc->fd);
	vc->fd = -1;
}

int vc_attach(struct vfio_client *vc, const char *path)
{
	uint16_t command = PCI_MASTER;
	int err;

	err = vc_connect(vc, path);
	if (!err)
		err = vc_version(vc);
	if (!err)
		err = vc_map(vc, 0, vc->mem_size, vc->memfd, 0,
			     VU_MAP_READ | VU_MAP_WRITE);
	if (!err)
		err = vc_write(vc, VU_REGION_CONFIG, PCI_COMMAND, &command,
			       sizeof(command));
	for (uint32_t i = 0; i < VC_VECTORS && !err; i++)
		err = vc_arm(vc, i);
	return err;
}

/* Return: 0 when @events are there before @deadline, or -errno. */
static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline - vc_now_ms();
		int n = poll(&poll_fd, 1, left > 0 ? (int)left : 0);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n && left <= 0)
			return -ETIMEDOUT;
	}
}

int vc_send(struct vfio_client *vc, const void *data, size_t size,
	    const int *fds, unsigned int count)
{
	int64_t deadline = vc_now_ms() + vc->timeout_ms;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data,
			     .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (count > FDS_MAX)
		return -E2BIG;
	if (count) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	while (iov.iov_len) {
		ssize_t sent = sendmsg(vc->fd, &msg,
				       MSG_NOSIGNAL | MSG_DONTWAIT);
		int err;

		if (sent >= 0) {
			iov.iov_base = (char *)iov.iov_base + sent;
			iov.iov_len -= (size_t)sent;
			msg.msg_control = NULL;
			msg.msg_controllen = 0;
			continue;
		}
		if (errno == ECONNRESET || errno == EPIPE)
			return -EPIPE;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		err = wait_for(vc->fd, POLLOUT, deadline);
		if (err)
			return err;
	}
	return 0;
}

int vc_wait_taken(struct vfio_client *vc)
{
	int64_t deadline = vc_now_ms() + vc->timeout_ms;
	int left = 0;

	while (!ioctl(vc->fd, SIOCOUTQ, &left) && left) {
		if (vc_now_ms() >= deadline)
			return -ETIMEDOUT;
		sched_yield();
	}
	return left ? -errno : 0;
}

size_t vc_format(void *message, uint16_t id, uint16_t command, uint32_t flags,
		 const void *body, size_t size)
{
	struct vu_header header = {
		.id = id,
		.command = command,
		.size = (uint32_t)(sizeof(header) + size),
		.flags = flags,
	};

	memcpy(message, &header, sizeof(header));
	if (size)
		memcpy((char *)message + sizeof(header), body, size);
	return header.size;
}

static int receive(struct vfio_client *vc, void *data, size_t size,
		   int64_t deadline)
{
	while (size) {
		ssize_t got;
		int err = wait_for(vc->fd, POLLIN, deadline);

		if (err)
			return err;
		got = recv(vc->fd, data, size, MSG_DONTWAIT);
		if (!got || (got < 0 && errno == ECONNRESET))
			return -EPIPE;
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (got < 0)
			continue;
		data = (char *)data + got;
		size -= (size_t)got;
	}
	return 0;
}

int vc_receive(struct vfio_client *vc, struct vu_header *header, void *body,
	       size_t room)
{
	int64_t deadline = vc_now_ms() + vc->timeout_ms;
	int err;

	err = receive(vc, header, sizeof(*header), deadline);
	if (err)
		return err;
	if (header->size < sizeof(*header) ||
	    header->size - sizeof(*header) > room)
		return -EPROTO;
	return receive(vc, body, header->size - sizeof(*header), deadline);
}

int vc_wait_hangup(struct vfio_client *vc)
{
	char byte;
	int err = receive(vc, &byte, 1, vc_now_ms() + vc->timeout_ms);

	if (err == -EPIPE)
		return 0;
	return err ? err : -EPROTO;
}

int vc_call(struct vfio_client *vc, const struct vc_call *call)
{
	uint8_t message[VC_MESSAGE_MAX];
	struct vu_header header;
	size_t size;
	int err;

	size = vc_format(message, ++vc->id, call->command, call->flags,
			 call->body, call->size);
	err = vc_send(vc, message, size, call->fds, call->fd_count);
	if (err || call->flags & VU_NO_REPLY)
		return err;
	err = vc_receive(vc, &header, message, sizeof(message));
	if (err)
		return err;
	if (header.id != vc->id || header.command != call->command ||
	    (header.flags & VU_TYPE_MASK) != VU_TYPE_REPLY)
		return -EPROTO;
	if (header.flags & VU_ERROR)
		return header.size == sizeof(header) && header.error ?
			(int)header.error : -EPROTO;
	if (header.size - sizeof(header) != call->reply_size)
		return -EPROTO;
	if (call->reply_size)
		memcpy(call->reply, message, call->reply_size);
	return 0;
}

/* As long as QEMU's, and the answer must not be longer. */
int vc_version(struct vfio_client *vc)
{
	uint8_t message[16 + 4 + 194] = { 0 };
	static const char json[] = "{\"capabilities\":{}}";
	struct vu_header header;
	struct vu_version version;
	int err;

	memcpy(message + 20, json, sizeof(json));
	vc_format(message, ++vc->id, VU_VERSION, 0, NULL, 0);
	memcpy(&header, message, sizeof(header));
	header.size = sizeof(message);
	memcpy(message, &header, sizeof(header));
	err = vc_send(vc, message, sizeof(message), NULL, 0);
	if (err)
		return err;
	err = vc_receive(vc, &header, message,
			 sizeof(message) - sizeof(header));
	if (err)
		return err;
	if (header.flags & VU_ERROR)
		return (int)header.error;
	if (header.size <= sizeof(header) + sizeof(version) ||
	    message[header.size - sizeof(header) - 1])
		return -EPROTO;
	memcpy(&version, message, sizeof(version));
	return version.major || message[4] != '{' ? -EPROTO : 0;
}

int vc_reset(struct vfio_client *vc)
{
	struct vc_call call = { .command = VU_RESET };

	return vc_call(vc, &call);
}

int vc_map(struct vfio_client *vc, uint64_t iova, uint64_t size, int fd,
	   uint64_t offset, uint32_t flags)
{
	struct vu_dma_map map = { .argsz = sizeof(map), .flags = flags,
				  .offset = offset, .iova = iova,
				  .size = size };
	struct vc_call call = { .command = VU_DMA_MAP, .body = &map,
				.size = sizeof(map), .fds = &fd,
				.fd_count = fd >= 0 };

	return vc_call(vc, &call);
}

int vc_unmap(struct vfio_client *vc, uint64_t iova, uint64_t size,
	     uint32_t flags)
{
	struct vu_dma_unmap unmap = { .argsz = sizeof(unmap), .flags = flags,
				      .iova = iova, .size = size };
	struct vu_dma_unmap echo;
	struct vc_call call = { .command = VU_DMA_UNMAP, .body = &unmap,
				.size = sizeof(unmap), .reply = &echo,
				.reply_size = sizeof(echo) };

	return vc_call(vc, &call);
}

int vc_read(struct vfio_client *vc, uint32_t region, uint64_t offset,
	    void *data, uint32_t count)
{
	struct vu_access access = { .offset = offset, .region = region,
				    .count = count };
	uint8_t reply[sizeof(access) + 4096];
	struct vc_call call = { .command = VU_REGION_READ, .body = &access,
				.size = sizeof(access), .reply = reply,
				.reply_size = sizeof(access) + count };
	int err;

	if (call.reply_size > sizeof(reply))
		call.reply_size = sizeof(reply);	/* must be refused */
	err = vc_call(vc, &call);
	if (err)
		return err;
	if (memcmp(reply, &access, sizeof(access)))
		return -EPROTO;
	memcpy(data, reply + sizeof(access), count);
	return 0;
}

static int region_write(struct vfio_client *vc, uint32_t flags, uint32_t region,
			uint64_t offset, const void *data, uint32_t count)
{
	struct vu_access access = { .offset = offset, .region = region,
				    .count = count };
	uint8_t body[sizeof(access) + 4096];
	struct vu_access echo;
	struct vc_call call = { .command = VU_REGION_WRITE, .flags = flags,
				.body = body, .size = sizeof(access) + count,
				.reply = &echo, .reply_size = sizeof(echo) };

	if (count > 4096)
		return -E2BIG;
	memcpy(body, &access, sizeof(access));
	memcpy(body + sizeof(access), data, count);
	return vc_call(vc, &call);
}

int vc_write(struct vfio_client *vc, uint32_t region, uint64_t offset,
	     const void *data, uint32_t count)
{
	return region_write(vc, 0, region, offset, data, count);
}

int vc_post(struct vfio_client *vc, uint32_t region, uint64_t offset,
	    const void *data, uint32_t count)
{
	return region_write(vc, VU_NO_REPLY, region, offset, data, count);
}

int vc_post_multi(struct vfio_client *vc, const struct vu_multi *multi,
		  uint64_t count)
{
	uint8_t body[sizeof(count) + VU_MULTI_MAX * sizeof(*multi)];
	struct vc_call call = { .command = VU_WRITE_MULTI,
				.flags = VU_NO_REPLY, .body = body,
				.size = sizeof(count) + count * sizeof(*multi) };

	if (count > VU_MULTI_MAX)
		return -E2BIG;
	memcpy(body, &count, sizeof(count));
	memcpy(body + sizeof(count), multi, count * sizeof(*multi));
	return vc_call(vc, &call);
}

uint32_t vc_read32(struct vfio_client *vc, uint32_t offset)
{
	uint32_t value;

	if (vc_read(vc, VU_REGION_BAR0, offset, &value, sizeof(value)))
		return UINT32_MAX;
	return value;
}

int vc_write32(struct vfio_client *vc, uint32_t offset, uint32_t value)
{
	return vc_post(vc, VU_REGION_BAR0, offset, &value, sizeof(value));
}

int vc_write64(struct vfio_client *vc, uint32_t offset, uint64_t value)
{
	return vc_post(vc, VU_REGION_BAR0, offset, &value, sizeof(value));
}

int vc_set_irqs(struct vfio_client *vc, uint32_t flags, uint32_t index,
		uint32_t start, uint32_t count, const int *fds,
		unsigned int fd_count)
{
	struct vu_irq_set set = { .argsz = sizeof(set), .flags = flags,
				  .index = index, .start = start,
				  .count = count };
	struct vc_call call = { .command = VU_SET_IRQS, .body = &set,
				.size = sizeof(set), .fds = fds,
				.fd_count = fd_count };

	return vc_call(vc, &call);
}

int vc_arm(struct vfio_client *vc, uint32_t vector)
{
	return vc_set_irqs(vc, VU_IRQ_DATA_EVENTFD | VU_IRQ_TRIGGER,
			   VU_IRQ_MSIX, vector, 1, &vc->event[vector], 1);
}

int vc_disarm_all(struct vfio_client *vc)
{
	return vc_set_irqs(vc, VU_IRQ_DATA_NONE | VU_IRQ_TRIGGER, VU_IRQ_MSIX,
			   0, 0, NULL, 0);
}

uint64_t vc_poll_event(struct vfio_client *vc, uint32_t vector)
{
	uint64_t count;

	if (read(vc->event[vector], &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

uint64_t vc_wait_event(struct vfio_client *vc, uint32_t vector)
{
	if (wait_for(vc->event[vector], POLLIN, vc_now_ms() + vc->timeout_ms))
		return 0;
	return vc_poll_event(vc, vector);
}
