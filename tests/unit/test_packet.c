// SPDX-License-Identifier: GPL-2.0-only
/* Packets from guest to guest: docs/card.md, "Receiving and sending". */
#include "net_test.h"

/* The packet in receive slot @i of @g is this one. */
static void assert_received(struct guest *g, uint32_t i, uint32_t src,
			    uint32_t dst, const void *bytes, uint32_t len)
{
	struct duct_pkt_desc *desc = rx_desc(g, i);

	assert_int_equal(desc->owner, DUCT_OWNER_HOST);
	assert_int_equal(le32toh(desc->pktlen), len);
	assert_int_equal(le32toh(desc->dst), dst);
	assert_int_equal(le32toh(desc->src), src);
	assert_memory_equal(at(g, le64toh(desc->pointer[0])), bytes, len);
}

static void one_packet(void **state)
{
	struct net *net = *state;
	struct duct_pkt_desc before;

	guest_up(net->a, 2, 2);
	guest_up(net->b, 2, 2);
	guest_up(net->c, 2, 2);
	before = *rx_desc(net->b, 0);
	send_bytes(net->a, B_ADDR, "hello", 5);
	assert_received(net->b, 0, A_ADDR, B_ADDR, "hello", 5);
	assert_int_equal(rd(net->a, DUCT_EVFLAGS), DUCT_EV_TXCOMP);
	assert_int_equal(rd(net->b, DUCT_EVFLAGS), DUCT_EV_RXCOMP);
	assert_int_equal(rd(net->c, DUCT_EVFLAGS), 0);
	assert_int_equal(net->a->signals[0], 1);
	assert_int_equal(net->b->signals[0], 1);
	assert_int_equal(net->c->signals[0], 0);
	assert_int_equal(net->a->card.counters.tx_packets, 1);
	assert_int_equal(net->a->card.counters.tx_bytes, 5);
	assert_int_equal(net->b->card.counters.rx_packets, 1);
	assert_int_equal(net->b->card.counters.rx_bytes, 5);
	/* what the host put there is still there */
	assert_memory_equal(rx_desc(net->b, 0)->length, before.length, 16);
	assert_memory_equal(rx_desc(net->b, 0)->pointer, before.pointer, 32);
	assert_memory_equal(rx_desc(net->b, 0)->reserved, before.reserved, 3);
	/* the bytes behind the packet too */
	for (uint32_t i = 5; i < RX_ROOM; i++)
		assert_int_equal(((uint8_t *)at(net->b, rx_buf(0)))[i], 0);
	/* a sent descriptor is given back untouched */
	assert_int_equal(le32toh(tx_desc(net->a, 0)->pktlen), 0xeeeeeeee);
	assert_int_equal(le32toh(tx_desc(net->a, 0)->src), 0xeeeeeeee);
	assert_int_equal(le32toh(tx_desc(net->a, 0)->dst), B_ADDR);
	assert_int_equal(le32toh(tx_desc(net->a, 0)->length[0]), 5);
}

/* The doorbell's index is a hint; one beyond the ring is counted. */
static void doorbell_index(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 1, 0);
	guest_up(net->b, 0, 3);
	for (uint32_t index = 0; index < 4; index++) {
		put_tx(net->a, B_ADDR, TX_DATA, 1);
		wr(net->a, DUCT_DBELL, DUCT_DBELL_TX | index);
		run_bus(&net->bus);
		assert_int_equal(net->b->card.counters.rx_packets, index + 1);
		assert_int_equal(net->a->card.counters.bad_doorbells,
				 index < 2 ? 0 : index - 1);
	}
	put_tx(net->a, B_ADDR, TX_DATA, 1);
	wr(net->a, DUCT_DBELL, 0xffffffff);
	run_bus(&net->bus);
	assert_int_equal(net->b->card.counters.rx_packets, 5);
	assert_int_equal(net->a->card.counters.bad_doorbells, 3);
	assert_int_equal(rd(net->a, DUCT_FLAGS), 0);
}

/* Whatever the host writes there: the card puts its own address. */
static void source_is_the_cards(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 0);
	put_tx(net->a, B_ADDR, TX_DATA, 1)->src = htole32(C_ADDR);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(le32toh(rx_desc(net->b, 0)->src), A_ADDR);
}

static void empty_packet(void **state)
{
	struct net *net = *state;
	struct duct_pkt_desc *rx;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 1);
	/* its pieces point nowhere, and nobody looks */
	put_tx(net->a, B_ADDR, NOWHERE, 0);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_received(net->b, 0, A_ADDR, B_ADDR, "", 0);
	/* nor does the receiver's room matter, if it has any at all */
	net->b->rx_next = 1;
	rx = put_rx(net->b, NOWHERE, 0);
	put_tx(net->a, B_ADDR, NOWHERE, 0);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(rx->owner, DUCT_OWNER_HOST);
	assert_int_equal(rx->pktlen, 0);
	assert_int_equal(rd(net->a, DUCT_FLAGS), 0);
	assert_int_equal(rd(net->b, DUCT_FLAGS), 0);
	assert_int_equal(net->bus.counters.deliveries, 2);
	assert_int_equal(net->bus.counters.copied_bytes, 0);
}

static void largest_packet(void **state)
{
	static uint8_t bytes[DUCT_PACKET_MAX];
	struct net *net = *state;

	fill(bytes, sizeof(bytes), 3);
	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 0);
	send_bytes(net->a, B_ADDR, bytes, DUCT_PACKET_MAX);
	assert_received(net->b, 0, A_ADDR, B_ADDR, bytes, DUCT_PACKET_MAX);
}

static void not_its_own(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 0, 0);
	command(net->a, DUCT_CMD_ADDFILT, 0, 0);
	send_bytes(net->a, A_ADDR, "me", 2);
	put_tx(net->a, 0xffffffff, TX_DATA, 2);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(net->a->card.counters.tx_packets, 2);
	assert_int_equal(net->a->card.counters.rx_packets, 0);
	assert_int_equal(net->bus.counters.unclaimed, 2);
}

/* With no filter nothing is accepted, not even the own address. */
static void no_filter_accepts_nothing(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 0);
	command(net->b, DUCT_CMD_FLUSHFILT, 0, 0);
	send_bytes(net->a, B_ADDR, "x", 1);
	send_bytes(net->a, 0xffffffff, "x", 1);
	assert_int_equal(net->b->card.counters.rx_packets, 0);
	assert_int_equal(net->b->card.counters.rx_drop, 0);
	assert_int_equal(rd(net->b, DUCT_EVFLAGS), DUCT_EV_CMDCOMP);
}

static void multicast_to_many(void **state)
{
	struct net *net = *state;
	const uint32_t group = 0xde0000fb;

	guest_up(net->a, 0, 2);
	guest_up(net->b, 0, 2);
	guest_up(net->c, 0, 2);
	command(net->a, DUCT_CMD_ADDFILT, 0xffffffff, group);
	command(net->b, DUCT_CMD_ADDFILT, 0xffffffff, group);
	command(net->c, DUCT_CMD_ADDFILT, 0x80000000, 0x80000000);
	send_bytes(net->a, group, "all", 3);
	assert_received(net->b, 0, A_ADDR, group, "all", 3);
	assert_received(net->c, 0, A_ADDR, group, "all", 3);
	assert_int_equal(net->a->card.counters.rx_packets, 0);
	assert_int_equal(net->bus.counters.packets, 1);
	assert_int_equal(net->bus.counters.deliveries, 2);
	assert_int_equal(net->bus.counters.copied_bytes, 6);
	/* who left the group hears no more of it */
	command(net->b, DUCT_CMD_RMFILT, 0xffffffff, group);
	send_bytes(net->a, group, "all", 3);
	assert_int_equal(net->b->card.counters.rx_packets, 1);
	assert_int_equal(net->c->card.counters.rx_packets, 2);
}

/* A card that was reset has no filter, whoever knew of them before. */
static void reset_in_between(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 1, 1);
	guest_up(net->b, 1, 1);
	send_bytes(net->a, B_ADDR, "x", 1);
	assert_int_equal(net->b->card.counters.rx_packets, 1);
	card_reset(&net->b->card);
	send_bytes(net->a, B_ADDR, "x", 1);
	assert_int_equal(net->b->card.counters.rx_packets, 1);
	assert_int_equal(net->b->card.counters.rx_drop, 0);
	assert_int_equal(net->bus.counters.unclaimed, 1);
}

/* Two filters that match are still one packet. */
static void accepted_once(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 0, 2);
	guest_up(net->b, 0, 2);
	command(net->b, DUCT_CMD_ADDFILT, 0, 0);
	command(net->b, DUCT_CMD_ADDFILT, 0xff000000, B_ADDR);
	send_bytes(net->a, B_ADDR, "x", 1);
	assert_int_equal(net->b->card.counters.rx_packets, 1);
}

static void many_in_order(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 6, 6);
	guest_up(net->b, 6, 6);
	for (uint32_t i = 0; i < 64; i++) {
		uint32_t number = htole32(i);

		memcpy(at(net->a, TX_DATA + 4 * i), &number, 4);
		put_tx(net->a, B_ADDR, TX_DATA + 4 * i, 4);
	}
	tx_doorbell(net->a);	/* one for all */
	run_bus(&net->bus);
	for (uint32_t i = 0; i < 64; i++) {
		uint32_t number = htole32(i);

		assert_received(net->b, i, A_ADDR, B_ADDR, &number, 4);
	}
	assert_int_equal(net->a->card.counters.tx_doorbells, 1);
	assert_int_equal(net->a->signals[0], 1);	/* one a burst */
	assert_int_equal(net->b->signals[0], 1);
}

/* Both packet rings, round and round, at each size. */
static void rings_wrap(void **state)
{
	static const uint32_t shifts[] = { 0, 1, 12 };
	struct net *net = *state;
	uint32_t sent = 0;

	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		uint32_t size = 1u << shifts[i];

		card_reset(&net->a->card);
		card_reset(&net->b->card);
		guest_up(net->a, shifts[i], 0);
		guest_up(net->b, 0, shifts[i]);
		for (uint32_t n = 0; n < 2 * size + 1; n++, sent++) {
			uint32_t number = htole32(sent);

			send_bytes(net->a, B_ADDR, &number, 4);
			assert_received(net->b, n, A_ADDR, B_ADDR, &number, 4);
			put_rx_bufs(net->b, 1);
		}
	}
	assert_int_equal(net->b->card.counters.rx_drop, 0);
	assert_int_equal(net->b->card.counters.rx_packets, sent);
}

/* A ring of 4096 filled to the brim and sent with one doorbell. */
static void whole_ring_at_once(void **state)
{
	struct net *net = *state;
	const uint32_t size = 4096;

	guest_up(net->a, 12, 0);
	guest_up(net->b, 0, 12);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < size; i++)
			put_tx(net->a, B_ADDR, TX_DATA + i, 1);
		tx_doorbell(net->a);
		run_bus(&net->bus);
		put_rx_bufs(net->b, size);
	}
	assert_int_equal(net->a->card.counters.tx_packets, 2 * size);
	assert_int_equal(net->b->card.counters.rx_packets, 2 * size);
	assert_int_equal(net->b->card.counters.rx_drop, 0);
}

/* After STOP, and after reset, the rings begin at slot 0 again. */
static void rings_restart_at_slot_0(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 3, 3);
	guest_up(net->b, 3, 3);
	send_bytes(net->a, B_ADDR, "1", 1);
	assert_int_equal(net->b->card.rx.next, 1);
	stop(net->a);
	stop(net->b);
	memset(at(net->b, RX_RING), 0, 8 * 64);
	start(net->a);
	start(net->b);
	put_rx_bufs(net->b, 1);
	send_bytes(net->a, B_ADDR, "2", 1);
	assert_received(net->b, 0, A_ADDR, B_ADDR, "2", 1);
	assert_int_equal(tx_desc(net->a, 0)->owner, DUCT_OWNER_HOST);
	wr(net->a, DUCT_FLAGS, DUCT_FLAGS_RST);
	wr(net->b, DUCT_FLAGS, DUCT_FLAGS_RST);
	guest_up(net->a, 3, 3);
	guest_up(net->b, 3, 3);
	send_bytes(net->a, B_ADDR, "3", 1);
	assert_received(net->b, 0, A_ADDR, B_ADDR, "3", 1);
}

/* STOP lets go of both rings at once, also of what the doorbell announced. */
static void stop_lets_go(void **state)
{
	struct net *net = *state;
	struct duct_pkt_desc before[2];

	guest_up(net->a, 1, 1);
	guest_up(net->b, 1, 1);
	put_tx(net->a, B_ADDR, TX_DATA, 1);
	tx_doorbell(net->a);
	stop(net->a);
	memcpy(before, tx_desc(net->a, 0), sizeof(before));
	run_bus(&net->bus);
	assert_int_equal(net->a->card.counters.tx_packets, 0);
	assert_memory_equal(tx_desc(net->a, 0), before, sizeof(before));
	/* nor does START bring it back: that takes a doorbell */
	start(net->a);
	run_bus(&net->bus);
	assert_int_equal(net->a->card.counters.tx_packets, 0);

	stop(net->a);
	memcpy(before, rx_desc(net->a, 0), sizeof(before));
	send_bytes(net->b, A_ADDR, "x", 1);
	assert_memory_equal(rx_desc(net->a, 0), before, sizeof(before));
	/* not received, and that is no drop */
	assert_int_equal(net->a->card.counters.rx_drop, 0);
	assert_int_equal(rd(net->a, DUCT_FLAGS), 0);
}

static void drop_without_slot(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 1);
	send_bytes(net->a, B_ADDR, "1", 1);
	send_bytes(net->a, B_ADDR, "2", 1);
	rd(net->b, DUCT_EVFLAGS);
	net->b->signals[0] = 0;
	send_bytes(net->a, B_ADDR, "3", 1);
	assert_int_equal(rd(net->b, DUCT_EVFLAGS), DUCT_EV_RXDROP);
	assert_int_equal(net->b->signals[0], 1);
	assert_int_equal(net->b->card.counters.rx_drop, 1);
	assert_int_equal(net->bus.counters.deliveries, 2);
	assert_int_equal(net->bus.counters.unclaimed, 0);
	/* lost is lost; the next one goes where the ring stands */
	put_rx_bufs(net->b, 1);
	send_bytes(net->a, B_ADDR, "4", 1);
	assert_received(net->b, 0, A_ADDR, B_ADDR, "4", 1);
	assert_int_equal(net->b->card.counters.rx_packets, 3);
	assert_int_equal(rd(net->b, DUCT_FLAGS), 0);
}

/* The slots are taken in order: one that is not the card's is a wall. */
static void drop_before_a_slot_out_of_order(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 2);
	rx_desc(net->b, 0)->owner = DUCT_OWNER_HOST;
	send_bytes(net->a, B_ADDR, "1", 1);
	assert_int_equal(net->b->card.counters.rx_drop, 1);
	assert_int_equal(rx_desc(net->b, 1)->owner, DUCT_OWNER_CARD);
}

static void jumbo(void **state)
{
	struct net *net = *state;
	struct duct_pkt_desc before, *rx;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 1);
	net->b->rx_next = 0;
	rx = put_rx(net->b, rx_buf(0), 9);
	before = *rx;
	send_bytes(net->a, B_ADDR, "0123456789", 10);
	assert_memory_equal(rx, &before, sizeof(before));	/* it stays */
	assert_int_equal(((uint8_t *)at(net->b, rx_buf(0)))[0], 0);
	assert_int_equal(rd(net->b, DUCT_EVFLAGS), DUCT_EV_RXJUMBO);
	assert_int_equal(net->b->card.counters.rx_jumbo, 1);
	assert_int_equal(net->b->card.counters.rx_drop, 0);
	assert_int_equal(net->b->signals[0], 1);
	assert_int_equal(net->bus.counters.deliveries, 0);
	/* exactly the room is enough */
	send_bytes(net->a, B_ADDR, "012345678", 9);
	assert_received(net->b, 0, A_ADDR, B_ADDR, "012345678", 9);
}

/* Rooms that together are more than 32 bits can say. */
static void room_of_64_bits(void **state)
{
	struct net *net = *state;
	struct duct_pkt_desc *rx;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 0);
	net->b->rx_next = 0;
	rx = put_rx(net->b, rx_buf(0), 0x80000000);
	rx->length[1] = htole32(0x80000000);
	rx->pointer[1] = htole64(NOWHERE);
	send_bytes(net->a, B_ADDR, "x", 1);
	assert_received(net->b, 0, A_ADDR, B_ADDR, "x", 1);
}

/* Nothing but what the packet needs must be there. */
static void only_the_pieces_needed(void **state)
{
	struct net *net = *state;
	struct duct_pkt_desc *rx;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 0);
	net->b->rx_next = 0;
	rx = put_rx(net->b, RAM + RAM_SIZE - 4, 1000);	/* 4 of them exist */
	rx->length[1] = htole32(1000);
	rx->pointer[1] = htole64(NOWHERE);
	send_bytes(net->a, B_ADDR, "1234", 4);
	assert_received(net->b, 0, A_ADDR, B_ADDR, "1234", 4);
	assert_int_equal(rd(net->b, DUCT_FLAGS), 0);
}

/*
 * A guest that hands its slots back while the card works on them gets its
 * share of a round and no more.
 */
static void re_own(void *ctx, unsigned int vector)
{
	struct guest *g = ctx;

	(void)vector;
	tx_desc(g, 0)->owner = DUCT_OWNER_CARD;
}

static void flooding_guest_has_its_share(void **state)
{
	struct net *net = *state;
	struct guest *flood = net->a;

	guest_up(flood, 0, 0);
	guest_up(net->b, 2, 12);
	guest_up(net->c, 2, 12);
	flood->card.signal = CARD_SIGNAL_EACH;
	flood->card.host.signal = re_own;
	put_tx(flood, B_ADDR, TX_DATA, 0);
	tx_doorbell(flood);
	put_tx(net->b, C_ADDR, TX_DATA, 0);
	tx_doorbell(net->b);
	for (uint64_t round = 1; round <= 5; round++) {
		assert_true(bus_run(&net->bus));
		assert_int_equal(flood->card.counters.tx_packets,
				 round * BUS_BUDGET);
		/* the others were served in the very first */
		assert_int_equal(net->c->card.counters.rx_packets, 1);
	}
	/* and it is stopped like any other */
	wr(flood, DUCT_FLAGS, DUCT_FLAGS_RST);
	assert_false(bus_run(&net->bus));
}

static void one_copy(void **state)
{
	static uint8_t bytes[DUCT_PACKET_MAX];
	struct net *net = *state;
	uint64_t want = 0;

	srand(2);
	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 4);
	guest_up(net->c, 0, 4);
	command(net->b, DUCT_CMD_ADDFILT, 0x80000000, 0x80000000);
	command(net->c, DUCT_CMD_ADDFILT, 0x80000000, 0x80000000);
	for (int i = 0; i < 200; i++) {
		uint32_t len = (uint32_t)rand() % (sizeof(bytes) + 1);

		send_bytes(net->a, 0xffffffff, bytes, len);
		put_rx_bufs(net->b, 1);
		put_rx_bufs(net->c, 1);
		want += 2ull * len;
	}
	assert_int_equal(net->bus.counters.deliveries, 400);
	assert_int_equal(net->bus.counters.delivered_bytes, want);
	assert_int_equal(net->bus.counters.copied_bytes, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(one_packet),
		NET_TEST(doorbell_index),
		NET_TEST(source_is_the_cards),
		NET_TEST(empty_packet),
		NET_TEST(largest_packet),
		NET_TEST(not_its_own),
		NET_TEST(no_filter_accepts_nothing),
		NET_TEST(multicast_to_many),
		NET_TEST(reset_in_between),
		NET_TEST(accepted_once),
		NET_TEST(many_in_order),
		NET_TEST(rings_wrap),
		NET_TEST(whole_ring_at_once),
		NET_TEST(rings_restart_at_slot_0),
		NET_TEST(stop_lets_go),
		NET_TEST(drop_without_slot),
		NET_TEST(drop_before_a_slot_out_of_order),
		NET_TEST(jumbo),
		NET_TEST(room_of_64_bits),
		NET_TEST(only_the_pieces_needed),
		NET_TEST(flooding_guest_has_its_share),
		NET_TEST(one_copy),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
