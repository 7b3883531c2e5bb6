// SPDX-License-Identifier: GPL-2.0-only
/* Every fatal error's every cause, and reset: docs/card.md, "Fatal errors". */
#include <stdio.h>
#include <unistd.h>

#include "capture.h"
#include "card_test.h"

/* A fatal error happened, this one, once, and the card is silent. */
static void assert_fatal(struct guest *g, uint32_t flag)
{
	struct card_counters before = g->card.counters;
	unsigned int events = g->signals[DUCT_VECTOR_EVENT];

	assert_int_equal(rd(g, DUCT_FLAGS), flag);
	assert_int_equal(g->signals[DUCT_VECTOR_FATAL], 1);
	assert_int_equal(before.fatal_fltb, flag == DUCT_FLAGS_FLTB);
	assert_int_equal(before.fatal_fltr, flag == DUCT_FLAGS_FLTR);
	assert_int_equal(before.fatal_seq, flag == DUCT_FLAGS_SEQ);
	assert_int_equal(before.fatal_hwerr, flag == DUCT_FLAGS_HWERR);

	/* whatever comes now changes nothing */
	wr(g, DUCT_CMDSHIFT, 99);
	wr(g, DUCT_DBELL, 0);
	wr(g, DUCT_DBELL, DUCT_DBELL_TX);
	wr(g, DUCT_FLAGS, ~DUCT_FLAGS_RST);
	run_bus(g->card.station.bus);
	assert_int_equal(rd(g, DUCT_FLAGS), flag);
	assert_int_equal(rd(g, DUCT_VMAJ), 2);
	assert_int_equal(g->signals[DUCT_VECTOR_FATAL], 1);
	assert_int_equal(g->signals[DUCT_VECTOR_EVENT], events);
	assert_int_equal(g->card.counters.commands, before.commands);
	assert_int_equal(g->card.counters.cmd_doorbells,
			 before.cmd_doorbells);
}

static void fresh(struct guest *g)
{
	wr(g, DUCT_FLAGS, DUCT_FLAGS_RST);
	memset(&g->card.counters, 0, sizeof(g->card.counters));
	memset(g->signals, 0, sizeof(g->signals));
}

static void seq_command_ring_not_set(void **state)
{
	struct guest *g = guest_of(state);

	for (unsigned int given = 0; given < 3; given++) {
		fresh(g);
		if (given == 1)
			wr64(g, DUCT_CMDBASE, CMD_RING);
		if (given == 2)
			wr(g, DUCT_CMDSHIFT, 0);
		wr(g, DUCT_DBELL, 0);
		assert_fatal(g, DUCT_FLAGS_SEQ);
	}
}

static void seq_transmit_while_stopped(void **state)
{
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 3);
	set_packet_rings(g, 0, 0);
	start(g);
	stop(g);
	assert_alive(g);
	wr(g, DUCT_DBELL, DUCT_DBELL_TX);
	assert_fatal(g, DUCT_FLAGS_SEQ);
}

static void seq_stop_while_stopped(void **state)
{
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 3);
	assert_int_equal(stop(g), -1);	/* never completed */
	assert_int_equal(cmd_desc(g, 0)->owner, DUCT_OWNER_CARD);
	assert_int_equal(cmd_desc(g, 0)->err, 0x77);
	assert_fatal(g, DUCT_FLAGS_SEQ);
}

static void seq_start_while_started(void **state)
{
	struct guest *g = guest_of(state);

	guest_up(g, 0, 0);
	assert_int_equal(start(g), -1);
	assert_int_equal(cmd_desc(g, 2)->owner, DUCT_OWNER_CARD);
	assert_int_equal(g->card.counters.commands, 2);
	assert_fatal(g, DUCT_FLAGS_SEQ);
}

static void seq_start_without_rings(void **state)
{
	struct guest *g = guest_of(state);

	for (unsigned int given = 0; given < 15; given++) {
		fresh(g);
		set_cmd_ring(g, 3);
		if (given & 1)
			wr64(g, DUCT_TXBASE, TX_RING);
		if (given & 2)
			wr(g, DUCT_TXSHIFT, 0);
		if (given & 4)
			wr64(g, DUCT_RXBASE, RX_RING);
		if (given & 8)
			wr(g, DUCT_RXSHIFT, 0);
		assert_int_equal(start(g), -1);
		assert_false(g->card.started);
		assert_fatal(g, DUCT_FLAGS_SEQ);
	}
}

static void seq_rings_written_while_started(void **state)
{
	static const uint32_t regs[] = {
		DUCT_TXBASE, DUCT_TXBASE + 4, DUCT_TXSHIFT,
		DUCT_RXBASE, DUCT_RXBASE + 4, DUCT_RXSHIFT,
	};
	struct guest *g = guest_of(state);

	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		fresh(g);
		guest_up(g, 0, 0);
		assert_alive(g);
		wr(g, regs[i], 0);
		assert_fatal(g, DUCT_FLAGS_SEQ);
	}
}

static void fltb_shift(void **state)
{
	static const uint32_t regs[] = {
		DUCT_CMDSHIFT, DUCT_TXSHIFT, DUCT_RXSHIFT,
	};
	struct guest *g = guest_of(state);

	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		wr(g, regs[i], 12);
		assert_alive(g);
		wr(g, regs[i], 13);
		assert_fatal(g, DUCT_FLAGS_FLTB);
		fresh(g);
		wr(g, regs[i], 0xffffffff);
		assert_fatal(g, DUCT_FLAGS_FLTB);
		fresh(g);
	}
}

/* A command ring that is not there, or not all of it. */
static void fltb_command_ring(void **state)
{
	static const struct {
		uint64_t base;
		uint32_t shift;
	} bad[] = {
		{ NOWHERE, 0 },
		{ RAM + RAM_SIZE - 32, 1 },
		{ RAM - 32, 1 },
		{ 0xfffffffffffffff0, 0 },
	};
	struct guest *g = guest_of(state);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fresh(g);
		wr64(g, DUCT_CMDBASE, bad[i].base);
		wr(g, DUCT_CMDSHIFT, bad[i].shift);
		assert_alive(g);	/* nobody looked yet */
		wr(g, DUCT_DBELL, 0);
		assert_fatal(g, DUCT_FLAGS_FLTB);
	}
}

static void fltb_packet_rings(void **state)
{
	static const uint32_t regs[] = { DUCT_TXBASE, DUCT_RXBASE };
	struct guest *g = guest_of(state);

	for (size_t i = 0; i < ARRAY_SIZE(regs); i++) {
		fresh(g);
		set_cmd_ring(g, 3);
		set_packet_rings(g, 1, 1);
		wr64(g, regs[i], RAM + RAM_SIZE - 64);	/* half of it there */
		assert_alive(g);
		assert_int_equal(start(g), -1);
		assert_int_equal(cmd_desc(g, 0)->owner, DUCT_OWNER_CARD);
		assert_fatal(g, DUCT_FLAGS_FLTB);
	}
}

static void fltb_read_only_ring(void **state)
{
	struct guest *g = guest_of(state);

	guest_mem_unmap_all(g->mem);
	guest_mem_map_host(g->mem, RAM, RAM_SIZE, GUEST_READ, g->ram);
	set_cmd_ring(g, 0);
	assert_int_equal(command(g, DUCT_CMD_FLUSHFILT, 0, 0), -1);
	assert_fatal(g, DUCT_FLAGS_FLTB);
}

static void fltb_no_bus_master(void **state)
{
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 0);
	guest_mem_set_master(g->mem, false);
	assert_int_equal(command(g, DUCT_CMD_FLUSHFILT, 0, 0), -1);
	assert_fatal(g, DUCT_FLAGS_FLTB);
}

static void fltb_unshared_memory(void **state)
{
	struct guest *g = guest_of(state);

	char text[4096];

	guest_mem_unmap_all(g->mem);
	guest_mem_map_none(g->mem, RAM, RAM_SIZE);
	set_cmd_ring(g, 0);
	capture();
	cmd_doorbell(g);
	captured(text, sizeof(text));
	assert_non_null(strstr(text, "error: card unit: "));
	assert_non_null(strstr(text, "is not shared"));
	assert_non_null(strstr(text, "share=on"));
	assert_fatal(g, DUCT_FLAGS_FLTB);
	/* it is the memory there, and no other, of which this is said */
	fresh(g);
	wr64(g, DUCT_CMDBASE, NOWHERE);
	wr(g, DUCT_CMDSHIFT, 0);
	capture();
	wr(g, DUCT_DBELL, 0);
	captured(text, sizeof(text));
	assert_string_equal(text, "");
}

static unsigned int count_lines(const char *text)
{
	unsigned int lines = 0;

	while (*text)
		lines += *text++ == '\n';
	return lines;
}

/* Each is said with its reason; a guest that makes many is cut short. */
static void fatal_errors_are_told(void **state)
{
	struct guest *g = guest_of(state);
	char text[65536];

	log_set_level(LOG_LEVEL_INFO);
	capture();
	wr(g, DUCT_RXSHIFT, 13);
	captured(text, sizeof(text));
	assert_string_equal(text,
		"card unit: fatal error FLTB: RXSHIFT is 13, more than 12\n");
	fresh(g);
	capture();
	wr(g, DUCT_DBELL, DUCT_DBELL_TX);
	captured(text, sizeof(text));
	assert_string_equal(text,
		"card unit: fatal error SEQ: transmit doorbell while stopped\n");
	capture();
	for (int i = 0; i < 1000; i++) {
		fresh(g);
		wr64(g, DUCT_CMDBASE, NOWHERE);
		wr(g, DUCT_CMDSHIFT, 3);
		wr(g, DUCT_DBELL, 0);
	}
	captured(text, sizeof(text));
	assert_in_range(count_lines(text), 1, 10);
	assert_non_null(strstr(text, "FLTB: CMDBASE 0x200000000: 8 descriptors"));
	g->card.fault_limit.spent_until_ms = 0;
	fresh(g);
	capture();
	wr(g, DUCT_CMDSHIFT, 13);
	captured(text, sizeof(text));
	assert_non_null(strstr(text, "more fatal errors not shown\n"));
	assert_int_equal(count_lines(text), 2);
}

/* The file behind the guest's memory was cut off: nobody's fault here. */
static void hwerr_broken_memory(void **state)
{
	struct guest *g = guest_of(state);
	FILE *file = tmpfile();
	int fd;

	assert_non_null(file);
	fd = fileno(file);
	assert_int_equal(guest_mem_catch_sigbus(), 0);
	assert_int_equal(ftruncate(fd, 0x10000), 0);
	assert_int_equal(guest_mem_map_fd(g->mem, NOWHERE, 0x10000,
					  GUEST_READ | GUEST_WRITE, fd, 0), 0);
	wr64(g, DUCT_CMDBASE, NOWHERE);
	wr(g, DUCT_CMDSHIFT, 0);
	wr(g, DUCT_DBELL, 0);
	assert_alive(g);
	assert_int_equal(ftruncate(fd, 0), 0);
	wr(g, DUCT_DBELL, 0);		/* looks, and is caught */
	wr(g, DUCT_DBELL, 0);
	assert_fatal(g, DUCT_FLAGS_HWERR);
	fclose(file);
}

/* The commands before the fatal one are done, those behind it are not. */
static void fatal_in_a_batch(void **state)
{
	struct guest *g = guest_of(state);
	struct duct_cmd_desc *desc[3];

	set_cmd_ring(g, 3);
	desc[0] = put_command(g, DUCT_CMD_ADDFILT, 1, 1);
	desc[1] = put_command(g, DUCT_CMD_STOP, 0, 0);
	desc[2] = put_command(g, DUCT_CMD_ADDFILT, 2, 2);
	cmd_doorbell(g);
	assert_int_equal(desc[0]->owner, DUCT_OWNER_HOST);
	assert_int_equal(desc[1]->owner, DUCT_OWNER_CARD);
	assert_int_equal(desc[2]->owner, DUCT_OWNER_CARD);
	assert_int_equal(g->card.filters.count, 1);
	assert_int_equal(g->signals[DUCT_VECTOR_EVENT], 0);
	assert_fatal(g, DUCT_FLAGS_SEQ);
}

static void evflags_can_be_read_after_a_fatal(void **state)
{
	struct guest *g = guest_of(state);

	set_cmd_ring(g, 3);
	command(g, DUCT_CMD_FLUSHFILT, 0, 0);
	stop(g);
	assert_int_equal(rd(g, DUCT_EVFLAGS), DUCT_EV_CMDCOMP);
	assert_int_equal(rd(g, DUCT_EVFLAGS), 0);
	assert_int_equal(rd(g, DUCT_HWADDR), ADDR);
}

static void reset_is_power_on(void **state)
{
	struct guest *g = guest_of(state);
	uint64_t commands;

	guest_up(g, 2, 2);
	put_tx(g, 5, TX_DATA, 10);
	tx_doorbell(g);
	stop(g);
	stop(g);
	commands = g->card.counters.commands;
	assert_fatal(g, DUCT_FLAGS_SEQ);
	wr(g, DUCT_FLAGS, DUCT_FLAGS_RST);
	assert_int_equal(rd(g, DUCT_FLAGS), 0);
	assert_int_equal(rd(g, DUCT_EVFLAGS), 0);
	assert_int_equal(rd(g, DUCT_HWADDR), ADDR);
	assert_false(g->card.started);
	assert_false(ring_is_set(&g->card.cmd));
	assert_false(ring_is_set(&g->card.tx));
	assert_false(ring_is_set(&g->card.rx));
	assert_int_equal(g->card.filters.count, 0);
	assert_int_equal(g->card.counters.commands, commands);
	assert_int_equal(g->card.counters.resets, 1);
	run_bus(g->card.station.bus);
	assert_int_equal(g->card.counters.tx_packets, 0);
	/* and it works as new, from slot 0 */
	g->signals[DUCT_VECTOR_FATAL] = 0;
	guest_up(g, 2, 2);
	assert_alive(g);
}

/* Reset needs no fatal error. */
static void reset_while_started(void **state)
{
	struct guest *g = guest_of(state);

	guest_up(g, 2, 2);
	wr(g, DUCT_FLAGS, 0xffffffff);
	assert_false(g->card.started);
	assert_int_equal(rd(g, DUCT_FLAGS), 0);
	guest_up(g, 2, 2);
	card_reset(&g->card);
	assert_false(g->card.started);
	assert_int_equal(g->card.counters.resets, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CARD_TEST(seq_command_ring_not_set),
		CARD_TEST(seq_transmit_while_stopped),
		CARD_TEST(seq_stop_while_stopped),
		CARD_TEST(seq_start_while_started),
		CARD_TEST(seq_start_without_rings),
		CARD_TEST(seq_rings_written_while_started),
		CARD_TEST(fltb_shift),
		CARD_TEST(fltb_command_ring),
		CARD_TEST(fltb_packet_rings),
		CARD_TEST(fltb_read_only_ring),
		CARD_TEST(fltb_no_bus_master),
		CARD_TEST(fltb_unshared_memory),
		CARD_TEST(fatal_errors_are_told),
		CARD_TEST(hwerr_broken_memory),
		CARD_TEST(fatal_in_a_batch),
		CARD_TEST(evflags_can_be_read_after_a_fatal),
		CARD_TEST(reset_is_power_on),
		CARD_TEST(reset_while_started),
	};

	return cmocka_run_group_tests_name("fatal", tests, NULL, NULL);
}
