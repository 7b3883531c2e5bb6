// SPDX-License-Identifier: GPL-2.0-only
/* Messages: which are shown, and that nobody can make too many of them. */
#include <string.h>

#include "capture.h"
#include "log.h"
#include "unit.h"

static void levels(void **state)
{
	static const char *const want[] = {
		"error: 1\n",
		"error: 1\nwarning: 2\n",
		"error: 1\nwarning: 2\n3\n",
		"error: 1\nwarning: 2\n3\ndebug: 4\n",
	};
	char text[256];

	(void)state;
	for (unsigned int level = 0; level < ARRAY_SIZE(want); level++) {
		log_set_level((enum log_level)level);
		assert_int_equal(log_get_level(), level);
		capture();
		log_error("%d", 1);
		log_warn("%d", 2);
		log_info("%d", 3);
		log_debug("%d", 4);
		captured(text, sizeof(text));
		assert_string_equal(text, want[level]);
	}
}

static void long_lines_are_cut(void **state)
{
	char text[4096];

	(void)state;
	log_set_level(LOG_LEVEL_INFO);
	capture();
	log_info("%02000d", 7);
	captured(text, sizeof(text));
	assert_int_equal(strlen(text), 1024);
	assert_int_equal(text[1023], '\n');
}

static void limit(void **state)
{
	struct log_limit limit = { 0 };
	unsigned int passed = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		passed += log_limit_pass(&limit);
	assert_in_range(passed, 4, 20);
	assert_int_equal(limit.missed, 1000 - passed);
	/* some time later: one more, and not as many as at first */
	limit.spent_until_ms -= 6000;
	assert_true(log_limit_pass(&limit));
	assert_false(log_limit_pass(&limit));
	/* a long time later it is as new, and saved up nothing */
	limit.spent_until_ms = 0;
	limit.missed = 0;
	for (int i = 0; i < 1000; i++)
		passed -= log_limit_pass(&limit);
	assert_int_equal(passed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(limit),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
