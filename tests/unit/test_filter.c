// SPDX-License-Identifier: GPL-2.0-only
/* The filter table: docs/card.md, "Commands". */
#include "filter.h"
#include "unit.h"

static void empty_matches_nothing(void **state)
{
	struct filter_table table = { 0 };

	(void)state;
	assert_false(filter_match(&table, 0));
	assert_false(filter_match(&table, 0x34565cab));
	assert_false(filter_match(&table, 0xffffffff));
}

static void exact_address(void **state)
{
	struct filter_table table = { 0 };

	(void)state;
	assert_int_equal(filter_add(&table, 0xffffffff, 0x34565cab), 0);
	assert_true(filter_match(&table, 0x34565cab));
	assert_false(filter_match(&table, 0x34565caa));
	assert_false(filter_match(&table, 0xb4565cab));
}

static void mask_hides_bits_of_both(void **state)
{
	struct filter_table table = { 0 };

	(void)state;
	/* Bits of the address that the mask hides do not matter. */
	assert_int_equal(filter_add(&table, 0xff000000, 0x12345678), 0);
	assert_true(filter_match(&table, 0x12ffffff));
	assert_true(filter_match(&table, 0x12000000));
	assert_false(filter_match(&table, 0x13345678));
}

static void mask_zero_takes_all(void **state)
{
	struct filter_table table = { 0 };

	(void)state;
	assert_int_equal(filter_add(&table, 0, 0x12345678), 0);
	assert_true(filter_match(&table, 0));
	assert_true(filter_match(&table, 0xffffffff));
}

static void all_multicast(void **state)
{
	struct filter_table table = { 0 };

	(void)state;
	assert_int_equal(filter_add(&table, 0x80000000, 0x80000000), 0);
	assert_true(filter_match(&table, 0x80000000));
	assert_true(filter_match(&table, 0xffffffff));
	assert_false(filter_match(&table, 0x7fffffff));
}

static void full_table(void **state)
{
	struct filter_table table = { 0 };

	(void)state;
	for (uint32_t i = 0; i < DUCT_FILTERS; i++)
		assert_int_equal(filter_add(&table, 0xffffffff, i),
				 DUCT_ERR_OK);
	assert_int_equal(filter_add(&table, 0xffffffff, 99), DUCT_ERR_TABLE);
	assert_false(filter_match(&table, 99));
	/* One that is there still succeeds. */
	assert_int_equal(filter_add(&table, 0xffffffff, 7), DUCT_ERR_OK);
	assert_int_equal(table.count, DUCT_FILTERS);
	for (uint32_t i = 0; i < DUCT_FILTERS; i++)
		assert_true(filter_match(&table, i));
	/* A place that is free again can be had. */
	assert_int_equal(filter_remove(&table, 0xffffffff, 0), DUCT_ERR_OK);
	assert_int_equal(filter_add(&table, 0xffffffff, 99), DUCT_ERR_OK);
	assert_true(filter_match(&table, 99));
	assert_false(filter_match(&table, 0));
	assert_int_equal(filter_add(&table, 0xffffffff, 0), DUCT_ERR_TABLE);
}

static void duplicates_take_one_place(void **state)
{
	struct filter_table table = { 0 };

	(void)state;
	assert_int_equal(filter_add(&table, 0xffffffff, 5), DUCT_ERR_OK);
	assert_int_equal(filter_add(&table, 0xffffffff, 5), DUCT_ERR_OK);
	assert_int_equal(table.count, 1);
	assert_int_equal(filter_remove(&table, 0xffffffff, 5), DUCT_ERR_OK);
	assert_false(filter_match(&table, 5));
	assert_int_equal(filter_remove(&table, 0xffffffff, 5), DUCT_ERR_TABLE);
}

static void remove_wants_the_very_same(void **state)
{
	struct filter_table table = { 0 };

	(void)state;
	assert_int_equal(filter_add(&table, 0xff000000, 0x12000000),
			 DUCT_ERR_OK);
	/* It accepts the same, but is not the same. */
	assert_int_equal(filter_remove(&table, 0xff000000, 0x12000001),
			 DUCT_ERR_TABLE);
	assert_int_equal(filter_remove(&table, 0xfe000000, 0x12000000),
			 DUCT_ERR_TABLE);
	assert_int_equal(table.count, 1);
	assert_int_equal(filter_remove(&table, 0xff000000, 0x12000000),
			 DUCT_ERR_OK);
	assert_int_equal(table.count, 0);
}

static void remove_keeps_the_others(void **state)
{
	struct filter_table table = { 0 };

	(void)state;
	for (uint32_t gone = 0; gone < 4; gone++) {
		filter_flush(&table);
		for (uint32_t i = 0; i < 4; i++)
			filter_add(&table, 0xffffffff, i);
		assert_int_equal(filter_remove(&table, 0xffffffff, gone),
				 DUCT_ERR_OK);
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(filter_match(&table, i), i != gone);
	}
}

static void flush(void **state)
{
	struct filter_table table = { 0 };

	(void)state;
	filter_add(&table, 0, 0);
	filter_add(&table, 0xffffffff, 1);
	filter_flush(&table);
	assert_false(filter_match(&table, 1));
	assert_int_equal(filter_remove(&table, 0, 0), DUCT_ERR_TABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_matches_nothing),
		cmocka_unit_test(exact_address),
		cmocka_unit_test(mask_hides_bits_of_both),
		cmocka_unit_test(mask_zero_takes_all),
		cmocka_unit_test(all_multicast),
		cmocka_unit_test(full_table),
		cmocka_unit_test(duplicates_take_one_place),
		cmocka_unit_test(remove_wants_the_very_same),
		cmocka_unit_test(remove_keeps_the_others),
		cmocka_unit_test(flush),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
