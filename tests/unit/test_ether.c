// SPDX-License-Identifier: GPL-2.0-only
/* Ethernet over Ductnet: docs/ethernet.md, every example of it. */
#include <string.h>

#include "duct_ether.h"
#include "unit.h"

static const struct {
	uint32_t addr;
	uint8_t mac[DUCT_MAC_LEN];
} pairs[] = {
	/* unicast: 02:dc and the four octets */
	{ 0x34565cab, { 0x02, 0xdc, 0x34, 0x56, 0x5c, 0xab } },
	{ 0x00000001, { 0x02, 0xdc, 0x00, 0x00, 0x00, 0x01 } },
	{ 0x0000ec60, { 0x02, 0xdc, 0x00, 0x00, 0xec, 0x60 } },
	{ 0x0000beef, { 0x02, 0xdc, 0x00, 0x00, 0xbe, 0xef } },
	{ 0x7fffffff, { 0x02, 0xdc, 0x7f, 0xff, 0xff, 0xff } },
	/* multicast, for native packets: 03:dc */
	{ 0x80000000, { 0x03, 0xdc, 0x80, 0x00, 0x00, 0x00 } },
	{ 0xde0000fb, { 0x03, 0xdc, 0xde, 0x00, 0x00, 0xfb } },
	{ 0xffffffff, { 0x03, 0xdc, 0xff, 0xff, 0xff, 0xff } },
};

static void mac_from_addr(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		uint8_t mac[DUCT_MAC_LEN];

		duct_mac_from_addr(mac, pairs[i].addr);
		assert_memory_equal(mac, pairs[i].mac, DUCT_MAC_LEN);
	}
}

static void addr_from_own_mac(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		assert_int_equal(duct_addr_from_mac(pairs[i].mac),
				 pairs[i].addr);
}

static void addr_from_mac(void **state)
{
	static const struct {
		uint8_t mac[DUCT_MAC_LEN];
		uint32_t addr;
	} examples[] = {
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 0xffffffff },
		{ { 0x33, 0x33, 0x00, 0x00, 0x00, 0x01 }, 0x80000001 },
		{ { 0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb }, 0xde0000fb },
		/* group MACs of all kinds keep their last four octets */
		{ { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e }, 0xc200000e },
		{ { 0x33, 0x33, 0xff, 0x56, 0x5c, 0xab }, 0xff565cab },
		{ { 0x03, 0xdc, 0x34, 0x56, 0x5c, 0xab }, 0xb4565cab },
		/* foreign unicast floods */
		{ { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 }, DUCT_BROADCAST },
		{ { 0x00, 0xdc, 0x34, 0x56, 0x5c, 0xab }, DUCT_BROADCAST },
		{ { 0x02, 0xdd, 0x34, 0x56, 0x5c, 0xab }, DUCT_BROADCAST },
		{ { 0x06, 0xdc, 0x34, 0x56, 0x5c, 0xab }, DUCT_BROADCAST },
		/* 02:dc, but the third octet is 0x80 or more: foreign too */
		{ { 0x02, 0xdc, 0x80, 0x00, 0x00, 0x00 }, DUCT_BROADCAST },
		{ { 0x02, 0xdc, 0xff, 0xff, 0xff, 0xff }, DUCT_BROADCAST },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++)
		assert_int_equal(duct_addr_from_mac(examples[i].mac),
				 examples[i].addr);
}

static void is_mcast(void **state)
{
	(void)state;
	assert_false(duct_addr_is_mcast(0));
	assert_false(duct_addr_is_mcast(0x7fffffff));
	assert_true(duct_addr_is_mcast(0x80000000));
	assert_true(duct_addr_is_mcast(DUCT_BROADCAST));
}

static void payload_is_ether(void **state)
{
	const uint8_t frame[] = {
		0xdc, 0xe1,
		0x02, 0xdc, 0x34, 0x56, 0x5c, 0xab,
		0x02, 0xdc, 0x00, 0x00, 0x00, 0x01,
		0x08, 0x00,
	};
	const uint32_t dst = 0x34565cab;
	uint8_t other[sizeof(frame)];

	(void)state;
	assert_true(duct_payload_is_ether(frame, sizeof(frame), dst));
	assert_true(duct_payload_is_ether(frame, DUCT_PACKET_MAX, dst));
	assert_false(duct_payload_is_ether(frame, sizeof(frame) - 1, dst));
	assert_false(duct_payload_is_ether(frame, 2, dst));
	assert_false(duct_payload_is_ether(frame, 0, dst));
	/* sent to somebody else than the frame says */
	assert_false(duct_payload_is_ether(frame, sizeof(frame), dst + 1));
	assert_false(duct_payload_is_ether(frame, sizeof(frame),
					   DUCT_BROADCAST));
	/* no shim, in either octet */
	memcpy(other, frame, sizeof(frame));
	other[0] ^= 1;
	assert_false(duct_payload_is_ether(other, sizeof(other), dst));
	memcpy(other, frame, sizeof(frame));
	other[1] ^= 1;
	assert_false(duct_payload_is_ether(other, sizeof(other), dst));
}

static void payload_is_ether_flooded(void **state)
{
	uint8_t frame[16] = { 0xdc, 0xe1, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

	(void)state;
	/* a foreign MAC travels as broadcast, and so does broadcast */
	assert_true(duct_payload_is_ether(frame, 16, DUCT_BROADCAST));
	memset(frame + 2, 0xff, DUCT_MAC_LEN);
	assert_true(duct_payload_is_ether(frame, 16, DUCT_BROADCAST));
	assert_false(duct_payload_is_ether(frame, 16, 0xfffffffe));
}

/* At a length of less than 16 nothing behind the payload is read. */
static void payload_is_ether_reads_no_further(void **state)
{
	(void)state;
	for (uint32_t len = 0; len < 16; len++) {
		uint8_t *payload = test_malloc(len ? len : 1);

		memset(payload, 0xdc, len ? len : 1);
		assert_false(duct_payload_is_ether(payload, len, 0));
		test_free(payload);
	}
}

static void native_header(void **state)
{
	static const uint8_t want[] = {
		0x02, 0xdc, 0x00, 0x00, 0xbe, 0xef,
		0x02, 0xdc, 0x34, 0x56, 0x5c, 0xab,
		0x88, 0xb5, 0x12, 0x34,
	};
	uint8_t hdr[DUCT_NATIVE_HLEN];

	(void)state;
	duct_native_push(hdr, 0xbeef, 0x34565cab, 0x1234);
	assert_memory_equal(hdr, want, sizeof(want));
	assert_true(duct_frame_is_native(hdr));
}

static void native_header_to_a_group(void **state)
{
	static const uint8_t want[] = { 0x03, 0xdc, 0x80, 0x00, 0x00, 0x05 };
	uint8_t hdr[DUCT_NATIVE_HLEN];

	(void)state;
	duct_native_push(hdr, 0x80000005, 1, 0);
	assert_memory_equal(hdr, want, sizeof(want));
	assert_int_equal(duct_addr_from_mac(hdr), 0x80000005);
}

static void native_round_trip(void **state)
{
	static const uint32_t lens[] = { 0, 1, 255, 256, 1500, 16383, 16384 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		uint8_t hdr[DUCT_NATIVE_HLEN];

		duct_native_push(hdr, 1, 2, lens[i]);
		assert_int_equal(duct_native_len(hdr, DUCT_NATIVE_HLEN +
						      lens[i]), lens[i]);
		/* padding does not count */
		assert_int_equal(duct_native_len(hdr, DUCT_NATIVE_HLEN +
						      lens[i] + 46), lens[i]);
	}
}

static void frame_is_native(void **state)
{
	uint8_t hdr[DUCT_NATIVE_HLEN];

	(void)state;
	duct_native_push(hdr, 1, 2, 0);
	hdr[12] = 0x08;
	assert_false(duct_frame_is_native(hdr));
	duct_native_push(hdr, 1, 2, 0);
	hdr[13] = 0xb6;
	assert_false(duct_frame_is_native(hdr));
}

static void native_malformed(void **state)
{
	uint8_t hdr[DUCT_NATIVE_HLEN];

	(void)state;
	duct_native_push(hdr, 1, 2, 0);
	for (uint32_t len = 0; len < DUCT_NATIVE_HLEN; len++)
		assert_int_equal(duct_native_len(hdr, len), -1);
	assert_int_equal(duct_native_len(hdr, DUCT_NATIVE_HLEN), 0);
	/* it tells of more than there is */
	duct_native_push(hdr, 1, 2, 100);
	assert_int_equal(duct_native_len(hdr, DUCT_NATIVE_HLEN), -1);
	assert_int_equal(duct_native_len(hdr, DUCT_NATIVE_HLEN + 99), -1);
	assert_int_equal(duct_native_len(hdr, DUCT_NATIVE_HLEN + 100), 100);
	/* it tells of more than a packet holds */
	duct_native_push(hdr, 1, 2, DUCT_PACKET_MAX + 1);
	assert_int_equal(duct_native_len(hdr, 0x20000), -1);
	duct_native_push(hdr, 1, 2, 0xffff);
	assert_int_equal(duct_native_len(hdr, 0x20000), -1);
}

static void mtu(void **state)
{
	(void)state;
	assert_int_equal(DUCT_MTU_MAX, 16368);
	assert_int_equal(DUCT_MTU_MAX + DUCT_ETHER_HLEN + DUCT_SHIM_LEN,
			 DUCT_PACKET_MAX);
	assert_int_equal(DUCT_MTU_DEFAULT, 1500);
	/* the shim brings the IP header to a multiple of four */
	assert_int_equal((DUCT_SHIM_LEN + DUCT_ETHER_HLEN) % 4, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mac_from_addr),
		cmocka_unit_test(addr_from_own_mac),
		cmocka_unit_test(addr_from_mac),
		cmocka_unit_test(is_mcast),
		cmocka_unit_test(payload_is_ether),
		cmocka_unit_test(payload_is_ether_flooded),
		cmocka_unit_test(payload_is_ether_reads_no_further),
		cmocka_unit_test(native_header),
		cmocka_unit_test(native_header_to_a_group),
		cmocka_unit_test(native_round_trip),
		cmocka_unit_test(frame_is_native),
		cmocka_unit_test(native_malformed),
		cmocka_unit_test(mtu),
	};

	return cmocka_run_group_tests_name("ether", tests, NULL, NULL);
}
