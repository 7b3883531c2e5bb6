// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: stress SECONDS OPENERS
 *
 * So many processes and threads use /dev/duct0 and /dev/duct1 at once and at random, until the time is over: open,
 * close, read, write, filters, poll, ioctl, dup, fork and SIGKILL. What they read must be what somebody wrote, and what
 * fails must fail for a reason there is. Prints what was done; exit status 0 if nothing was wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HEADER		16
#define PACKET_MAX	16384
#define GET_INFO	0x800c7a00UL
#define ADD_MCAST	0x40087a01UL
#define RM_MCAST	0x40087a02UL
#define GROUPS		64
#define FILES		4

struct packet {
	uint32_t source;
	uint32_t destination;
	uint32_t length;
	uint32_t reserved;
	uint8_t data[PACKET_MAX];
};

/* An open file: which card's, and a bit for each group it ever asked for. */
struct file {
	int fd;
	unsigned int card;
	uint64_t groups;
};

struct opener {
	unsigned int number;
	uint64_t random;
	struct file files[FILES];
	struct packet packet;
};

/* Shared by all processes. */
static struct totals {
	atomic_ulong opened, sent, received, filters, children, refused, wrong;
} *totals;

static uint32_t address[2];
static time_t end;

static void wrong(const char *format, ...)
{
	va_list args;

	/* The first few say enough. */
	if (totals->wrong++ > 20)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(" (%s)\n", strerror(errno));
	fflush(stdout);
}

static time_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static uint32_t dice(struct opener *opener, uint32_t sides)
{
	opener->random = opener->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(opener->random >> 33) % sides;
}

static uint8_t octet(uint32_t seed, uint32_t i)
{
	return (uint8_t)(seed + i * 7 + (i >> 8) * 13 + (i >> 12) * 59);
}

/* The first octet of a payload is the seed of the others. */
static bool payload_is_good(const struct packet *packet, uint32_t length)
{
	uint32_t i;

	for (i = 1; i < length; i++)
		if (packet->data[i] != octet(packet->data[0], i))
			return false;
	return true;
}

static void open_file(struct opener *opener, struct file *file)
{
	char path[16];

	file->card = dice(opener, 2);
	file->groups = 0;
	snprintf(path, sizeof(path), "/dev/duct%u", file->card);
	file->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		wrong("open %s", path);
	totals->opened++;
}

static void close_file(struct file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

static void write_packet(struct opener *opener, struct file *file)
{
	static const uint32_t sizes[] = { 0, 1, 40, 1500, 4000, 9000, PACKET_MAX };
	struct packet *packet = &opener->packet;
	struct iovec pieces[3] = { { packet, HEADER } };
	uint32_t length = sizes[dice(opener, 7)];
	uint32_t seed = dice(opener, 256);
	uint32_t i;
	ssize_t result;

	packet->destination = dice(opener, 3) ? address[!file->card] : 0x80000000 | dice(opener, GROUPS);
	packet->length = length;
	for (i = 0; i < length; i++)
		packet->data[i] = i ? octet(seed, i) : (uint8_t)seed;
	pieces[1] = (struct iovec){ packet->data, length / 3 };
	pieces[2] = (struct iovec){ packet->data + length / 3, length - length / 3 };
	result = writev(file->fd, pieces, 3);
	if (result == (ssize_t)(HEADER + length))
		totals->sent++;
	else if (result < 0 && (errno == EAGAIN || errno == ENETDOWN || errno == ENOBUFS))
		totals->refused++;
	else
		wrong("write of %u octets: %zd", length, result);
}

static void check_packet(const struct opener *opener, const struct file *file, size_t room, size_t result)
{
	const struct packet *packet = &opener->packet;
	size_t whole = HEADER + packet->length;

	totals->received++;
	errno = 0;
	if (packet->length > PACKET_MAX || result != (whole < room ? whole : room))
		wrong("read %zu of %zu octets, length %u", result, room, packet->length);
	else if (!payload_is_good(packet, (uint32_t)(result - HEADER)))
		wrong("a packet of %u octets is damaged", packet->length);
	if (packet->source != address[!file->card] || packet->reserved)
		wrong("source %08x, reserved %u", packet->source, packet->reserved);
	if (packet->destination == address[file->card])
		return;
	if (!(packet->destination & 0x80000000) || (packet->destination & 0x7fffffff) >= GROUPS ||
	    !(file->groups >> (packet->destination & 63) & 1))
		wrong("destination %08x, which the file has not asked for", packet->destination);
}

static void read_packet(struct opener *opener, struct file *file)
{
	size_t room = dice(opener, 4) ? sizeof(opener->packet) : HEADER + dice(opener, 3000);
	ssize_t result = read(file->fd, &opener->packet, room);

	if (result >= HEADER)
		check_packet(opener, file, room, (size_t)result);
	else if (result >= 0 || errno != EAGAIN)
		wrong("read: %zd", result);
}

static void change_filter(struct opener *opener, struct file *file)
{
	uint32_t group = dice(opener, GROUPS);
	uint32_t filter[2] = { 0xffffffff, 0x80000000 | group };

	totals->filters++;
	if (dice(opener, 2)) {
		file->groups |= 1ULL << group;
		if (ioctl(file->fd, ADD_MCAST, filter) != 0 && errno != ENOSPC)
			wrong("ADD_MCAST");
	} else if (ioctl(file->fd, RM_MCAST, filter) != 0 && errno != ENOENT) {
		wrong("RM_MCAST");
	}
}

static void wait_a_little(struct opener *opener, struct file *file)
{
	struct pollfd poller = { .fd = file->fd, .events = dice(opener, 2) ? POLLIN : POLLOUT };

	if (poll(&poller, 1, (int)dice(opener, 20)) < 0 || poller.revents & (POLLERR | POLLHUP | POLLNVAL))
		wrong("poll: %x", (unsigned int)poller.revents);
}

static void duplicate(struct file *file)
{
	int twin = dup(file->fd);

	if (twin < 0) {
		wrong("dup");
		return;
	}
	close(file->fd);
	file->fd = twin;
}

static void ask(struct file *file)
{
	uint32_t info[3];

	if (ioctl(file->fd, GET_INFO, info) != 0 || info[2] != address[file->card])
		wrong("GET_INFO");
}

/* A child that shares this file, and may sleep in a read or write of its own, until it is killed. */
static void kill_a_child(struct opener *opener, struct file *file)
{
	pid_t child = fork();
	struct file own;
	int status;

	if (child < 0) {
		wrong("fork");
		return;
	}
	if (child == 0) {
		open_file(opener, &own);
		fcntl(own.fd, F_SETFL, 0);
		change_filter(opener, &own);
		read_packet(opener, file);
		for (;;)
			if (read(own.fd, &opener->packet, sizeof(opener->packet)) < 0)
				pause();
	}
	usleep(dice(opener, 20000));
	kill(child, SIGKILL);
	if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
		wrong("a child ended by itself");
	totals->children++;
}

static void act(struct opener *opener)
{
	struct file *file = &opener->files[dice(opener, FILES)];
	uint32_t what = dice(opener, 100);

	if (file->fd < 0)
		open_file(opener, file);
	else if (what < 35)
		write_packet(opener, file);
	else if (what < 75)
		read_packet(opener, file);
	else if (what < 83)
		change_filter(opener, file);
	else if (what < 88)
		wait_a_little(opener, file);
	else if (what < 91)
		duplicate(file);
	else if (what < 93)
		ask(file);
	else if (what < 98)
		close_file(file);
	else
		kill_a_child(opener, file);
}

static void *opener_run(void *argument)
{
	struct opener *opener = calloc(1, sizeof(*opener));
	int i;

	opener->number = (unsigned int)(uintptr_t)argument;
	opener->random = opener->number * 7919 + 1;
	for (i = 0; i < FILES; i++)
		opener->files[i].fd = -1;
	while (seconds_now() < end)
		act(opener);
	for (i = 0; i < FILES; i++)
		close_file(&opener->files[i]);
	free(opener);
	return NULL;
}

static void learn_addresses(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		uint32_t info[3];
		char path[16];
		int fd;

		snprintf(path, sizeof(path), "/dev/duct%u", i);
		fd = open(path, O_RDWR);
		if (fd < 0 || ioctl(fd, GET_INFO, info) != 0) {
			perror(path);
			exit(1);
		}
		address[i] = info[2];
		close(fd);
	}
}

/* Every second one is a process, the others are threads of this one. */
static void run_all(unsigned int openers)
{
	pthread_t *threads = calloc(openers, sizeof(*threads));
	unsigned int i;
	pid_t child;
	int status;

	for (i = 0; i < openers; i += 2) {
		child = fork();
		if (child == 0) {
			opener_run((void *)(uintptr_t)i);
			exit(0);
		}
		threads[i] = (pthread_t)child;
	}
	for (i = 1; i < openers; i += 2)
		if (pthread_create(&threads[i], NULL, opener_run, (void *)(uintptr_t)i) != 0)
			exit(1);
	for (i = 1; i < openers; i += 2)
		pthread_join(threads[i], NULL);
	for (i = 0; i < openers; i += 2)
		if (waitpid((pid_t)threads[i], &status, 0) < 0 || status != 0)
			wrong("opener %u ended with status %x", i, (unsigned int)status);
	free(threads);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: stress SECONDS OPENERS\n");
		return 2;
	}
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (totals == MAP_FAILED)
		return 1;
	learn_addresses();
	end = seconds_now() + strtol(argv[1], NULL, 10);
	run_all((unsigned int)strtoul(argv[2], NULL, 10));
	printf("opened %lu sent %lu received %lu filters %lu children %lu refused %lu wrong %lu\n", totals->opened,
	       totals->sent, totals->received, totals->filters, totals->children, totals->refused, totals->wrong);
	return totals->wrong != 0;
}
