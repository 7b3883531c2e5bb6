// SPDX-License-Identifier: GPL-2.0-only
/* What ductnet does by itself: packets with no doorbell, interrupts that wait. */
#include <sched.h>
#include <sys/syscall.h>

#include "wire.h"

#define A_SECOND	"1000000"

/* A ductnet with these options, and both cards started. */
static void start_with(struct wire *wire, const char *busy_poll,
		       const char *tx_usecs)
{
	struct daemon *daemon = &wire->daemon;
	const char *args[16];
	unsigned int n = 0;

	for (int i = 0; i < 2; i++) {
		args[n++] = "--card";
		args[n++] = daemon->path[i];
	}
	if (busy_poll) {
		args[n++] = "--busy-poll";
		args[n++] = busy_poll;
	}
	if (tx_usecs) {
		args[n++] = "--tx-usecs";
		args[n++] = tx_usecs;
	}
	args[n] = NULL;
	assert_ok(daemon_spawn(daemon, args));
	assert_ok(daemon_wait_log(daemon, 0, "ready\n"));
	wire_start_both(wire);
	for (int i = 0; i < 2; i++) {
		wire_sync(&wire->vc[i]);
		vc_poll_event(&wire->vc[i], DUCT_VECTOR_EVENT);
	}
}

static long long counter(struct wire *wire, int card, const char *name)
{
	const char *text = daemon_state(&wire->daemon);
	char section[128];

	assert_non_null(text);
	snprintf(section, sizeof(section), "card: %s", wire->daemon.path[card]);
	return daemon_counter(text, section, name);
}

/* The system call it waits in. Return: its number, or -1 when it runs. */
static long waits_in(const struct daemon *daemon, unsigned long arg[4])
{
	char path[64], text[256] = "";
	long number;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)daemon->pid);
	file = fopen(path, "re");
	assert_non_null(file);
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	if (sscanf(text, "%ld %lx %lx %lx %lx", &number, &arg[0], &arg[1],
		   &arg[2], &arg[3]) != 5)
		return -1;
	return number;
}

static bool sleeps(const struct daemon *daemon)
{
	unsigned long arg[4];

	return waits_in(daemon, arg) == SYS_epoll_pwait2;
}

/* With no time at which it would wake up by itself. */
static bool sleeps_for_good(const struct daemon *daemon)
{
	unsigned long arg[4];

	return waits_in(daemon, arg) == SYS_epoll_pwait2 && !arg[3];
}

static void assert_comes_to_rest(const struct daemon *daemon)
{
	int64_t deadline = vc_now_ms() + DAEMON_TIMEOUT_MS;

	while (!sleeps_for_good(daemon)) {
		assert_true(vc_now_ms() < deadline);
		sched_yield();
	}
}

static bool is_sent(const struct guest_driver *gd, uint32_t index)
{
	const struct duct_pkt_desc *desc = (void *)gd->tx.slots;
	uint32_t mask = (1u << gd->tx.shift) - 1;

	return __atomic_load_n(&desc[index & mask].owner, __ATOMIC_ACQUIRE) ==
	       DUCT_OWNER_HOST;
}

static void take_one(struct guest_driver *gd, uint32_t want)
{
	struct gd_packet packet;

	assert_ok(gd_receive(gd, &packet));
	assert_int_equal(packet.len, sizeof(want));
	assert_memory_equal(packet.data, &want, sizeof(want));
	gd_give_back(gd);
}

/*
 * After a message ductnet looks for work for a second, unless somebody else
 * has the CPU: then it goes to sleep, and the next message is another attempt.
 */
static void polling_needs_no_doorbell(void **state)
{
	int64_t deadline = vc_now_ms() + DAEMON_TIMEOUT_MS;
	struct wire *wire = *state;
	struct guest_driver *gd = &wire->gd[0];
	uint32_t alone = 0;

	start_with(wire, A_SECOND, "0");
	for (uint32_t i = 0; alone < 20; i++) {
		bool asleep = false;

		assert_true(vc_now_ms() < deadline);
		wire_sync(&wire->vc[1]);
		assert_ok(gd_put(gd, wire->gd[1].hwaddr, &i, sizeof(i)));
		while (!asleep && !is_sent(gd, i))
			asleep = sleeps(&wire->daemon);
		if (is_sent(gd, i))
			alone++;
		else
			wire_sync(&wire->vc[1]);
		assert_ok(gd_wait_sent(gd));
		take_one(&wire->gd[1], i);
	}
	assert_int_equal(counter(wire, 0, "tx_doorbells"), 0);
}

/* Whatever woke it, and for whichever card: it looks at all of them. */
static void each_turn_looks(void **state)
{
	struct wire *wire = *state;

	start_with(wire, "0", "0");
	for (uint32_t i = 0; i < 100; i++) {
		struct guest_driver *from = &wire->gd[i & 1];
		struct guest_driver *to = &wire->gd[~i & 1];

		assert_ok(gd_put(from, to->hwaddr, &i, sizeof(i)));
		wire_sync(to->vc);
		assert_ok(gd_wait_sent(from));
		take_one(to, i);
	}
	assert_int_equal(counter(wire, 0, "tx_doorbells"), 0);
	assert_int_equal(counter(wire, 1, "tx_doorbells"), 0);
	assert_int_equal(counter(wire, 0, "tx_packets"), 50);
	assert_int_equal(counter(wire, 1, "tx_packets"), 50);
}

/* Nothing happens behind a packet, and its interrupt comes all the same. */
static void comes_by_itself(struct wire *wire)
{
	for (int i = 0; i < 20; i++) {
		assert_ok(gd_put(&wire->gd[0], 0x77777777, "x", 1));
		assert_ok(gd_ring_tx(&wire->gd[0]));
		assert_int_equal(vc_wait_event(&wire->vc[0], DUCT_VECTOR_EVENT),
				 1);
		assert_ok(gd_wait_sent(&wire->gd[0]));
	}
	assert_comes_to_rest(&wire->daemon);
	assert_int_equal(vc_poll_event(&wire->vc[0], DUCT_VECTOR_EVENT), 0);
	assert_int_equal(counter(wire, 0, "tx_packets"), 20);
}

static void held_signal_comes_by_itself(void **state)
{
	struct wire *wire = *state;

	start_with(wire, NULL, NULL);
	comes_by_itself(wire);
}

static void held_signal_comes_without_polling(void **state)
{
	struct wire *wire = *state;

	start_with(wire, "0", NULL);
	comes_by_itself(wire);
}

static void held_signal_comes_while_polling(void **state)
{
	struct wire *wire = *state;

	start_with(wire, A_SECOND, NULL);
	comes_by_itself(wire);
}

/* Fewer than a quarter of the ring, and one signal for them, not three. */
static void signal_is_held(void **state)
{
	struct wire *wire = *state;
	uint64_t signals;

	start_with(wire, "0", A_SECOND);
	for (int i = 0; i < 3; i++)
		assert_ok(gd_send(&wire->gd[0], 0x77777777, "x", 1));
	signals = vc_wait_event(&wire->vc[0], DUCT_VECTOR_EVENT);
	assert_comes_to_rest(&wire->daemon);
	signals += vc_poll_event(&wire->vc[0], DUCT_VECTOR_EVENT);
	/* more than one takes a machine that does this once a second */
	assert_in_range(signals, 1, 2);
}

/* A message is answered behind the turn of the one before. */
static void nothing_is_held_when_told_so(void **state)
{
	struct wire *wire = *state;

	start_with(wire, "0", "0");
	for (int i = 0; i < 20; i++) {
		assert_ok(gd_send(&wire->gd[0], 0x77777777, "x", 1));
		wire_sync(&wire->vc[0]);
		assert_int_equal(vc_poll_event(&wire->vc[0], DUCT_VECTOR_EVENT),
				 1);
	}
	assert_comes_to_rest(&wire->daemon);
}

/* A quarter of the ring, a packet received, a command. */
static void what_is_not_held(void **state)
{
	struct wire *wire = *state;
	uint8_t err;

	start_with(wire, "0", A_SECOND);
	for (uint32_t i = 0; i < 1u << (WIRE_SHIFT - 2); i++)
		assert_ok(gd_put(&wire->gd[0], wire->gd[1].hwaddr, &i,
				 sizeof(i)));
	assert_ok(gd_ring_tx(&wire->gd[0]));
	assert_ok(gd_wait_sent(&wire->gd[0]));
	wire_sync(&wire->vc[0]);
	for (int i = 0; i < 2; i++)
		assert_int_equal(vc_poll_event(&wire->vc[i], DUCT_VECTOR_EVENT),
				 1);
	assert_ok(gd_command(&wire->gd[1], DUCT_CMD_FLUSHFILT, 0, 0, &err));
	wire_sync(&wire->vc[1]);
	assert_int_equal(vc_poll_event(&wire->vc[1], DUCT_VECTOR_EVENT), 1);
}

/* With nothing to do it does nothing, also after a client that has gone. */
static void comes_to_rest(void **state)
{
	struct wire *wire = *state;

	start_with(wire, NULL, NULL);
	assert_comes_to_rest(&wire->daemon);
	assert_ok(gd_send(&wire->gd[0], wire->gd[1].hwaddr, "x", 1));
	assert_comes_to_rest(&wire->daemon);
	/* it owes a signal, and there is nobody to give it to */
	assert_ok(gd_put(&wire->gd[0], wire->gd[1].hwaddr, "x", 1));
	assert_ok(gd_ring_tx(&wire->gd[0]));
	for (int i = 0; i < 2; i++)
		vc_disconnect(&wire->vc[i]);
	assert_comes_to_rest(&wire->daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		wire_test_empty(polling_needs_no_doorbell),
		wire_test_empty(each_turn_looks),
		wire_test_empty(held_signal_comes_by_itself),
		wire_test_empty(held_signal_comes_without_polling),
		wire_test_empty(held_signal_comes_while_polling),
		wire_test_empty(signal_is_held),
		wire_test_empty(nothing_is_held_when_told_so),
		wire_test_empty(what_is_not_held),
		wire_test_empty(comes_to_rest),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
