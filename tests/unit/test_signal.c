// SPDX-License-Identifier: GPL-2.0-only
/* Vector 0 in each of the three modes: docs/card.md, "Events and interrupts". */
#include <pthread.h>
#include <stdatomic.h>

#include "net_test.h"

static int setup_each(void **state)
{
	return net_setup_with(state, CARD_SIGNAL_EACH);
}

static int setup_latched(void **state)
{
	return net_setup_with(state, CARD_SIGNAL_LATCHED);
}

/* Only burst holds anything back. */
static int setup_each_held(void **state)
{
	int err = setup_each(state);

	((struct net *)*state)->bus.hold_us = 1000;
	return err;
}

static int setup_latched_held(void **state)
{
	int err = setup_latched(state);

	((struct net *)*state)->bus.hold_us = 1000;
	return err;
}

static unsigned int take_signals(struct guest *g)
{
	unsigned int n = g->signals[DUCT_VECTOR_EVENT];

	g->signals[DUCT_VECTOR_EVENT] = 0;
	assert_int_equal(g->signals[DUCT_VECTOR_FATAL], 0);
	return n;
}

/* Some commands with one doorbell. */
static void some_commands(struct guest *g, unsigned int count)
{
	while (count--)
		put_command(g, DUCT_CMD_FLUSHFILT, 0, 0);
	cmd_doorbell(g);
}

static void some_packets(struct guest *g, unsigned int count)
{
	while (count--)
		put_tx(g, B_ADDR, TX_DATA, 4);
	tx_doorbell(g);
	run_bus(g->card.station.bus);
}

static void up(struct net *net)
{
	guest_up(net->a, 7, 0);
	guest_up(net->b, 0, 2);
}

static void burst(void **state)
{
	struct net *net = *state;

	up(net);
	/* EVFLAGS is never read, and no wake-up is lost */
	for (int i = 0; i < 3; i++) {
		some_commands(net->a, 5);
		assert_int_equal(take_signals(net->a), 1);
	}
	some_packets(net->a, 10);	/* 4 received, 6 dropped, one burst */
	assert_int_equal(take_signals(net->a), 1);
	assert_int_equal(take_signals(net->b), 1);
	/* a burst ends with the round */
	some_packets(net->a, BUS_BUDGET + 1);
	assert_int_equal(take_signals(net->a), 2);
	assert_int_equal(take_signals(net->b), 2);
	assert_int_equal(rd(net->b, DUCT_EVFLAGS),
			 DUCT_EV_RXCOMP | DUCT_EV_RXDROP);
	/* nothing happened, nothing is said */
	wr(net->a, DUCT_DBELL, 0);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(take_signals(net->a), 0);
	assert_int_equal(net->b->card.counters.signals, 2 + 2 + 1);
}

/* Only drops: the driver hears of them too. */
static void burst_of_drops(void **state)
{
	struct net *net = *state;

	up(net);
	some_packets(net->a, 4);
	take_signals(net->b);
	some_packets(net->a, 3);
	assert_int_equal(take_signals(net->b), 1);
}

static void each(void **state)
{
	struct net *net = *state;

	up(net);
	some_commands(net->a, 5);
	assert_int_equal(take_signals(net->a), 5);
	some_packets(net->a, 10);
	assert_int_equal(take_signals(net->a), 10);
	assert_int_equal(take_signals(net->b), 10);
	assert_int_equal(net->b->card.counters.signals, 12);
	assert_int_equal(net->b->card.counters.events, 12);
}

static void latched(void **state)
{
	struct net *net = *state;

	up(net);
	some_commands(net->a, 5);
	assert_int_equal(take_signals(net->a), 1);
	some_commands(net->a, 5);
	some_packets(net->a, 10);
	assert_int_equal(take_signals(net->a), 0);
	assert_int_equal(take_signals(net->b), 1);
	/* until EVFLAGS is read, whatever else is read */
	rd(net->a, DUCT_FLAGS);
	card_read(&net->a->card, DUCT_EVFLAGS, 2);
	some_packets(net->a, 1);
	assert_int_equal(take_signals(net->a), 0);
	assert_int_equal(rd(net->a, DUCT_EVFLAGS),
			 DUCT_EV_CMDCOMP | DUCT_EV_TXCOMP);
	assert_int_equal(take_signals(net->a), 0);
	some_packets(net->a, 3);
	assert_int_equal(take_signals(net->a), 1);
	assert_int_equal(rd(net->a, DUCT_EVFLAGS), DUCT_EV_TXCOMP);
}

/* Reset forgets a vector that is owed, and what was latched. */
static void reset_forgets(void **state)
{
	struct net *net = *state;

	up(net);
	some_packets(net->a, 1);
	assert_int_equal(take_signals(net->a), 1);
	put_tx(net->a, B_ADDR, TX_DATA, 4);
	tx_doorbell(net->a);
	wr(net->a, DUCT_FLAGS, DUCT_FLAGS_RST);
	wr(net->b, DUCT_FLAGS, DUCT_FLAGS_RST);
	run_bus(&net->bus);
	assert_int_equal(take_signals(net->a), 0);
	up(net);
	some_packets(net->a, 1);
	assert_int_equal(take_signals(net->a), 1);
}

/* The data is there when the vector comes. */
static void look(void *ctx, unsigned int vector)
{
	struct guest *g = ctx;

	g->signals[vector]++;
	if (g->rx_next && rx_desc(g, 0)->owner == DUCT_OWNER_HOST) {
		assert_int_equal(le32toh(rx_desc(g, 0)->pktlen), 5);
		assert_string_equal(at(g, rx_buf(0)), "done");
		assert_true(g->card.evflags & DUCT_EV_RXCOMP);
	}
}

static void all_is_written_before_the_vector(void **state)
{
	struct net *net = *state;

	up(net);
	net->b->card.host.signal = look;
	send_bytes(net->a, B_ADDR, "done", 5);
	assert_int_equal(take_signals(net->b), 1);
}

/*
 * A guest that changes a descriptor while the card reads it: either the one or
 * the other was there, never half of each, and nobody else is harmed.
 */
struct flicker {
	struct duct_pkt_desc *desc;
	atomic_bool stop;
};

static void *flicker(void *arg)
{
	struct flicker *f = arg;
	volatile uint32_t *length = &f->desc->length[0];

	while (!atomic_load(&f->stop)) {
		*length = htole32(0x7fffffff);
		*length = htole32(100);
	}
	return NULL;
}

static void flickering_descriptor(void **state)
{
	struct net *net = *state;
	struct flicker f = { .desc = at(net->a, TX_RING) };
	unsigned int good = 0, bad = 0, wrong = 0;
	pthread_t thread;

	guest_up(net->b, 0, 0);
	f.desc->length[0] = htole32(100);
	pthread_create(&thread, NULL, flicker, &f);
	for (int i = 0; i < 20000; i++) {
		if (net->a->card.flags || !net->a->card.started) {
			wr(net->a, DUCT_FLAGS, DUCT_FLAGS_RST);
			guest_up(net->a, 0, 0);
		}
		net->b->rx_next = 0;
		put_rx_bufs(net->b, 1);
		f.desc->dst = htole32(B_ADDR);
		f.desc->pointer[0] = htole64(TX_DATA);
		f.desc->owner = DUCT_OWNER_CARD;
		tx_doorbell(net->a);
		run_bus(&net->bus);
		if (rx_desc(net->b, 0)->owner == DUCT_OWNER_HOST) {
			good++;
			wrong += le32toh(rx_desc(net->b, 0)->pktlen) != 100 ||
				 f.desc->owner != DUCT_OWNER_HOST;
		} else {
			bad++;
			wrong += net->a->card.flags != DUCT_FLAGS_FLTR ||
				 f.desc->owner != DUCT_OWNER_CARD;
		}
	}
	atomic_store(&f.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(good + bad, 20000);
	assert_int_equal(net->b->card.flags, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(burst),
		NET_TEST(burst_of_drops),
		cmocka_unit_test_setup_teardown(each, setup_each,
						net_teardown),
		cmocka_unit_test_setup_teardown(latched, setup_latched,
						net_teardown),
		cmocka_unit_test_setup_teardown(each, setup_each_held,
						net_teardown),
		cmocka_unit_test_setup_teardown(latched, setup_latched_held,
						net_teardown),
		NET_TEST(reset_forgets),
		cmocka_unit_test_setup_teardown(reset_forgets, setup_latched,
						net_teardown),
		NET_TEST(all_is_written_before_the_vector),
		cmocka_unit_test_setup_teardown(
			all_is_written_before_the_vector, setup_each,
			net_teardown),
		NET_TEST(flickering_descriptor),
	};

	return cmocka_run_group_tests_name("signal", tests, NULL, NULL);
}
