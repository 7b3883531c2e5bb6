// SPDX-License-Identifier: GPL-2.0-only
/* Packets from one client's memory to another's, and the stations. */
#include "wire.h"

static void fill(uint8_t *data, uint32_t len, uint32_t seed)
{
	for (uint32_t i = 0; i < len; i++) {
		seed = seed * 1103515245u + 12345u;
		data[i] = (uint8_t)(seed >> 16);
	}
}

static void send_and_check(struct guest_driver *from, struct guest_driver *to,
			   uint32_t len)
{
	static uint8_t data[DUCT_PACKET_MAX];
	struct gd_packet packet;

	fill(data, len, len);
	assert_ok(gd_send(from, to->hwaddr, data, len));
	assert_ok(gd_receive(to, &packet));
	assert_int_equal(packet.len, len);
	assert_int_equal(packet.src, from->hwaddr);
	assert_int_equal(packet.dst, to->hwaddr);
	if (len)
		assert_memory_equal(packet.data, data, len);
	gd_give_back(to);
}

static void two_cards(void **state)
{
	static const uint32_t lens[] = { 0, 1, 63, 64, 1500, 4096, 4097, 9000,
					 DUCT_PACKET_MAX };
	struct wire *wire = *state;

	wire_start_both(wire);
	assert_int_equal(wire->gd[0].hwaddr, 0x1000);
	assert_int_equal(wire->gd[1].hwaddr, 0x1001);
	for (size_t round = 0; round < 5; round++) {
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			send_and_check(&wire->gd[0], &wire->gd[1], lens[i]);
			send_and_check(&wire->gd[1], &wire->gd[0], lens[i]);
		}
	}
	assert_int_equal(vc_read32(&wire->vc[0], DUCT_FLAGS), 0);
	assert_int_equal(vc_read32(&wire->vc[1], DUCT_FLAGS), 0);
}

/* One doorbell for a full ring; all of it arrives, in order. */
static void full_ring(void **state)
{
	struct wire *wire = *state;
	struct gd_packet packet;

	wire_start_both(wire);
	for (uint32_t i = 0; i < 1u << WIRE_SHIFT; i++)
		assert_ok(gd_put(&wire->gd[0], wire->gd[1].hwaddr, &i,
				 sizeof(i)));
	assert_int_not_equal(gd_put(&wire->gd[0], 0, NULL, 0), 0);
	assert_ok(gd_ring_tx(&wire->gd[0]));
	for (uint32_t i = 0; i < 1u << WIRE_SHIFT; i++) {
		assert_ok(gd_receive(&wire->gd[1], &packet));
		assert_int_equal(packet.len, sizeof(i));
		assert_memory_equal(packet.data, &i, sizeof(i));
		gd_give_back(&wire->gd[1]);
	}
	assert_ok(gd_wait_sent(&wire->gd[0]));
}

static void echo(void **state)
{
	static uint8_t data[DUCT_PACKET_MAX];
	struct wire *wire = *state;
	struct gd_packet packet;

	wire_start_both(wire);
	fill(data, sizeof(data), 7);
	for (uint32_t len = 0; len <= DUCT_PACKET_MAX; len += 4096) {
		assert_ok(gd_send(&wire->gd[0], 0x0000EC60, data, len));
		assert_ok(gd_receive(&wire->gd[0], &packet));
		assert_int_equal(packet.src, 0x0000EC60);
		assert_int_equal(packet.dst, wire->gd[0].hwaddr);
		assert_int_equal(packet.len, len);
		if (len)
			assert_memory_equal(packet.data, data, len);
		gd_give_back(&wire->gd[0]);
	}
	wire_sync(&wire->vc[1]);
	assert_false(gd_peek(&wire->gd[1]));
}

static void quote(void **state)
{
	struct wire *wire = *state;
	struct gd_packet packet;

	wire_start_both(wire);
	assert_ok(gd_send(&wire->gd[0], 0x0000BEEF, NULL, 0));
	assert_ok(gd_receive(&wire->gd[0], &packet));
	assert_int_equal(packet.src, 0x0000BEEF);
	assert_in_range(packet.len, 1, DUCT_PACKET_MAX);
	for (uint32_t i = 0; i < packet.len; i++)
		assert_int_not_equal(packet.data[i], '\n');
}

/* Each delivered byte was moved once. */
static void one_copy(void **state)
{
	static const uint8_t data[DUCT_PACKET_MAX];
	struct wire *wire = *state;
	const char *text;
	long long copied, delivered;
	uint64_t sum = 0;

	wire_start_both(wire);
	for (uint32_t len = 1; len <= DUCT_PACKET_MAX; len += 97) {
		send_and_check(&wire->gd[0], &wire->gd[1], len);
		sum += len;
	}
	/* To nobody: not copied at all. */
	assert_ok(gd_send(&wire->gd[0], 0x77777777, data, sizeof(data)));

	text = daemon_state(&wire->daemon);
	assert_non_null(text);
	copied = daemon_counter(text, "bus:", "copied_bytes");
	delivered = daemon_counter(text, "bus:", "delivered_bytes");
	assert_int_equal(delivered, sum);
	assert_int_equal(copied, sum);
	assert_int_equal(daemon_counter(text, "bus:", "unclaimed"), 1);
}

static uint64_t signals(struct wire *wire, const char *name)
{
	const char *text = daemon_state(&wire->daemon);
	char section[128];

	assert_non_null(text);
	snprintf(section, sizeof(section), "card: %s", wire->daemon.path[1]);
	return (uint64_t)daemon_counter(text, section, name);
}

/*
 * Card 0 sends @count packets with one doorbell to card 1.
 * Return: messages of vector 0 that card 1 sent for them.
 */
static uint64_t burst(struct wire *wire, uint32_t count)
{
	uint64_t before, got;

	before = signals(wire, "signals_sent");
	for (uint32_t i = 0; i < count; i++)
		assert_ok(gd_put(&wire->gd[0], wire->gd[1].hwaddr, &i, 4));
	assert_ok(gd_ring_tx(&wire->gd[0]));
	assert_ok(gd_wait_sent(&wire->gd[0]));
	for (uint32_t i = 0; i < count; i++) {
		struct gd_packet packet;

		assert_ok(gd_receive(&wire->gd[1], &packet));
		gd_give_back(&wire->gd[1]);
	}
	/* The state is printed after the round that carried the last packet. */
	got = signals(wire, "signals_sent") - before;
	assert_int_equal(vc_poll_event(&wire->vc[1], 0), got);
	return got;
}

static void signal_burst(void **state)
{
	struct wire *wire = *state;

	assert_ok(daemon_start(&wire->daemon, 2, ",signal=burst"));
	wire_start_both(wire);
	wire_sync(&wire->vc[1]);
	vc_poll_event(&wire->vc[1], 0);
	assert_int_equal(burst(wire, 1), 1);
	/* EVFLAGS is not 0 any more, and it signals all the same. */
	assert_int_equal(burst(wire, 1), 1);
	/* How many rounds a ringful takes is the bus's affair. */
	assert_in_range(burst(wire, 1u << WIRE_SHIFT), 1, 4);
	assert_int_equal(vc_read32(&wire->vc[1], DUCT_EVFLAGS) & DUCT_EV_RXCOMP,
			 DUCT_EV_RXCOMP);
	assert_int_equal(vc_read32(&wire->vc[1], DUCT_EVFLAGS), 0);
	assert_int_equal(burst(wire, 1), 1);
}

static void signal_each(void **state)
{
	struct wire *wire = *state;

	assert_ok(daemon_start(&wire->daemon, 2, ",signal=each"));
	wire_start_both(wire);
	wire_sync(&wire->vc[1]);
	vc_poll_event(&wire->vc[1], 0);
	assert_int_equal(burst(wire, 1), 1);
	assert_int_equal(burst(wire, 5), 5);
	assert_int_equal(burst(wire, 1u << WIRE_SHIFT), 1u << WIRE_SHIFT);
}

static void signal_latched(void **state)
{
	struct wire *wire = *state;

	assert_ok(daemon_start(&wire->daemon, 2, ",signal=latched"));
	wire_start_both(wire);
	/* START and ADDFILT completed; only the first was told. */
	wire_sync(&wire->vc[1]);
	assert_int_equal(vc_poll_event(&wire->vc[1], 0), 1);
	assert_int_equal(burst(wire, 3), 0);
	assert_int_equal(vc_read32(&wire->vc[1], DUCT_EVFLAGS),
			 DUCT_EV_CMDCOMP | DUCT_EV_RXCOMP);
	assert_int_equal(burst(wire, 3), 1);
	assert_int_equal(burst(wire, 3), 0);
	assert_int_equal(vc_read32(&wire->vc[1], DUCT_EVFLAGS), DUCT_EV_RXCOMP);
	assert_int_equal(burst(wire, 1), 1);
}

static void expect_no_memory(struct wire *wire)
{
	struct guest_driver *gd = &wire->gd[0];

	assert_ok(gd_setup(gd, &wire->vc[0], WIRE_SHIFT));
	gd_put_command(gd, DUCT_CMD_FLUSHFILT, 0, 0);
	assert_ok(gd_ring_command(gd));
	assert_int_equal(vc_wait_event(&wire->vc[0], DUCT_VECTOR_FATAL), 1);
	assert_int_equal(vc_read32(&wire->vc[0], DUCT_FLAGS), DUCT_FLAGS_FLTB);
}

/* A card that may not master the bus reaches no memory. */
static void no_bus_master(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint16_t off = 0;

	assert_ok(vc_attach(vc, wire->daemon.path[0]));
	assert_ok(vc_write(vc, VU_REGION_CONFIG, 4, &off, 2));
	expect_no_memory(wire);
	/* a reset takes it away */
	assert_ok(vc_attach(vc, wire->daemon.path[0]));
	assert_ok(vc_reset(vc));
	expect_no_memory(wire);
	/* and with the client it goes too */
	assert_ok(vc_attach(vc, wire->daemon.path[0]));
	assert_ok(vc_connect(vc, wire->daemon.path[0]));
	assert_ok(vc_version(vc));
	assert_ok(vc_map(vc, 0, vc->mem_size, vc->memfd, 0, 3));
	assert_ok(vc_arm(vc, DUCT_VECTOR_FATAL));
	expect_no_memory(wire);
}

/* Vector 1, then nothing until it is reset, then everything again. */
static void fatal_and_reset(void **state)
{
	struct wire *wire = *state;
	struct guest_driver *gd = &wire->gd[0];

	wire_start_both(wire);
	assert_ok(vc_write32(&wire->vc[0], DUCT_TXSHIFT, 3));
	assert_int_equal(vc_wait_event(&wire->vc[0], DUCT_VECTOR_FATAL), 1);
	assert_int_equal(vc_read32(&wire->vc[0], DUCT_FLAGS), DUCT_FLAGS_SEQ);
	assert_ok(gd_put(&wire->gd[1], gd->hwaddr, "x", 1));
	assert_ok(gd_ring_tx(&wire->gd[1]));
	assert_ok(gd_wait_sent(&wire->gd[1]));
	assert_false(gd_peek(gd));

	assert_ok(vc_write32(&wire->vc[0], DUCT_FLAGS, DUCT_FLAGS_RST));
	assert_int_equal(vc_read32(&wire->vc[0], DUCT_FLAGS), 0);
	assert_ok(gd_setup(gd, &wire->vc[0], WIRE_SHIFT));
	assert_ok(gd_start(gd));
	send_and_check(&wire->gd[1], gd, 100);
}

/* DEVICE_RESET is a power cycle, but memory and vectors stay. */
static void device_reset(void **state)
{
	struct wire *wire = *state;
	struct guest_driver *gd = &wire->gd[0];
	uint16_t command;

	wire_start_both(wire);
	assert_ok(vc_reset(&wire->vc[0]));
	assert_ok(vc_read(&wire->vc[0], VU_REGION_CONFIG, 4, &command, 2));
	assert_int_equal(command, 0);
	command = 6;
	assert_ok(vc_write(&wire->vc[0], VU_REGION_CONFIG, 4, &command, 2));
	assert_ok(gd_setup(gd, &wire->vc[0], WIRE_SHIFT));
	assert_ok(gd_start(gd));
	send_and_check(&wire->gd[1], gd, 100);
	vc_poll_event(&wire->vc[0], 0);
	send_and_check(&wire->gd[1], gd, 100);
	assert_in_range(vc_wait_event(&wire->vc[0], 0), 1, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		wire_test(two_cards),
		wire_test(full_ring),
		wire_test(echo),
		wire_test(quote),
		wire_test(one_copy),
		wire_test_empty(signal_burst),
		wire_test_empty(signal_each),
		wire_test_empty(signal_latched),
		wire_test(no_bus_master),
		wire_test(fatal_and_reset),
		wire_test(device_reset),
	};

	return cmocka_run_group_tests_name("packets", tests, NULL, NULL);
}
