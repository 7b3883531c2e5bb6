// SPDX-License-Identifier: GPL-2.0-only
/* The card's side of a ring: docs/card.md, "Rings and ownership". */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "guest_mem.h"
#include "ring.h"
#include "unit.h"

#define PAGE	4096u
#define PAGES	80u
#define BASE	0x100000000u

struct memory {
	struct guest_mem *map;
	uint8_t *host;
};

static int setup(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->map = guest_mem_new();
	m->host = aligned_alloc(PAGE, PAGES * PAGE);
	assert_non_null(m->map);
	assert_non_null(m->host);
	memset(m->host, 0, PAGES * PAGE);
	assert_int_equal(guest_mem_map_host(m->map, BASE, PAGES * PAGE,
					    GUEST_READ | GUEST_WRITE, m->host),
			 0);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct memory *m = *state;

	guest_mem_free(m->map);
	free(m->host);
	free(m);
	return 0;
}

static void place(struct ring *ring, uint32_t desc_size, uint64_t base,
		  uint32_t shift)
{
	ring_init(ring, desc_size);
	ring_set_base_low(ring, (uint32_t)base);
	ring_set_base_high(ring, (uint32_t)(base >> 32));
	assert_true(ring_set_shift(ring, shift));
}

static void power_on(void **state)
{
	struct memory *m = *state;
	struct ring_cmd cmd;
	struct ring ring;

	ring_init(&ring, 32);
	assert_false(ring_is_set(&ring));
	assert_int_equal(ring_slot(&ring), 0);
	/* a ring that is not set is empty, whatever lies at address 0 */
	assert_int_equal(ring_peek_cmd(&ring, m->map, &cmd), RING_EMPTY);
}

static void set_takes_both_halves_and_shift(void **state)
{
	struct ring ring;

	(void)state;
	for (unsigned int given = 0; given < 8; given++) {
		ring_init(&ring, 64);
		if (given & 1)
			ring_set_base_low(&ring, 0);
		if (given & 2)
			ring_set_base_high(&ring, 0);
		if (given & 4)
			ring_set_shift(&ring, 0);
		assert_int_equal(ring_is_set(&ring), given == 7);
	}
}

static void base_halves(void **state)
{
	struct ring ring;

	(void)state;
	ring_init(&ring, 64);
	ring_set_base_high(&ring, 1);
	ring_set_base_low(&ring, 0x1000);
	ring_set_shift(&ring, 0);
	assert_false(ring_is_set(&ring));	/* the low half comes first */
	ring_set_base_high(&ring, 2);
	assert_true(ring_is_set(&ring));
	assert_int_equal(ring.base, 0x200001000);
	/* the low half alone changes nothing yet */
	ring_set_base_low(&ring, 0x5000);
	assert_int_equal(ring.base, 0x200001000);
	ring_set_base_high(&ring, 3);
	assert_int_equal(ring.base, 0x300005000);
}

static void shift_bounds(void **state)
{
	struct ring ring;

	(void)state;
	ring_init(&ring, 64);
	assert_true(ring_set_shift(&ring, 12));
	assert_int_equal(ring_size(&ring), 4096);
	assert_false(ring_set_shift(&ring, 13));
	assert_false(ring_set_shift(&ring, 0xffffffff));
	assert_int_equal(ring_size(&ring), 4096);
	assert_true(ring_set_shift(&ring, 0));
	assert_int_equal(ring_size(&ring), 1);
}

static void writes_rewind(void **state)
{
	struct ring ring;

	(void)state;
	place(&ring, 64, BASE, 4);
	ring.next = 5;
	ring_set_base_low(&ring, 0);
	assert_int_equal(ring_slot(&ring), 5);	/* not yet */
	ring_set_base_high(&ring, 1);
	assert_int_equal(ring_slot(&ring), 0);
	ring.next = 5;
	ring_set_shift(&ring, 4);
	assert_int_equal(ring_slot(&ring), 0);
	ring.next = 5;
	ring_rewind(&ring);
	assert_int_equal(ring_slot(&ring), 0);
}

static void slot_wraps(void **state)
{
	static const uint32_t shifts[] = { 0, 1, 12 };
	struct ring ring;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shifts); i++) {
		uint32_t size = 1u << shifts[i];

		place(&ring, 64, BASE, shifts[i]);
		for (uint32_t n = 0; n < 3 * size; n++, ring.next++) {
			assert_int_equal(ring_slot(&ring), n % size);
			assert_int_equal(ring_slot_addr(&ring),
					 BASE + 64ull * (n % size));
		}
		/* and over the counter's end */
		ring.next = 0xffffffff;
		assert_int_equal(ring_slot(&ring), size - 1);
		ring.next++;
		assert_int_equal(ring_slot(&ring), 0);
	}
}

static void mapped(void **state)
{
	struct memory *m = *state;
	struct ring ring;

	place(&ring, 64, BASE, 12);			/* 64 of 80 pages */
	assert_true(ring_is_mapped(&ring, m->map));
	place(&ring, 64, BASE + 16 * PAGE, 12);
	assert_true(ring_is_mapped(&ring, m->map));
	place(&ring, 64, BASE + 16 * PAGE + 1, 12);	/* one byte too far */
	assert_false(ring_is_mapped(&ring, m->map));
	place(&ring, 64, BASE - 1, 0);
	assert_false(ring_is_mapped(&ring, m->map));
	place(&ring, 64, 0xffffffffffffffc0, 0);
	assert_false(ring_is_mapped(&ring, m->map));
	place(&ring, 64, 0xffffffffffffffc0, 1);
	assert_false(ring_is_mapped(&ring, m->map));
	place(&ring, 32, BASE + PAGES * PAGE - 32, 0);
	assert_true(ring_is_mapped(&ring, m->map));
	place(&ring, 32, BASE + PAGES * PAGE - 32, 1);
	assert_false(ring_is_mapped(&ring, m->map));
}

static void mapped_needs_read_and_write(void **state)
{
	struct memory *m = *state;
	struct ring ring;

	place(&ring, 64, BASE, 0);
	for (unsigned int access = 0; access < 4; access++) {
		guest_mem_unmap_all(m->map);
		guest_mem_map_host(m->map, BASE, PAGE, access, m->host);
		assert_int_equal(ring_is_mapped(&ring, m->map),
				 access == (GUEST_READ | GUEST_WRITE));
	}
	guest_mem_set_master(m->map, false);
	assert_false(ring_is_mapped(&ring, m->map));
}

/* The guest's neighbouring pages need not be neighbours here. */
static void map_backwards(struct memory *m)
{
	guest_mem_unmap_all(m->map);
	for (uint32_t i = 0; i < PAGES; i++)
		guest_mem_map_host(m->map, BASE + i * PAGE, PAGE,
				   GUEST_READ | GUEST_WRITE,
				   m->host + (PAGES - 1 - i) * PAGE);
}

static void mapped_in_windows(void **state)
{
	struct memory *m = *state;
	struct ring_pkt pkt;
	struct ring ring;

	map_backwards(m);
	place(&ring, 64, BASE, 12);
	assert_true(ring_is_mapped(&ring, m->map));
	/* the first slot of the guest's second page */
	ring.next = PAGE / 64;
	m->host[(PAGES - 2) * PAGE] = DUCT_OWNER_CARD;
	assert_int_equal(ring_peek_pkt(&ring, m->map, &pkt), RING_READY);
	/* a slot across two windows can not be reached in one piece */
	place(&ring, 64, BASE + 1, 12);
	assert_false(ring_is_mapped(&ring, m->map));
	ring.next = PAGE / 64 - 1;
	assert_int_equal(ring_peek_pkt(&ring, m->map, &pkt), RING_FAULT);
	/* but one that ends before is as good as any */
	place(&ring, 64, BASE + 1, 0);
	assert_true(ring_is_mapped(&ring, m->map));
}

static void peek_owner(void **state)
{
	struct memory *m = *state;
	struct ring_pkt pkt;
	struct ring ring;

	place(&ring, 64, BASE, 0);
	for (unsigned int owner = 0; owner < 256; owner++) {
		m->host[0] = (uint8_t)owner;
		assert_int_equal(ring_peek_pkt(&ring, m->map, &pkt),
				 owner == 0x55 ? RING_READY : RING_EMPTY);
	}
	guest_mem_unmap_all(m->map);
	assert_int_equal(ring_peek_pkt(&ring, m->map, &pkt), RING_FAULT);
}

/* To ask does not move the ring, nor need more of the slot than OWNER. */
static void is_ready(void **state)
{
	struct memory *m = *state;
	struct ring ring;

	ring_init(&ring, 64);
	m->host[0] = DUCT_OWNER_CARD;
	assert_false(ring_is_ready(&ring, m->map));	/* it is not set */
	place(&ring, 64, BASE, 1);
	for (unsigned int owner = 0; owner < 256; owner++) {
		m->host[0] = (uint8_t)owner;
		assert_int_equal(ring_is_ready(&ring, m->map), owner == 0x55);
	}
	m->host[0] = DUCT_OWNER_CARD;
	assert_true(ring_is_ready(&ring, m->map));
	assert_int_equal(ring_slot(&ring), 0);
	assert_int_equal(m->host[0], DUCT_OWNER_CARD);
	/* the next slot counts, and no other */
	ring.next = 1;
	assert_false(ring_is_ready(&ring, m->map));
	m->host[64] = DUCT_OWNER_CARD;
	assert_true(ring_is_ready(&ring, m->map));
	ring.next = 2;
	assert_true(ring_is_ready(&ring, m->map));
	guest_mem_unmap_all(m->map);
	assert_false(ring_is_ready(&ring, m->map));
}

/* At every alignment: the guest chooses where a ring is. */
static void peek_fields(void **state)
{
	struct memory *m = *state;
	struct duct_cmd_desc c = { .owner = DUCT_OWNER_CARD, .type = 3 };
	struct duct_pkt_desc p = { .owner = DUCT_OWNER_CARD };
	struct ring_cmd cmd;
	struct ring_pkt pkt;
	struct ring ring;

	c.filtmask = htole32(0x01020304);
	c.filtaddr = htole32(0x05060708);
	p.dst = htole32(0x090a0b0c);
	for (uint32_t i = 0; i < DUCT_PIECES; i++) {
		p.length[i] = htole32(0x10203040 + i);
		p.pointer[i] = htole64(0x1122334455667788 + i);
	}
	for (uint32_t shift = 0; shift < 16; shift++) {
		place(&ring, sizeof(c), BASE + shift, 0);
		memcpy(m->host + shift, &c, sizeof(c));
		assert_int_equal(ring_peek_cmd(&ring, m->map, &cmd),
				 RING_READY);
		assert_int_equal(cmd.type, 3);
		assert_int_equal(cmd.filtmask, 0x01020304);
		assert_int_equal(cmd.filtaddr, 0x05060708);

		place(&ring, sizeof(p), BASE + shift, 0);
		memcpy(m->host + shift, &p, sizeof(p));
		assert_int_equal(ring_peek_pkt(&ring, m->map, &pkt),
				 RING_READY);
		assert_int_equal(pkt.dst, 0x090a0b0c);
		for (uint32_t i = 0; i < DUCT_PIECES; i++) {
			assert_int_equal(pkt.length[i], 0x10203040 + i);
			assert_int_equal(pkt.pointer[i],
					 0x1122334455667788 + i);
		}
	}
}

/* Which bytes of the descriptor completing it may write, and which it does. */
static void complete_writes_no_more(void **state)
{
	struct memory *m = *state;
	uint8_t want[64];
	struct ring ring;

	memset(m->host, 0x5a, 3 * 64);
	memset(want, 0x5a, sizeof(want));
	want[0] = DUCT_OWNER_HOST;

	place(&ring, 64, BASE + 64, 2);
	assert_true(ring_complete_tx(&ring, m->map));
	assert_int_equal(ring_slot(&ring), 1);
	assert_memory_equal(m->host + 64, want, 64);

	place(&ring, 64, BASE + 64, 2);
	assert_true(ring_complete_rx(&ring, m->map, 0x11223344, 0x55667788,
				     0x99aabbcc));
	assert_int_equal(ring_slot(&ring), 1);
	memcpy(want + 4, "\x44\x33\x22\x11", 4);
	memcpy(want + 24, "\x88\x77\x66\x55\xcc\xbb\xaa\x99", 8);
	assert_memory_equal(m->host + 64, want, 64);

	memset(m->host + 64, 0x5a, 64);
	memset(want, 0x5a, sizeof(want));
	want[0] = DUCT_OWNER_HOST;
	want[2] = 7;
	place(&ring, 32, BASE + 64, 2);
	assert_true(ring_complete_cmd(&ring, m->map, 7));
	assert_int_equal(ring_slot(&ring), 1);
	assert_memory_equal(m->host + 64, want, 64);

	/* nor anything around it */
	memset(want, 0x5a, sizeof(want));
	assert_memory_equal(m->host, want, 64);
	assert_memory_equal(m->host + 128, want, 64);
}

static void complete_out_of_memory(void **state)
{
	struct memory *m = *state;
	struct ring ring;

	guest_mem_unmap_all(m->map);
	place(&ring, 64, BASE, 1);
	assert_false(ring_complete_tx(&ring, m->map));
	assert_false(ring_complete_rx(&ring, m->map, 1, 2, 3));
	assert_false(ring_complete_cmd(&ring, m->map, 0));
	assert_int_equal(ring_slot(&ring), 0);
}

int main(void)
{
#define RING_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		RING_TEST(power_on),
		RING_TEST(set_takes_both_halves_and_shift),
		RING_TEST(base_halves),
		RING_TEST(shift_bounds),
		RING_TEST(writes_rewind),
		RING_TEST(slot_wraps),
		RING_TEST(mapped),
		RING_TEST(mapped_needs_read_and_write),
		RING_TEST(mapped_in_windows),
		RING_TEST(peek_owner),
		RING_TEST(is_ready),
		RING_TEST(peek_fields),
		RING_TEST(complete_writes_no_more),
		RING_TEST(complete_out_of_memory),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
