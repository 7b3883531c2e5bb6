// SPDX-License-Identifier: GPL-2.0-only
/* The command line: what it takes, what it refuses, and with which words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "station.h"
#include "unit.h"

static struct options options;
static char *out_text, *err_text;

#define ARGS_MAX	140

static void forget(void)
{
	options_free(&options);
	free(out_text);
	free(err_text);
	out_text = err_text = NULL;
}

static enum options_result parse_list(int argc, char *argv[])
{
	size_t out_size, err_size;
	enum options_result result;
	FILE *out, *err;

	forget();
	out = open_memstream(&out_text, &out_size);
	err = open_memstream(&err_text, &err_size);
	result = options_parse(&options, argc, argv, out, err);
	fclose(out);
	fclose(err);
	return result;
}

/* A command line as one types it; words are parted by single spaces. */
static enum options_result parse(const char *line)
{
	char *argv[ARGS_MAX] = { (char[]){ "ductnet" } };
	char *words = strdup(line), *rest = words, *word;
	enum options_result result;
	int argc = 1;

	while ((word = strsep(&rest, " ")))
		if (*word)
			argv[argc++] = word;
	result = parse_list(argc, argv);
	/* options point into the words only for the quotes */
	if (options.quotes)
		options.quotes = strcmp(options.quotes, "FILE") ? "?" : "FILE";
	free(words);
	return result;
}

static void assert_refused(const char *line, const char *why)
{
	assert_int_equal(parse(line), OPTIONS_USAGE);
	if (!strstr(err_text, why))
		fail_msg("\"%s\" gave: %s", line, err_text);
	assert_non_null(strstr(err_text, "Try ductnet --help."));
	assert_string_equal(out_text, "");
}

static void assert_taken(const char *line)
{
	if (parse(line) != OPTIONS_RUN)
		fail_msg("\"%s\" gave: %s", line, err_text);
	assert_string_equal(err_text, "");
}

static void defaults(void **state)
{
	(void)state;
	assert_taken("--card /run/a");
	assert_int_equal(options.cards, 1);
	assert_string_equal(options.card[0].path, "/run/a");
	assert_int_equal(options.card[0].signal, CARD_SIGNAL_BURST);
	assert_null(options.quotes);
	assert_int_equal(options.busy_poll_us, OPTIONS_BUSY_POLL);
	assert_int_equal(options.tx_usecs, OPTIONS_TX_USECS);
	assert_int_equal(options.log_level, LOG_LEVEL_INFO);
}

static void everything(void **state)
{
	(void)state;
	assert_taken("--card a,hwaddr=34565CAB,signal=each --busy-poll 123 --card b,signal=latched,hwaddr=0x1 --tx-usecs 456 --quotes FILE --log-level debug --card=c,signal=burst");
	assert_int_equal(options.cards, 3);
	assert_string_equal(options.card[0].path, "a");
	assert_int_equal(options.card[0].hwaddr, 0x34565cab);
	assert_int_equal(options.card[0].signal, CARD_SIGNAL_EACH);
	assert_string_equal(options.card[1].path, "b");
	assert_int_equal(options.card[1].hwaddr, 1);
	assert_int_equal(options.card[1].signal, CARD_SIGNAL_LATCHED);
	assert_string_equal(options.card[2].path, "c");
	assert_int_equal(options.card[2].signal, CARD_SIGNAL_BURST);
	assert_string_equal(options.quotes, "FILE");
	assert_int_equal(options.busy_poll_us, 123);
	assert_int_equal(options.tx_usecs, 456);
	assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
}

static void hwaddr_taken(void **state)
{
	static const struct {
		const char *text;
		uint32_t addr;
	} good[] = {
		{ "1", 1 }, { "0x1", 1 }, { "00000001", 1 }, { "0X1f", 0x1f },
		{ "7fffffff", 0x7fffffff }, { "0x7FFFFFFF", 0x7fffffff },
		{ "dEadBee", 0xdeadbee }, { "ec61", 0xec61 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char line[64];

		snprintf(line, sizeof(line), "--card a,hwaddr=%s",
			 good[i].text);
		assert_taken(line);
		assert_int_equal(options.card[0].hwaddr, good[i].addr);
	}
}

static void hwaddr_refused(void **state)
{
	static const char *const number[] = {
		"", "0x", "x1", "g", "1g", "-1", "+1", "0x-1", "123456789",
		"000000001", "1.0", "0x0x1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(number); i++) {
		char line[64];

		snprintf(line, sizeof(line), "--card a,hwaddr=%s", number[i]);
		assert_refused(line, "not a hexadecimal number");
	}
	assert_refused("--card a,hwaddr=0", "no card has address 0");
	assert_refused("--card a,hwaddr=80000000", "multicast");
	assert_refused("--card a,hwaddr=ffffffff", "multicast");
	assert_refused("--card a,hwaddr=ec60", "echo station's address");
	assert_refused("--card a,hwaddr=0x0000BEEF", "quote station's address");
	assert_refused("--card a,hwaddr=5 --card b,hwaddr=0x05",
		       "two cards with address 00000005");
}

static void card_refused(void **state)
{
	(void)state;
	assert_refused("", "no card");
	assert_refused("--quotes FILE", "no card");
	assert_refused("--card", "--card: its argument is missing");
	assert_refused("--card ,signal=each", "no path");
	assert_refused("--card a,", "unknown option \"\"");
	assert_refused("--card a,b", "unknown option \"b\"");
	assert_refused("--card a,HWADDR=1", "unknown option \"HWADDR=1\"");
	assert_refused("--card a,signal=", "not burst, each or latched");
	assert_refused("--card a,signal=Burst", "not burst, each or latched");
	assert_refused("--card a,signal=bursts", "not burst, each or latched");
	assert_refused("--card a --card b --card a", "two cards on a");
}

/* --busy-poll and --tx-usecs: each takes what the other does, and alone. */
static void microseconds(void **state)
{
	static const char *const number[] = {
		"x", "1x", "-1", "+1", "1.0", "0x10", "1000001", "4294967296",
		"99999999999999999999999",
	};
	static const char *const name[] = { "busy-poll", "tx-usecs" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		char line[80], why[120];

		snprintf(line, sizeof(line), "--card a --%s", name[i]);
		assert_refused(line, "argument is missing");
		for (size_t k = 0; k < ARRAY_SIZE(number); k++) {
			snprintf(line, sizeof(line), "--card a --%s %s",
				 name[i], number[k]);
			snprintf(why, sizeof(why),
				 "--%s %s: not a number of microseconds up to 1000000",
				 name[i], number[k]);
			assert_refused(line, why);
		}
	}
	assert_taken("--card a --busy-poll 1000000");
	assert_int_equal(options.busy_poll_us, 1000000);
	assert_int_equal(options.tx_usecs, OPTIONS_TX_USECS);
	assert_taken("--card a --tx-usecs=1000000");
	assert_int_equal(options.tx_usecs, 1000000);
	assert_int_equal(options.busy_poll_us, OPTIONS_BUSY_POLL);
	assert_taken("--card a --tx-usecs 0 --busy-poll 0");
	assert_int_equal(options.tx_usecs, 0);
	assert_int_equal(options.busy_poll_us, 0);
}

static void others_refused(void **state)
{
	(void)state;
	assert_refused("--card a --log-level loud", "not error, warn, info");
	assert_refused("--card a --nonsense", "--nonsense: no such option");
	assert_refused("-x", "-x: no such option");
	assert_refused("--card a -xy", "-x: no such option");
	assert_refused("--card a b", "\"b\": not an option");
	assert_refused("a --card b", "\"a\": not an option");
}

static void log_levels(void **state)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		char line[64];

		snprintf(line, sizeof(line), "--card a --log-level %s",
			 names[i]);
		assert_taken(line);
		assert_int_equal(options.log_level, i);
	}
}

/* The help says what an option is when it is not given. */
static void assert_default(const char *option, uint32_t us)
{
	const char *text;
	char want[32];

	/* behind the usage line, which has the option too */
	assert_non_null(strstr(out_text, option));
	text = strstr(strstr(out_text, option) + 1, option);
	assert_non_null(text);
	snprintf(want, sizeof(want), "default %u,", us);
	text = strstr(text, "default ");
	assert_non_null(text);
	assert_memory_equal(text, want, strlen(want));
}

static void help_and_version(void **state)
{
	(void)state;
	assert_int_equal(parse("--help"), OPTIONS_DONE);
	assert_non_null(strstr(out_text, "usage: ductnet --card PATH"));
	assert_non_null(strstr(out_text, "share=on"));
	assert_default("--busy-poll US", OPTIONS_BUSY_POLL);
	assert_default("--tx-usecs US", OPTIONS_TX_USECS);
	assert_string_equal(err_text, "");
	assert_int_equal(parse("--version"), OPTIONS_DONE);
	assert_int_equal(strncmp(out_text, "ductnet ", 8), 0);
	assert_string_equal(err_text, "");
}

static void as_many_cards_as_64(void **state)
{
	char names[65][16], *argv[ARGS_MAX] = { (char[]){ "ductnet" } };
	char option[] = "--card";
	int argc = 1;

	(void)state;
	for (int i = 0; i < 65; i++) {
		snprintf(names[i], sizeof(names[i]), "card%d", i);
		argv[argc++] = option;
		argv[argc++] = names[i];
	}
	assert_int_equal(parse_list(argc - 2, argv), OPTIONS_RUN);
	assert_int_equal(options.cards, 64);
	for (unsigned int i = 0; i < 64; i++) {
		assert_int_not_equal(options.card[i].hwaddr, 0);
		assert_false(options.card[i].hwaddr & DUCT_ADDR_MCAST);
		for (unsigned int k = 0; k < i; k++)
			assert_int_not_equal(options.card[k].hwaddr,
					     options.card[i].hwaddr);
	}
	assert_int_equal(parse_list(argc, argv), OPTIONS_USAGE);
	assert_non_null(strstr(err_text, "more than 64 cards"));
}

/* FNV-1a of the path, the top bit off, from its definition. */
static uint32_t fnv1a(const char *text)
{
	uint32_t hash = 2166136261u;

	while (*text)
		hash = (hash ^ (uint8_t)*text++) * 16777619u;
	return hash & 0x7fffffff;
}

static void derived_address(void **state)
{
	(void)state;
	assert_taken("--card /tmp/duct0.sock");
	assert_int_equal(options.card[0].hwaddr, fnv1a("/tmp/duct0.sock"));
	assert_taken("--card /tmp/duct1.sock --card /tmp/duct0.sock");
	assert_int_equal(options.card[0].hwaddr, fnv1a("/tmp/duct1.sock"));
	assert_int_equal(options.card[1].hwaddr, fnv1a("/tmp/duct0.sock"));
	assert_taken("--card /duct");
	assert_int_equal(options.card[0].hwaddr, fnv1a("/duct"));
	/* a folder that is not there is no reason to give up */
	assert_taken("--card /nowhere/at/all");
	assert_int_equal(options.card[0].hwaddr, fnv1a("/nowhere/at/all"));
}

/* However the path is written, it is the same socket and the same address. */
static void derived_address_is_absolute(void **state)
{
	char *before = getcwd(NULL, 0);

	(void)state;
	assert_int_equal(chdir("/tmp"), 0);
	assert_taken("--card d --card ./d --card ../tmp/d --card /tmp//./d");
	assert_int_equal(options.card[0].hwaddr, fnv1a("/tmp/d"));
	/* on the command line these four are one: the later ones gave way */
	assert_int_not_equal(options.card[1].hwaddr, fnv1a("/tmp/d"));
	assert_taken("--card ./d");
	assert_int_equal(options.card[0].hwaddr, fnv1a("/tmp/d"));
	assert_taken("--card ../tmp/d");
	assert_int_equal(options.card[0].hwaddr, fnv1a("/tmp/d"));
	assert_int_equal(chdir(before), 0);
	free(before);
}

static void derived_address_gives_way(void **state)
{
	uint32_t taken = fnv1a("/tmp/d"), second;
	char line[128];

	(void)state;
	/* to one that is given, also behind it */
	snprintf(line, sizeof(line), "--card /tmp/d --card /tmp/e,hwaddr=%x",
		 taken);
	assert_taken(line);
	assert_int_equal(options.card[1].hwaddr, taken);
	second = options.card[0].hwaddr;
	assert_int_not_equal(second, taken);
	assert_int_not_equal(second, 0);
	assert_false(second & DUCT_ADDR_MCAST);
	/* and does so in the same way each time */
	assert_taken(line);
	assert_int_equal(options.card[0].hwaddr, second);
	/* a path whose hash is the echo station's address */
	assert_int_equal(fnv1a("/tmp/dw915lea"), STATION_ECHO_ADDR);
	assert_taken("--card /tmp/dw915lea");
	assert_int_not_equal(options.card[0].hwaddr, STATION_ECHO_ADDR);
	assert_false(options.card[0].hwaddr & DUCT_ADDR_MCAST);
}

static int teardown(void **state)
{
	(void)state;
	forget();
	return 0;
}

int main(void)
{
#define OPTIONS_TEST(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		OPTIONS_TEST(defaults),
		OPTIONS_TEST(everything),
		OPTIONS_TEST(hwaddr_taken),
		OPTIONS_TEST(hwaddr_refused),
		OPTIONS_TEST(card_refused),
		OPTIONS_TEST(microseconds),
		OPTIONS_TEST(others_refused),
		OPTIONS_TEST(log_levels),
		OPTIONS_TEST(help_and_version),
		OPTIONS_TEST(as_many_cards_as_64),
		OPTIONS_TEST(derived_address),
		OPTIONS_TEST(derived_address_is_absolute),
		OPTIONS_TEST(derived_address_gives_way),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
