/* SPDX-License-Identifier: GPL-2.0-only */
/* What cmocka wants, and nothing else. */
#ifndef DUCT_UNIT_H
#define DUCT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#endif /* DUCT_UNIT_H */
