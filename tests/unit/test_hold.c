// SPDX-License-Identifier: GPL-2.0-only
/* Vector 0 for sent packets alone may wait: signal=burst with a hold time. */
#include "net_test.h"

#define HOLD	100u
#define SHIFT	7u			/* of the transmit ring */
#define QUARTER	32u			/* of it: more do not wait */

static int setup(void **state)
{
	struct net *net;
	int err = net_setup(state);

	net = *state;
	net->bus.hold_us = HOLD;
	net->bus.now_us = 777777;
	guest_up(net->a, SHIFT, 4);
	guest_up(net->b, SHIFT, 4);
	return err;
}

static unsigned int take_signals(struct guest *g)
{
	unsigned int n = g->signals[DUCT_VECTOR_EVENT];

	g->signals[DUCT_VECTOR_EVENT] = 0;
	return n;
}

/* To nobody: but for the sender's nothing happens. */
static void sends(struct guest *g, unsigned int count)
{
	while (count--)
		put_tx(g, C_ADDR, TX_DATA, 4);
	tx_doorbell(g);
	run_bus(g->card.station.bus);
}

/* Time goes on, and nothing else happens. */
static unsigned int signals_after(struct net *net, uint64_t us)
{
	net->bus.now_us += us;
	run_bus(&net->bus);
	return take_signals(net->a);
}

static void waits_so_long(void **state)
{
	struct net *net = *state;

	sends(net->a, 1);
	/* sent it is, and whoever looks can see it */
	assert_int_equal(tx_desc(net->a, 0)->owner, DUCT_OWNER_HOST);
	assert_int_equal(net->a->card.evflags, DUCT_EV_TXCOMP);
	assert_int_equal(take_signals(net->a), 0);
	assert_true(net->bus.held);
	assert_int_equal(signals_after(net, HOLD - 1), 0);
	assert_true(net->bus.held);
	assert_int_equal(signals_after(net, 1), 1);
	assert_false(net->bus.held);
	assert_int_equal(signals_after(net, 10 * HOLD), 0);
}

/* From the first packet on, however many follow: else it might never come. */
static void waits_no_longer(void **state)
{
	struct net *net = *state;

	for (unsigned int i = 0; i < 10; i++) {
		sends(net->a, 1);
		assert_int_equal(take_signals(net->a), 0);
		assert_int_equal(signals_after(net, HOLD / 10), i == 9);
	}
	/* and it begins anew with the next */
	sends(net->a, 1);
	assert_int_equal(signals_after(net, HOLD - 1), 0);
	assert_int_equal(signals_after(net, 1), 1);
}

static void not_at_all_when_told_so(void **state)
{
	struct net *net = *state;

	net->bus.hold_us = 0;
	for (unsigned int i = 0; i < 3; i++) {
		sends(net->a, 1);
		assert_int_equal(take_signals(net->a), 1);
		assert_false(net->bus.held);
	}
}

static void a_quarter_of_the_ring_does_not_wait(void **state)
{
	struct net *net = *state;

	sends(net->a, QUARTER - 1);
	assert_int_equal(take_signals(net->a), 0);
	sends(net->a, 1);
	assert_int_equal(take_signals(net->a), 1);
	sends(net->a, QUARTER);
	assert_int_equal(take_signals(net->a), 1);
	/* counted from the last signal, also when time brought that */
	sends(net->a, QUARTER - 1);
	assert_int_equal(signals_after(net, HOLD), 1);
	sends(net->a, QUARTER - 1);
	assert_int_equal(take_signals(net->a), 0);
	assert_true(net->bus.held);
}

/* A guest with a small ring would else stand still. */
static void small_rings_do_not_wait(void **state)
{
	struct net *net = *state;

	for (uint32_t shift = 0; shift < 4; shift++) {
		card_reset(&net->a->card);
		guest_up(net->a, shift, 0);
		sends(net->a, 1);
		assert_int_equal(take_signals(net->a), shift < 3);
	}
	sends(net->a, 1);
	assert_int_equal(take_signals(net->a), 1);
}

static void what_is_received_does_not_wait(void **state)
{
	struct net *net = *state;

	send_bytes(net->b, A_ADDR, "x", 1);
	assert_int_equal(take_signals(net->a), 1);
	assert_int_equal(take_signals(net->b), 0);
	/* and takes with it what has waited */
	sends(net->a, 1);
	assert_int_equal(take_signals(net->a), 0);
	send_bytes(net->b, A_ADDR, "x", 1);
	assert_int_equal(take_signals(net->a), 1);
	assert_int_equal(signals_after(net, HOLD), 0);
	/* what is sent after it waits again */
	sends(net->a, QUARTER - 1);
	assert_int_equal(take_signals(net->a), 0);
}

/* Received and sent in one round, in either order. */
static void both_in_one_round(void **state)
{
	struct net *net = *state;

	for (unsigned int i = 0; i < 2; i++) {
		put_tx(net->a, B_ADDR, TX_DATA, 4);
		tx_doorbell(net->a);
		put_tx(net->b, A_ADDR, TX_DATA, 4);
		tx_doorbell(net->b);
		assert_false(bus_run(&net->bus));
		assert_int_equal(take_signals(net->a), 1);
		assert_int_equal(take_signals(net->b), 1);
		assert_false(net->bus.held);
	}
}

static void what_is_lost_does_not_wait(void **state)
{
	struct net *net = *state;
	struct guest *a = net->a;

	rx_desc(a, 0)->owner = DUCT_OWNER_HOST;
	sends(a, 1);
	send_bytes(net->b, A_ADDR, "x", 1);
	assert_int_equal(rd(a, DUCT_EVFLAGS), DUCT_EV_TXCOMP | DUCT_EV_RXDROP);
	assert_int_equal(take_signals(a), 1);

	a->rx_next = 0;
	put_rx(a, rx_buf(0), 1);
	sends(a, 1);
	send_bytes(net->b, A_ADDR, "xy", 2);
	assert_int_equal(rd(a, DUCT_EVFLAGS), DUCT_EV_TXCOMP | DUCT_EV_RXJUMBO);
	assert_int_equal(take_signals(a), 1);
}

static void commands_do_not_wait(void **state)
{
	struct net *net = *state;

	assert_int_equal(command(net->a, DUCT_CMD_FLUSHFILT, 0, 0), 0);
	assert_int_equal(take_signals(net->a), 1);
	sends(net->a, 1);
	assert_int_equal(take_signals(net->a), 0);
	assert_int_equal(command(net->a, DUCT_CMD_FLUSHFILT, 0, 0), 0);
	assert_int_equal(take_signals(net->a), 1);
	assert_int_equal(signals_after(net, HOLD), 0);
	assert_false(net->bus.held);
	/* nor does STOP leave anything to be waited for */
	sends(net->a, 1);
	assert_int_equal(stop(net->a), 0);
	assert_int_equal(take_signals(net->a), 1);
	assert_int_equal(signals_after(net, HOLD), 0);
}

/* A command doorbell that finds no command is no event. */
static void empty_doorbells_bring_nothing(void **state)
{
	struct net *net = *state;

	sends(net->a, 1);
	wr(net->a, DUCT_DBELL, 0);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(take_signals(net->a), 0);
	assert_int_equal(signals_after(net, HOLD), 1);
}

/* To read EVFLAGS is no way to lose the interrupt. */
static void reading_takes_nothing_away(void **state)
{
	struct net *net = *state;

	sends(net->a, 1);
	assert_int_equal(rd(net->a, DUCT_EVFLAGS), DUCT_EV_TXCOMP);
	assert_int_equal(signals_after(net, HOLD), 1);
}

/* One card's waiting is no other's. */
static void each_card_for_itself(void **state)
{
	struct net *net = *state;

	sends(net->a, 1);
	net->bus.now_us += HOLD / 2;
	sends(net->b, 1);
	net->bus.now_us += HOLD / 2;
	run_bus(&net->bus);
	assert_int_equal(take_signals(net->a), 1);
	assert_int_equal(take_signals(net->b), 0);
	assert_true(net->bus.held);
	net->bus.now_us += HOLD / 2;
	run_bus(&net->bus);
	assert_int_equal(take_signals(net->a), 0);
	assert_int_equal(take_signals(net->b), 1);
}

/* What was owed before is not owed after, nor counted. */
static void reset_forgets(void **state)
{
	struct net *net = *state;

	sends(net->a, QUARTER - 1);
	wr(net->a, DUCT_FLAGS, DUCT_FLAGS_RST);
	assert_int_equal(signals_after(net, HOLD), 0);
	assert_false(net->bus.held);
	guest_up(net->a, SHIFT, 4);
	sends(net->a, 1);
	assert_int_equal(take_signals(net->a), 0);
	assert_int_equal(signals_after(net, HOLD - 1), 0);
	assert_int_equal(signals_after(net, 1), 1);
}

/* The event is received, and the card reset before the round is over. */
static void reset_in_the_round(void *ctx, unsigned int vector)
{
	struct guest *b = ctx;

	b->signals[vector]++;
	if (b->rx_next)
		card_reset(&b->card);
}

static void reset_forgets_what_could_not_wait(void **state)
{
	struct net *net = *state;
	struct duct_pkt_desc *second = rx_desc(net->b, 1);

	/* the first is received, the second is fatal, and that resets */
	second->pointer[0] = htole64(NOWHERE);
	net->b->card.host.signal = reset_in_the_round;
	put_tx(net->a, B_ADDR, TX_DATA, 4);
	put_tx(net->a, B_ADDR, TX_DATA, 4);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(net->b->card.counters.rx_packets, 1);
	assert_int_equal(net->b->signals[DUCT_VECTOR_FATAL], 1);
	assert_int_equal(take_signals(net->b), 0);
	net->b->card.host.signal = guest_signal;
	guest_up(net->b, SHIFT, 4);
	sends(net->b, 1);
	assert_int_equal(take_signals(net->b), 0);
}

static void fatal_error_forgets(void **state)
{
	struct net *net = *state;

	sends(net->a, 1);
	wr(net->a, DUCT_TXSHIFT, 3);
	assert_int_equal(net->a->signals[DUCT_VECTOR_FATAL], 1);
	assert_int_equal(signals_after(net, HOLD), 0);
	assert_false(net->bus.held);
}

int main(void)
{
#define HOLD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, net_teardown)
	const struct CMUnitTest tests[] = {
		HOLD_TEST(waits_so_long),
		HOLD_TEST(waits_no_longer),
		HOLD_TEST(not_at_all_when_told_so),
		HOLD_TEST(a_quarter_of_the_ring_does_not_wait),
		HOLD_TEST(small_rings_do_not_wait),
		HOLD_TEST(what_is_received_does_not_wait),
		HOLD_TEST(both_in_one_round),
		HOLD_TEST(what_is_lost_does_not_wait),
		HOLD_TEST(commands_do_not_wait),
		HOLD_TEST(empty_doorbells_bring_nothing),
		HOLD_TEST(reading_takes_nothing_away),
		HOLD_TEST(each_card_for_itself),
		HOLD_TEST(reset_forgets),
		HOLD_TEST(reset_forgets_what_could_not_wait),
		HOLD_TEST(fatal_error_forgets),
	};

	return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
