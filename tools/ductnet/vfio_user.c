// SPDX-License-Identifier: GPL-2.0-only
/* The socket: clients that come and go, messages and their fds, replies. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfio_user_priv.h"

/*
 * Taken from a socket in one go, so that a busy card lets the others and the
 * bus have their turn: 64 posted writes of 8 bytes, more if one message needs
 * it.
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

void vu_warn(struct vfio_user *vu, const char *fmt, ...)
{
	char line[160];
	va_list args;

	if (!log_limit_pass(&vu->limit))
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (vu->limit.missed)
		log_warn("%s: %llu more not shown", vu->addr.sun_path,
			 (unsigned long long)vu->limit.missed);
	vu->limit.missed = 0;
	log_warn("%s: %s", vu->addr.sun_path, line);
}

static void fds_close(struct vu_fds *fds)
{
	for (unsigned int i = 0; i < fds->count; i++)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	fds->count = 0;
}

/* The client is gone, or has to go. */
static void client_close(struct vfio_user *vu)
{
	struct vu_client *client = &vu->client;

	if (client->source.fd < 0)
		return;
	loop_del(vu->loop, &client->source);
	close(client->source.fd);
	client->source.fd = -1;
	client->ready = false;
	client->rx_len = 0;
	client->tx_len = 0;
	free(client->tx);
	client->tx = NULL;
	fds_close(&client->held);
	vu_irqs_disarm(&vu->irqs);
	guest_mem_unmap_all(vu->mem);
	vu_device_reset(vu);
}

__attribute__((format(printf, 2, 3)))
static void client_drop(struct vfio_user *vu, const char *fmt, ...)
{
	char reason[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	vu->counters.broken++;
	vu_warn(vu, "client dropped: %s", reason);
	client_close(vu);
}

static void client_gone(struct vfio_user *vu)
{
	if (vu->client.ready)
		log_info("%s: client gone", vu->addr.sun_path);
	client_close(vu);
}

/* The client gets told, and if that is not possible, dropped. */
static void alarm_ready(struct loop_source *source, uint32_t events)
{
	struct vfio_user *vu = (struct vfio_user *)
		((char *)source - offsetof(struct vfio_user, alarm));
	eventfd_t count;

	(void)events;
	eventfd_read(source->fd, &count);
	if (vu->client.source.fd < 0 || !guest_mem_broken(vu->mem))
		return;
	log_error("%s: a file under the guest's memory was cut off",
		  vu->addr.sun_path);
	if (!vu_irqs_fire_error(&vu->irqs))
		client_drop(vu, "its memory is gone");
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

/* Return: bytes taken, or -1 when the connection is of no use any more. */
static ssize_t tx_send(struct vfio_user *vu, const uint8_t *data, size_t size)
{
	ssize_t sent;

	do {
		sent = send(vu->client.source.fd, data, size,
			    MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return sent;
}

/* A message goes out in one piece: QEMU can not take a header in two. */
static bool tx_message(struct vfio_user *vu, const uint8_t *data, size_t size)
{
	ssize_t sent = 0;

	if (!vu->client.tx_len)
		sent = tx_send(vu, data, size);
	if (sent < 0) {
		client_gone(vu);
		return false;
	}
	if ((size_t)sent < size &&
	    !tx_keep(vu, data + sent, size - (size_t)sent)) {
		client_drop(vu, "it does not read its replies");
		return false;
	}
	return true;
}

/* The socket has room again. Return: false when the client is gone. */
static bool tx_flush(struct vfio_user *vu)
{
	struct vu_client *client = &vu->client;
	ssize_t sent;

	if (!client->tx_len)
		return true;
	sent = tx_send(vu, client->tx, client->tx_len);
	if (sent < 0) {
		client_gone(vu);
		return false;
	}
	client->tx_len -= (size_t)sent;
	memmove(client->tx, client->tx + sent, client->tx_len);
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
		client_drop(vu, "message of type %u, where only requests go",
			    header->flags & VU_TYPE_MASK);
		return false;
	}
	if (!vu->client.ready && header->command != VU_VERSION) {
		client_drop(vu, "%s before VERSION",
			    vu_command_name(header->command));
		return false;
	}
	if (!(header->flags & VU_NO_REPLY) &&
	    loop_away_ms(vu->loop) > STALL_MS) {
		client_drop(vu, "too late to answer, was away for %lld ms",
			    (long long)loop_away_ms(vu->loop));
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
		client_drop(vu, "message of %u bytes", bad_size);
		return;
	}
	if (fresh->count && last < old) {
		client_drop(vu, "file descriptors inside a message");
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

/* Return: bytes to ask for, so that a message begun gets completed. */
static size_t rx_want(const struct vu_client *client)
{
	size_t want = client->rx_len + RX_BUDGET;
	struct vu_header header;

	if (client->rx_len >= sizeof(header)) {
		memcpy(&header, client->rx, sizeof(header));
		if (header.size > want)
			want = header.size;
	}
	if (want > sizeof(client->rx))
		want = sizeof(client->rx);
	return want - client->rx_len;
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
	struct iovec iov = { .iov_base = client->rx + client->rx_len,
			     .iov_len = rx_want(client) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control.space) };
	size_t old = client->rx_len;
	struct vu_fds fds;
	ssize_t got;

	got = recvmsg(client->source.fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		client_gone(vu);
		return;
	}
	rx_take_fds(&msg, &fds);
	client->rx_len += (size_t)got;
	if (msg.msg_flags & MSG_CTRUNC)
		client_drop(vu, "file descriptors lost: too many, here or there");
	else
		rx_messages(vu, old, &fds);
	fds_close(&fds);
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
static bool client_is_there(const struct vfio_user *vu)
{
	struct pollfd poll_fd = { .fd = vu->client.source.fd };

	if (poll_fd.fd < 0)
		return false;
	return poll(&poll_fd, 1, 0) < 1 || !(poll_fd.revents & POLLHUP);
}

/*
 * No descriptor is left for the client that knocks. It would knock for ever:
 * give it the one kept for this, and hang up.
 */
static void turn_away(struct vfio_user *vu)
{
	int fd;

	vu_warn(vu, "client refused: %s", strerror(errno));
	vu->counters.refused++;
	if (vu->spare >= 0)
		close(vu->spare);
	fd = accept4(vu->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		close(fd);
	vu->spare = fcntl(vu->listener.fd, F_DUPFD_CLOEXEC, 0);
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	struct vfio_user *vu = (struct vfio_user *)
		((char *)source - offsetof(struct vfio_user, listener));
	struct vu_client *client = &vu->client;
	int fd;

	(void)events;
	fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			turn_away(vu);
		return;
	}
	if (client_is_there(vu)) {
		/* At once: QEMU waits 5 s for one that is not let in. */
		vu->counters.refused++;
		vu_warn(vu, "second client refused");
		close(fd);
		return;
	}
	if (client->source.fd >= 0)
		client_gone(vu);
	client->source.fd = fd;
	client->source.ready = client_ready;
	if (loop_add(vu->loop, &client->source, EPOLLIN)) {
		client->source.fd = -1;
		close(fd);
		return;
	}
	vu->counters.clients++;
}

/* Return: 0 when @addr is free or was made so, -1 with @err filled. */
static int make_way(const struct sockaddr_un *addr, char *err, size_t err_size)
{
	const char *path = addr->sun_path;
	struct stat st;
	int fd, failed;

	if (lstat(path, &st)) {
		if (errno == ENOENT)
			return 0;
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		return -1;
	}
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, err_size, "%s: exists and is not a socket", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		return -1;
	}
	failed = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) ?
			errno : 0;
	close(fd);
	if (failed == ECONNREFUSED) {
		if (!unlink(path) || errno == ENOENT)
			return 0;
		snprintf(err, err_size, "%s: stale, but can not be removed: %s",
			 path, strerror(errno));
	} else if (!failed || failed == EAGAIN) {
		snprintf(err, err_size, "%s: another process listens on it",
			 path);
	} else {
		snprintf(err, err_size, "%s: %s", path, strerror(failed));
	}
	return -1;
}

/* Return: 0, or -1 with @err filled. */
static int listener_open(struct vfio_user *vu, char *err, size_t err_size)
{
	const struct sockaddr *addr = (const struct sockaddr *)&vu->addr;
	const char *path = vu->addr.sun_path;
	struct stat st;
	mode_t mask;
	int fd, failed;

	if (make_way(&vu->addr, err, err_size))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		return -1;
	}
	mask = umask(0117);
	failed = bind(fd, addr, sizeof(vu->addr)) ? errno : 0;
	umask(mask);
	if (failed) {
		snprintf(err, err_size, "%s: %s", path, strerror(failed));
		close(fd);
		return -1;
	}
	vu->listener.fd = fd;
	vu->listener.ready = listener_ready;
	if (listen(fd, 4) || lstat(path, &st) ||
	    (errno = -loop_add(vu->loop, &vu->listener, EPOLLIN))) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		close(fd);
		unlink(path);
		return -1;
	}
	vu->dev = st.st_dev;
	vu->ino = st.st_ino;
	vu->spare = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return 0;
}

struct vfio_user *vfio_user_new(struct loop *loop, const char *path,
				const struct vfio_user_ident *ident,
				const struct vfio_user_ops *ops, void *device,
				struct guest_mem *mem, char *err,
				size_t err_size)
{
	struct vfio_user *vu;
	size_t len = strlen(path);

	if (!len || len >= sizeof(vu->addr.sun_path)) {
		snprintf(err, err_size,
			 "%s: a socket's path has 1 to %zu bytes, this has %zu",
			 path, sizeof(vu->addr.sun_path) - 1, len);
		return NULL;
	}
	vu = calloc(1, sizeof(*vu));
	if (!vu) {
		snprintf(err, err_size, "%s: %s", path, strerror(ENOMEM));
		return NULL;
	}
	vu->loop = loop;
	vu->addr.sun_family = AF_UNIX;
	memcpy(vu->addr.sun_path, path, len);
	vu->ident = *ident;
	vu->ops = ops;
	vu->device = device;
	vu->mem = mem;
	vu->client.source.fd = -1;
	vu_irqs_init(&vu->irqs);
	vu_config_init(&vu->config, ident);
	if (listener_open(vu, err, err_size)) {
		free(vu);
		return NULL;
	}
	guest_mem_set_master(mem, false);	/* a guest turns it on */
	return vu;
}

void vfio_user_free(struct vfio_user *vu)
{
	struct stat st;

	if (!vu)
		return;
	client_close(vu);
	loop_del(vu->loop, &vu->listener);
	close(vu->listener.fd);
	if (vu->spare >= 0)
		close(vu->spare);
	if (!lstat(vu->addr.sun_path, &st) && st.st_dev == vu->dev &&
	    st.st_ino == vu->ino)
		unlink(vu->addr.sun_path);
	free(vu);
}

bool vfio_user_connected(const struct vfio_user *vu)
{
	return vu->client.ready;
}

size_t vfio_user_unsent(const struct vfio_user *vu)
{
	return vu->client.tx_len;
}

const struct vfio_user_counters *vfio_user_counters(const struct vfio_user *vu)
{
	return &vu->counters;
}
