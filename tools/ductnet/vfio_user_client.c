// SPDX-License-Identifier: GPL-2.0-only
/* A connected client: its messages and their fds, the replies, its end. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfio_user_priv.h"

/*
 * Taken from a socket in one go, so that a busy card lets the others and the
 * bus have their turn: 64 posted writes of 8 bytes.
 */
#define RX_BUDGET	2560u

/* A client that leaves this much unread is given up. */
#define TX_MAX		(256u * 1024)

/*
 * QEMU gives up on a reply after 5 s, and takes one that comes later for a
 * broken connection that it keeps: each access then costs its guest 5 s. It
 * takes a closed socket better.
 */
#define STALL_MS	4000

static void fds_close(struct vu_fds *fds)
{
	for (unsigned int i = 0; i < fds->count; i++)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	fds->count = 0;
}

/* The client is gone, or has to go. */
void vu_client_close(struct vfio_user *vu)
{
	struct vu_client *client = &vu->client;

	if (client->source.fd < 0)
		return;
	loop_del(vu->loop, &client->source);
	close(client->source.fd);
	client->source.fd = -1;
	client->ready = false;
	client->late_ms = 0;
	client->rx_len = 0;
	client->tx_len = 0;
	free(client->tx);
	client->tx = NULL;
	fds_close(&client->held);
	vu_irqs_disarm(&vu->irqs);
	guest_mem_unmap_all(vu->mem);
	vu_device_reset(vu);
}

void vu_client_drop(struct vfio_user *vu, const char *fmt, ...)
{
	char reason[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	vu->counters.broken++;
	vu_warn(vu, "client dropped: %s", reason);
	vu_client_close(vu);
}

void vu_client_gone(struct vfio_user *vu)
{
	if (vu->client.ready)
		log_info("%s: client gone", vu->addr.sun_path);
	vu_client_close(vu);
}

/* Keeps what the socket does not take. Return: false when there is no room. */
static bool tx_keep(struct vfio_user *vu, const uint8_t *data, size_t size)
{
	struct vu_client *client = &vu->client;

	if (!client->tx)
		client->tx = malloc(TX_MAX);
	if (!client->tx || size > TX_MAX - client->tx_len)
		return false;
	if (!client->tx_len &&
	    loop_mod(vu->loop, &client->source, EPOLLIN | EPOLLOUT))
		return false;
	memcpy(client->tx + client->tx_len, data, size);
	client->tx_len += size;
	return true;
}

enum tx_result { TX_SENT, TX_FULL, TX_DEAD };

/*
 * A message goes out whole or not at all, as QEMU can not take a header in two:
 * an AF_UNIX socket takes what is smaller than half its buffer in one piece.
 */
static enum tx_result tx_send(struct vfio_user *vu, const uint8_t *data,
			      size_t size)
{
	ssize_t sent;

	do {
		sent = send(vu->client.source.fd, data, size,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EAGAIN)
		return TX_FULL;
	return sent == (ssize_t)size ? TX_SENT : TX_DEAD;
}

/* Return: false when the client is gone. */
static bool tx_message(struct vfio_user *vu, const uint8_t *data, size_t size)
{
	enum tx_result result = TX_FULL;	/* behind what is kept */

	if (!vu->client.tx_len)
		result = tx_send(vu, data, size);
	if (result == TX_DEAD) {
		vu_client_gone(vu);
		return false;
	}
	if (result == TX_FULL && !tx_keep(vu, data, size)) {
		vu_client_drop(vu, "it does not read its replies");
		return false;
	}
	return true;
}

/* The socket has room again. Return: false when the client is gone. */
static bool tx_flush(struct vfio_user *vu)
{
	struct vu_client *client = &vu->client;
	enum tx_result result = TX_SENT;
	size_t at = 0;

	while (at < client->tx_len && result == TX_SENT) {
		struct vu_header header;

		memcpy(&header, client->tx + at, sizeof(header));
		result = tx_send(vu, client->tx + at, header.size);
		if (result == TX_SENT)
			at += header.size;
	}
	if (result == TX_DEAD) {
		vu_client_gone(vu);
		return false;
	}
	if (!at)
		return true;
	client->tx_len -= at;
	memmove(client->tx, client->tx + at, client->tx_len);
	if (!client->tx_len)
		loop_mod(vu->loop, &client->source, EPOLLIN);
	return true;
}

/* Answers with vu->reply, or with an error. */
static bool answer(struct vfio_user *vu, const struct vu_request *request,
		   ssize_t result)
{
	struct vu_header header = {
		.id = request->header.id,
		.command = request->header.command,
		.size = sizeof(header),
		.flags = VU_TYPE_REPLY,
	};

	if (result < 0) {
		vu->counters.errors++;
		vu_warn(vu, "bad %s (command %u): %s",
			vu_command_name(request->header.command),
			request->header.command, strerror((int)-result));
		header.flags |= VU_ERROR;
		header.error = (uint32_t)-result;
	} else {
		header.size += (uint32_t)result;
	}
	if (request->header.flags & VU_NO_REPLY)
		return true;
	memcpy(vu->reply, &header, sizeof(header));
	return tx_message(vu, vu->reply, header.size);
}

/* Return: false when the client was dropped. */
static bool rx_message(struct vfio_user *vu, const uint8_t *message,
		       const struct vu_header *header, struct vu_fds *fds)
{
	struct vu_request request = {
		.header = *header,
		.body = message + sizeof(*header),
		.size = header->size - sizeof(*header),
		.fds = fds,
	};
	ssize_t result;
	bool going_on;

	if ((header->flags & VU_TYPE_MASK) != VU_TYPE_COMMAND) {
		vu_client_drop(vu, "message of type %u, where only requests go",
			    header->flags & VU_TYPE_MASK);
		return false;
	}
	if (!vu->client.ready && header->command != VU_VERSION) {
		vu_client_drop(vu, "%s before VERSION",
			    vu_command_name(header->command));
		return false;
	}
	if (vu->client.late_ms && !(header->flags & VU_NO_REPLY)) {
		vu_client_drop(vu, "too late to answer, was away for %lld ms",
			       (long long)vu->client.late_ms);
		return false;
	}
	vu->counters.messages++;
	result = vu_request(vu, &request,
			    vu->reply + sizeof(struct vu_header));
	going_on = answer(vu, &request, result);
	if (going_on && header->command == VU_VERSION && result >= 0)
		log_info("%s: client connected", vu->addr.sun_path);
	return going_on;
}

/*
 * Finds where the last message that has begun starts.
 * Return: false when what is there can not be cut into messages.
 */
static bool rx_scan(const struct vu_client *client, size_t *last,
		    uint32_t *bad_size)
{
	size_t at = 0;

	while (at < client->rx_len) {
		struct vu_header header;

		*last = at;
		if (client->rx_len - at < sizeof(header))
			break;
		memcpy(&header, client->rx + at, sizeof(header));
		if (header.size < sizeof(header) ||
		    header.size > VU_MESSAGE_MAX) {
			*bad_size = header.size;
			return false;
		}
		at += header.size;
	}
	return true;
}

/*
 * Carries out the complete messages in rx. @fresh came with the last recvmsg(),
 * which began at @old. unix(7): it may have returned messages without fds and,
 * behind them, one with fds, but nothing behind that. So @fresh belongs to the
 * last message that started in it.
 */
static void rx_messages(struct vfio_user *vu, size_t old, struct vu_fds *fresh)
{
	struct vu_client *client = &vu->client;
	uint32_t bad_size = 0;
	size_t last = 0;
	size_t at = 0;

	if (!rx_scan(client, &last, &bad_size)) {
		vu_client_drop(vu, "message of %u bytes", bad_size);
		return;
	}
	if (fresh->count && last < old) {
		vu_client_drop(vu, "file descriptors inside a message");
		return;
	}
	while (client->rx_len - at >= sizeof(struct vu_header)) {
		struct vu_fds none = { .count = 0 };
		struct vu_fds *fds = &none;
		struct vu_header header;
		bool going_on;

		memcpy(&header, client->rx + at, sizeof(header));
		if (client->rx_len - at < header.size)
			break;
		if (client->held.count && !at)
			fds = &client->held;
		else if (at == last)
			fds = fresh;
		going_on = rx_message(vu, client->rx + at, &header, fds);
		fds_close(fds);
		if (!going_on)
			return;
		at += header.size;
	}
	client->rx_len -= at;
	memmove(client->rx, client->rx + at, client->rx_len);
	if (fresh->count) {
		client->held = *fresh;
		fresh->count = 0;
	}
}

static void rx_take_fds(struct msghdr *msg, struct vu_fds *fds)
{
	struct cmsghdr *cmsg;

	fds->count = 0;
	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t size = cmsg->cmsg_len - CMSG_LEN(0);

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS || size > sizeof(fds->fd))
			continue;
		memcpy(fds->fd, CMSG_DATA(cmsg), size);
		fds->count = (unsigned int)(size / sizeof(int));
	}
}

static void client_receive(struct vfio_user *vu)
{
	struct vu_client *client = &vu->client;
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(VU_FDS_MAX * sizeof(int))];
	} control;
	size_t room = sizeof(client->rx) - client->rx_len;
	struct iovec iov = { .iov_base = client->rx + client->rx_len,
			     .iov_len = room < RX_BUDGET ? room : RX_BUDGET };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.space) };
	size_t old = client->rx_len;
	struct vu_fds fds;
	bool drained;
	ssize_t got;

	got = recvmsg(client->source.fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		vu_client_gone(vu);
		return;
	}
	rx_take_fds(&msg, &fds);
	drained = (size_t)got < iov.iov_len && !fds.count;
	client->rx_len += (size_t)got;
	if (loop_away_ms(vu->loop) > STALL_MS)
		client->late_ms = loop_away_ms(vu->loop);
	if (msg.msg_flags & MSG_CTRUNC)
		vu_client_drop(vu, "file descriptors lost: too many, here or there");
	else
		rx_messages(vu, old, &fds);
	fds_close(&fds);
	if (drained)
		client->late_ms = 0;
}

static void client_ready(struct loop_source *source, uint32_t events)
{
	struct vfio_user *vu = (struct vfio_user *)
		((char *)source - offsetof(struct vfio_user, client.source));

	if (events & EPOLLOUT && !tx_flush(vu))
		return;
	if (events & ~(uint32_t)EPOLLOUT)
		client_receive(vu);
}

/* A client that has hung up, but whose end was not read yet, is none. */
bool vu_client_is_there(const struct vfio_user *vu)
{
	struct pollfd poll_fd = { .fd = vu->client.source.fd };

	if (poll_fd.fd < 0)
		return false;
	return poll(&poll_fd, 1, 0) < 1 || !(poll_fd.revents & POLLHUP);
}

int vu_client_open(struct vfio_user *vu, int fd)
{
	struct vu_client *client = &vu->client;
	int err;

	client->source.fd = fd;
	client->source.ready = client_ready;
	err = loop_add(vu->loop, &client->source, EPOLLIN);
	if (err)
		client->source.fd = -1;
	return err;
}
