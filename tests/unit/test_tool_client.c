// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets out and in. A socket pair that keeps packets apart takes the place of
 * the device; its other end is what happens on Ductnet.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture.h"
#include "duct_client.h"
#include "unit.h"

#define OWN	0x1001u
#define STATION	0xec60u
#define LATER	20000000u		/* ns; nothing is judged by it */
#define LONG	60000000000u

static struct duct_client client;
static int far = -1;			/* the other end */
static struct duct_packet packet;

static int setup(void **state)
{
	int fds[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds))
		return -1;
	client = (struct duct_client){ .fd = fds[0], .path = "/dev/duct7" };
	far = fds[1];
	memset(&packet, 0xee, sizeof(packet));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	duct_close(&client);
	if (far >= 0)
		close(far);
	return 0;
}

/* A packet comes from Ductnet. */
static void arrive(uint32_t src, const void *payload, size_t len)
{
	static struct duct_packet in;

	in.hdr = (struct duct_packet_hdr){
		.dpkt_source = src,
		.dpkt_destination = OWN,
		.dpkt_length = (uint32_t)len,
	};
	memcpy(in.payload, payload, len);
	assert_int_equal(write(far, &in, sizeof(in.hdr) + len),
			 sizeof(in.hdr) + len);
}

/* The next packet that was sent. Return: octets of payload, -1 if none was. */
static ssize_t sent(struct duct_packet *out)
{
	ssize_t len = read(far, out, sizeof(*out));

	return len < 0 ? -1 : len - (ssize_t)sizeof(out->hdr);
}

static unsigned int count_sent(void)
{
	static struct duct_packet out;
	unsigned int count = 0;

	while (sent(&out) >= 0)
		count++;
	return count;
}

static void sends_header_and_payload(void **state)
{
	static uint8_t payload[DUCT_PAYLOAD_MAX + 1];
	static const size_t lens[] = { 0, 1, DUCT_PAYLOAD_MAX };

	(void)state;
	memset(payload, 'p', sizeof(payload));
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		assert_int_equal(duct_send(&client, 0x8abc, payload, lens[i],
					   DUCT_NEVER), 0);
		assert_int_equal(sent(&packet), lens[i]);
		assert_int_equal(packet.hdr.dpkt_source, 0);
		assert_int_equal(packet.hdr.dpkt_destination, 0x8abc);
		assert_int_equal(packet.hdr.dpkt_length, lens[i]);
		assert_int_equal(packet.hdr.dpkt_reserved, 0);
		assert_memory_equal(packet.payload, payload, lens[i]);
	}
	assert_int_equal(duct_send(&client, 1, payload, sizeof(payload),
				   DUCT_NEVER), -EMSGSIZE);
	assert_int_equal(count_sent(), 0);
}

static void waits_for_room(void **state)
{
	static const uint8_t payload[DUCT_PAYLOAD_MAX];
	int err;

	(void)state;
	do {
		err = duct_send(&client, 1, payload, sizeof(payload),
				duct_deadline(LATER));
	} while (!err);
	assert_int_equal(err, -ETIMEDOUT);
	assert_true(count_sent() > 1);
	assert_int_equal(duct_send(&client, 1, payload, sizeof(payload),
				   DUCT_NEVER), 0);
}

static void receives(void **state)
{
	static uint8_t payload[DUCT_PAYLOAD_MAX];

	(void)state;
	memset(payload, 'q', sizeof(payload));
	arrive(STATION, payload, sizeof(payload));
	arrive(STATION, payload, 0);
	assert_int_equal(duct_receive(&client, &packet, DUCT_NEVER), 0);
	assert_int_equal(packet.hdr.dpkt_source, STATION);
	assert_int_equal(packet.hdr.dpkt_length, sizeof(payload));
	assert_memory_equal(packet.payload, payload, sizeof(payload));
	/* what is there is given, however late it is */
	assert_int_equal(duct_receive(&client, &packet, 0), 0);
	assert_int_equal(packet.hdr.dpkt_length, 0);
	assert_int_equal(duct_receive(&client, &packet, duct_deadline(LATER)),
			 -ETIMEDOUT);
	assert_int_equal(duct_receive(&client, &packet, 0), -ETIMEDOUT);
}

static void nonsense_of_the_device(void **state)
{
	struct duct_packet_hdr hdr = { .dpkt_length = 1 };

	(void)state;
	assert_int_equal(write(far, &hdr, sizeof(hdr)), sizeof(hdr));
	assert_int_equal(duct_receive(&client, &packet, DUCT_NEVER), -EPROTO);
	assert_int_equal(write(far, &hdr, 5), 5);
	assert_int_equal(duct_receive(&client, &packet, DUCT_NEVER), -EPROTO);
	/* its end */
	close(far);
	far = -1;
	assert_int_equal(duct_receive(&client, &packet, DUCT_NEVER), -EPROTO);
	assert_true(duct_send(&client, 1, "", 0, DUCT_NEVER) < 0);
}

static const struct duct_question question = {
	.station = STATION,
	.payload = "hello",
	.len = 5,
	.echo = true,
	.timeout_ns = LONG,
	.retries = 2,
};

static void answer_is_the_same_from_the_same(void **state)
{
	(void)state;
	arrive(STATION + 1, "hello", 5);
	arrive(STATION, "hellp", 5);
	arrive(STATION, "hell", 4);
	arrive(STATION, "hello!", 6);
	arrive(STATION, "", 0);
	arrive(STATION, "hello", 5);
	arrive(STATION, "later", 5);
	assert_int_equal(duct_ask(&client, &question, &packet), 0);
	assert_int_equal(packet.hdr.dpkt_source, STATION);
	assert_int_equal(packet.hdr.dpkt_length, 5);
	assert_memory_equal(packet.payload, "hello", 5);
	assert_int_equal(count_sent(), 1);
	/* the rest is still there */
	assert_int_equal(duct_receive(&client, &packet, 0), 0);
	assert_memory_equal(packet.payload, "later", 5);
}

static void answer_to_a_quote_is_anything(void **state)
{
	struct duct_question quote = question;

	(void)state;
	quote.echo = false;
	quote.len = 0;
	arrive(STATION + 1, "no", 2);
	arrive(STATION, "a quote", 7);
	assert_int_equal(duct_ask(&client, &quote, &packet), 0);
	assert_memory_equal(packet.payload, "a quote", 7);
	assert_int_equal(sent(&packet), 0);
	assert_int_equal(packet.hdr.dpkt_destination, STATION);
}

static void asks_again(void **state)
{
	struct duct_question patient = question;

	(void)state;
	patient.timeout_ns = LATER;
	assert_int_equal(duct_ask(&client, &patient, &packet), -ETIMEDOUT);
	assert_int_equal(count_sent(), 3);
	patient.retries = 0;
	assert_int_equal(duct_ask(&client, &patient, &packet), -ETIMEDOUT);
	assert_int_equal(count_sent(), 1);
}

/* Packets that are no answer do not keep it waiting beyond the time. */
static void flood_ends_too(void **state)
{
	struct duct_question hasty = question;

	(void)state;
	hasty.timeout_ns = 1;
	hasty.retries = 0;
	for (int i = 0; i < 8; i++)
		arrive(STATION, "flood", 5);
	assert_int_equal(duct_ask(&client, &hasty, &packet), -ETIMEDOUT);
	assert_int_equal(duct_receive(&client, &packet, 0), 0);
}

static void other_errors_end_it(void **state)
{
	(void)state;
	close(far);
	far = -1;
	assert_int_equal(duct_ask(&client, &question, &packet), -EPIPE);
}

static void no_device(void **state)
{
	struct duct_client other;

	(void)state;
	assert_int_equal(duct_open(&other, "/nowhere/duct0", O_RDONLY),
			 -ENOENT);
	assert_int_equal(duct_open(&other, "/dev/null", O_RDWR), -ENOTTY);
	assert_int_equal(other.fd, -1);
}

static void complaints(void **state)
{
	static const struct {
		int err;
		const char *netdev, *says;
	} cases[] = {
		{ ENETDOWN, "wire", "ip link set wire up" },
		{ ENETDOWN, "", "ip link set duct7 up" },
		{ EACCES, "", "permission denied" },
		{ ENOENT, "", "modprobe duct" },
		{ EIO, "wire", "ip link set wire down; ip link set wire up" },
		{ ENODEV, "", "gone" },
		{ ENOSPC, "", "no room for another group" },
		{ ETIMEDOUT, "", "the time is up" },
		{ EMSGSIZE, "", "Message too long" },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		strcpy(client.netdev, cases[i].netdev);
		capture();
		duct_complain(&client, "cannot test", -cases[i].err);
		captured(text, sizeof(text));
		if (!strstr(text, "/dev/duct7: cannot test: ") ||
		    !strstr(text, cases[i].says))
			fail_msg("%d gave: %s", cases[i].err, text);
	}
}

int main(void)
{
#define CLIENT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(sends_header_and_payload),
		CLIENT_TEST(waits_for_room),
		CLIENT_TEST(receives),
		CLIENT_TEST(nonsense_of_the_device),
		CLIENT_TEST(answer_is_the_same_from_the_same),
		CLIENT_TEST(answer_to_a_quote_is_anything),
		CLIENT_TEST(asks_again),
		CLIENT_TEST(flood_ends_too),
		CLIENT_TEST(other_errors_end_it),
		CLIENT_TEST(no_device),
		CLIENT_TEST(complaints),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("tool_client", tests, NULL, NULL);
}
