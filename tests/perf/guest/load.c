// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: load recv PORT | send ADDR PORT SIZE MS | pong PORT BUSY |
 *        ping ADDR PORT MS BUSY | raw DEVICE MAC MS | rate FILE MS
 *
 * What puts load on a network in a guest and counts it, as little of a program
 * as there can be. recv counts UDP packets until SIGTERM, and prints how many
 * and the nanoseconds from the first to the last; send sends for so long and
 * prints how many; ping sends 18 octets and waits for pong to send them back,
 * and prints round trips, median and 99th percentile in nanoseconds, and how
 * many were lost. BUSY is SO_BUSY_POLL in microseconds, 0 for none. raw sends
 * frames of 64 octets (with FCS) that nobody takes, for so long, and prints how
 * many; unlike pktgen it sleeps when it can send no more. rate waits until the
 * number in a file grows, and prints by how much it grows in so long, and the
 * nanoseconds that were.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX	(1u << 20)
#define RR_SIZE		18
#define BATCH		32
#define ETHERTYPE	0x88b6		/* for experiments; 0x88b5 is Ductnet's own */
#define GROW_NS		5000000000u

static volatile sig_atomic_t ended;

static void on_term(int signal)
{
	(void)signal;
	ended = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_socket(const char *addr, const char *port, int busy)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
	};
	struct timeval limit = { .tv_sec = 1 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int room = 4 << 20;
	int failed;

	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (busy && setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &busy,
			       sizeof(busy)))
		err(1, "SO_BUSY_POLL");
	if (addr && inet_pton(AF_INET, addr, &sin.sin_addr) != 1)
		errx(1, "%s: no address", addr);
	failed = addr ? connect(fd, (void *)&sin, sizeof(sin)) :
			bind(fd, (void *)&sin, sizeof(sin));
	if (failed)
		err(1, "port %s", port);
	return fd;
}

static int do_recv(const char *port)
{
	int fd = open_socket(NULL, port, 0);
	uint64_t count = 0, first = 0, last = 0;
	char data[65536];

	puts("ready");
	fflush(stdout);
	while (!ended) {
		if (recv(fd, data, sizeof(data), 0) < 0)
			continue;
		last = now_ns();
		if (!count++)
			first = last;
	}
	printf("%llu %llu\n", (unsigned long long)count,
	       (unsigned long long)(last - first));
	return 0;
}

static int do_send(const char *addr, const char *port, size_t size,
		   uint64_t ms)
{
	int fd = open_socket(addr, port, 0);
	uint64_t end = now_ns() + ms * 1000000;
	uint64_t count = 0;
	char data[65536] = { 0 };

	while (now_ns() < end)
		for (int i = 0; i < 32; i++)
			count += send(fd, data, size, 0) == (ssize_t)size;
	printf("%llu\n", (unsigned long long)count);
	return 0;
}

static void parse_mac(const char *text, uint8_t *mac)
{
	unsigned int part[ETH_ALEN];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &part[0], &part[1], &part[2],
		   &part[3], &part[4], &part[5]) != ETH_ALEN)
		errx(1, "%s: no address", text);
	for (int i = 0; i < ETH_ALEN; i++)
		mac[i] = (uint8_t)part[i];
}

static int do_raw(const char *device, const char *mac, uint64_t ms)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETHERTYPE) };
	uint8_t frame[ETH_ZLEN] = { 0 };
	struct iovec piece = { frame, sizeof(frame) };
	struct mmsghdr batch[BATCH] = { 0 };
	struct ifreq own = { 0 };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	uint64_t count = 0, end;

	if (fd < 0)
		err(1, "socket");
	to.sll_ifindex = (int)if_nametoindex(device);
	if (bind(fd, (void *)&to, sizeof(to)))
		err(1, "%s", device);
	snprintf(own.ifr_name, sizeof(own.ifr_name), "%s", device);
	if (ioctl(fd, SIOCGIFHWADDR, &own))
		err(1, "%s", device);
	parse_mac(mac, frame);
	/* A bridge takes no frame from the address zero. */
	memcpy(frame + ETH_ALEN, own.ifr_hwaddr.sa_data, ETH_ALEN);
	frame[2 * ETH_ALEN] = ETHERTYPE >> 8;
	frame[2 * ETH_ALEN + 1] = ETHERTYPE & 0xff;
	for (int i = 0; i < BATCH; i++) {
		batch[i].msg_hdr.msg_iov = &piece;
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	for (end = now_ns() + ms * 1000000; now_ns() < end;) {
		int n = sendmmsg(fd, batch, BATCH, 0);

		if (n < 0 && errno != ENOBUFS)
			err(1, "%s", device);
		count += n > 0 ? (uint64_t)n : 0;
	}
	printf("%llu\n", (unsigned long long)count);
	return 0;
}

static int do_pong(const char *port, int busy)
{
	int fd = open_socket(NULL, port, busy);
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	char data[2048];

	puts("ready");
	fflush(stdout);
	while (!ended) {
		ssize_t n = recvfrom(fd, data, sizeof(data), 0, (void *)&peer,
				     &size);

		if (n >= 0)
			sendto(fd, data, (size_t)n, 0, (void *)&peer, size);
	}
	return 0;
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static int do_ping(const char *addr, const char *port, uint64_t ms, int busy)
{
	uint64_t *took = calloc(SAMPLES_MAX, sizeof(*took));
	int fd = open_socket(addr, port, busy);
	uint64_t end = now_ns() + ms * 1000000;
	char data[RR_SIZE] = { 0 }, answer[RR_SIZE];
	size_t count = 0;
	uint32_t sent = 0;

	if (!took)
		err(1, "memory");
	while (count < SAMPLES_MAX) {
		uint64_t start = now_ns();
		ssize_t n;

		if (start >= end)
			break;
		sent++;
		memcpy(data, &sent, sizeof(sent));
		if (send(fd, data, sizeof(data), 0) < 0)
			continue;
		/* An answer that was given up may still come. */
		do {
			n = recv(fd, answer, sizeof(answer), 0);
		} while (n >= 0 && memcmp(data, answer, sizeof(data)));
		if (n >= 0)
			took[count++] = now_ns() - start;
	}
	if (!count)
		errx(1, "no answer");
	qsort(took, count, sizeof(*took), compare);
	printf("%zu %llu %llu %zu\n", count,
	       (unsigned long long)took[count / 2],
	       (unsigned long long)took[count * 99 / 100], sent - count);
	return 0;
}

static uint64_t read_number(const char *path)
{
	char text[32] = "";
	FILE *file = fopen(path, "r");

	if (!file || !fgets(text, sizeof(text), file))
		err(1, "%s", path);
	fclose(file);
	return strtoull(text, NULL, 10);
}

static int do_rate(const char *path, uint64_t ms)
{
	struct timespec wait = { .tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000) * 1000000 };
	uint64_t count = read_number(path), start = now_ns();

	while (read_number(path) == count)
		if (now_ns() - start > GROW_NS)
			errx(1, "%s does not grow", path);
	count = read_number(path);
	start = now_ns();
	while (nanosleep(&wait, &wait))
		;
	count = read_number(path) - count;
	printf("%llu %llu\n", (unsigned long long)count,
	       (unsigned long long)(now_ns() - start));
	return 0;
}

int main(int argc, char **argv)
{
	/* No SA_RESTART: a receive that waits has to end. */
	struct sigaction action = { .sa_handler = on_term };

	sigaction(SIGTERM, &action, NULL);
	if (argc == 3 && !strcmp(argv[1], "recv"))
		return do_recv(argv[2]);
	if (argc == 6 && !strcmp(argv[1], "send"))
		return do_send(argv[2], argv[3], (size_t)atoi(argv[4]),
			       (uint64_t)atoi(argv[5]));
	if (argc == 4 && !strcmp(argv[1], "pong"))
		return do_pong(argv[2], atoi(argv[3]));
	if (argc == 6 && !strcmp(argv[1], "ping"))
		return do_ping(argv[2], argv[3], (uint64_t)atoi(argv[4]),
			       atoi(argv[5]));
	if (argc == 5 && !strcmp(argv[1], "raw"))
		return do_raw(argv[2], argv[3], (uint64_t)atoi(argv[4]));
	if (argc == 4 && !strcmp(argv[1], "rate"))
		return do_rate(argv[2], (uint64_t)atoi(argv[3]));
	errx(2, "usage: load recv|send|pong|ping|raw|rate ...");
}
