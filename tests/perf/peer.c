// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: peer packet SENDER RECEIVER SIZE MS | peer vde SOCKET SIZE MS
 *
 * How fast another switch is, with the load of bus.c: this process plays two
 * stations. At most WINDOW frames are on their way, so that none is lost; when
 * one is lost all the same, that is an error. SENDER and RECEIVER are network
 * interfaces, SOCKET is the directory of a vde_switch. SIZE counts the whole
 * frame. Prints one line of JSON.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libvdeplug.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WINDOW		256u		/* as many as the duct card's rings have */
#define BATCH		64u
#define FRAME_MAX	16384u
#define ETHERTYPE	0x88b5		/* for experiments */
#define LOST_S		2.0

static struct {
	const char *sender, *receiver;
	uint8_t mac[2][ETH_ALEN];	/* of sender and receiver */
	int fd[2];			/* packet sockets */
	uint8_t *ring;			/* the receiver's, WINDOW slots */
	size_t slot_size;
	VDECONN *vde[2];
	uint8_t frame[FRAME_MAX];
	size_t size;
	struct mmsghdr batch[BATCH];
	struct iovec piece;
} peer;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void address_frame(unsigned int from, unsigned int to)
{
	memcpy(peer.frame, peer.mac[to], ETH_ALEN);
	memcpy(peer.frame + ETH_ALEN, peer.mac[from], ETH_ALEN);
	peer.frame[2 * ETH_ALEN] = ETHERTYPE >> 8;
	peer.frame[2 * ETH_ALEN + 1] = ETHERTYPE & 0xff;
}

static int open_packet(const char *name, uint16_t type, uint8_t *mac)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(type) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(type));
	struct ifreq request = { 0 };

	if (fd < 0)
		err(1, "socket");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		err(1, "%s", name);
	memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	addr.sll_ifindex = (int)if_nametoindex(name);
	if (bind(fd, (void *)&addr, sizeof(addr)))
		err(1, "%s", name);
	return fd;
}

/* The receiver gets frames without a system call, as a guest does. */
static void map_ring(int fd)
{
	int version = TPACKET_V2;
	struct tpacket_req request = { .tp_frame_nr = WINDOW };

	peer.slot_size = 256;
	while (peer.slot_size < peer.size + 128)
		peer.slot_size *= 2;
	request.tp_frame_size = (unsigned int)peer.slot_size;
	request.tp_block_size = 65536;
	request.tp_block_nr = WINDOW * request.tp_frame_size / 65536;
	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version,
		       sizeof(version)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request,
		       sizeof(request)))
		err(1, "PACKET_RX_RING");
	peer.ring = mmap(NULL, WINDOW * peer.slot_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, fd, 0);
	if (peer.ring == MAP_FAILED)
		err(1, "mmap");
}

static void open_packets(void)
{
	int yes = 1, room = 64 << 20;

	peer.fd[1] = open_packet(peer.receiver, ETHERTYPE, peer.mac[1]);
	map_ring(peer.fd[1]);
	peer.fd[0] = open_packet(peer.sender, 0, peer.mac[0]);
	if (setsockopt(peer.fd[0], SOL_PACKET, PACKET_QDISC_BYPASS, &yes,
		       sizeof(yes)) ||
	    setsockopt(peer.fd[0], SOL_SOCKET, SO_SNDBUFFORCE, &room,
		       sizeof(room)))
		err(1, "%s", peer.sender);
	peer.piece.iov_base = peer.frame;
	peer.piece.iov_len = peer.size;
	for (unsigned int i = 0; i < BATCH; i++) {
		peer.batch[i].msg_hdr.msg_iov = &peer.piece;
		peer.batch[i].msg_hdr.msg_iovlen = 1;
	}
	/* The bridge learns where the receiver is. */
	address_frame(1, 0);
	if (send(peer.fd[1], peer.frame, ETH_ZLEN, 0) != ETH_ZLEN)
		err(1, "%s", peer.receiver);
}

static unsigned int send_packets(unsigned int count)
{
	int sent = sendmmsg(peer.fd[0], peer.batch, count, 0);

	if (sent < 0 && errno != ENOBUFS && errno != EAGAIN)
		err(1, "%s", peer.sender);
	return sent < 0 ? 0 : (unsigned int)sent;
}

static unsigned int receive_packets(void)
{
	static unsigned int next;
	unsigned int count = 0;

	for (;;) {
		struct tpacket2_hdr *slot = (void *)(peer.ring + next *
						     peer.slot_size);

		if (!(__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) &
		      TP_STATUS_USER))
			return count;
		if (slot->tp_len != peer.size || slot->tp_snaplen != peer.size)
			errx(1, "a frame of %u octets arrived", slot->tp_len);
		__atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL,
				 __ATOMIC_RELEASE);
		next = (next + 1) % WINDOW;
		count++;
	}
}

static void open_vde(char *directory)
{
	for (unsigned int i = 0; i < 2; i++) {
		const uint8_t mac[ETH_ALEN] = { 2, 0, 0, 0, 0, (uint8_t)i };

		memcpy(peer.mac[i], mac, ETH_ALEN);
		peer.vde[i] = vde_open(directory, (char *)"bench", NULL);
		if (!peer.vde[i])
			err(1, "%s", directory);
	}
	address_frame(1, 0);
	if (vde_send(peer.vde[1], peer.frame, ETH_ZLEN, 0) != ETH_ZLEN)
		err(1, "vde_send");
	/* Once it arrives the switch knows where the receiver is. */
	if (vde_recv(peer.vde[0], peer.frame, sizeof(peer.frame), 0) < 0)
		err(1, "vde_recv");
	/* The library takes no flags. */
	for (unsigned int i = 0; i < 2; i++)
		if (fcntl(vde_datafd(peer.vde[i]), F_SETFL, O_NONBLOCK))
			err(1, "vde_datafd");
}

static unsigned int send_vde(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		ssize_t n = vde_send(peer.vde[0], peer.frame, peer.size, 0);

		if (n == (ssize_t)peer.size)
			continue;
		if (n < 0 && errno != EAGAIN && errno != ENOBUFS)
			err(1, "vde_send");
		return i;
	}
	return count;
}

static unsigned int receive_vde(void)
{
	uint8_t frame[FRAME_MAX];
	unsigned int count = 0;
	ssize_t n;

	while ((n = vde_recv(peer.vde[1], frame, sizeof(frame), 0)) > 0) {
		if ((size_t)n != peer.size)
			errx(1, "a frame of %zd octets arrived", n);
		count++;
	}
	if (n < 0 && errno != EAGAIN)
		err(1, "vde_recv");
	return count;
}

static void run(unsigned int ms, unsigned int (*send_some)(unsigned int),
		unsigned int (*receive_some)(void))
{
	double start = now(), end = start + 1e-3 * ms, last = start, t;
	uint64_t sent = 0, received = 0;
	double rate;

	address_frame(0, 1);
	while ((t = now()) < end) {
		unsigned int got = receive_some(), room;

		received += got;
		if (got)
			last = t;
		else if (t - last > LOST_S)
			errx(1, "%llu frames were lost",
			     (unsigned long long)(sent - received));
		room = WINDOW - (unsigned int)(sent - received);
		if (room)
			sent += send_some(room < BATCH ? room : BATCH);
	}
	rate = (double)received / (now() - start);
	printf("{\"size\": %zu, \"sent\": %llu, \"packets_per_s\": %.0f, "
	       "\"bytes_per_s\": %.0f}\n", peer.size, (unsigned long long)sent,
	       rate, rate * (double)peer.size);
}

static unsigned int number(const char *text, unsigned int low,
			   unsigned int high)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end || value < low || value > high)
		errx(2, "%s: not a number from %u to %u", text, low, high);
	return (unsigned int)value;
}

int main(int argc, char **argv)
{
	unsigned int ms;

	if (argc < 5)
		errx(2, "usage: peer packet SENDER RECEIVER SIZE MS | peer vde SOCKET SIZE MS");
	peer.size = number(argv[argc - 2], ETH_ZLEN, FRAME_MAX);
	ms = number(argv[argc - 1], 1, 60000);
	if (argc == 6 && !strcmp(argv[1], "packet")) {
		peer.sender = argv[2];
		peer.receiver = argv[3];
		open_packets();
		run(ms, send_packets, receive_packets);
	} else if (argc == 5 && !strcmp(argv[1], "vde")) {
		open_vde(argv[2]);
		run(ms, send_vde, receive_vde);
	} else {
		errx(2, "packet or vde?");
	}
	return 0;
}
