/* SPDX-License-Identifier: GPL-2.0-only */
/* The fixture of the tests with one card: a bus, and a guest on it. */
#ifndef DUCT_CARD_TEST_H
#define DUCT_CARD_TEST_H

#include "guest.h"
#include "log.h"

#define ADDR	0x34565cabu

struct card_test {
	struct bus bus;
	struct guest *g;
};

static inline int card_setup(void **state)
{
	struct card_test *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	log_set_level(LOG_LEVEL_ERROR);
	bus_init(&t->bus);
	t->g = guest_new(&t->bus, ADDR, CARD_SIGNAL_BURST);
	*state = t;
	return 0;
}

static inline int card_teardown(void **state)
{
	struct card_test *t = *state;

	guest_free(t->g);
	free(t);
	return 0;
}

static inline struct guest *guest_of(void **state)
{
	struct card_test *t = *state;

	return t->g;
}

static inline void assert_alive(struct guest *g)
{
	assert_int_equal(rd(g, DUCT_FLAGS), 0);
	assert_int_equal(g->signals[DUCT_VECTOR_FATAL], 0);
}

#define CARD_TEST(f) \
	cmocka_unit_test_setup_teardown(f, card_setup, card_teardown)

#endif /* DUCT_CARD_TEST_H */
