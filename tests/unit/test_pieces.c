// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors of four pieces, good and bad: docs/card.md, "Rings and
 * ownership". The guest's pages lie backwards in host memory, so that each
 * page a piece crosses is a seam.
 */
#include <stdio.h>
#include <unistd.h>

#include "net_test.h"

#define PAGE	4096u

static void map_backwards(struct guest *g, uint64_t base, uint32_t pages)
{
	guest_mem_unmap_all(g->mem);
	assert_int_equal(guest_mem_map_host(g->mem, RAM, (uint32_t)(base - RAM),
					    GUEST_READ | GUEST_WRITE, g->ram),
			 0);
	for (uint32_t i = 0; i < pages; i++)
		guest_mem_map_host(g->mem, base + i * PAGE, PAGE,
				   GUEST_READ | GUEST_WRITE,
				   (uint8_t *)at(g, base) +
				   (pages - 1 - i) * PAGE);
}

/* Bytes of guest memory, wherever their pages are. */
static uint8_t *byte(struct guest *g, uint64_t addr)
{
	uint8_t *p = guest_mem_ptr(g->mem, addr, 1, GUEST_READ | GUEST_WRITE);

	assert_non_null(p);
	return p;
}

struct piece {
	uint64_t addr;
	uint32_t len;
};

static void set_pieces(struct duct_pkt_desc *desc, const struct piece *piece)
{
	for (int i = 0; i < DUCT_PIECES; i++) {
		desc->length[i] = htole32(piece[i].len);
		desc->pointer[i] = htole64(piece[i].addr);
	}
}

/* Four pieces of random odd lengths and alignments, @total bytes or more. */
static void draw(struct piece *piece, uint64_t base, uint32_t total,
		 bool exact)
{
	for (uint32_t i = 0; i < DUCT_PIECES; i++) {
		uint32_t len = (uint32_t)rand() % (total + 1);

		if (i == DUCT_PIECES - 1)
			len = exact ? total : total + (uint32_t)rand() % 50;
		piece[i].len = len;
		piece[i].addr = base + i * 8 * PAGE + (uint32_t)rand() % PAGE;
		total -= len < total ? len : total;
	}
}

#define PIECE_PAGES	32		/* four pieces, 8 pages each */

static void random_pieces(void **state)
{
	static uint8_t bytes[DUCT_PACKET_MAX];
	struct net *net = *state;
	struct guest *a = net->a, *b = net->b;

	srand(4);
	guest_up(a, 1, 0);
	guest_up(b, 0, 1);
	map_backwards(a, TX_DATA, PIECE_PAGES);
	map_backwards(b, RX_DATA, PIECE_PAGES);
	for (unsigned int round = 0; round < 3000; round++) {
		uint32_t len = (uint32_t)rand() %
			       (round % 2 ? 200 : DUCT_PACKET_MAX + 1);
		struct piece from[DUCT_PIECES], to[DUCT_PIECES];
		struct duct_pkt_desc *tx, *rx;
		uint32_t n = 0;

		draw(from, TX_DATA, len, true);
		draw(to, RX_DATA, len, false);
		fill(bytes, len, round);
		for (int i = 0; i < DUCT_PIECES; i++)
			for (uint32_t k = 0; k < from[i].len; k++)
				*byte(a, from[i].addr + k) = bytes[n++];
		assert_int_equal(n, len);

		b->rx_next = round;
		rx = put_rx(b, 0, 0);
		set_pieces(rx, to);
		tx = put_tx(a, B_ADDR, 0, 0);
		set_pieces(tx, from);
		tx_doorbell(a);
		run_bus(&net->bus);

		assert_int_equal(tx->owner, DUCT_OWNER_HOST);
		assert_int_equal(rx->owner, DUCT_OWNER_HOST);
		assert_int_equal(le32toh(rx->pktlen), len);
		n = 0;
		for (int i = 0; i < DUCT_PIECES; i++)
			for (uint32_t k = 0; k < to[i].len && n < len; k++)
				assert_int_equal(*byte(b, to[i].addr + k),
						 bytes[n++]);
		assert_int_equal(n, len);
	}
	assert_int_equal(net->bus.counters.copied_bytes,
			 net->bus.counters.delivered_bytes);
}

/* The worst a descriptor can be cut: every piece over as many seams as fit. */
static void most_host_pieces(void **state)
{
	const struct piece cut[DUCT_PIECES] = {
		{ TX_DATA + PAGE - 1, 2 },
		{ TX_DATA + 3 * PAGE - 1, 2 },
		{ TX_DATA + 5 * PAGE - 1, 2 },
		{ TX_DATA + 7 * PAGE - 1, DUCT_PACKET_MAX - 6 },
	};
	struct net *net = *state;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 0);
	map_backwards(net->a, TX_DATA, PIECE_PAGES);
	set_pieces(put_tx(net->a, B_ADDR, 0, 0), cut);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(rd(net->a, DUCT_FLAGS), 0);
	assert_int_equal(net->b->card.counters.rx_bytes, DUCT_PACKET_MAX);
}

/* Zero lengths are no pieces, wherever they stand and point. */
static void zero_lengths_anywhere(void **state)
{
	struct net *net = *state;
	struct guest *a = net->a, *b = net->b;

	guest_up(a, 0, 0);
	guest_up(b, 0, 0);
	for (uint32_t at_piece = 0; at_piece < DUCT_PIECES; at_piece++) {
		struct piece from[DUCT_PIECES], to[DUCT_PIECES];

		for (int i = 0; i < DUCT_PIECES; i++)
			from[i] = to[i] = (struct piece){ NOWHERE, 0 };
		from[at_piece] = (struct piece){ TX_DATA, 6 };
		to[DUCT_PIECES - 1 - at_piece] = (struct piece){ RX_DATA, 6 };
		memcpy(at(a, TX_DATA), "piece", 6);
		memset(at(b, RX_DATA), 0, 6);
		b->rx_next = 0;
		set_pieces(put_rx(b, 0, 0), to);
		set_pieces(put_tx(a, B_ADDR, 0, 0), from);
		tx_doorbell(a);
		run_bus(&net->bus);
		assert_int_equal(rd(a, DUCT_FLAGS), 0);
		assert_int_equal(rd(b, DUCT_FLAGS), 0);
		assert_string_equal(at(b, RX_DATA), "piece");
	}
}

/* Transmit descriptors that are a FLTR. */
static void bad_transmit(void **state)
{
	static const struct piece bad[][DUCT_PIECES] = {
		/* more than a packet, in one piece or in four */
		{ { TX_DATA, DUCT_PACKET_MAX + 1 } },
		{ { TX_DATA, 16384 }, { TX_DATA, 0 }, { 0, 0 }, { TX_DATA, 1 } },
		{ { TX_DATA, 4097 }, { TX_DATA, 4096 }, { TX_DATA, 4096 },
		  { TX_DATA, 4096 } },
		{ { TX_DATA, 0xffffffff } },
		/* as 32-bit numbers these add up to 0, and to 2 */
		{ { TX_DATA, 0x80000000 }, { TX_DATA, 0x80000000 } },
		{ { TX_DATA, 0xffffffff }, { TX_DATA, 3 } },
		{ { TX_DATA, 0x40000000 }, { TX_DATA, 0x40000000 },
		  { TX_DATA, 0x40000000 }, { TX_DATA, 0x40000000 } },
		/* not in memory: all of it, its end, its beginning */
		{ { NOWHERE, 1 } },
		{ { 0, 1 } },
		{ { RAM + RAM_SIZE - 1, 2 } },
		{ { RAM - 1, 2 } },
		{ { TX_DATA, 1 }, { TX_DATA, 1 }, { TX_DATA, 1 }, { NOWHERE, 1 } },
		/* over the end of all addresses */
		{ { 0xffffffffffffffff, 1 } },
		{ { 0xffffffffffffffff, 2 } },
		{ { 0xfffffffffffff000, 16384 } },
	};
	struct net *net = *state;
	struct guest *a = net->a;

	guest_up(net->b, 0, 6);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct duct_pkt_desc *good, *tx;

		wr(a, DUCT_FLAGS, DUCT_FLAGS_RST);
		guest_up(a, 2, 0);
		good = put_tx(a, B_ADDR, TX_DATA, 1);
		tx = put_tx(a, B_ADDR, 0, 0);
		set_pieces(tx, bad[i]);
		put_tx(a, B_ADDR, TX_DATA, 1);
		tx_doorbell(a);
		run_bus(&net->bus);
		assert_int_equal(rd(a, DUCT_FLAGS), DUCT_FLAGS_FLTR);
		assert_int_equal(a->signals[DUCT_VECTOR_FATAL], 1);
		assert_int_equal(a->signals[DUCT_VECTOR_EVENT], 0);
		assert_int_equal(good->owner, DUCT_OWNER_HOST);
		assert_int_equal(tx->owner, DUCT_OWNER_CARD);
		/* the one before it went out, the one behind it does not */
		assert_int_equal(net->b->card.counters.rx_packets, i + 1);
		assert_int_equal(a->card.counters.fatal_fltr, i + 1);
		a->signals[DUCT_VECTOR_FATAL] = 0;
	}
	assert_int_equal(rd(net->b, DUCT_FLAGS), 0);
}

/* Receive descriptors that are a FLTR, on the receiver alone. */
static void bad_receive(void **state)
{
	static const struct piece bad[][DUCT_PIECES] = {
		{ { NOWHERE, 100 } },
		{ { RAM + RAM_SIZE - 9, 100 } },
		{ { RX_DATA, 9 }, { NOWHERE, 1 } },
		{ { RX_DATA, 3 }, { RX_DATA, 3 }, { RX_DATA, 3 }, { RAM - 1, 9 } },
		{ { 0xffffffffffffffff, 100 } },
		{ { 0xfffffffffffffff8, 0xffffffff } },
	};
	struct net *net = *state;
	struct guest *b = net->b;

	guest_up(net->a, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct duct_pkt_desc *rx, before;

		wr(b, DUCT_FLAGS, DUCT_FLAGS_RST);
		guest_up(b, 0, 1);
		b->rx_next = 0;
		rx = put_rx(b, 0, 0);
		set_pieces(rx, bad[i]);
		before = *rx;
		send_bytes(net->a, B_ADDR, "0123456789", 10);
		assert_int_equal(rd(b, DUCT_FLAGS), DUCT_FLAGS_FLTR);
		assert_int_equal(b->signals[DUCT_VECTOR_FATAL], 1);
		assert_int_equal(b->signals[DUCT_VECTOR_EVENT], 0);
		assert_memory_equal(rx, &before, sizeof(before));
		assert_int_equal(rd(b, DUCT_EVFLAGS), 0);
		/* dead is dead: no packet, no drop */
		send_bytes(net->a, B_ADDR, "x", 1);
		assert_int_equal(b->card.counters.rx_drop, 0);
		assert_int_equal(b->signals[DUCT_VECTOR_FATAL], 1);
		b->signals[DUCT_VECTOR_FATAL] = 0;
	}
	assert_int_equal(net->a->card.counters.tx_packets,
			 2 * ARRAY_SIZE(bad));
	assert_int_equal(rd(net->a, DUCT_FLAGS), 0);
	assert_int_equal(net->bus.counters.copied_bytes, 0);
}

/* The card writes into receive pieces, and reads transmit pieces. */
static void pieces_need_their_access(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 1, 0);
	guest_up(net->b, 0, 1);
	guest_mem_map_host(net->a->mem, NOWHERE, PAGE, GUEST_READ,
			   at(net->a, TX_DATA));
	guest_mem_map_host(net->b->mem, NOWHERE, PAGE, GUEST_READ,
			   at(net->b, RX_DATA));
	put_tx(net->a, B_ADDR, NOWHERE, 1);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(rd(net->a, DUCT_FLAGS), 0);
	net->b->rx_next = 1;
	put_rx(net->b, NOWHERE, 1);
	send_bytes(net->a, B_ADDR, "x", 1);
	assert_int_equal(rd(net->b, DUCT_FLAGS), DUCT_FLAGS_FLTR);

	card_reset(&net->a->card);
	guest_up(net->a, 0, 0);
	guest_mem_unmap(net->a->mem, NOWHERE, PAGE);
	guest_mem_map_host(net->a->mem, NOWHERE, PAGE, GUEST_WRITE,
			   at(net->a, TX_DATA));
	put_tx(net->a, B_ADDR, NOWHERE, 1);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(rd(net->a, DUCT_FLAGS), DUCT_FLAGS_FLTR);
}

/* The rings were there at START, and then they were not. */
static void rings_vanish(void **state)
{
	struct net *net = *state;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 0);
	put_tx(net->a, B_ADDR, TX_DATA, 1);
	tx_doorbell(net->a);
	guest_mem_unmap_all(net->b->mem);
	run_bus(&net->bus);
	assert_int_equal(rd(net->a, DUCT_FLAGS), 0);
	assert_int_equal(rd(net->b, DUCT_FLAGS), DUCT_FLAGS_FLTB);
	assert_int_equal(net->b->signals[DUCT_VECTOR_FATAL], 1);

	put_tx(net->a, B_ADDR, TX_DATA, 1);
	tx_doorbell(net->a);
	guest_mem_unmap_all(net->a->mem);
	run_bus(&net->bus);
	assert_int_equal(rd(net->a, DUCT_FLAGS), DUCT_FLAGS_FLTB);
	assert_int_equal(net->a->signals[DUCT_VECTOR_FATAL], 1);
}

/* A file as memory at NOWHERE, cut off after the guest was given it. */
static void map_cut_off(struct guest *g)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(guest_mem_catch_sigbus(), 0);
	assert_int_equal(ftruncate(fileno(file), PAGE), 0);
	assert_int_equal(guest_mem_map_fd(g->mem, NOWHERE, PAGE,
					  GUEST_READ | GUEST_WRITE,
					  fileno(file), 0), 0);
	assert_int_equal(ftruncate(fileno(file), 0), 0);
	fclose(file);
}

/* It shows only when the bytes are moved, and nothing completes then. */
static void memory_cut_off(void **state)
{
	struct net *net = *state;
	struct duct_pkt_desc *tx, *rx;

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 0);
	guest_up(net->c, 0, 0);
	map_cut_off(net->b);
	net->b->rx_next = 0;
	rx = put_rx(net->b, NOWHERE, PAGE);
	send_bytes(net->a, B_ADDR, "x", 1);
	assert_int_equal(rd(net->b, DUCT_FLAGS), DUCT_FLAGS_HWERR);
	assert_int_equal(net->b->signals[DUCT_VECTOR_FATAL], 1);
	assert_int_equal(rx->owner, DUCT_OWNER_CARD);
	assert_int_equal(net->b->card.counters.rx_packets, 0);
	assert_int_equal(rd(net->a, DUCT_FLAGS), 0);

	map_cut_off(net->a);
	tx = put_tx(net->a, C_ADDR, NOWHERE, 100);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_int_equal(rd(net->a, DUCT_FLAGS), DUCT_FLAGS_HWERR);
	assert_int_equal(tx->owner, DUCT_OWNER_CARD);
	assert_int_equal(rd(net->c, DUCT_FLAGS), 0);
}

/* Two cards of one guest, or a wicked one: pieces may overlap. */
static void overlapping_pieces(void **state)
{
	const struct piece from[DUCT_PIECES] = { { RX_DATA, 4000 } };
	const struct piece to[DUCT_PIECES] = { { RX_DATA + 100, 4000 } };
	struct net *net = *state;
	static uint8_t bytes[4000];

	guest_up(net->a, 0, 0);
	guest_up(net->b, 0, 0);
	guest_mem_unmap_all(net->b->mem);
	guest_mem_map_host(net->b->mem, RAM, RX_DATA - RAM,
			   GUEST_READ | GUEST_WRITE, net->b->ram);
	guest_mem_map_host(net->b->mem, RX_DATA, RAM + RAM_SIZE - RX_DATA,
			   GUEST_READ | GUEST_WRITE, at(net->a, RX_DATA));
	fill(bytes, sizeof(bytes), 6);
	memcpy(at(net->a, RX_DATA), bytes, sizeof(bytes));
	net->b->rx_next = 0;
	set_pieces(put_rx(net->b, 0, 0), to);
	set_pieces(put_tx(net->a, B_ADDR, 0, 0), from);
	tx_doorbell(net->a);
	run_bus(&net->bus);
	assert_memory_equal(at(net->a, RX_DATA + 100), bytes, sizeof(bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(random_pieces),
		NET_TEST(most_host_pieces),
		NET_TEST(zero_lengths_anywhere),
		NET_TEST(bad_transmit),
		NET_TEST(bad_receive),
		NET_TEST(pieces_need_their_access),
		NET_TEST(rings_vanish),
		NET_TEST(memory_cut_off),
		NET_TEST(overlapping_pieces),
	};

	return cmocka_run_group_tests_name("pieces", tests, NULL, NULL);
}
