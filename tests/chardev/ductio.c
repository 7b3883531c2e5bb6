// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: ductio send DEVICE DESTINATION LENGTH [COUNT]
 *        ductio listen DEVICE [MASK/ADDRESS]...
 *        ductio hold DEVICE [MASK/ADDRESS]...
 *        ductio drain DEVICE
 *
 * send writes packets of LENGTH octets "x". listen prints "ready", and then each packet as "SOURCE DESTINATION LENGTH
 * FIRST-OCTETS". hold keeps the file open with its filters and reads nothing. drain does that until its stdin ends,
 * and then prints how many packets and octets the file has. Numbers are hexadecimal but for LENGTH and COUNT.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HEADER		16
#define PACKET_MAX	16384
#define ADD_MCAST	0x40087a01UL

static struct {
	uint32_t source;
	uint32_t destination;
	uint32_t length;
	uint32_t reserved;
	uint8_t data[PACKET_MAX];
} packet;

static void die(const char *what)
{
	fprintf(stderr, "ductio: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void send_packets(int fd, char **argv)
{
	unsigned long count = argv[2] ? strtoul(argv[2], NULL, 10) : 1;

	packet.destination = (uint32_t)strtoul(argv[0], NULL, 16);
	packet.length = (uint32_t)strtoul(argv[1], NULL, 10);
	memset(packet.data, 'x', sizeof(packet.data));
	while (count--)
		if (write(fd, &packet, HEADER + packet.length) != (ssize_t)(HEADER + packet.length))
			die("write");
}

static void add_filters(int fd, char **argv)
{
	for (; *argv; argv++) {
		uint32_t filter[2];

		if (sscanf(*argv, "%x/%x", &filter[0], &filter[1]) != 2 || ioctl(fd, ADD_MCAST, filter) != 0)
			die(*argv);
	}
	puts("ready");
	fflush(stdout);
}

static void listen_to_packets(int fd)
{
	uint32_t i;

	while (read(fd, &packet, sizeof(packet)) >= HEADER) {
		printf("%08x %08x %u ", packet.source, packet.destination, packet.length);
		for (i = 0; i < packet.length && i < 16; i++)
			printf("%02x", packet.data[i]);
		puts("");
		fflush(stdout);
	}
	die("read");
}

static void drain(int fd)
{
	unsigned long packets = 0, octets = 0;

	while (getchar() != EOF)
		;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		die("fcntl");
	while (read(fd, &packet, sizeof(packet)) >= HEADER) {
		packets++;
		octets += packet.length;
	}
	if (errno != EAGAIN)
		die("read");
	printf("%lu %lu\n", packets, octets);
}

int main(int argc, char **argv)
{
	int fd = argc > 2 ? open(argv[2], O_RDWR) : -1;

	if (fd < 0)
		die(argc > 2 ? argv[2] : "which device?");
	if (strcmp(argv[1], "send") == 0 && argc > 4) {
		send_packets(fd, argv + 3);
		return 0;
	}
	add_filters(fd, argv + 3);
	if (strcmp(argv[1], "listen") == 0)
		listen_to_packets(fd);
	else if (strcmp(argv[1], "hold") == 0)
		pause();
	else if (strcmp(argv[1], "drain") == 0)
		drain(fd);
	return 0;
}
