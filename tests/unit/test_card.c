// SPDX-License-Identifier: GPL-2.0-only
/* Registers and commands: docs/card.md. */
#include <stdio.h>

#include "card_test.h"

static void reset_values(void **state)
{
	struct guest *g = guest_of(state);

	for (uint32_t reg = 0; reg < DUCT_BAR_SIZE; reg += 4) {
		uint32_t want = 0;

		if (reg == DUCT_VMAJ)
			want = 2;
		else if (reg == DUCT_VMIN)
			want = 1;
		else if (reg == DUCT_HWADDR)
			want = ADDR;
		assert_int_equal(rd(g, reg), want);
	}
	assert_int_equal(g->card.counters.reg_reads, DUCT_BAR_SIZE / 4);
	assert_int_equal(g->card.counters.evflags_reads, 1);
}

static void write_only_reads_zero(void **state)
{
	static const uint32_t wo[] = {
		DUCT_CMDBASE, DUCT_CMDBASE + 4, DUCT_CMDSHIFT, DUCT_TXBASE,
		DUCT_TXBASE + 4, DUCT_TXSHIFT, DUCT_RXBASE, DUCT_RXBASE + 4,
		DUCT_RXSHIFT, DUCT_DBELL,
	};
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 4);
	set_packet_rings(g, 4, 4);
	start(g);
	for (size_t i = 0; i < ARRAY_SIZE(wo); i++)
		assert_int_equal(rd(g, wo[i]), 0);
	assert_alive(g);
}

static void read_only_ignores_writes(void **state)
{
	static const uint32_t ro[] = {
		DUCT_VMAJ, DUCT_VMIN, DUCT_HWADDR, DUCT_EVFLAGS, 0x1c, 0x2c,
		0x3c, 0x44, 0x48, 0x4c, 0x54, 0x58, 0x60, 0x7c,
	};
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 4);
	set_packet_rings(g, 4, 4);
	start(g);
	for (size_t i = 0; i < ARRAY_SIZE(ro); i++)
		wr(g, ro[i], 0xffffffff);
	wr(g, DUCT_FLAGS, 0x7fffffff);	/* only RST can be written */
	assert_int_equal(rd(g, DUCT_VMAJ), 2);
	assert_int_equal(rd(g, DUCT_VMIN), 1);
	assert_int_equal(rd(g, DUCT_HWADDR), ADDR);
	assert_int_equal(rd(g, DUCT_EVFLAGS), DUCT_EV_CMDCOMP);
	assert_true(g->card.started);
	assert_alive(g);
}

static void wide_accesses(void **state)
{
	struct guest *g = guest_of(state);

	assert_int_equal(card_read(&g->card, DUCT_VMAJ, 8), 0x100000002);
	assert_int_equal(card_read(&g->card, DUCT_FLAGS, 8),
			 (uint64_t)ADDR << 32);
	set_cmd_ring(g, 0);
	command(g, DUCT_CMD_FLUSHFILT, 0, 0);
	assert_int_equal(card_read(&g->card, DUCT_EVFLAGS, 8),
			 DUCT_EV_CMDCOMP);
	assert_int_equal(rd(g, DUCT_EVFLAGS), 0);
	wr64(g, DUCT_FLAGS, DUCT_FLAGS_RST);
	assert_int_equal(g->card.counters.resets, 1);
	assert_int_equal(g->card.counters.bad_accesses, 0);
}

static void bad_accesses_do_nothing(void **state)
{
	static const struct {
		uint32_t offset;
		unsigned int size;
	} bad[] = {
		{ 0x40, 1 }, { 0x40, 2 }, { 0x41, 1 }, { 0x42, 2 },
		{ 0x41, 4 }, { 0x42, 4 }, { 0x3e, 4 }, { 0x3c, 8 },
		{ 0x44, 8 }, { 0x41, 8 }, { 0x40, 3 }, { 0x40, 0 },
		{ 0x40, 16 }, { 0x50, 1 }, { 0x50, 2 }, { 0x4c, 8 },
		{ 0x08, 1 }, { 0x0b, 1 }, { 0x0a, 2 }, { 0x04, 8 },
		{ 0x7c, 8 }, { 0x7f, 1 },
	};
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 4);
	command(g, DUCT_CMD_FLUSHFILT, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(card_read(&g->card, bad[i].offset,
					   bad[i].size), 0);
		card_write(&g->card, bad[i].offset, bad[i].size, ~0ull);
	}
	assert_int_equal(g->card.counters.bad_accesses, 2 * ARRAY_SIZE(bad));
	assert_int_equal(g->card.counters.resets, 0);
	assert_int_equal(g->card.counters.tx_doorbells, 0);
	assert_alive(g);
	/* not even EVFLAGS was read */
	assert_int_equal(rd(g, DUCT_EVFLAGS), DUCT_EV_CMDCOMP);
}

/* A base takes one 64-bit write, or two halves, low half first. */
static void base_in_halves(void **state)
{
	struct guest *g = guest_of(state);

	wr(g, DUCT_CMDBASE, (uint32_t)CMD_RING);
	wr(g, DUCT_CMDBASE + 4, CMD_RING >> 32);
	wr(g, DUCT_CMDSHIFT, 0);
	assert_int_equal(command(g, DUCT_CMD_FLUSHFILT, 0, 0), DUCT_ERR_OK);
	wr(g, DUCT_TXBASE, (uint32_t)TX_RING);
	wr(g, DUCT_TXBASE + 4, TX_RING >> 32);
	wr(g, DUCT_TXSHIFT, 0);
	wr(g, DUCT_RXBASE, (uint32_t)RX_RING);
	wr(g, DUCT_RXBASE + 4, RX_RING >> 32);
	wr(g, DUCT_RXSHIFT, 0);
	assert_int_equal(start(g), DUCT_ERR_OK);
	assert_int_equal(g->card.cmd.base, CMD_RING);
	assert_int_equal(g->card.tx.base, TX_RING);
	assert_int_equal(g->card.rx.base, RX_RING);
	assert_alive(g);
}

static void evflags_clear_on_read(void **state)
{
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 0);
	assert_int_equal(rd(g, DUCT_EVFLAGS), 0);
	command(g, DUCT_CMD_FLUSHFILT, 0, 0);
	assert_int_equal(rd(g, DUCT_EVFLAGS), 0x8);
	assert_int_equal(rd(g, DUCT_EVFLAGS), 0);
}

static void start_stop(void **state)
{
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 4);
	set_packet_rings(g, 4, 4);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(start(g), DUCT_ERR_OK);
		assert_true(g->card.started);
		assert_int_equal(stop(g), DUCT_ERR_OK);
		assert_false(g->card.started);
	}
	assert_int_equal(g->card.counters.commands, 40);
	assert_int_equal(g->card.counters.command_errors, 0);
	assert_alive(g);
}

static void filter_commands(void **state)
{
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 1);
	for (uint32_t i = 0; i < DUCT_FILTERS; i++)
		assert_int_equal(command(g, DUCT_CMD_ADDFILT, 0xffffffff, i),
				 DUCT_ERR_OK);
	assert_int_equal(command(g, DUCT_CMD_ADDFILT, 0xffffffff, 32), 1);
	assert_int_equal(command(g, DUCT_CMD_ADDFILT, 0xffffffff, 31), 0);
	assert_int_equal(command(g, DUCT_CMD_RMFILT, 0xffffffff, 32), 1);
	assert_int_equal(command(g, DUCT_CMD_RMFILT, 0x7fffffff, 31), 1);
	assert_int_equal(command(g, DUCT_CMD_RMFILT, 0xffffffff, 31), 0);
	assert_int_equal(command(g, DUCT_CMD_RMFILT, 0xffffffff, 31), 1);
	assert_int_equal(command(g, DUCT_CMD_ADDFILT, 0xf0, 0x12345678), 0);
	assert_int_equal(g->card.filters.filter[31].mask, 0xf0);
	assert_int_equal(g->card.filters.filter[31].addr, 0x12345678);
	assert_int_equal(command(g, DUCT_CMD_FLUSHFILT, 0, 0), 0);
	assert_int_equal(g->card.filters.count, 0);
	assert_int_equal(command(g, DUCT_CMD_FLUSHFILT, 0, 0), 0);
	assert_int_equal(g->card.counters.command_errors, 4);
	assert_alive(g);
}

static void filters_survive_stop_and_start(void **state)
{
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 4);
	set_packet_rings(g, 0, 0);
	assert_int_equal(command(g, DUCT_CMD_ADDFILT, 1, 1), 0);
	start(g);
	assert_int_equal(command(g, DUCT_CMD_ADDFILT, 2, 2), 0);
	stop(g);
	start(g);
	assert_int_equal(g->card.filters.count, 2);
	wr(g, DUCT_FLAGS, DUCT_FLAGS_RST);
	assert_int_equal(g->card.filters.count, 0);
}

static void unknown_commands(void **state)
{
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 0);
	for (unsigned int type = 0; type < 256; type++) {
		if (type >= DUCT_CMD_START && type <= DUCT_CMD_FLUSHFILT)
			continue;
		assert_int_equal(command(g, (uint8_t)type, 0, 0),
				 DUCT_ERR_TYPE);
	}
	assert_alive(g);
}

/* One doorbell announces many, and they complete in order. */
static void many_commands_a_doorbell(void **state)
{
	struct guest *g = guest_of(state);
	struct duct_cmd_desc *desc[5];

	set_cmd_ring(g, 3);
	desc[0] = put_command(g, DUCT_CMD_RMFILT, 1, 1);
	desc[1] = put_command(g, DUCT_CMD_ADDFILT, 1, 1);
	desc[2] = put_command(g, DUCT_CMD_RMFILT, 1, 1);
	desc[3] = put_command(g, 77, 0, 0);
	desc[4] = put_command(g, DUCT_CMD_ADDFILT, 3, 3);
	cmd_doorbell(g);
	for (int i = 0; i < 5; i++)
		assert_int_equal(desc[i]->owner, DUCT_OWNER_HOST);
	assert_int_equal(desc[0]->err, DUCT_ERR_TABLE);
	assert_int_equal(desc[1]->err, DUCT_ERR_OK);
	assert_int_equal(desc[2]->err, DUCT_ERR_OK);
	assert_int_equal(desc[3]->err, DUCT_ERR_TYPE);
	assert_int_equal(desc[4]->err, DUCT_ERR_OK);
	assert_int_equal(g->signals[DUCT_VECTOR_EVENT], 1);
	assert_int_equal(g->card.counters.events, 5);
}

/* It takes the slots in order, whatever the doorbell's index says. */
static void doorbell_index(void **state)
{
	struct guest *g = guest_of(state);
	struct duct_cmd_desc *desc;

	set_cmd_ring(g, 2);
	desc = put_command(g, DUCT_CMD_FLUSHFILT, 0, 0);
	wr(g, DUCT_DBELL, 3);
	assert_int_equal(desc->owner, DUCT_OWNER_HOST);
	assert_int_equal(g->card.counters.bad_doorbells, 0);
	desc = put_command(g, DUCT_CMD_FLUSHFILT, 0, 0);
	wr(g, DUCT_DBELL, 4);
	assert_int_equal(desc->owner, DUCT_OWNER_HOST);
	assert_int_equal(g->card.counters.bad_doorbells, 1);
	/* a doorbell with nothing new is no harm */
	wr(g, DUCT_DBELL, 0);
	assert_int_equal(g->card.counters.commands, 2);
	assert_int_equal(g->card.counters.cmd_doorbells, 3);
	assert_alive(g);
}

static void command_ring_wraps(void **state)
{
	static const uint32_t shifts[] = { 0, 1, 12 };
	struct guest *g = guest_of(state);

	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		uint32_t size = 1u << shifts[i];

		set_cmd_ring(g, shifts[i]);
		for (uint32_t n = 0; n < 2 * size + 1; n++)
			assert_int_equal(command(g, DUCT_CMD_RMFILT, n, n),
					 DUCT_ERR_TABLE);
		/* writing base or shift goes back to slot 0 */
		g->cmd_next = 0;
		wr64(g, DUCT_CMDBASE, CMD_RING);
		assert_int_equal(command(g, DUCT_CMD_FLUSHFILT, 0, 0), 0);
		g->cmd_next = 0;
		wr(g, DUCT_CMDSHIFT, shifts[i]);
		assert_int_equal(command(g, DUCT_CMD_FLUSHFILT, 0, 0), 0);
	}
	assert_alive(g);
}

/* STOP rewinds the packet rings, and not the ring it came by. */
static void stop_keeps_the_command_ring(void **state)
{
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 3);
	set_packet_rings(g, 0, 0);
	start(g);
	stop(g);
	assert_int_equal(g->card.cmd.next, 2);
	assert_int_equal(start(g), DUCT_ERR_OK);
}

/* In place, while started: base and shift may be written any time. */
static void command_ring_moves_while_started(void **state)
{
	struct guest *g = guest_of(state);

	guest_up(g, 0, 0);
	set_cmd_ring(g, 5);
	assert_int_equal(command(g, DUCT_CMD_FLUSHFILT, 0, 0), 0);
	assert_true(g->card.started);
	assert_alive(g);
}

/*
 * A guest that hands slots back while they are worked on: played by a host
 * that re-owns a slot at each signal.
 */
static void re_own(void *ctx, unsigned int vector)
{
	struct guest *g = ctx;

	(void)vector;
	cmd_desc(g, 0)->owner = DUCT_OWNER_CARD;
}

static void commands_are_bounded(void **state)
{
	struct guest *g = guest_of(state);
	uint64_t done;

	g->card.signal = CARD_SIGNAL_EACH;
	g->card.host.signal = re_own;
	set_cmd_ring(g, 0);
	put_command(g, DUCT_CMD_FLUSHFILT, 0, 0);
	cmd_doorbell(g);
	assert_int_equal(g->card.counters.commands, 1);
	/* the rest has to wait for its share of the rounds */
	assert_true(bus_run(g->card.station.bus));
	done = g->card.counters.commands;
	assert_int_equal(done, 1 + BUS_BUDGET);
	assert_true(bus_run(g->card.station.bus));
	assert_int_equal(g->card.counters.commands, done + BUS_BUDGET);
	g->card.host.signal = guest_signal;
	cmd_desc(g, 0)->owner = DUCT_OWNER_HOST;
	assert_false(bus_run(g->card.station.bus));
}

/* The ring is looked up anew each time: memory can go at any time. */
static void due_commands_out_of_memory(void **state)
{
	struct guest *g = guest_of(state);

	g->card.signal = CARD_SIGNAL_EACH;
	g->card.host.signal = re_own;
	set_cmd_ring(g, 0);
	put_command(g, DUCT_CMD_FLUSHFILT, 0, 0);
	cmd_doorbell(g);
	g->card.host.signal = guest_signal;
	guest_mem_unmap_all(g->mem);
	assert_false(bus_run(g->card.station.bus));
	assert_int_equal(rd(g, DUCT_FLAGS), DUCT_FLAGS_FLTB);
	assert_int_equal(g->signals[DUCT_VECTOR_FATAL], 1);
	assert_int_equal(g->card.counters.commands, 1);
}

/* What is left of a ring that is no more is not looked for in the new one. */
static void moved_ring_forgets_what_was_due(void **state)
{
	struct guest *g = guest_of(state);

	g->card.signal = CARD_SIGNAL_EACH;
	g->card.host.signal = re_own;
	for (int by_shift = 0; by_shift < 2; by_shift++) {
		uint64_t done;

		set_cmd_ring(g, 0);
		put_command(g, DUCT_CMD_FLUSHFILT, 0, 0);
		cmd_doorbell(g);
		done = g->card.counters.commands;
		if (by_shift)
			wr(g, DUCT_CMDSHIFT, 0);
		else
			wr64(g, DUCT_CMDBASE, CMD_RING);
		run_bus(g->card.station.bus);
		assert_int_equal(g->card.counters.commands, done);
	}
}

static void print_names_everything(void **state)
{
	struct guest *g = guest_of(state);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	card_print(&g->card, out);
	fflush(out);
	assert_non_null(strstr(text, "  started: no\n"));
	assert_non_null(strstr(text, "  rx_ring: not set\n"));
	assert_null(strstr(text, "filter:"));
	rewind(out);
	guest_up(g, 2, 3);
	command(g, DUCT_CMD_ADDFILT, 0x80000000, 0x80000000);
	card_print(&g->card, out);
	fclose(out);
	assert_non_null(strstr(text, "card: unit\n"));
	assert_non_null(strstr(text, "  address: 34565cab\n"));
	assert_non_null(strstr(text, "  started: yes\n"));
	assert_non_null(strstr(text, "  flags: 00000000\n"));
	assert_non_null(strstr(text, "  evflags: 00000008\n"));
	assert_non_null(strstr(text, "  signal: burst\n"));
	assert_non_null(strstr(text, "  cmd_ring: base 0x140000000 size 16 next 3\n"));
	assert_non_null(strstr(text, "  rx_ring: base 0x140200000 size 8 next 0\n"));
	assert_non_null(strstr(text, "  filter: ffffffff/34565cab\n"));
	assert_non_null(strstr(text, "  filter: 80000000/80000000\n"));
	assert_non_null(strstr(text, "  commands: 3\n"));
	assert_non_null(strstr(text, "  fatal_hwerr: 0\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CARD_TEST(reset_values),
		CARD_TEST(write_only_reads_zero),
		CARD_TEST(read_only_ignores_writes),
		CARD_TEST(wide_accesses),
		CARD_TEST(bad_accesses_do_nothing),
		CARD_TEST(base_in_halves),
		CARD_TEST(evflags_clear_on_read),
		CARD_TEST(start_stop),
		CARD_TEST(filter_commands),
		CARD_TEST(filters_survive_stop_and_start),
		CARD_TEST(unknown_commands),
		CARD_TEST(many_commands_a_doorbell),
		CARD_TEST(doorbell_index),
		CARD_TEST(command_ring_wraps),
		CARD_TEST(stop_keeps_the_command_ring),
		CARD_TEST(command_ring_moves_while_started),
		CARD_TEST(commands_are_bounded),
		CARD_TEST(due_commands_out_of_memory),
		CARD_TEST(moved_ring_forgets_what_was_due),
		CARD_TEST(print_names_everything),
	};

	return cmocka_run_group_tests_name("card", tests, NULL, NULL);
}
