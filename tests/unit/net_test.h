/* SPDX-License-Identifier: GPL-2.0-only */
/* The fixture of the tests with packets: three guests on a bus. */
#ifndef DUCT_NET_TEST_H
#define DUCT_NET_TEST_H

#include "guest.h"
#include "log.h"

#define A_ADDR	0x34565cabu
#define B_ADDR	0x12345678u
#define C_ADDR	0x00000005u

struct net {
	struct bus bus;
	struct guest *a, *b, *c;
};

static inline int net_setup_with(void **state, enum card_signal signal)
{
	struct net *net = calloc(1, sizeof(*net));

	assert_non_null(net);
	log_set_level(LOG_LEVEL_ERROR);
	bus_init(&net->bus);
	net->a = guest_new(&net->bus, A_ADDR, signal);
	net->b = guest_new(&net->bus, B_ADDR, signal);
	net->c = guest_new(&net->bus, C_ADDR, signal);
	*state = net;
	return 0;
}

static inline int net_setup(void **state)
{
	return net_setup_with(state, CARD_SIGNAL_BURST);
}

static inline int net_teardown(void **state)
{
	struct net *net = *state;

	guest_free(net->a);
	guest_free(net->b);
	guest_free(net->c);
	free(net);
	return 0;
}

#define NET_TEST(f) \
	cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)

#endif /* DUCT_NET_TEST_H */
