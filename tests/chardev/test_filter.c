// SPDX-License-Identifier: GPL-2.0-only
/* Groups: a file hears those it asked for, and no others. */
#include "cards.h"
#include "chardev.h"

/* How many of the card's 32 filters all files together may have. */
#define FILE_FILTERS	28

static void hears(int fd, uint32_t group)
{
	static uint32_t seed = 1000;

	seed++;
	packet_send(from, group, 30, seed);
	packet_expect(fd, source, group, 30, seed);
}

static void does_not_hear(int fd, uint32_t group)
{
	packet_send(from, group, 30, 1);
	packet_expect_none(from, fd);
}

static void heard_only_when_asked_for(void **state)
{
	(void)state;
	does_not_hear(to, GROUP | 5);
	filter_add(to, BROADCAST, GROUP | 5);
	hears(to, GROUP | 5);
	does_not_hear(to, GROUP | 6);
	filter_remove(to, BROADCAST, GROUP | 5);
	does_not_hear(to, GROUP | 5);
}

static void heard_only_by_the_file_that_asked(void **state)
{
	int other = card_open(1, O_RDWR);

	(void)state;
	filter_add(to, BROADCAST, GROUP | 5);
	hears(to, GROUP | 5);
	packet_expect_none(from, other);
	close(other);
}

static void not_heard_by_others_when_promiscuous(void **state)
{
	(void)state;
	shell("ip link set duct1 promisc on");
	does_not_hear(to, GROUP | 5);
	does_not_hear(to, NOBODY);
	does_not_hear(to, BROADCAST);
	filter_add(to, BROADCAST, GROUP | 5);
	hears(to, GROUP | 5);
	does_not_hear(to, GROUP | 6);
}

static void not_heard_by_others_with_allmulti(void **state)
{
	(void)state;
	shell("ip link set duct1 allmulticast on");
	does_not_hear(to, GROUP | 5);
	does_not_hear(to, BROADCAST);
}

/* The station takes broadcasts, but a file has not asked for them. */
static void broadcast_is_a_group(void **state)
{
	(void)state;
	does_not_hear(to, BROADCAST);
	filter_add(to, BROADCAST, BROADCAST);
	hears(to, BROADCAST);
	filter_remove(to, BROADCAST, BROADCAST);
	does_not_hear(to, BROADCAST);
}

static void mask(void **state)
{
	(void)state;
	filter_add(to, 0xffffff00, GROUP | 0x1234);
	hears(to, GROUP | 0x1200);
	hears(to, GROUP | 0x12ff);
	hears(to, GROUP | 0x1234);
	does_not_hear(to, GROUP | 0x1334);
	does_not_hear(to, GROUP | 0x101234);
	filter_add(to, GROUP | 1, GROUP | 1);
	hears(to, GROUP | 0x7ffffff1);
	does_not_hear(to, GROUP | 0x7ffffff2);
	filter_add(to, GROUP, GROUP);
	hears(to, GROUP | 0x7ffffff2);
	hears(to, BROADCAST);
	does_not_hear(to, NOBODY);
}

static void mask_and_address_name_a_group(void **state)
{
	(void)state;
	assert_errno(filter_ioctl(to, ADD_MCAST, 0x7fffffff, GROUP | 5), EINVAL);
	assert_errno(filter_ioctl(to, ADD_MCAST, 0, GROUP), EINVAL);
	assert_errno(filter_ioctl(to, ADD_MCAST, BROADCAST, 5), EINVAL);
	assert_errno(filter_ioctl(to, ADD_MCAST, 0, 0), EINVAL);
	assert_errno(filter_ioctl(to, ADD_MCAST, BROADCAST, NOBODY), EINVAL);
	does_not_hear(to, NOBODY);
}

static void twice_is_once(void **state)
{
	(void)state;
	filter_add(to, BROADCAST, GROUP | 5);
	filter_add(to, BROADCAST, GROUP | 5);
	hears(to, GROUP | 5);
	packet_expect_none(from, to);
	filter_remove(to, BROADCAST, GROUP | 5);
	does_not_hear(to, GROUP | 5);
	assert_errno(filter_ioctl(to, RM_MCAST, BROADCAST, GROUP | 5), ENOENT);
}

static void several_filters_that_match_bring_it_once(void **state)
{
	(void)state;
	filter_add(to, BROADCAST, GROUP | 5);
	filter_add(to, GROUP, GROUP);
	filter_add(to, GROUP | 1, GROUP | 1);
	hears(to, GROUP | 5);
	packet_expect_none(from, to);
	filter_remove(to, GROUP, GROUP);
	hears(to, GROUP | 5);
	does_not_hear(to, GROUP | 2);
}

static void what_is_not_there_can_not_be_removed(void **state)
{
	int other = card_open(1, O_RDWR);

	(void)state;
	filter_add(other, BROADCAST, GROUP | 5);
	assert_errno(filter_ioctl(to, RM_MCAST, BROADCAST, GROUP | 5), ENOENT);
	assert_errno(filter_ioctl(other, RM_MCAST, 0xffffff00, GROUP | 5), ENOENT);
	assert_errno(filter_ioctl(other, RM_MCAST, BROADCAST, GROUP | 6), ENOENT);
	assert_errno(filter_ioctl(to, RM_MCAST, BROADCAST, card_address(1)), ENOENT);
	assert_errno(filter_ioctl(to, RM_MCAST, BROADCAST, BROADCAST), ENOENT);
	hears(other, GROUP | 5);
	close(other);
}

static void shared_by_two_files(void **state)
{
	int other = card_open(1, O_RDWR);

	(void)state;
	filter_add(to, BROADCAST, GROUP | 5);
	filter_add(other, BROADCAST, GROUP | 5);
	packet_send(from, GROUP | 5, 30, 1);
	packet_expect(to, source, GROUP | 5, 30, 1);
	packet_expect(other, source, GROUP | 5, 30, 1);
	filter_remove(other, BROADCAST, GROUP | 5);
	hears(to, GROUP | 5);
	filter_add(other, BROADCAST, GROUP | 5);
	close(other);
	hears(to, GROUP | 5);
}

static void no_space(void **state)
{
	int other = card_open(1, O_RDWR);
	uint32_t i;

	(void)state;
	for (i = 0; i < FILE_FILTERS; i++)
		filter_add(i % 2 ? to : other, BROADCAST, GROUP | i);
	assert_errno(filter_ioctl(to, ADD_MCAST, BROADCAST, GROUP | i), ENOSPC);
	assert_errno(filter_ioctl(other, ADD_MCAST, BROADCAST, GROUP | i), ENOSPC);
	/* What somebody has already takes no place. */
	filter_add(to, BROADCAST, GROUP | 0);
	filter_add(to, BROADCAST, GROUP | 1);
	hears(to, GROUP | 1);
	does_not_hear(to, GROUP | i);
	filter_remove(other, BROADCAST, GROUP | 2);
	filter_add(to, BROADCAST, GROUP | i);
	hears(to, GROUP | i);
	assert_errno(filter_ioctl(other, ADD_MCAST, BROADCAST, GROUP | 2), ENOSPC);
	close(other);
	/* Half of them, 0 and the last one are still held. */
	for (i = 100; i < 100 + FILE_FILTERS / 2 - 2; i++)
		filter_add(to, BROADCAST, GROUP | i);
	assert_errno(filter_ioctl(to, ADD_MCAST, BROADCAST, GROUP | i), ENOSPC);
}

static void no_space_while_down(void **state)
{
	uint32_t i;

	(void)state;
	card_down(1);
	for (i = 0; i < FILE_FILTERS; i++)
		filter_add(to, BROADCAST, GROUP | i);
	assert_errno(filter_ioctl(to, ADD_MCAST, BROADCAST, GROUP | i), ENOSPC);
	card_up(1);
	for (i = 0; i < FILE_FILTERS; i++)
		hears(to, GROUP | i);
}

/* The interface's own filters leave no room: 2 for its addresses, 1 for 224.0.0.1, and 28 groups. */
static void no_space_beside_the_interfaces_groups(void **state)
{
	unsigned long commands = card_counter(1, "commands");

	(void)state;
	shell("for i in $(seq 10 37); do ip maddr add 01:00:5e:00:01:$i dev duct1 || exit; done");
	await_counter(1, "commands", commands + 28);
	filter_add(to, BROADCAST, GROUP | 1);
	assert_errno(filter_ioctl(to, ADD_MCAST, BROADCAST, GROUP | 2), ENOSPC);
	hears(to, GROUP | 1);
	does_not_hear(to, GROUP | 2);
	shell("for i in $(seq 10 37); do ip maddr del 01:00:5e:00:01:$i dev duct1 || exit; done");
}

static void asked_for_while_down(void **state)
{
	(void)state;
	card_down(1);
	filter_add(to, BROADCAST, GROUP | 5);
	filter_add(to, BROADCAST, GROUP | 6);
	filter_remove(to, BROADCAST, GROUP | 6);
	card_up(1);
	hears(to, GROUP | 5);
	does_not_hear(to, GROUP | 6);
}

static void kept_over_down_and_up(void **state)
{
	int i;

	(void)state;
	filter_add(to, BROADCAST, GROUP | 5);
	for (i = 0; i < 3; i++) {
		card_down(1);
		card_up(1);
		hears(to, GROUP | 5);
	}
	card_down(1);
	filter_remove(to, BROADCAST, GROUP | 5);
	card_up(1);
	does_not_hear(to, GROUP | 5);
}

static void own_address_needs_no_filter(void **state)
{
	(void)state;
	filter_add(to, BROADCAST, GROUP | 5);
	hears(to, card_address(1));
	filter_remove(to, BROADCAST, GROUP | 5);
	hears(to, card_address(1));
}

/* The interface's MAC address is not the card's: it is no station that a file listens to. */
static void another_mac_is_not_the_files(void **state)
{
	uint32_t own = card_address(1);

	(void)state;
	shell("ip link set duct1 address 02:dc:11:22:33:44");
	does_not_hear(to, 0x11223344);
	hears(to, own);
	shell("ip link set duct1 address 02:dc:%02x:%02x:%02x:%02x", own >> 24, own >> 16 & 255, own >> 8 & 255, own & 255);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(heard_only_when_asked_for, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(heard_only_by_the_file_that_asked, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(not_heard_by_others_when_promiscuous, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(not_heard_by_others_with_allmulti, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(broadcast_is_a_group, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(mask, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(mask_and_address_name_a_group, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(twice_is_once, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(several_filters_that_match_bring_it_once, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(what_is_not_there_can_not_be_removed, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(shared_by_two_files, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(no_space, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(no_space_while_down, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(no_space_beside_the_interfaces_groups, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(asked_for_while_down, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(kept_over_down_and_up, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(own_address_needs_no_filter, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(another_mac_is_not_the_files, cards_setup, cards_teardown),
};

CHARDEV_TESTS(tests)
