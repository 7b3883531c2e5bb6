// SPDX-License-Identifier: GPL-2.0-only
/* Packets with no doorbell: docs/card.md, "Rings and ownership", rule 5. */
#include "net_test.h"

/* Handed over with no doorbell, and sent when the bus looks for it. */
static void without_doorbell(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 2, 2);
	guest_up(net->b, 2, 2);
	assert_false(bus_look(&net->bus));
	for (uint32_t i = 0; i < 3; i++) {
		fill(at(net->a, TX_DATA + 64 * i), 64, i);
		put_tx(net->a, B_ADDR, TX_DATA + 64 * i, 64);
	}
	run_bus(&net->bus);
	assert_int_equal(net->a->card.counters.tx_packets, 0);
	assert_true(bus_look(&net->bus));
	run_bus(&net->bus);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(rx_desc(net->b, i)->owner, DUCT_OWNER_HOST);
		assert_int_equal(tx_desc(net->a, i)->owner, DUCT_OWNER_HOST);
		assert_memory_equal(at(net->b, rx_buf(i)),
				    at(net->a, TX_DATA + 64 * i), 64);
	}
	assert_int_equal(net->a->card.counters.tx_doorbells, 0);
	assert_int_equal(rd(net->a, DUCT_EVFLAGS), DUCT_EV_TXCOMP);
	assert_int_equal(net->a->signals[0], 1);
	assert_false(bus_look(&net->bus));
}

/* The doorbell that comes later finds nothing, or what came after. */
static void doorbell_after_the_look(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 2, 2);
	put_tx(net->a, B_ADDR, TX_DATA, 1);
	assert_true(bus_look(&net->bus));
	run_bus(&net->bus);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(net->a->card.counters.tx_packets, 1);
	assert_int_equal(net->a->signals[0], 1);
	put_tx(net->a, B_ADDR, TX_DATA, 1);
	put_tx(net->a, B_ADDR, TX_DATA, 1);
	wr(net->a, DUCT_DBELL, DUCT_DBELL_TX);	/* of the first, but late */
	run_bus(&net->bus);
	assert_int_equal(net->a->card.counters.tx_packets, 3);
}

/* A guest that never rings has its share of a round as any other. */
static void share_of_a_round(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 7, 0);
	for (int i = 0; i < BUS_BUDGET + 1; i++)
		put_tx(net->a, B_ADDR, TX_DATA, 1);
	assert_true(bus_look(&net->bus));
	assert_true(bus_run(&net->bus));
	assert_int_equal(net->a->card.counters.tx_packets, BUS_BUDGET);
	assert_false(bus_run(&net->bus));
	assert_int_equal(net->a->card.counters.tx_packets, BUS_BUDGET + 1);
}

/* Only who may send is looked at. */
static void not_while_stopped(void **state)
{
	struct net *net = *state;
	struct guest *g = net->a;

	set_cmd_ring(g, 4);
	set_packet_rings(g, 1, 1);
	put_tx(g, B_ADDR, TX_DATA, 1);
	assert_false(bus_look(&net->bus));
	assert_int_equal(start(g), DUCT_ERR_OK);
	assert_true(bus_look(&net->bus));
	run_bus(&net->bus);
	assert_int_equal(g->card.counters.tx_packets, 1);
	stop(g);
	put_tx(g, B_ADDR, TX_DATA, 1);
	assert_int_equal(tx_desc(g, 0)->owner, DUCT_OWNER_CARD);
	assert_false(bus_look(&net->bus));
	run_bus(&net->bus);
	assert_int_equal(g->card.counters.tx_packets, 1);
}

/* Seen, and then the card is stopped or fails before its turn. */
static void seen_in_vain(void **state)
{
	struct net *net = *state;
	struct guest *g = net->a;

	guest_up(g, 1, 1);
	put_tx(g, B_ADDR, TX_DATA, 1);
	assert_true(bus_look(&net->bus));
	stop(g);
	run_bus(&net->bus);
	assert_int_equal(g->card.counters.tx_packets, 0);

	start(g);
	put_tx(g, B_ADDR, TX_DATA, 1);
	assert_true(bus_look(&net->bus));
	wr(g, DUCT_TXSHIFT, 1);
	assert_int_equal(rd(g, DUCT_FLAGS), DUCT_FLAGS_SEQ);
	assert_false(bus_look(&net->bus));
	run_bus(&net->bus);
	assert_int_equal(g->card.counters.tx_packets, 0);
	assert_int_equal(tx_desc(g, 0)->owner, DUCT_OWNER_CARD);
	wr(g, DUCT_FLAGS, DUCT_FLAGS_RST);
	assert_false(bus_look(&net->bus));
}

/* Commands have a doorbell, always. */
static void never_for_commands(void **state)
{
	struct net *net = *state;
	struct duct_cmd_desc *desc;

	guest_up(net->a, 1, 1);
	desc = put_command(net->a, DUCT_CMD_FLUSHFILT, 0, 0);
	assert_false(bus_look(&net->bus));
	run_bus(&net->bus);
	assert_int_equal(desc->owner, DUCT_OWNER_CARD);
	cmd_doorbell(net->a);
	assert_int_equal(desc->owner, DUCT_OWNER_HOST);
}

/* A ring that has left memory is found by a doorbell, not by a look. */
static void no_memory(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 1, 1);
	put_tx(net->a, B_ADDR, TX_DATA, 1);
	guest_mem_unmap_all(net->a->mem);
	assert_false(bus_look(&net->bus));
	run_bus(&net->bus);
	assert_int_equal(rd(net->a, DUCT_FLAGS), 0);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(rd(net->a, DUCT_FLAGS), DUCT_FLAGS_FLTB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(without_doorbell),
		NET_TEST(doorbell_after_the_look),
		NET_TEST(share_of_a_round),
		NET_TEST(not_while_stopped),
		NET_TEST(seen_in_vain),
		NET_TEST(never_for_commands),
		NET_TEST(no_memory),
	};

	return cmocka_run_group_tests_name("look", tests, NULL, NULL);
}
