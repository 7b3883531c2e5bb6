/* SPDX-License-Identifier: GPL-2.0-only */
/* What the wire tests share: a ductnet with two cards, and clients for them. */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon.h"
#include "guest_driver.h"
#include "vfio_client.h"

#define WIRE_SHIFT	4u		/* packet rings of 16 */
#define WIRE_MEMORY	(1u << 20)	/* enough for them */

struct wire {
	struct daemon daemon;
	struct vfio_client vc[2];
	struct guest_driver gd[2];
};

#define assert_ok(call)		assert_int_equal(call, 0)

static inline int wire_begin(void **state, unsigned int cards,
			     const char *options)
{
	struct wire *wire = calloc(1, sizeof(*wire));

	*state = wire;
	if (!wire || daemon_prepare(&wire->daemon))
		return -1;
	for (int i = 0; i < 2; i++)
		if (vc_open(&wire->vc[i], WIRE_MEMORY))
			return -1;
	return cards ? daemon_start(&wire->daemon, cards, options) : 0;
}

static inline int wire_setup(void **state)
{
	return wire_begin(state, 2, "");
}

/* The same, with nothing running yet. */
static inline int wire_setup_empty(void **state)
{
	return wire_begin(state, 0, "");
}

/* A daemon that still runs must end well: this is where sanitizers speak. */
static inline int wire_teardown(void **state)
{
	struct wire *wire = *state;
	int status = 0;

	for (int i = 0; i < 2; i++)
		vc_close(&wire->vc[i]);
	if (wire->daemon.pid)
		status = daemon_stop(&wire->daemon);
	if (status)
		print_error("ductnet ended with status %#x and said:\n%s\n",
			    (unsigned int)status, wire->daemon.log);
	daemon_cleanup(&wire->daemon);
	free(wire);
	return status;
}

/* Both cards attached, their rings programmed, and started. */
static inline void wire_start_both(struct wire *wire)
{
	for (int i = 0; i < 2; i++) {
		assert_ok(vc_attach(&wire->vc[i], wire->daemon.path[i]));
		assert_ok(gd_setup(&wire->gd[i], &wire->vc[i], WIRE_SHIFT));
		assert_ok(gd_start(&wire->gd[i]));
	}
}

/* Everything sent before this has been handled when it returns. */
static inline void wire_sync(struct vfio_client *vc)
{
	assert_int_equal(vc_read32(vc, DUCT_VMAJ), DUCT_VERSION_MAJOR);
}

/* A test of its own daemon with two cards. */
#define wire_test(f)	cmocka_unit_test_setup_teardown(f, wire_setup, \
							wire_teardown)
#define wire_test_empty(f) cmocka_unit_test_setup_teardown(f, wire_setup_empty,\
							   wire_teardown)

#endif /* TESTS_WIRE_H */
