// SPDX-License-Identifier: GPL-2.0-only
/*
 * The numbers of the contract, from its prose and not from its headers: who
 * changes one of them by accident hears of it here.
 */
#include "duct_hw.h"
#include "uapi/linux/duct.h"
#include "unit.h"

static void pci(void **state)
{
	(void)state;
	assert_int_equal(DUCT_PCI_VENDOR, 0x3301);
	assert_int_equal(DUCT_PCI_DEVICE, 0x2000);
	assert_int_equal(DUCT_PCI_CLASS, 0x028000);
	assert_int_equal(DUCT_PCI_BAR, 0);
	assert_int_equal(DUCT_BAR_SIZE, 128);
	assert_int_equal(DUCT_VECTORS, 2);
	assert_int_equal(DUCT_VECTOR_EVENT, 0);
	assert_int_equal(DUCT_VECTOR_FATAL, 1);
}

static void registers(void **state)
{
	(void)state;
	assert_int_equal(DUCT_VMAJ, 0x00);
	assert_int_equal(DUCT_VMIN, 0x04);
	assert_int_equal(DUCT_FLAGS, 0x08);
	assert_int_equal(DUCT_HWADDR, 0x0c);
	assert_int_equal(DUCT_CMDBASE, 0x10);
	assert_int_equal(DUCT_CMDSHIFT, 0x18);
	assert_int_equal(DUCT_TXBASE, 0x20);
	assert_int_equal(DUCT_TXSHIFT, 0x28);
	assert_int_equal(DUCT_RXBASE, 0x30);
	assert_int_equal(DUCT_RXSHIFT, 0x38);
	assert_int_equal(DUCT_EVFLAGS, 0x40);
	assert_int_equal(DUCT_DBELL, 0x50);
	assert_int_equal(DUCT_VERSION_MAJOR, 2);
	assert_int_equal(DUCT_VERSION_MINOR, 1);
}

static void bits(void **state)
{
	(void)state;
	assert_int_equal(DUCT_FLAGS_FLTB, 1u << 0);
	assert_int_equal(DUCT_FLAGS_FLTR, 1u << 1);
	assert_int_equal(DUCT_FLAGS_SEQ, 1u << 2);
	assert_int_equal(DUCT_FLAGS_HWERR, 1u << 16);
	assert_int_equal(DUCT_FLAGS_RST, 1u << 31);
	assert_int_equal(DUCT_EV_TXCOMP, 1u << 0);
	assert_int_equal(DUCT_EV_RXCOMP, 1u << 1);
	assert_int_equal(DUCT_EV_RXDROP, 1u << 2);
	assert_int_equal(DUCT_EV_CMDCOMP, 1u << 3);
	assert_int_equal(DUCT_EV_RXJUMBO, 1u << 4);
	assert_int_equal(DUCT_DBELL_TX, 1u << 31);
	assert_int_equal(DUCT_ADDR_MCAST, 1u << 31);
}

static void commands(void **state)
{
	(void)state;
	assert_int_equal(DUCT_CMD_START, 1);
	assert_int_equal(DUCT_CMD_STOP, 2);
	assert_int_equal(DUCT_CMD_ADDFILT, 3);
	assert_int_equal(DUCT_CMD_RMFILT, 4);
	assert_int_equal(DUCT_CMD_FLUSHFILT, 5);
	assert_int_equal(DUCT_ERR_OK, 0);
	assert_int_equal(DUCT_ERR_TABLE, 1);
	assert_int_equal(DUCT_ERR_TYPE, 2);
	assert_int_equal(DUCT_ERR_HW, 0xff);
}

static void rings(void **state)
{
	(void)state;
	assert_int_equal(DUCT_OWNER_CARD, 0x55);
	assert_int_equal(DUCT_OWNER_HOST, 0xaa);
	assert_int_equal(DUCT_SHIFT_MAX, 12);
	assert_int_equal(DUCT_PACKET_MAX, 16384);
	assert_int_equal(DUCT_PIECES, 4);
	assert_int_equal(DUCT_FILTERS, 32);
	assert_int_equal(sizeof(struct duct_cmd_desc), 32);
	assert_int_equal(sizeof(struct duct_pkt_desc), 64);
}

static void descriptor_bytes(void **state)
{
	struct duct_cmd_desc cmd = { .owner = 1, .type = 2, .err = 3,
				     .filtmask = 4, .filtaddr = 5 };
	struct duct_pkt_desc pkt = { .owner = 1, .pktlen = 2,
				     .length = { 3, 4, 5, 6 }, .dst = 7,
				     .src = 8, .pointer = { 9, 10, 11, 12 } };
	const uint8_t *c = (const uint8_t *)&cmd, *p = (const uint8_t *)&pkt;

	(void)state;
	assert_int_equal(c[0], 1);
	assert_int_equal(c[1], 2);
	assert_int_equal(c[2], 3);
	assert_int_equal(c[8], 4);
	assert_int_equal(c[12], 5);
	assert_int_equal(p[0], 1);
	assert_int_equal(p[4], 2);
	assert_int_equal(p[8], 3);
	assert_int_equal(p[20], 6);
	assert_int_equal(p[24], 7);
	assert_int_equal(p[28], 8);
	assert_int_equal(p[32], 9);
	assert_int_equal(p[56], 12);
}

static_assert(sizeof(struct duct_info_arg) == 12, "duct_info_arg");
static_assert(offsetof(struct duct_info_arg, duct_major) == 0, "major");
static_assert(offsetof(struct duct_info_arg, duct_minor) == 4, "minor");
static_assert(offsetof(struct duct_info_arg, duct_hwaddr) == 8, "hwaddr");

static_assert(sizeof(struct duct_mcast_arg) == 8, "duct_mcast_arg");
static_assert(offsetof(struct duct_mcast_arg, duct_mask) == 0, "mask");
static_assert(offsetof(struct duct_mcast_arg, duct_addr) == 4, "addr");

static_assert(sizeof(struct duct_packet_hdr) == 16, "duct_packet_hdr");
static_assert(offsetof(struct duct_packet_hdr, dpkt_source) == 0, "source");
static_assert(offsetof(struct duct_packet_hdr, dpkt_destination) == 4, "dst");
static_assert(offsetof(struct duct_packet_hdr, dpkt_length) == 8, "length");
static_assert(offsetof(struct duct_packet_hdr, dpkt_reserved) == 12, "rest");

/* Linux: direction << 30 | size << 16 | group << 8 | number, 'z' is 0x7a. */
static void ioctl_numbers(void **state)
{
	(void)state;
	assert_int_equal(DUCTIOC_GET_INFO, 2u << 30 | 12 << 16 | 0x7a00);
	assert_int_equal(DUCTIOC_ADD_MCAST, 1u << 30 | 8 << 16 | 0x7a01);
	assert_int_equal(DUCTIOC_RM_MCAST, 1u << 30 | 8 << 16 | 0x7a02);
	assert_int_equal(DUCTIOC_GET_INFO, 0x800c7a00u);
	assert_int_equal(DUCTIOC_ADD_MCAST, 0x40087a01u);
	assert_int_equal(DUCTIOC_RM_MCAST, 0x40087a02u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pci),
		cmocka_unit_test(registers),
		cmocka_unit_test(bits),
		cmocka_unit_test(commands),
		cmocka_unit_test(rings),
		cmocka_unit_test(descriptor_bytes),
		cmocka_unit_test(ioctl_numbers),
	};

	return cmocka_run_group_tests_name("contract", tests, NULL, NULL);
}
