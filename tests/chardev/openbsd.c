// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: openbsd -i duct0
 *        openbsd [-g group] [-n count] duct0 destination text
 *
 * As a program for OpenBSD's duct(4) would be written: its headers, its names and types, and its library.
 */
#include <sys/types.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <dev/ductvar.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <bsd/unistd.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void __attribute__((noreturn))
usage(void)
{
	fprintf(stderr, "usage: %s [-i] [-g group] [-n count] device [destination text]\n", getprogname());
	exit(1);
}

static u_int32_t
address(const char *text)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 16);
	if (*text == '\0' || *end != '\0' || errno == ERANGE || value > UINT32_MAX)
		errx(1, "%s: not an address", text);
	return (u_int32_t)value;
}

static int
duct_open(const char *name)
{
	char path[PATH_MAX];
	int fd;

	if (strlcpy(path, "/dev/", sizeof(path)) >= sizeof(path) || strlcat(path, name, sizeof(path)) >= sizeof(path))
		errx(1, "%s: name too long", name);
	if ((fd = open(path, O_RDWR)) == -1)
		err(1, "%s", path);
	return fd;
}

static void
info(int fd)
{
	struct duct_info_arg di;

	if (ioctl(fd, DUCTIOC_GET_INFO, &di) == -1)
		err(1, "DUCTIOC_GET_INFO");
	printf("version %u.%u, hwaddr %08x\n", di.duct_major, di.duct_minor, di.duct_hwaddr);
}

static void
send_text(int fd, u_int32_t destination, char *text)
{
	struct duct_packet_hdr hdr;
	struct iovec iov[2];
	ssize_t n;

	memset(&hdr, 0, sizeof(hdr));
	hdr.dpkt_destination = destination;
	hdr.dpkt_length = (u_int32_t)strlen(text);
	iov[0].iov_base = &hdr;
	iov[0].iov_len = sizeof(hdr);
	iov[1].iov_base = text;
	iov[1].iov_len = hdr.dpkt_length;
	if ((n = writev(fd, iov, 2)) == -1)
		err(1, "writev");
	if ((size_t)n != sizeof(hdr) + hdr.dpkt_length)
		errx(1, "short write");
}

static void
receive(int fd)
{
	struct duct_packet_hdr hdr;
	static char text[16384 + 1];
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { text, sizeof(text) - 1 } };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	switch (poll(&pfd, 1, 10 * 1000)) {
	case -1:
		err(1, "poll");
	case 0:
		errx(1, "no answer");
	}
	if (readv(fd, iov, 2) == -1)
		err(1, "readv");
	text[hdr.dpkt_length] = '\0';
	printf("%08x > %08x, %u: %s\n", hdr.dpkt_source, hdr.dpkt_destination, hdr.dpkt_length, text);
}

int
main(int argc, char *argv[])
{
	struct duct_mcast_arg group = { .duct_mask = 0xffffffff };
	int ch, fd, iflag = 0;
	long long count = 1;
	const char *errstr;

	setprogname(argv[0]);
	while ((ch = getopt(argc, argv, "g:in:")) != -1) {
		switch (ch) {
		case 'g':
			group.duct_addr = address(optarg);
			break;
		case 'i':
			iflag = 1;
			break;
		case 'n':
			count = strtonum(optarg, 1, 1000, &errstr);
			if (errstr != NULL)
				errx(1, "count is %s: %s", errstr, optarg);
			break;
		default:
			usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc != (iflag ? 1 : 3))
		usage();

	fd = duct_open(argv[0]);
	if (group.duct_addr != 0 && ioctl(fd, DUCTIOC_ADD_MCAST, &group) == -1)
		err(1, "DUCTIOC_ADD_MCAST");
	if (iflag)
		info(fd);
	else
		while (count-- > 0) {
			send_text(fd, address(argv[1]), argv[2]);
			receive(fd);
		}
	if (group.duct_addr != 0 && ioctl(fd, DUCTIOC_RM_MCAST, &group) == -1)
		err(1, "DUCTIOC_RM_MCAST");
	close(fd);
	return 0;
}
