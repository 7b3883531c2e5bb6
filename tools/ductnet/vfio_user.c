// SPDX-License-Identifier: GPL-2.0-only
/* The socket a card listens on: who may have it, and who is let in. */
#include <errno.h>
#include <fcntl.h>
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

/*
 * A file under the guest's memory lost pages: the client gets told or, when it
 * did not arm the interrupt for that, dropped.
 */
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
		vu_client_drop(vu, "its memory is gone");
}

/* Return: 0, or -1 with @err filled. */
static int alarm_open(struct vfio_user *vu, char *err, size_t err_size)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int failed = fd < 0 ? errno : 0;

	vu->alarm.fd = fd;
	vu->alarm.ready = alarm_ready;
	if (!failed)
		failed = -loop_add(vu->loop, &vu->alarm, EPOLLIN);
	if (failed) {
		snprintf(err, err_size, "%s: %s", vu->addr.sun_path,
			 strerror(failed));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	guest_mem_set_alarm(vu->mem, fd);
	return 0;
}

static void alarm_close(struct vfio_user *vu)
{
	guest_mem_set_alarm(vu->mem, -1);
	loop_del(vu->loop, &vu->alarm);
	close(vu->alarm.fd);
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
	int fd, err;

	(void)events;
	fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			turn_away(vu);
		return;
	}
	if (vu_client_is_there(vu)) {
		/* At once: QEMU waits 5 s for one that is not let in. */
		vu->counters.refused++;
		vu_warn(vu, "second client refused");
		close(fd);
		return;
	}
	vu_client_gone(vu);
	err = vu_client_open(vu, fd);
	if (err) {
		vu_warn(vu, "client refused: %s", strerror(-err));
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
	if (alarm_open(vu, err, err_size))
		goto err_free;
	if (listener_open(vu, err, err_size))
		goto err_alarm;
	return vu;

err_alarm:
	alarm_close(vu);
err_free:
	free(vu);
	return NULL;
}

void vfio_user_free(struct vfio_user *vu)
{
	struct stat st;

	if (!vu)
		return;
	vu_client_close(vu);
	alarm_close(vu);
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
