// SPDX-License-Identifier: GPL-2.0-only
#include "duct_client.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S	1000000000u

/* The interface hangs on the same PCI device. It may have been renamed. */
static void find_netdev(struct duct_client *client, dev_t device)
{
	char pattern[96];
	glob_t found;

	client->netdev[0] = '\0';
	snprintf(pattern, sizeof(pattern), "/sys/dev/char/%u:%u/device/net/*",
		 major(device), minor(device));
	if (glob(pattern, 0, NULL, &found))
		return;
	snprintf(client->netdev, sizeof(client->netdev), "%.*s", IFNAMSIZ - 1,
		 strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
}

int duct_open(struct duct_client *client, const char *path, int access)
{
	struct stat st;
	int error;

	client->fd = -1;
	client->netdev[0] = '\0';
	snprintf(client->path, sizeof(client->path), "%s", path);
	client->fd = open(path, access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (client->fd < 0)
		return -errno;
	if (fstat(client->fd, &st) ||
	    ioctl(client->fd, DUCTIOC_GET_INFO, &client->info)) {
		error = -errno;
		duct_close(client);
		return error;
	}
	find_netdev(client, st.st_rdev);
	return 0;
}

void duct_close(struct duct_client *client)
{
	close(client->fd);
	client->fd = -1;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t duct_deadline(uint64_t ns)
{
	return now() + ns;
}

bool duct_deadline_passed(uint64_t deadline)
{
	return deadline != DUCT_NEVER && now() >= deadline;
}

/*
 * Return: -EIO if the device says that it is broken. The caller tries once
 * more, and has a better errno then.
 */
static int wait_for(const struct duct_client *client, short events,
		    uint64_t deadline)
{
	struct pollfd fd = { .fd = client->fd, .events = events };
	struct timespec left, *timeout = NULL;
	int ready;

	do {
		if (deadline != DUCT_NEVER) {
			uint64_t at = now();
			uint64_t ns = deadline > at ? deadline - at : 0;

			left.tv_sec = (time_t)(ns / NS_PER_S);
			left.tv_nsec = (long)(ns % NS_PER_S);
			timeout = &left;
		}
		ready = ppoll(&fd, 1, timeout, NULL);
	} while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return -errno;
	if (!ready)
		return -ETIMEDOUT;
	return fd.revents & (POLLERR | POLLHUP | POLLNVAL) ? -EIO : 0;
}

int duct_join(struct duct_client *client, const struct duct_mcast_arg *group)
{
	return ioctl(client->fd, DUCTIOC_ADD_MCAST, group) ? -errno : 0;
}

/* Return: octets, or a negative errno: -EAGAIN if it has to be waited for. */
static ssize_t transfer(struct duct_client *client, bool out,
			const struct iovec *iov, int count)
{
	ssize_t done;

	do {
		done = out ? writev(client->fd, iov, count) :
			     readv(client->fd, iov, count);
	} while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : done;
}

/* The same, until it can be done or the deadline comes. */
static ssize_t transfer_by(struct duct_client *client, bool out,
			   const struct iovec *iov, int count,
			   uint64_t deadline)
{
	int broken = 0;

	for (;;) {
		ssize_t done = transfer(client, out, iov, count);

		if (done != -EAGAIN)
			return done;
		if (broken)
			return broken;
		broken = wait_for(client, out ? POLLOUT : POLLIN, deadline);
		if (broken && broken != -EIO)
			return broken;
	}
}

int duct_send(struct duct_client *client, uint32_t dst, const void *payload,
	      size_t len, uint64_t deadline)
{
	struct duct_packet_hdr hdr = {
		.dpkt_destination = dst,
		.dpkt_length = (__u32)len,
	};
	const struct iovec iov[] = {
		{ .iov_base = &hdr, .iov_len = sizeof(hdr) },
		{ .iov_base = (void *)(uintptr_t)payload, .iov_len = len },
	};
	ssize_t done;

	if (len > DUCT_PAYLOAD_MAX)
		return -EMSGSIZE;
	done = transfer_by(client, true, iov, 2, deadline);
	if (done < 0)
		return (int)done;
	return (size_t)done == sizeof(hdr) + len ? 0 : -EPROTO;
}

int duct_receive(struct duct_client *client, struct duct_packet *packet,
		 uint64_t deadline)
{
	const struct iovec iov[] = {
		{ .iov_base = &packet->hdr, .iov_len = sizeof(packet->hdr) },
		{ .iov_base = packet->payload, .iov_len = DUCT_PAYLOAD_MAX },
	};
	ssize_t done = transfer_by(client, false, iov, 2, deadline);

	if (done < 0)
		return (int)done;
	if ((size_t)done < sizeof(packet->hdr) ||
	    (size_t)done - sizeof(packet->hdr) != packet->hdr.dpkt_length)
		return -EPROTO;
	return 0;
}

static bool is_answer(const struct duct_question *question,
		      const struct duct_packet *packet)
{
	if (packet->hdr.dpkt_source != question->station)
		return false;
	return !question->echo ||
	       (packet->hdr.dpkt_length == question->len &&
		!memcmp(packet->payload, question->payload, question->len));
}

/* One request. */
static int ask_once(struct duct_client *client,
		    const struct duct_question *question,
		    struct duct_packet *answer)
{
	uint64_t deadline = duct_deadline(question->timeout_ns);
	int err;

	err = duct_send(client, question->station, question->payload,
			question->len, deadline);
	if (err && err != -ENOBUFS)
		return err;
	do {
		err = duct_receive(client, answer, deadline);
		if (err || is_answer(question, answer))
			return err;
	} while (!duct_deadline_passed(deadline));
	return -ETIMEDOUT;
}

int duct_ask(struct duct_client *client, const struct duct_question *question,
	     struct duct_packet *answer)
{
	uint32_t left = question->retries;
	int err;

	do {
		err = ask_once(client, question, answer);
	} while (err == -ETIMEDOUT && left--);
	return err;
}

bool duct_is_down(const struct duct_client *client)
{
	char path[64];
	unsigned int flags;
	bool down;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/flags",
		 client->netdev);
	file = client->netdev[0] ? fopen(path, "re") : NULL;
	if (!file)
		return false;
	down = fscanf(file, "%x", &flags) == 1 && !(flags & IFF_UP);
	fclose(file);
	return down;
}

void duct_complain(const struct duct_client *client, const char *what, int err)
{
	const char *path = client->path;
	const char *slash = strrchr(path, '/');
	const char *netdev = client->netdev[0] ? client->netdev :
			     slash ? slash + 1 : path;

	switch (-err) {
	case ENETDOWN:
		warnx("%s: %s: the interface %s is down; try: ip link set %s up",
		      path, what, netdev, netdev);
		break;
	case EACCES:
	case EPERM:
		warnx("%s: %s: permission denied; try it as root (sudo)",
		      path, what);
		break;
	case ENOENT:
	case ENXIO:
		warnx("%s: %s: no such device; is the driver loaded (modprobe duct), and is there a card?",
		      path, what);
		break;
	case ENODEV:
		warnx("%s: %s: the card or its driver is gone", path, what);
		break;
	case ENOTTY:
		warnx("%s: %s: not a duct device", path, what);
		break;
	case EIO:
		warnx("%s: %s: the card has failed; try: ip link set %s down; ip link set %s up",
		      path, what, netdev, netdev);
		break;
	case ETIMEDOUT:
		warnx("%s: %s: the time is up", path, what);
		break;
	case ENOSPC:
		warnx("%s: %s: the card has no room for another group",
		      path, what);
		break;
	case ENOBUFS:
		warnx("%s: %s: the queue of %s is full; try again later",
		      path, what, netdev);
		break;
	default:
		warnx("%s: %s: %s", path, what, strerror(-err));
	}
}

static void guard_stdio(void)
{
	/* The wrong way round, so that using them is still an error. */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			exit(EXIT_FAILURE);
	}
}

void duct_begin(void)
{
	guard_stdio();
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
}
