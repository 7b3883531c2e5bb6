/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A duct device, /dev/ductN: packets out and in, each wait with an end.
 * Functions return 0 or a negative errno, and print nothing, unless they say
 * otherwise.
 */
#ifndef DUCT_CLIENT_H
#define DUCT_CLIENT_H

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/duct.h>

#define DUCT_PAYLOAD_MAX	16384
#define DUCT_ADDR_MCAST		0x80000000u
/* A deadline that never comes. */
#define DUCT_NEVER		UINT64_MAX

/**
 * struct duct_client - a device that is open
 * @fd: the device, O_NONBLOCK
 * @path: of the device
 * @netdev: name of the card's interface, for people; empty if not known
 * @info: what the card says of itself
 */
struct duct_client {
	int fd;
	char path[PATH_MAX];
	char netdev[IFNAMSIZ];
	struct duct_info_arg info;
};

/**
 * struct duct_packet - a packet as the device gives it
 * @hdr: its first @hdr.dpkt_length octets of @payload are filled
 * @payload: room for any packet
 */
struct duct_packet {
	struct duct_packet_hdr hdr;
	uint8_t payload[DUCT_PAYLOAD_MAX];
};

/**
 * struct duct_question - a packet that wants an answer
 * @station: who is asked
 * @payload: what is sent
 * @len: octets at @payload
 * @echo: only the same payload is an answer; else anything from @station is
 * @timeout_ns: wait so long for the answer to each request
 * @retries: requests after the first one
 */
struct duct_question {
	uint32_t station;
	const void *payload;
	size_t len;
	bool echo;
	uint64_t timeout_ns;
	uint32_t retries;
};

/**
 * duct_open() - open a device, and make sure that it is one
 * @client: filled; duct_close() it if this succeeds
 * @path: of the device
 * @access: O_RDONLY, O_WRONLY or O_RDWR
 *
 * Return: -ENOTTY for what is no duct device; nothing is written to that.
 */
int duct_open(struct duct_client *client, const char *path, int access);
void duct_close(struct duct_client *client);

/* When @ns nanoseconds have passed from now. */
uint64_t duct_deadline(uint64_t ns);
bool duct_deadline_passed(uint64_t deadline);

/* Receives a group's packets too, until the device is closed. */
int duct_join(struct duct_client *client, const struct duct_mcast_arg *group);

/**
 * duct_send() - send one packet
 * @client: open for writing
 * @dst: Ductnet address
 * @payload: what is sent
 * @len: octets at @payload, at most DUCT_PAYLOAD_MAX
 * @deadline: wait so long for room in the queue
 *
 * Return: -ETIMEDOUT when the deadline came; all errors: nothing was sent.
 */
int duct_send(struct duct_client *client, uint32_t dst, const void *payload,
	      size_t len, uint64_t deadline);

/**
 * duct_receive() - wait for a packet
 * @client: open for reading
 * @packet: filled
 * @deadline: wait so long; what is there already is given even when it is past
 *
 * Return: -ETIMEDOUT when the deadline came.
 */
int duct_receive(struct duct_client *client, struct duct_packet *packet,
		 uint64_t deadline);

/**
 * duct_ask() - send a question until it is answered
 * @client: open for both
 * @question: what to ask
 * @answer: filled; packets that are no answer are dropped
 *
 * A full send queue counts as a request that was lost.
 *
 * Return: -ETIMEDOUT when no request was answered.
 */
int duct_ask(struct duct_client *client, const struct duct_question *question,
	     struct duct_packet *answer);

/* Whether the interface is known to be down. */
bool duct_is_down(const struct duct_client *client);

/**
 * duct_complain() - say on stderr what is wrong, and what helps
 * @client: for its names; need not be open
 * @what: what did not work, as in "cannot send"
 * @err: the negative errno
 */
void duct_complain(const struct duct_client *client, const char *what, int err);

/*
 * For the beginning of main(): opens what is closed of the first three files,
 * so that no device gets there, and takes the user's character set. A reader of
 * the output that has gone is an error like others from then on.
 */
void duct_begin(void);

#endif /* DUCT_CLIENT_H */
