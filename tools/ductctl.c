// SPDX-License-Identifier: GPL-2.0-only
/* What a duct card is, and single packets out and in: ductctl(1). */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duct_client.h"
#include "duct_text.h"

/* As many as a card has filters. */
#define GROUPS_MAX	32

static const char usage[] =
"usage: ductctl [-i] [-j] [-d DEVICE]\n"
"       ductctl -s ADDR [-t SECONDS] [-d DEVICE] <PAYLOAD\n"
"       ductctl -r [-t SECONDS] [-n COUNT] [-m MASK/ADDR]... [-j] [-d DEVICE]\n"
"\n"
"Native packets of Ductnet, through the character device of a duct card.\n"
"\n"
"  -i, --info             version and address of the card (default)\n"
"  -s, --send ADDR        send standard input, at most 16384 octets, as one\n"
"                         packet to this address, in hexadecimal\n"
"  -r, --receive          receive a packet, and print its payload\n"
"\n"
"  -d, --device DEVICE    a path, a name (duct0, default), or a number (0)\n"
"  -t, --timeout SECONDS  give up after so long, for example 0.5\n"
"  -n, --count COUNT      receive so many packets; 0: without end\n"
"  -m, --group MASK/ADDR  receive this group's packets too, in hexadecimal;\n"
"                         may be given 32 times\n"
"  -j, --json             print JSON, one object a line\n"
"  -h, --help             this text\n"
"  -V, --version          the version\n"
"\n"
"Exit status: 0 done, 1 failed, 2 wrong usage, 3 the time was up.\n";

enum mode { MODE_NONE, MODE_INFO, MODE_SEND, MODE_RECEIVE };

/* The command line. */
struct request {
	enum mode mode;
	char path[PATH_MAX];
	uint32_t dst;
	bool timed;
	uint64_t timeout_ns;
	bool counted;
	uint32_t count;			/* 0: without end */
	unsigned int groups;
	struct duct_mcast_arg group[GROUPS_MAX];
	bool json;
};

static const struct option longopts[] = {
	{ "info", no_argument, NULL, 'i' },
	{ "send", required_argument, NULL, 's' },
	{ "receive", no_argument, NULL, 'r' },
	{ "device", required_argument, NULL, 'd' },
	{ "timeout", required_argument, NULL, 't' },
	{ "count", required_argument, NULL, 'n' },
	{ "group", required_argument, NULL, 'm' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static bool set_mode(struct request *request, enum mode mode)
{
	if (request->mode != MODE_NONE && request->mode != mode) {
		warnx("-i, -s and -r exclude each other");
		return false;
	}
	if (request->mode == MODE_SEND) {
		warnx("-s is given twice");
		return false;
	}
	request->mode = mode;
	return true;
}

static bool add_group(struct request *request, const char *text)
{
	if (request->groups == GROUPS_MAX)
		return duct_refuse(text, "more than 32 groups");
	if (!duct_parse_group(text, &request->group[request->groups]))
		return duct_refuse(text, "not MASK/ADDR, two hexadecimal addresses with the top bit set");
	request->groups++;
	return true;
}

static bool set_option(struct request *request, int opt, const char *text)
{
	switch (opt) {
	case 'i':
		return set_mode(request, MODE_INFO);
	case 's':
		return set_mode(request, MODE_SEND) &&
		       (duct_parse_addr(text, &request->dst) ||
			duct_refuse(text, "not an address of 1 to 8 hexadecimal digits"));
	case 'r':
		return set_mode(request, MODE_RECEIVE);
	case 'd':
		return duct_parse_device(text, request->path,
					 sizeof(request->path)) ||
		       duct_refuse(text, "not a device");
	case 't':
		request->timed = true;
		return duct_parse_seconds(text, &request->timeout_ns) ||
		       duct_refuse(text, "not a number of seconds");
	case 'n':
		request->counted = true;
		return duct_parse_count(text, &request->count) ||
		       duct_refuse(text, "not a number of packets");
	case 'm':
		return add_group(request, text);
	case 'j':
		request->json = true;
		return true;
	default:
		return false;		/* getopt_long() has said why */
	}
}

static bool fits_together(struct request *request)
{
	if (request->mode == MODE_NONE)
		request->mode = MODE_INFO;
	if (request->mode != MODE_RECEIVE &&
	    (request->counted || request->groups)) {
		warnx("-n and -m go with -r only");
		return false;
	}
	if (request->mode == MODE_INFO && request->timed) {
		warnx("-t goes with -s and -r only");
		return false;
	}
	if (request->mode == MODE_SEND && request->json) {
		warnx("-j goes with -i and -r only");
		return false;
	}
	return true;
}

/* Return: whether there is something to do; else *@status is how to exit. */
static bool understand(struct request *request, int argc, char *argv[],
		       int *status)
{
	bool good = true;
	int opt;

	*request = (struct request){ .count = 1 };
	duct_parse_device(DUCT_DEVICE_DEFAULT, request->path,
			  sizeof(request->path));
	while (good && (opt = getopt_long(argc, argv, "is:rd:t:n:m:jhV",
					  longopts, NULL)) != -1) {
		if (opt == 'h' || opt == 'V') {
			fputs(opt == 'h' ? usage :
			      "ductctl " DUCT_VERSION "\n", stdout);
			*status = duct_flush(stdout) ? DUCT_EXIT_OK :
						       DUCT_EXIT_FAILED;
			return false;
		}
		good = set_option(request, opt, optarg);
	}
	if (good && optind < argc)
		good = duct_refuse(argv[optind], "not an option");
	if (good && fits_together(request))
		return true;
	fputs("Try ductctl --help.\n", stderr);
	*status = DUCT_EXIT_USAGE;
	return false;
}

static void put_json_text(const char *text)
{
	if (*text && duct_is_utf8(text, strlen(text)))
		duct_put_json(stdout, text, strlen(text));
	else
		fputs("null", stdout);
}

static int info(const struct duct_client *client, const struct request *request)
{
	const struct duct_info_arg *card = &client->info;

	if (request->json) {
		fputs("{\"device\": ", stdout);
		put_json_text(client->path);
		fputs(", \"interface\": ", stdout);
		put_json_text(client->netdev);
		printf(", \"major\": %u, \"minor\": %u, \"hwaddr\": \"%08x\"}\n",
		       card->duct_major, card->duct_minor, card->duct_hwaddr);
	} else {
		printf("%s: duct v%u.%u, hwaddr: %08x\n", client->path,
		       card->duct_major, card->duct_minor, card->duct_hwaddr);
	}
	return duct_flush(stdout) ? DUCT_EXIT_OK : DUCT_EXIT_FAILED;
}

/* Return: octets, -1 if it can not be read or is too much, and said so. */
static ssize_t read_payload(uint8_t *payload, size_t room)
{
	size_t len = 0;
	ssize_t got;

	do {
		got = read(STDIN_FILENO, payload + len, room - len);
		if (got > 0)
			len += (size_t)got;
	} while ((got > 0 && len < room) || (got < 0 && errno == EINTR));
	if (got < 0) {
		warn("cannot read standard input; nothing was sent");
		return -1;
	}
	if (len == room) {
		warnx("more than %d octets on standard input; nothing was sent",
		      DUCT_PAYLOAD_MAX);
		return -1;
	}
	return (ssize_t)len;
}

static int failure(const struct duct_client *client, const char *what, int err)
{
	duct_complain(client, what, err);
	return err == -ETIMEDOUT ? DUCT_EXIT_TIMEOUT : DUCT_EXIT_FAILED;
}

static int send_packet(struct duct_client *client,
		       const struct request *request)
{
	static uint8_t payload[DUCT_PAYLOAD_MAX + 1];
	ssize_t len = read_payload(payload, sizeof(payload));
	int err;

	if (len < 0)
		return DUCT_EXIT_FAILED;
	err = duct_send(client, request->dst, payload, (size_t)len,
			request->timed ? duct_deadline(request->timeout_ns) :
					 DUCT_NEVER);
	return err ? failure(client, "cannot send", err) : DUCT_EXIT_OK;
}

static void print_packet(const struct duct_packet *packet, bool json)
{
	const struct duct_packet_hdr *hdr = &packet->hdr;

	if (!json) {
		duct_put_payload(stdout, packet->payload, hdr->dpkt_length);
		return;
	}
	printf("{\"source\": \"%08x\", \"destination\": \"%08x\", \"length\": %u, \"payload\": ",
	       hdr->dpkt_source, hdr->dpkt_destination, hdr->dpkt_length);
	duct_put_json_hex(stdout, packet->payload, hdr->dpkt_length);
	fputs(", \"text\": ", stdout);
	if (duct_is_utf8(packet->payload, hdr->dpkt_length))
		duct_put_json(stdout, packet->payload, hdr->dpkt_length);
	else
		fputs("null", stdout);
	fputs("}\n", stdout);
}

static int receive_packets(struct duct_client *client,
			   const struct request *request)
{
	uint64_t deadline = request->timed ?
		duct_deadline(request->timeout_ns) : DUCT_NEVER;
	static struct duct_packet packet;
	uint32_t got = 0;
	int err;

	for (unsigned int i = 0; i < request->groups; i++) {
		err = duct_join(client, &request->group[i]);
		if (err) {
			duct_complain(client, "cannot join a group", err);
			return DUCT_EXIT_FAILED;
		}
	}
	if (duct_is_down(client))
		warnx("%s: the interface %s is down, so nothing comes; try: ip link set %s up",
		      client->path, client->netdev, client->netdev);
	do {
		err = duct_receive(client, &packet, deadline);
		if (!err) {
			print_packet(&packet, request->json);
			if (!duct_flush(stdout))
				return DUCT_EXIT_FAILED;
			if (++got == request->count)
				return DUCT_EXIT_OK;
			if (duct_deadline_passed(deadline))
				err = -ETIMEDOUT;
		}
	} while (!err);
	if (err != -ETIMEDOUT)
		return failure(client, "cannot receive", err);
	if (!request->count)
		return DUCT_EXIT_OK;
	warnx("%s: the time is up: received %u of %u packets", client->path,
	      got, request->count);
	return DUCT_EXIT_TIMEOUT;
}

int main(int argc, char *argv[])
{
	static const int access[] = {
		[MODE_INFO] = O_RDONLY,
		[MODE_SEND] = O_WRONLY,
		[MODE_RECEIVE] = O_RDONLY,
	};
	struct request request;
	struct duct_client client;
	int status, err;

	duct_begin();
	if (!understand(&request, argc, argv, &status))
		return status;
	err = duct_open(&client, request.path, access[request.mode]);
	if (err) {
		duct_complain(&client, "cannot open", err);
		return DUCT_EXIT_FAILED;
	}
	if (request.mode == MODE_SEND)
		status = send_packet(&client, &request);
	else if (request.mode == MODE_RECEIVE)
		status = receive_packets(&client, &request);
	else
		status = info(&client, &request);
	duct_close(&client);
	return status;
}
