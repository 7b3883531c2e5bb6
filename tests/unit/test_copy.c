// SPDX-License-Identifier: GPL-2.0-only
/* bus_copy(): from pieces to pieces, and not beyond them. */
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "guest.h"
#include "unit.h"

/* Cuts @len bytes at random into at most @max pieces. */
static int cut(struct iovec *iov, int max, uint8_t *bytes, size_t len)
{
	int n = 0;

	while (len && n < max - 1) {
		size_t part = (size_t)rand() % (len + 1);

		iov[n].iov_base = bytes;
		iov[n].iov_len = part;
		bytes += part;
		len -= part;
		n++;
	}
	iov[n].iov_base = bytes;
	iov[n].iov_len = len;
	return n + 1;
}

static void copy_gathers_and_scatters(void **state)
{
	static uint8_t from[DUCT_PACKET_MAX], to[DUCT_PACKET_MAX + 16];
	struct bus bus;
	uint64_t total = 0;

	(void)state;
	bus_init(&bus);
	srand(1);
	fill(from, sizeof(from), 1);
	for (int i = 0; i < 2000; i++) {
		struct bus_packet packet = { 0 };
		struct iovec room[8];
		size_t len = (size_t)rand() % (sizeof(from) + 1);
		int pieces;

		memset(to, 0xcc, sizeof(to));
		packet.len = (uint32_t)len;
		packet.pieces = cut(packet.piece, 8, from, len);
		pieces = cut(room, 8, to, len + (size_t)rand() % 16);
		assert_int_equal(bus_copy(&bus, room, pieces, &packet), len);
		assert_memory_equal(to, from, len);
		for (size_t k = len; k < len + 16; k++)
			assert_int_equal(to[k], 0xcc);
		total += len;
		assert_int_equal(bus.counters.copied_bytes, total);
	}
}

static void copy_nothing(void **state)
{
	struct bus_packet packet = { 0 };
	struct bus bus;

	(void)state;
	bus_init(&bus);
	assert_int_equal(bus_copy(&bus, NULL, 0, &packet), 0);
	assert_int_equal(bus.counters.copied_bytes, 0);
}

/* Should it happen, it ends at the room. */
static void copy_never_overflows(void **state)
{
	struct bus bus;
	uint8_t from[10] = "123456789", to[8];
	struct iovec room = { .iov_base = to, .iov_len = 5 };
	struct bus_packet packet = { .len = 10, .pieces = 1,
				     .piece[0] = { from, 10 } };

	(void)state;
	bus_init(&bus);
	memset(to, 'x', sizeof(to));
	assert_int_equal(bus_copy(&bus, &room, 1, &packet), 5);
	assert_memory_equal(to, "12345xxx", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_gathers_and_scatters),
		cmocka_unit_test(copy_nothing),
		cmocka_unit_test(copy_never_overflows),
	};

	return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
