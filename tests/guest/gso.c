// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: gso INTERFACE FILE TYPE MSS TRANSPORT
 *
 * Sends the Ethernet frame in FILE through a packet socket, for the kernel or the driver to cut it into TCP segments
 * with MSS octets of data each. TYPE is 1 for IPv4, 4 for IPv6. The TCP header begins at octet TRANSPORT.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETHERTYPE_ALL	0x0300	/* ETH_P_ALL, on the wire's side */
#define CHECKSUM	16	/* of the checksum in a TCP header */
#define FRAME_MAX	65550

static void die(const char *what)
{
	fprintf(stderr, "gso: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	static struct {
		struct virtio_net_hdr header;
		char frame[FRAME_MAX];
	} __attribute__((packed)) packet;
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = ETHERTYPE_ALL };
	size_t length;
	FILE *file;
	int on = 1;
	int fd;

	if (argc != 6)
		return 2;
	file = fopen(argv[2], "rb");
	if (!file)
		die(argv[2]);
	length = fread(packet.frame, 1, sizeof(packet.frame), file);
	fclose(file);

	packet.header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	packet.header.gso_type = (__u8)atoi(argv[3]);
	packet.header.gso_size = (__u16)atoi(argv[4]);
	packet.header.csum_start = (__u16)atoi(argv[5]);
	packet.header.csum_offset = CHECKSUM;
	packet.header.hdr_len = (__u16)(packet.header.csum_start +
					((unsigned char)packet.frame[packet.header.csum_start + 12] >> 4) * 4);

	fd = socket(AF_PACKET, SOCK_RAW, 0);
	address.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) != 0)
		die(argv[1]);
	if (write(fd, &packet, sizeof(packet.header) + length) < 0)
		die("write");
	close(fd);
	return 0;
}
