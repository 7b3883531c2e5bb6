// SPDX-License-Identifier: GPL-2.0-only
/* The bus: who hears what, in which order, how much a round, who is asked. */
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "guest.h"
#include "unit.h"

#define HEARD	4096

/* A station that sends numbered empty packets and writes down what it hears. */
struct fake {
	struct bus_station station;
	uint32_t addr;
	uint32_t dst;
	bool accept_all;
	bool drop;
	uint32_t to_send;		/* left */
	uint32_t sent;
	uint32_t budget;		/* of the last run */
	unsigned int runs, flushes, looks;
	bool unseen;			/* has work nobody told of */
	unsigned int keeps;		/* flushes to keep something back in */
	unsigned int heard;
	uint32_t src[HEARD];		/* of what it heard */
	uint32_t number[HEARD];
	struct fake *wakes;		/* woken by what it hears */
	bool wakes_itself;		/* once, while it runs */
};

static struct fake *fake_of(struct bus_station *station)
{
	return (struct fake *)station;
}

static bool fake_accepts(struct bus_station *station, uint32_t dst)
{
	struct fake *f = fake_of(station);

	return f->accept_all || dst == f->addr;
}

static int fake_receive(struct bus_station *station,
			const struct bus_packet *packet)
{
	struct fake *f = fake_of(station);

	if (f->drop)
		return -1;
	assert_true(f->heard < HEARD);
	f->src[f->heard] = packet->src;
	memcpy(&f->number[f->heard], packet->piece[0].iov_base, 4);
	f->heard++;
	if (f->wakes) {
		f->wakes->to_send++;
		bus_wake(&f->wakes->station);
	}
	return (int)packet->len;
}

static bool fake_run(struct bus_station *station, unsigned int budget)
{
	struct fake *f = fake_of(station);

	f->runs++;
	f->budget = budget;
	if (f->wakes_itself)
		bus_wake(station);
	f->wakes_itself = false;
	while (f->to_send && budget--) {
		struct bus_packet packet = {
			.dst = f->dst, .src = f->addr, .len = 4, .pieces = 1,
			.piece[0] = { .iov_base = &f->sent, .iov_len = 4 },
		};

		bus_send(station, &packet);
		f->to_send--;
		f->sent++;
	}
	return f->to_send;
}

static bool fake_look(struct bus_station *station)
{
	fake_of(station)->looks++;
	return fake_of(station)->unseen;
}

static bool fake_flush(struct bus_station *station)
{
	struct fake *f = fake_of(station);

	f->flushes++;
	if (!f->keeps)
		return false;
	f->keeps--;
	return true;
}

static const struct bus_station_ops fake_ops = {
	.accepts = fake_accepts,
	.receive = fake_receive,
	.run = fake_run,
	.look = fake_look,
	.flush = fake_flush,
};

/* What a station must have, and no more. */
static const struct bus_station_ops plain_ops = {
	.accepts = fake_accepts,
	.receive = fake_receive,
	.run = fake_run,
};

#define FAKES	4

struct net {
	struct bus bus;
	struct fake fake[FAKES];
};

static int setup(void **state)
{
	struct net *net = calloc(1, sizeof(*net));

	assert_non_null(net);
	bus_init(&net->bus);
	for (uint32_t i = 0; i < FAKES; i++) {
		net->fake[i].addr = i + 1;
		bus_attach(&net->bus, &net->fake[i].station, &fake_ops);
	}
	*state = net;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void queue(struct fake *f, uint32_t dst, uint32_t count)
{
	f->dst = dst;
	f->to_send = count;
	bus_wake(&f->station);
}

static void idle_bus(void **state)
{
	struct net *net = *state;
	struct bus empty;

	assert_false(bus_run(&net->bus));
	assert_int_equal(net->bus.counters.rounds, 0);
	assert_int_equal(net->fake[0].runs, 0);
	assert_int_equal(net->fake[0].flushes, 0);
	bus_init(&empty);
	assert_false(bus_run(&empty));
}

static void only_who_accepts(void **state)
{
	struct net *net = *state;

	net->fake[3].accept_all = true;
	queue(&net->fake[0], 2, 1);
	assert_false(bus_run(&net->bus));
	assert_int_equal(net->fake[1].heard, 1);
	assert_int_equal(net->fake[2].heard, 0);
	assert_int_equal(net->fake[3].heard, 1);
	assert_int_equal(net->bus.counters.packets, 1);
	assert_int_equal(net->bus.counters.bytes, 4);
	assert_int_equal(net->bus.counters.deliveries, 2);
	assert_int_equal(net->bus.counters.delivered_bytes, 8);
	assert_int_equal(net->bus.counters.unclaimed, 0);
	/* flushed: who ran and who was offered a packet, once a round */
	assert_int_equal(net->fake[0].flushes, 1);
	assert_int_equal(net->fake[1].flushes, 1);
	assert_int_equal(net->fake[2].flushes, 0);
	assert_int_equal(net->fake[3].flushes, 1);
}

static void never_the_sender(void **state)
{
	struct net *net = *state;

	for (uint32_t i = 0; i < FAKES; i++)
		net->fake[i].accept_all = true;
	queue(&net->fake[2], 3, 5);
	run_bus(&net->bus);
	for (uint32_t i = 0; i < FAKES; i++)
		assert_int_equal(net->fake[i].heard, i == 2 ? 0 : 5);
}

static void unclaimed(void **state)
{
	struct net *net = *state;

	queue(&net->fake[0], 99, 3);
	run_bus(&net->bus);
	queue(&net->fake[0], 1, 1);	/* its own address: nobody else's */
	run_bus(&net->bus);
	assert_int_equal(net->bus.counters.unclaimed, 4);
	assert_int_equal(net->bus.counters.deliveries, 0);
}

static void dropped_is_not_delivered(void **state)
{
	struct net *net = *state;

	net->fake[1].drop = true;
	queue(&net->fake[0], 2, 3);
	run_bus(&net->bus);
	assert_int_equal(net->bus.counters.packets, 3);
	assert_int_equal(net->bus.counters.deliveries, 0);
	assert_int_equal(net->bus.counters.delivered_bytes, 0);
	assert_int_equal(net->bus.counters.unclaimed, 0);
	assert_int_equal(net->fake[1].flushes, 1);
}

static void in_order(void **state)
{
	struct net *net = *state;

	queue(&net->fake[0], 2, 1000);
	run_bus(&net->bus);
	assert_int_equal(net->fake[1].heard, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(net->fake[1].number[i], i);
}

static void fair_share(void **state)
{
	struct net *net = *state;
	struct fake *to = &net->fake[3];
	uint32_t from[FAKES + 1] = { 0 };

	queue(&net->fake[0], 4, 1000);
	queue(&net->fake[1], 4, 1000);
	queue(&net->fake[2], 4, 10);
	assert_true(bus_run(&net->bus));
	assert_int_equal(to->heard, 2 * BUS_BUDGET + 10);
	for (uint32_t i = 0; i < to->heard; i++)
		from[to->src[i]]++;
	assert_int_equal(from[1], BUS_BUDGET);
	assert_int_equal(from[2], BUS_BUDGET);
	assert_int_equal(from[3], 10);
	assert_int_equal(net->fake[0].budget, BUS_BUDGET);
	run_bus(&net->bus);
	assert_int_equal(to->heard, 2010);
}

/* With room for one packet a round, each sender gets its turn. */
static void first_place_goes_round(void **state)
{
	struct net *net = *state;
	unsigned int first[FAKES + 1] = { 0 };

	for (unsigned int round = 0; round < 12; round++) {
		struct fake *to = &net->fake[3];

		to->heard = 0;
		for (uint32_t i = 0; i < 3; i++)
			queue(&net->fake[i], 4, 1);
		run_bus(&net->bus);
		first[to->src[0]]++;
	}
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(first[i], 4);
}

static void wake_from_receive(void **state)
{
	struct net *net = *state;

	/* 2 answers 1 from its run; neither loses a wake-up */
	net->fake[1].wakes = &net->fake[1];
	net->fake[1].dst = 1;
	queue(&net->fake[0], 2, 200);
	run_bus(&net->bus);
	assert_int_equal(net->fake[0].heard, 200);
	assert_false(bus_run(&net->bus));
}

/* To be woken while it runs is to run again. */
static void wake_while_running(void **state)
{
	struct net *net = *state;

	net->fake[0].wakes_itself = true;
	bus_wake(&net->fake[0].station);
	assert_true(bus_run(&net->bus));
	assert_false(bus_run(&net->bus));
	assert_int_equal(net->fake[0].runs, 2);
}

/* A round that does not concern a station says nothing to it. */
static void flushed_when_touched(void **state)
{
	struct net *net = *state;

	queue(&net->fake[0], 2, 1);
	run_bus(&net->bus);
	queue(&net->fake[2], 4, 1);
	run_bus(&net->bus);
	for (uint32_t i = 0; i < FAKES; i++)
		assert_int_equal(net->fake[i].flushes, 1);
}

/* To look wakes those that have work, and asks all of them each time. */
static void look(void **state)
{
	struct net *net = *state;

	assert_false(bus_look(&net->bus));
	assert_false(bus_run(&net->bus));
	net->fake[1].unseen = true;
	net->fake[3].unseen = true;
	assert_true(bus_look(&net->bus));
	assert_int_equal(net->fake[1].runs, 0);
	assert_false(bus_run(&net->bus));
	net->fake[1].unseen = false;
	assert_true(bus_look(&net->bus));
	net->fake[3].unseen = false;
	assert_false(bus_look(&net->bus));
	assert_false(bus_run(&net->bus));
	for (uint32_t i = 0; i < FAKES; i++)
		assert_int_equal(net->fake[i].looks, 4);
	assert_int_equal(net->fake[0].runs, 0);
	assert_int_equal(net->fake[1].runs, 1);
	assert_int_equal(net->fake[2].runs, 0);
	assert_int_equal(net->fake[3].runs, 2);
}

/* Who was woken in another way stays awake when the look finds nothing. */
static void look_takes_no_wake_up_away(void **state)
{
	struct net *net = *state;

	bus_wake(&net->fake[0].station);
	assert_false(bus_look(&net->bus));
	assert_false(bus_run(&net->bus));
	assert_int_equal(net->fake[0].runs, 1);
}

static void station_without_look_and_flush(void **state)
{
	struct net *net = *state;
	struct fake plain = { .addr = 50, .unseen = true };

	bus_attach(&net->bus, &plain.station, &plain_ops);
	net->fake[0].unseen = true;
	assert_true(bus_look(&net->bus));
	net->fake[0].unseen = false;
	bus_run(&net->bus);
	assert_int_equal(plain.runs, 0);
	queue(&plain, 1, 1);
	run_bus(&net->bus);
	assert_int_equal(net->fake[0].heard, 1);
	assert_false(net->bus.held);
	bus_detach(&plain.station);
}

/* Who keeps something back is asked again at the end of each round. */
static void kept_back(void **state)
{
	struct net *net = *state;

	net->fake[0].keeps = 3;
	queue(&net->fake[0], 2, 1);
	assert_false(bus_run(&net->bus));
	assert_true(net->bus.held);
	assert_int_equal(net->fake[0].flushes, 1);
	assert_int_equal(net->fake[1].flushes, 1);
	/* nobody has work, and no round is made of it */
	assert_false(bus_run(&net->bus));
	assert_int_equal(net->fake[0].flushes, 2);
	assert_int_equal(net->fake[1].flushes, 1);
	assert_int_equal(net->fake[0].runs, 1);
	assert_int_equal(net->bus.counters.rounds, 1);
	assert_true(net->bus.held);
	/* another has */
	queue(&net->fake[2], 4, 1);
	assert_false(bus_run(&net->bus));
	assert_int_equal(net->fake[0].flushes, 3);
	assert_int_equal(net->fake[0].runs, 1);
	assert_int_equal(net->fake[2].flushes, 1);
	assert_true(net->bus.held);
	/* and when it lets go all is said */
	assert_false(bus_run(&net->bus));
	assert_int_equal(net->fake[0].flushes, 4);
	assert_false(net->bus.held);
	assert_false(bus_run(&net->bus));
	assert_int_equal(net->fake[0].flushes, 4);
	assert_int_equal(net->fake[2].flushes, 1);
}

/* Two keep something back, and one of them goes on doing so. */
static void kept_back_by_two(void **state)
{
	struct net *net = *state;

	for (uint32_t first = 0; first < 2; first++) {
		net->fake[first].keeps = 1;
		net->fake[1 - first].keeps = 2;
		bus_wake(&net->fake[0].station);
		bus_wake(&net->fake[1].station);
		bus_run(&net->bus);
		bus_run(&net->bus);
		assert_true(net->bus.held);
		bus_run(&net->bus);
		assert_false(net->bus.held);
	}
	assert_int_equal(net->fake[0].flushes, 5);
	assert_int_equal(net->fake[1].flushes, 5);
}

static void kept_back_by_one_that_leaves(void **state)
{
	struct net *net = *state;

	net->fake[0].keeps = 5;
	bus_wake(&net->fake[0].station);
	bus_run(&net->bus);
	bus_detach(&net->fake[0].station);
	bus_run(&net->bus);
	assert_int_equal(net->fake[0].flushes, 1);
	assert_false(net->bus.held);
	/* nor does it come back with it */
	bus_attach(&net->bus, &net->fake[0].station, &fake_ops);
	queue(&net->fake[1], 3, 1);
	bus_run(&net->bus);
	assert_int_equal(net->fake[0].flushes, 1);
}

static void detach(void **state)
{
	struct net *net = *state;

	for (uint32_t i = 0; i < FAKES; i++)
		net->fake[i].accept_all = true;
	bus_detach(&net->fake[1].station);
	queue(&net->fake[0], 2, 1);
	run_bus(&net->bus);
	assert_int_equal(net->fake[1].heard, 0);
	assert_int_equal(net->fake[2].heard, 1);
	bus_detach(&net->fake[0].station);
	bus_detach(&net->fake[3].station);
	bus_detach(&net->fake[2].station);
	assert_null(net->bus.stations);
	assert_false(bus_run(&net->bus));
}

/* Who takes a destination is remembered, but not longer than it is true. */
static void what_is_remembered(void **state)
{
	struct net *net = *state;
	struct fake *late = calloc(1, sizeof(*late));

	assert_non_null(late);
	late->accept_all = true;
	queue(&net->fake[0], 2, 2);
	run_bus(&net->bus);
	assert_int_equal(net->fake[1].heard, 2);

	bus_attach(&net->bus, &late->station, &fake_ops);
	net->fake[2].accept_all = true;
	queue(&net->fake[0], 2, 1);
	run_bus(&net->bus);
	assert_int_equal(late->heard, 1);
	assert_int_equal(net->fake[2].heard, 1);

	bus_detach(&net->fake[1].station);
	bus_detach(&late->station);
	free(late);
	queue(&net->fake[0], 2, 1);
	run_bus(&net->bus);
	assert_int_equal(net->fake[1].heard, 3);
	assert_int_equal(net->fake[2].heard, 2);

	net->fake[2].accept_all = false;
	bus_changed(&net->bus);
	queue(&net->fake[0], 2, 1);
	run_bus(&net->bus);
	assert_int_equal(net->fake[2].heard, 2);
	assert_int_equal(net->bus.counters.unclaimed, 1);
}

/* More destinations than are remembered: each is still told from the others. */
static void many_destinations(void **state)
{
	struct net *net = *state;

	for (uint32_t dst = 1000; dst < 1000 + 4 * BUS_ROUTES; dst++) {
		queue(&net->fake[0], dst, 1);
		run_bus(&net->bus);
		queue(&net->fake[0], 2 + dst % 2, 1);
		run_bus(&net->bus);
	}
	assert_int_equal(net->fake[1].heard, 2 * BUS_ROUTES);
	assert_int_equal(net->fake[2].heard, 2 * BUS_ROUTES);
	assert_int_equal(net->bus.counters.unclaimed, 4 * BUS_ROUTES);
}

/* More receivers than are remembered, one of them the sender. */
static void crowd(void **state)
{
	struct net *net = *state;
	struct fake *more = calloc(2 * BUS_ROUTE_STATIONS, sizeof(*more));

	assert_non_null(more);
	for (int i = 0; i < 2 * BUS_ROUTE_STATIONS; i++) {
		more[i].accept_all = true;
		bus_attach(&net->bus, &more[i].station, &fake_ops);
	}
	queue(&more[0], 77, 3);
	run_bus(&net->bus);
	assert_int_equal(more[0].heard, 0);
	for (int i = 1; i < 2 * BUS_ROUTE_STATIONS; i++)
		assert_int_equal(more[i].heard, 3);
	assert_int_equal(net->bus.counters.unclaimed, 0);
	free(more);
}

int main(void)
{
#define BUS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		BUS_TEST(idle_bus),
		BUS_TEST(only_who_accepts),
		BUS_TEST(never_the_sender),
		BUS_TEST(unclaimed),
		BUS_TEST(dropped_is_not_delivered),
		BUS_TEST(in_order),
		BUS_TEST(fair_share),
		BUS_TEST(first_place_goes_round),
		BUS_TEST(wake_from_receive),
		BUS_TEST(wake_while_running),
		BUS_TEST(flushed_when_touched),
		BUS_TEST(look),
		BUS_TEST(look_takes_no_wake_up_away),
		BUS_TEST(station_without_look_and_flush),
		BUS_TEST(kept_back),
		BUS_TEST(kept_back_by_two),
		BUS_TEST(kept_back_by_one_that_leaves),
		BUS_TEST(detach),
		BUS_TEST(what_is_remembered),
		BUS_TEST(many_destinations),
		BUS_TEST(crowd),
	};

	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
