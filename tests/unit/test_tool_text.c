// SPDX-License-Identifier: GPL-2.0-only
/* What the tools take for an address, a time, a device; and what they print. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duct_text.h"
#include "unit.h"

static void addresses(void **state)
{
	static const struct {
		const char *text;
		uint32_t addr;
	} good[] = {
		{ "0", 0 }, { "ec60", 0xec60 }, { "0xEC60", 0xec60 },
		{ "0Xffffffff", 0xffffffff }, { "34565cab", 0x34565cab },
		{ "00000001", 1 },
	};
	static const char *const bad[] = {
		"", "0x", "x1", "g", "1g", "-1", "+1", " 1", "1 ", "1\n",
		"0x-1", "0x 1", "123456789", "000000001", "1.0", "0x0x1",
		"0x123456789",
	};
	uint32_t addr;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		addr = ~good[i].addr;
		assert_true(duct_parse_addr(good[i].text, &addr));
		assert_int_equal(addr, good[i].addr);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		addr = 77;
		if (duct_parse_addr(bad[i], &addr))
			fail_msg("\"%s\" is an address", bad[i]);
		assert_int_equal(addr, 77);
	}
}

static void groups(void **state)
{
	static const char *const bad[] = {
		"", "/", "80000000", "80000000/", "/80000000",
		"7fffffff/80000000", "80000000/7fffffff", "80000000/80000000/",
		"80000000//80000000", "80000000 /80000000",
		"0x0080000000/80000000", "1234567890123/80000000",
	};
	struct duct_mcast_arg group;

	(void)state;
	assert_true(duct_parse_group("0xffffff00/0x80000100", &group));
	assert_int_equal(group.duct_mask, 0xffffff00);
	assert_int_equal(group.duct_addr, 0x80000100);
	assert_true(duct_parse_group("80000000/FFFFFFFF", &group));
	assert_int_equal(group.duct_mask, 0x80000000);
	assert_int_equal(group.duct_addr, 0xffffffff);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (duct_parse_group(bad[i], &group))
			fail_msg("\"%s\" is a group", bad[i]);
	assert_int_equal(group.duct_addr, 0xffffffff);
}

static void seconds(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "0", 0 }, { "3", 3000000000 }, { "0.5", 500000000 },
		{ ".25", 250000000 }, { "2.", 2000000000 },
		{ "1.000000001", 1000000001 }, { "0.0000000019", 1 },
		{ "999999999", 999999999000000000 },
	};
	static const char *const bad[] = {
		"", ".", "-1", "+1", "1,5", "1.5.", "1.5s", "1e3", "inf", "nan",
		"0x1", " 1", "1 ", "1000000000",
	};
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ns = 77;
		assert_true(duct_parse_seconds(good[i].text, &ns));
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (duct_parse_seconds(bad[i], &ns))
			fail_msg("\"%s\" is a time", bad[i]);
}

static void counts(void **state)
{
	static const char *const bad[] = {
		"", "-1", "+1", "1 ", "1.0", "0x1", "a", "1000000000",
	};
	uint32_t count;

	(void)state;
	assert_true(duct_parse_count("0", &count));
	assert_int_equal(count, 0);
	assert_true(duct_parse_count("999999999", &count));
	assert_int_equal(count, 999999999);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (duct_parse_count(bad[i], &count))
			fail_msg("\"%s\" is a number", bad[i]);
}

static void devices(void **state)
{
	static const struct {
		const char *text, *path;
	} good[] = {
		{ "0", "/dev/duct0" }, { "12", "/dev/duct12" },
		{ "duct1", "/dev/duct1" }, { "/dev/duct2", "/dev/duct2" },
		{ "./duct3", "./duct3" },
	};
	char path[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(duct_parse_device(good[i].text, path,
					      sizeof(path)));
		assert_string_equal(path, good[i].path);
	}
	assert_true(duct_parse_device("0123456789", path, sizeof(path)));
	assert_string_equal(path, "/dev/0123456789");
	assert_false(duct_parse_device("", path, sizeof(path)));
	assert_false(duct_parse_device("01234567890", path, sizeof(path)));
	assert_false(duct_parse_device("/dev/duct000000", path, 15));
}

/* What a function that prints has printed. */
static char *printed;
static size_t printed_len;

static FILE *print(void)
{
	free(printed);
	printed = NULL;
	return open_memstream(&printed, &printed_len);
}

static void assert_text(const char *text, size_t len, bool utf8,
			const char *want)
{
	FILE *out = print();

	duct_put_text(out, text, len, utf8);
	fclose(out);
	assert_string_equal(printed, want);
}

#define LITERAL(text)	(text), sizeof(text) - 1

static void text_on_a_terminal(void **state)
{
	(void)state;
	assert_text(LITERAL("hello"), true, "hello\n");
	assert_text(LITERAL("two\nlines\n"), true, "two\nlines\n");
	assert_text(LITERAL(""), true, "\n");
	assert_text(LITERAL("a\tb\\x\"y"), true, "a\tb\\x\"y\n");
	assert_text(LITERAL("\33]0;title\7"), true, "\\x1b]0;title\\x07\n");
	assert_text(LITERAL("\33[2J"), false, "\\x1b[2J\n");
	assert_text(LITERAL("a\0b\rc\bd\177"), true,
		    "a\\x00b\\x0dc\\x08d\\x7f\n");
	/* a CSI of one octet, on its own and as UTF-8 */
	assert_text(LITERAL("\2332J"), true, "\\x9b2J\n");
	assert_text(LITERAL("\2332J"), false, "\\x9b2J\n");
	assert_text(LITERAL("\302\2332J"), true, "\\xc2\\x9b2J\n");
	/* words, and what turns their direction */
	assert_text(LITERAL("gr\303\274n \360\237\246\206"), true,
		    "gr\303\274n \360\237\246\206\n");
	assert_text(LITERAL("gr\303\274n"), false, "gr\\xc3\\xbcn\n");
	assert_text(LITERAL("\342\200\256txt"), true, "\\xe2\\x80\\xaetxt\n");
	/* a character that is cut off, or has a control as its second octet */
	assert_text(LITERAL("\303"), true, "\\xc3\n");
	assert_text(LITERAL("\303\33[m"), true, "\\xc3\\x1b[m\n");
	/* what would complete it is not part of the text */
	assert_text("\303\274", 1, true, "\\xc3\n");
	assert_text("\360\237\246\206", 3, true, "\\xf0\\x9f\\xa6\n");
}

static void utf8(void **state)
{
	static const char *const good[] = {
		"", "abc", "\302\200", "\337\277", "\340\240\200",
		"\355\237\277", "\356\200\200", "\360\220\200\200",
		"\364\217\277\277",
	};
	static const char *const bad[] = {
		"\200", "\277", "\300\200", "\301\277", "\340\237\277",
		"\355\240\200", "\355\277\277", "\360\217\277\277",
		"\364\220\200\200", "\370\210\200\200\200", "\377", "\303",
		"\342\202", "\360\237\246", "\303a", "\342\202a", "a\376",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!duct_is_utf8(good[i], strlen(good[i])))
			fail_msg("good[%zu] is no UTF-8", i);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (duct_is_utf8(bad[i], strlen(bad[i])))
			fail_msg("bad[%zu] is UTF-8", i);
	assert_true(duct_is_utf8("a\0b", 3));
}

static void assert_json(const char *text, size_t len, const char *want)
{
	FILE *out = print();

	duct_put_json(out, text, len);
	fclose(out);
	assert_string_equal(printed, want);
}

static void json(void **state)
{
	FILE *out;

	(void)state;
	assert_json(LITERAL(""), "\"\"");
	assert_json(LITERAL("say \"hi\" \\ / gr\303\274n"),
		    "\"say \\\"hi\\\" \\\\ / gr\303\274n\"");
	assert_json(LITERAL("\0\1\b\t\n\r\33\177"),
		    "\"\\u0000\\u0001\\u0008\\t\\n\\u000d\\u001b\\u007f\"");
	assert_json(LITERAL("\302\233\342\200\256\363\240\201\202"),
		    "\"\\u009b\\u202e\\udb40\\udc42\"");
	out = print();
	duct_put_json_hex(out, "\0\177\200\377z", 5);
	fclose(out);
	assert_string_equal(printed, "\"007f80ff7a\"");
}

/* All octets there are, to something that is no terminal. */
static void payload_to_a_file(void **state)
{
	FILE *file = tmpfile();
	char all[256], got[257];

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	duct_put_payload(file, all, sizeof(all));
	rewind(file);
	assert_int_equal(fread(got, 1, sizeof(got), file), sizeof(all));
	assert_memory_equal(got, all, sizeof(all));
	fclose(file);
}

static void full_disk(void **state)
{
	FILE *file = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(file);
	assert_true(duct_flush(file));
	fputs("lost", file);
	assert_false(duct_flush(file));
	fclose(file);
}

static int teardown(void **state)
{
	(void)state;
	free(printed);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(groups),
		cmocka_unit_test(seconds),
		cmocka_unit_test(counts),
		cmocka_unit_test(devices),
		cmocka_unit_test(text_on_a_terminal),
		cmocka_unit_test(utf8),
		cmocka_unit_test(json),
		cmocka_unit_test(payload_to_a_file),
		cmocka_unit_test(full_disk),
	};

	return cmocka_run_group_tests_name("tool_text", tests, NULL, teardown);
}
