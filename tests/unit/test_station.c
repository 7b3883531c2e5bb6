// SPDX-License-Identifier: GPL-2.0-only
/* Echo and quote: docs/card.md, "Well-known stations on Ductnet". */
#include <stdio.h>
#include <unistd.h>

#include "guest.h"
#include "log.h"
#include "station.h"

#define ADDR	0x34565cabu
#define QUEUE	256u			/* replies a station keeps */

struct test {
	struct bus bus;
	struct station *echo, *quote;
	struct guest *g;
	char path[32];			/* of a file of quotes */
	char err[200];
};

static int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	log_set_level(LOG_LEVEL_ERROR);
	bus_init(&t->bus);
	t->g = guest_new(&t->bus, ADDR, CARD_SIGNAL_BURST);
	guest_up(t->g, 2, 6);
	t->echo = station_echo_new(&t->bus);
	t->quote = station_quote_new(&t->bus, NULL, t->err, sizeof(t->err));
	assert_non_null(t->echo);
	assert_non_null(t->quote);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	station_free(t->echo);
	station_free(t->quote);
	guest_free(t->g);
	if (*t->path)
		unlink(t->path);
	free(t);
	return 0;
}

static void write_quotes(struct test *t, const char *text, size_t len)
{
	int fd;

	if (*t->path)
		unlink(t->path);
	strcpy(t->path, "/tmp/duct-unit-XXXXXX");
	fd = mkstemp(t->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

/* Put the quotes of @text in the place of those that are there. */
static void use_quotes(struct test *t, const char *text)
{
	write_quotes(t, text, strlen(text));
	station_free(t->quote);
	t->quote = station_quote_new(&t->bus, t->path, t->err,
				     sizeof(t->err));
}

/* What came back, as a string of its own. */
static char *answer(struct test *t, uint32_t i, uint32_t src)
{
	struct duct_pkt_desc *desc = rx_desc(t->g, i);
	uint32_t len = le32toh(desc->pktlen);
	char *text;

	assert_int_equal(desc->owner, DUCT_OWNER_HOST);
	assert_int_equal(le32toh(desc->src), src);
	assert_int_equal(le32toh(desc->dst), ADDR);
	text = test_malloc(len + 1);
	memcpy(text, at(t->g, rx_buf(i)), len);
	text[len] = 0;
	return text;
}

static void assert_answer(struct test *t, uint32_t i, uint32_t src,
			  const char *want)
{
	char *text = answer(t, i, src);

	assert_string_equal(text, want);
	test_free(text);
}

static bool has_line(struct station *station, const char *line)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool found;

	station_print(station, out);
	fclose(out);
	found = strstr(text, line);
	free(text);
	return found;
}

static void echo_answers(void **state)
{
	struct test *t = *state;

	send_bytes(t->g, STATION_ECHO_ADDR, "hello", 5);
	assert_answer(t, 0, STATION_ECHO_ADDR, "hello");
	assert_true(has_line(t->echo, "station: echo\n"));
	assert_true(has_line(t->echo, "  address: 0000ec60\n"));
	assert_true(has_line(t->echo, "  received: 1\n"));
	assert_true(has_line(t->echo, "  sent: 1\n"));
	assert_true(has_line(t->echo, "  dropped: 0\n"));
}

static void echo_of_all_sizes(void **state)
{
	static uint8_t bytes[DUCT_PACKET_MAX];
	static const uint32_t lens[] = { 0, 1, 2, 1500, 16383, 16384 };
	struct test *t = *state;

	fill(bytes, sizeof(bytes), 9);
	for (uint32_t i = 0; i < ARRAY_SIZE(lens); i++) {
		send_bytes(t->g, STATION_ECHO_ADDR, bytes, lens[i]);
		assert_int_equal(le32toh(rx_desc(t->g, i)->pktlen), lens[i]);
		assert_memory_equal(at(t->g, rx_buf(i)), bytes, lens[i]);
	}
	assert_int_equal(t->bus.counters.copied_bytes,
			 t->bus.counters.delivered_bytes);
}

static void echo_keeps_order(void **state)
{
	struct test *t = *state;

	for (uint8_t i = 0; i < 4; i++) {
		*(uint8_t *)at(t->g, TX_DATA + i) = i;
		put_tx(t->g, STATION_ECHO_ADDR, TX_DATA + i, 1);
	}
	tx_doorbell(t->g);
	run_bus(&t->bus);
	for (uint8_t i = 0; i < 4; i++)
		assert_int_equal(*(uint8_t *)at(t->g, rx_buf(i)), i);
}

static void quote_answers_anything(void **state)
{
	struct test *t = *state;
	char *text;

	send_bytes(t->g, STATION_QUOTE_ADDR, "", 0);
	text = answer(t, 0, STATION_QUOTE_ADDR);
	assert_true(strlen(text) > 10);
	assert_null(strchr(text, '\n'));
	test_free(text);
	send_bytes(t->g, STATION_QUOTE_ADDR, "a question", 10);
	test_free(answer(t, 1, STATION_QUOTE_ADDR));
	assert_true(has_line(t->quote, "  sent: 2\n"));
	/* what nobody reads is not copied, and not counted as if it were */
	assert_int_equal(t->bus.counters.copied_bytes,
			 t->bus.counters.delivered_bytes);
}

static void quotes_from_a_file(void **state)
{
	struct test *t = *state;

	use_quotes(t, "\none\r\n\n\r\ntwo\nthree, unfinished");
	assert_non_null(t->quote);
	for (uint32_t i = 0; i < 4; i++)
		send_bytes(t->g, STATION_QUOTE_ADDR, "", 0);
	assert_answer(t, 0, STATION_QUOTE_ADDR, "one");
	assert_answer(t, 1, STATION_QUOTE_ADDR, "two");
	assert_answer(t, 2, STATION_QUOTE_ADDR, "three, unfinished");
	assert_answer(t, 3, STATION_QUOTE_ADDR, "one");
}

static void quotes_missing(void **state)
{
	struct test *t = *state;

	assert_null(station_quote_new(&t->bus, "/nowhere/quotes", t->err,
				      sizeof(t->err)));
	assert_non_null(strstr(t->err, "/nowhere/quotes: No such file"));
	use_quotes(t, "\n\n");
	assert_null(t->quote);
	assert_non_null(strstr(t->err, "no quotes"));
	/* a directory opens, and does not read */
	assert_null(station_quote_new(&t->bus, "/tmp", t->err,
				      sizeof(t->err)));
	assert_non_null(strstr(t->err, "/tmp: Is a directory"));
}

static void quote_too_long(void **state)
{
	static char line[DUCT_PACKET_MAX + 8];
	struct test *t = *state;

	memset(line, 'q', sizeof(line));
	line[0] = 'a';
	line[1] = '\n';
	line[2 + DUCT_PACKET_MAX] = '\n';
	line[3 + DUCT_PACKET_MAX] = 0;
	use_quotes(t, line);
	assert_non_null(t->quote);		/* as long as a packet */
	send_bytes(t->g, STATION_QUOTE_ADDR, "", 0);
	send_bytes(t->g, STATION_QUOTE_ADDR, "", 0);
	assert_int_equal(le32toh(rx_desc(t->g, 1)->pktlen), DUCT_PACKET_MAX);

	line[2 + DUCT_PACKET_MAX] = 'q';
	line[3 + DUCT_PACKET_MAX] = '\n';
	line[4 + DUCT_PACKET_MAX] = 0;
	use_quotes(t, line);
	assert_null(t->quote);
	assert_non_null(strstr(t->err, "line 2 is longer than 16384 bytes"));
}

/* A station takes its own address and nothing else. */
static void not_for_groups(void **state)
{
	struct test *t = *state;

	send_bytes(t->g, 0xffffffff, "x", 1);
	send_bytes(t->g, 0x8000ec60, "x", 1);
	send_bytes(t->g, 0x8000beef, "x", 1);
	send_bytes(t->g, 0x0001ec60, "x", 1);
	assert_int_equal(t->bus.counters.unclaimed, 4);
	assert_int_equal(t->g->card.counters.rx_packets, 0);
}

static bool no_packets(struct bus_station *s, uint32_t dst)
{
	(void)s;
	(void)dst;
	return false;
}

/* Stations answer no station, and no group. */
static void no_loops(void **state)
{
	static const struct bus_station_ops ops = { .accepts = no_packets };
	static const uint32_t sources[] = {
		STATION_ECHO_ADDR, STATION_QUOTE_ADDR, 0xffffffff, 0x80000000,
	};
	struct test *t = *state;
	struct bus_station liar;
	uint64_t before;

	bus_attach(&t->bus, &liar, &ops);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		struct bus_packet packet = { .src = sources[i] };

		packet.dst = STATION_ECHO_ADDR;
		bus_send(&liar, &packet);
		packet.dst = STATION_QUOTE_ADDR;
		bus_send(&liar, &packet);
	}
	before = t->bus.counters.packets;
	run_bus(&t->bus);
	assert_int_equal(t->bus.counters.packets, before);
	assert_true(has_line(t->echo, "  ignored: 4\n"));
	assert_true(has_line(t->quote, "  ignored: 4\n"));
	bus_detach(&liar);
}

/* Asked faster than it may answer, a station forgets, and says how much. */
static void bounded_queue(void **state)
{
	static const struct bus_station_ops ops = { .accepts = no_packets };
	struct test *t = *state;
	struct bus_station host;
	uint8_t number;

	card_reset(&t->g->card);
	guest_up(t->g, 0, 10);
	bus_attach(&t->bus, &host, &ops);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < QUEUE + 10; i++) {
			struct bus_packet packet = {
				.src = ADDR, .dst = STATION_ECHO_ADDR,
				.len = 1, .pieces = 1,
				.piece[0] = { &number, 1 },
			};

			number = (uint8_t)(i + round);
			bus_send(&host, &packet);
		}
		run_bus(&t->bus);
	}
	assert_int_equal(t->g->card.counters.rx_packets, 3 * QUEUE);
	for (unsigned int i = 0; i < RX_BUFS; i++) {
		/* the buffers of the last ones to come */
		unsigned int last = 3 * QUEUE - RX_BUFS + i;

		assert_int_equal(*(uint8_t *)at(t->g, rx_buf(last)),
				 (uint8_t)(last % QUEUE + 2));
	}
	assert_true(has_line(t->echo, "  received: 768\n"));
	assert_true(has_line(t->echo, "  sent: 768\n"));
	assert_true(has_line(t->echo, "  dropped: 30\n"));
	bus_detach(&host);
}

/* Replies go out in shares as well. */
static void answers_take_turns(void **state)
{
	static const struct bus_station_ops ops = { .accepts = no_packets };
	struct test *t = *state;
	struct bus_station host;

	card_reset(&t->g->card);
	guest_up(t->g, 0, 10);
	bus_attach(&t->bus, &host, &ops);
	for (unsigned int i = 0; i < 2 * BUS_BUDGET; i++) {
		struct bus_packet packet = { .src = ADDR,
					     .dst = STATION_QUOTE_ADDR };

		bus_send(&host, &packet);
	}
	assert_true(bus_run(&t->bus));
	assert_int_equal(t->g->card.counters.rx_packets, BUS_BUDGET);
	assert_false(bus_run(&t->bus));
	assert_int_equal(t->g->card.counters.rx_packets, 2 * BUS_BUDGET);
	bus_detach(&host);
}

static void free_nothing(void **state)
{
	(void)state;
	station_free(NULL);
}

int main(void)
{
#define STATION_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		STATION_TEST(echo_answers),
		STATION_TEST(echo_of_all_sizes),
		STATION_TEST(echo_keeps_order),
		STATION_TEST(quote_answers_anything),
		STATION_TEST(quotes_from_a_file),
		STATION_TEST(quotes_missing),
		STATION_TEST(quote_too_long),
		STATION_TEST(not_for_groups),
		STATION_TEST(no_loops),
		STATION_TEST(bounded_queue),
		STATION_TEST(answers_take_turns),
		cmocka_unit_test(free_nothing),
	};

	return cmocka_run_group_tests_name("station", tests, NULL, NULL);
}
