/* SPDX-License-Identifier: GPL-2.0-only */
/* What most cases begin with: a file open on each card, and the cards' addresses. */
#ifndef TESTS_CHARDEV_CARDS_H
#define TESTS_CHARDEV_CARDS_H

#include <stdint.h>

extern int from, to;
extern uint32_t source, destination;

/* For cmocka: before and after a case. */
int cards_setup(void **state);
int cards_teardown(void **state);

#endif /* TESTS_CHARDEV_CARDS_H */
