/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs that test /dev/ductN inside a guest share. The guest has two cards on one Ductnet, so that what is
 * written to /dev/duct0 is read from /dev/duct1.
 *
 * Layouts and numbers are written down here anew, not taken from <linux/duct.h>: that header is tested too.
 */
#ifndef CHARDEV_H
#define CHARDEV_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADER		16
#define PACKET_MAX	16384
#define GROUP		0x80000000U
#define BROADCAST	0xffffffffU
#define ECHO		0x0000ec60U
#define QUOTE		0x0000beefU
/* An address no station has. */
#define NOBODY		0x00000bad

#define GET_INFO	0x800c7a00UL
#define ADD_MCAST	0x40087a01UL
#define RM_MCAST	0x40087a02UL

/* What may take a moment is over after this, or never. */
#define PATIENCE_MS	10000

struct header {
	uint32_t source;
	uint32_t destination;
	uint32_t length;
	uint32_t reserved;
};

struct packet {
	struct header header;
	uint8_t data[PACKET_MAX + 64];
};

struct info {
	uint32_t major;
	uint32_t minor;
	uint32_t address;
};

struct filter {
	uint32_t mask;
	uint32_t address;
};

#define assert_errno(call, expected) do {				\
	errno = 0;							\
	assert_int_equal(call, -1);					\
	assert_int_equal(errno, expected);				\
} while (0)

/* The main() of a test program: runs the one case that is named. */
#define CHARDEV_TESTS(tests)						\
int main(int argc, char **argv)						\
{									\
	chardev_begin(argc, argv, tests, sizeof(tests) / sizeof(*tests)); \
	return cmocka_run_group_tests(tests, NULL, NULL);		\
}

void chardev_begin(int argc, char **argv, const struct CMUnitTest *tests, size_t count);

int card_open(unsigned int card, int flags);
uint32_t card_address(unsigned int card);
/* One of "ethtool -S". */
unsigned long card_counter(unsigned int card, const char *name);
void await_counter(unsigned int card, const char *name, unsigned long least);

/* Octets of which each depends on its place, so that pieces in the wrong order show. */
void pattern(uint8_t *data, size_t length, uint32_t seed);
void packet_make(struct packet *packet, uint32_t destination, uint32_t length, uint32_t seed);
void packet_send(int fd, uint32_t destination, uint32_t length, uint32_t seed);
/* The next packet is this one, whole. */
void packet_expect(int fd, uint32_t source, uint32_t destination, uint32_t length, uint32_t seed);
/* The next packet is the one sent now, so none came before. @from is a file of card 0, @to one of card 1. */
void packet_expect_none(int from, int to);

/* The file is ready for all of these events, after a while at most. */
void await_events(int fd, short events);
short events_now(int fd);

int filter_ioctl(int fd, unsigned long request, uint32_t mask, uint32_t address);
void filter_add(int fd, uint32_t mask, uint32_t address);
void filter_remove(int fd, uint32_t mask, uint32_t address);

/* A shell command, which succeeds. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A shell command, repeated until it succeeds. */
void shell_until(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* From now on what is sent waits in the card's queueing discipline, of so many octets. */
void card_stall(unsigned int card, int fd, unsigned int limit);
void card_release(unsigned int card);
/* Writes packets of @length octets without waiting until there is no room; returns how many there was room for. */
unsigned int card_fill(int fd, uint32_t destination, uint32_t length);
void card_down(unsigned int card);
void card_up(unsigned int card);
void card_fail(unsigned int card);
void card_remove(unsigned int card);
void set_blocking(int fd, bool blocking);

/* Whether a thread of this process sleeps in that system call, with that first argument unless it is -1. */
bool thread_sleeps(pid_t tid, long call, long argument);

/* A read or write in a thread of its own. */
struct blocked {
	pthread_t thread;
	pid_t tid;
	int fd;
	bool writes;
	struct packet packet;
	ssize_t result;
	int error;
};

/* Starts it, and returns when it sleeps. */
void blocked_start(struct blocked *blocked, int fd, bool writes);
/* It ends, with this result or errno. */
void blocked_ends(struct blocked *blocked, ssize_t result, int error);
bool blocked_sleeps(struct blocked *blocked);

#endif /* CHARDEV_H */
