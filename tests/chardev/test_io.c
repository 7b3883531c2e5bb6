// SPDX-License-Identifier: GPL-2.0-only
/* One packet a write, one packet a read. */
#include <sys/mman.h>
#include <sys/uio.h>

#include "cards.h"
#include "chardev.h"

static void expect(uint32_t length, uint32_t seed)
{
	packet_expect(to, source, destination, length, seed);
}

static void packets_of_every_size(void **state)
{
	static const uint32_t sizes[] = {
		0, 1, 2, 15, 16, 17, 44, 59, 60, 61, 255, 256, 1484, 1498, 1500, 1514, 3503, 3504, 3505, 3519, 3520, 3521,
		4095, 4096, 4097, 8192, 11711, 11712, 11713, 16366, 16367, 16368, 16382, 16383, 16384
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		packet_send(from, destination, sizes[i], sizes[i]);
		expect(sizes[i], sizes[i]);
	}
}

static void packets_stay_in_order(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 60; i++)
		packet_send(from, destination, i * 5, i);
	for (i = 0; i < 60; i++)
		expect(i * 5, i);
}

static void source_is_the_cards_own(void **state)
{
	static const uint32_t sources[] = { 0, 1, 0xdeadbeef, BROADCAST };
	struct packet packet;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		packet_make(&packet, destination, 40, (uint32_t)i);
		packet.header.source = sources[i];
		assert_int_equal(write(from, &packet, HEADER + 40), HEADER + 40);
		expect(40, (uint32_t)i);
	}
	packet_make(&packet, destination, 40, 9);
	packet.header.source = destination;
	assert_int_equal(write(from, &packet, HEADER + 40), HEADER + 40);
	expect(40, 9);
}

static void source_is_the_cards_own_with_another_mac(void **state)
{
	(void)state;
	shell("ip link set duct0 address 52:54:00:12:34:56");
	packet_send(from, destination, 40, 1);
	shell("ip link set duct0 address 02:dc:%02x:%02x:%02x:%02x", source >> 24, source >> 16 & 255, source >> 8 & 255,
	      source & 255);
	expect(40, 1);
}

static void reserved_is_ignored_and_reads_zero(void **state)
{
	struct packet packet;

	(void)state;
	packet_make(&packet, destination, 7, 3);
	packet.header.reserved = 0xffffffff;
	assert_int_equal(write(from, &packet, HEADER + 7), HEADER + 7);
	expect(7, 3);
}

static void write_shorter_than_a_header(void **state)
{
	struct packet packet;
	size_t count;

	(void)state;
	packet_make(&packet, destination, 0, 0);
	for (count = 0; count < HEADER; count++)
		assert_errno(write(from, &packet, count), EINVAL);
	packet_expect_none(from, to);
}

static void write_of_another_length_than_it_says(void **state)
{
	static const uint32_t wrong[] = { 0, 1, 39, 41, 56, 16383, 16384 };
	struct packet packet;
	size_t i;

	(void)state;
	packet_make(&packet, destination, 40, 0);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		packet.header.length = wrong[i];
		assert_errno(write(from, &packet, HEADER + 40), EINVAL);
	}
	packet.header.length = 1;
	assert_errno(write(from, &packet, HEADER), EINVAL);
	packet_expect_none(from, to);
}

static void write_of_too_much(void **state)
{
	static const uint32_t lengths[] = { PACKET_MAX + 1, 0x10000, 0x10000 + 40, 0x7fffffff, 0x80000000, 0xfffffff0,
		0xffffffff };
	struct packet packet;
	size_t i;

	(void)state;
	packet_make(&packet, destination, PACKET_MAX, 0);
	for (i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		packet.header.length = lengths[i];
		assert_errno(write(from, &packet, HEADER + 40), EMSGSIZE);
		assert_errno(write(from, &packet, HEADER + PACKET_MAX + 1), EMSGSIZE);
	}
	packet.header.length = PACKET_MAX;
	assert_errno(write(from, &packet, HEADER + PACKET_MAX + 1), EMSGSIZE);
	packet_expect_none(from, to);
}

/* Far more than any buffer: the length is judged before anything is copied or reserved for it. */
static void write_of_a_gigabyte(void **state)
{
	size_t size = 1UL << 30;
	struct packet *packet = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	assert_ptr_not_equal(packet, MAP_FAILED);
	packet_make(packet, destination, 40, 0);
	assert_errno(write(from, packet, size), EMSGSIZE);
	munmap(packet, size);
	packet_expect_none(from, to);
}

static void writev_split_anywhere(void **state)
{
	struct packet packet;
	uint8_t *bytes = (uint8_t *)&packet;
	size_t total = HEADER + 24;
	size_t first, second;

	(void)state;
	packet_make(&packet, destination, 24, 5);
	for (first = 0; first <= total; first += 3) {
		for (second = first; second <= total; second += 5) {
			struct iovec pieces[] = {
				{ bytes, first },
				{ bytes + first, second - first },
				{ bytes + second, total - second },
			};

			assert_int_equal(writev(from, pieces, 3), total);
			expect(24, 5);
		}
	}
}

static void writev_of_single_octets(void **state)
{
	struct iovec pieces[HEADER + 33];
	struct packet packet;
	int i;

	(void)state;
	packet_make(&packet, destination, 33, 6);
	for (i = 0; i < HEADER + 33; i++)
		pieces[i] = (struct iovec){ (uint8_t *)&packet + i, 1 };
	assert_int_equal(writev(from, pieces, HEADER + 33), HEADER + 33);
	expect(33, 6);
}

static void writev_header_and_large_payload(void **state)
{
	struct packet packet;
	struct iovec pieces[] = {
		{ &packet.header, HEADER }, { NULL, 0 }, { packet.data, 5000 }, { packet.data + 5000, PACKET_MAX - 5000 },
	};

	(void)state;
	packet_make(&packet, destination, PACKET_MAX, 7);
	assert_int_equal(writev(from, pieces, 4), HEADER + PACKET_MAX);
	expect(PACKET_MAX, 7);
}

static void writev_errors(void **state)
{
	struct packet packet;
	struct iovec shorter[] = { { &packet, 8 }, { (uint8_t *)&packet + 8, 7 } };
	struct iovec longer[] = { { &packet, HEADER }, { packet.data, PACKET_MAX }, { packet.data, 1 } };

	(void)state;
	packet_make(&packet, destination, PACKET_MAX, 7);
	assert_errno(writev(from, shorter, 2), EINVAL);
	assert_errno(writev(from, longer, 3), EMSGSIZE);
	packet.header.length = 10;
	assert_errno(writev(from, longer, 2), EINVAL);
	packet_expect_none(from, to);
}

/* Two pages, the second of which nobody may touch. */
static uint8_t *fenced(void)
{
	uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
	return pages + 4096;
}

static void write_from_bad_memory_sends_nothing(void **state)
{
	unsigned long before = card_counter(0, "tx_native");
	uint8_t *fence = fenced();
	struct packet packet;
	size_t good;

	(void)state;
	packet_make(&packet, destination, 200, 8);
	for (good = 0; good < HEADER + 200; good += 8) {
		memcpy(fence - good, &packet, good);
		assert_errno(write(from, fence - good, HEADER + 200), EFAULT);
	}
	assert_int_equal(card_counter(0, "tx_native"), before);
	packet_expect_none(from, to);
}

static void read_into_bad_memory_keeps_the_packet(void **state)
{
	uint8_t *fence = fenced();
	size_t good;

	(void)state;
	packet_send(from, destination, 200, 9);
	packet_send(from, destination, 10, 10);
	await_events(to, POLLIN);
	for (good = 0; good < HEADER + 200; good += 8)
		assert_errno(read(to, fence - good, HEADER + 200), EFAULT);
	expect(200, 9);
	expect(10, 10);
}

static void read_of_nothing(void **state)
{
	struct packet packet;

	(void)state;
	set_blocking(to, false);
	assert_int_equal(read(to, &packet, 0), 0);
	packet_send(from, destination, 10, 11);
	await_events(to, POLLIN);
	assert_int_equal(read(to, &packet, 0), 0);
	expect(10, 11);
}

static void read_shorter_than_a_header(void **state)
{
	struct packet packet;
	size_t count;

	(void)state;
	for (count = 1; count < HEADER; count++)
		assert_errno(read(to, &packet, count), EINVAL);
	packet_send(from, destination, 10, 12);
	await_events(to, POLLIN);
	for (count = 1; count < HEADER; count++)
		assert_errno(read(to, &packet, count), EINVAL);
	expect(10, 12);
}

static void read_truncates(void **state)
{
	static const size_t rooms[] = { 16, 17, 20, 100, 115, 116, 117 };
	struct packet packet, whole;
	size_t i, got;

	(void)state;
	packet_make(&whole, destination, 100, 13);
	for (i = 0; i < sizeof(rooms) / sizeof(*rooms); i++) {
		packet_send(from, destination, 100, 13);
		await_events(to, POLLIN);
		memset(&packet, 0xee, sizeof(packet));
		got = rooms[i] < 116 ? rooms[i] : 116;
		assert_int_equal(read(to, &packet, rooms[i]), got);
		assert_int_equal(packet.header.length, 100);
		assert_int_equal(packet.header.source, source);
		assert_int_equal(packet.header.destination, destination);
		assert_int_equal(packet.header.reserved, 0);
		assert_memory_equal(packet.data, whole.data, got - HEADER);
		assert_int_equal(packet.data[got - HEADER], 0xee);
	}
	/* What did not fit is gone with its packet. */
	packet_expect_none(from, to);
}

static void read_truncates_a_large_packet(void **state)
{
	struct packet packet, whole;

	(void)state;
	packet_make(&whole, destination, PACKET_MAX, 14);
	packet_send(from, destination, PACKET_MAX, 14);
	await_events(to, POLLIN);
	assert_int_equal(read(to, &packet, HEADER + 5000), HEADER + 5000);
	assert_int_equal(packet.header.length, PACKET_MAX);
	assert_memory_equal(packet.data, whole.data, 5000);
	packet_expect_none(from, to);
}

static void empty_packet_is_sixteen_octets(void **state)
{
	struct packet packet;

	(void)state;
	packet_send(from, destination, 0, 0);
	await_events(to, POLLIN);
	assert_int_equal(read(to, &packet, sizeof(packet)), HEADER);
	assert_int_equal(packet.header.length, 0);
	assert_int_equal(packet.header.source, source);
	packet_send(from, destination, 0, 0);
	await_events(to, POLLIN);
	assert_int_equal(read(to, &packet, HEADER), HEADER);
	packet_expect_none(from, to);
}

static void readv_split_anywhere(void **state)
{
	struct packet packet, whole;
	uint8_t *bytes = (uint8_t *)&packet;
	size_t total = HEADER + 24;
	size_t first;

	(void)state;
	packet_make(&whole, destination, 24, 15);
	whole.header.source = source;
	for (first = 0; first <= total; first++) {
		struct iovec pieces[] = { { bytes, first }, { bytes + first, total - first } };

		packet_send(from, destination, 24, 15);
		await_events(to, POLLIN);
		memset(&packet, 0, sizeof(packet));
		assert_int_equal(readv(to, pieces, 2), total);
		assert_memory_equal(&packet, &whole, total);
	}
}

static void readv_of_a_large_packet(void **state)
{
	struct packet packet, whole;
	struct iovec pieces[] = {
		{ &packet.header, HEADER }, { packet.data, 3 }, { NULL, 0 }, { packet.data + 3, 4093 },
		{ packet.data + 4096, sizeof(packet.data) - 4096 },
	};

	(void)state;
	packet_make(&whole, destination, PACKET_MAX, 16);
	whole.header.source = source;
	packet_send(from, destination, PACKET_MAX, 16);
	await_events(to, POLLIN);
	assert_int_equal(readv(to, pieces, 5), HEADER + PACKET_MAX);
	assert_memory_equal(&packet, &whole, HEADER + PACKET_MAX);
}

static void readv_shorter_than_a_header(void **state)
{
	uint8_t bytes[15];
	struct iovec pieces[] = { { bytes, 8 }, { bytes + 8, 7 } };

	(void)state;
	packet_send(from, destination, 24, 17);
	await_events(to, POLLIN);
	assert_errno(readv(to, pieces, 2), EINVAL);
	expect(24, 17);
}

static void read_without_a_packet(void **state)
{
	struct packet packet;

	(void)state;
	set_blocking(to, false);
	assert_errno(read(to, &packet, sizeof(packet)), EAGAIN);
	packet_send(from, destination, 24, 18);
	expect(24, 18);
	assert_errno(read(to, &packet, sizeof(packet)), EAGAIN);
}

static void ways_to_open(void **state)
{
	struct packet packet;
	int reader = card_open(1, O_RDONLY);
	int writer = card_open(0, O_WRONLY);

	(void)state;
	packet_send(writer, destination, 24, 19);
	packet_expect(reader, source, destination, 24, 19);
	assert_errno(write(reader, &packet, HEADER), EBADF);
	assert_errno(read(writer, &packet, sizeof(packet)), EBADF);
	close(reader);
	close(writer);
}

static void sender_does_not_hear_itself(void **state)
{
	struct packet packet;

	(void)state;
	filter_add(from, BROADCAST, GROUP | 0x77);
	filter_add(to, BROADCAST, GROUP | 0x77);
	packet_send(from, GROUP | 0x77, 24, 20);
	packet_send(from, source, 24, 21);
	packet_expect(to, source, GROUP | 0x77, 24, 20);
	packet_expect_none(from, to);
	packet_send(to, source, 24, 22);
	packet_expect(from, destination, source, 24, 22);
	set_blocking(from, false);
	assert_errno(read(from, &packet, sizeof(packet)), EAGAIN);
}

static void echo_station(void **state)
{
	(void)state;
	packet_send(from, ECHO, 0, 0);
	packet_expect(from, ECHO, source, 0, 0);
	packet_send(from, ECHO, PACKET_MAX, 23);
	packet_expect(from, ECHO, source, PACKET_MAX, 23);
}

static void quote_station(void **state)
{
	struct packet packet;
	ssize_t got;

	(void)state;
	packet_send(from, QUOTE, 0, 0);
	await_events(from, POLLIN);
	got = read(from, &packet, sizeof(packet));
	assert_true(got > HEADER);
	assert_int_equal(packet.header.source, QUOTE);
	assert_int_equal(packet.header.length, got - HEADER);
}

/* Octets that begin like an Ethernet frame's, but whose address does not match the packet's. */
static void payload_that_looks_like_a_frame(void **state)
{
	struct packet packet;

	(void)state;
	packet_make(&packet, destination, 60, 24);
	packet.data[0] = 0xdc;
	packet.data[1] = 0xe1;
	assert_int_equal(write(from, &packet, HEADER + 60), HEADER + 60);
	await_events(to, POLLIN);
	memset(&packet.data, 0, sizeof(packet.data));
	assert_int_equal(read(to, &packet, sizeof(packet)), HEADER + 60);
	assert_int_equal(packet.header.length, 60);
	assert_int_equal(packet.data[0], 0xdc);
	assert_int_equal(packet.data[1], 0xe1);
}

static void small_mtu_does_not_matter(void **state)
{
	(void)state;
	shell("ip link set duct0 mtu 68; ip link set duct1 mtu 68");
	packet_send(from, destination, PACKET_MAX, 25);
	expect(PACKET_MAX, 25);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(packets_of_every_size, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(packets_stay_in_order, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(source_is_the_cards_own, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(source_is_the_cards_own_with_another_mac, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(reserved_is_ignored_and_reads_zero, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(write_shorter_than_a_header, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(write_of_another_length_than_it_says, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(write_of_too_much, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(write_of_a_gigabyte, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(writev_split_anywhere, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(writev_of_single_octets, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(writev_header_and_large_payload, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(writev_errors, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(write_from_bad_memory_sends_nothing, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(read_into_bad_memory_keeps_the_packet, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(read_of_nothing, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(read_shorter_than_a_header, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(read_truncates, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(read_truncates_a_large_packet, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(empty_packet_is_sixteen_octets, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(readv_split_anywhere, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(readv_of_a_large_packet, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(readv_shorter_than_a_header, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(read_without_a_packet, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(ways_to_open, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(sender_does_not_hear_itself, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(echo_station, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(quote_station, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(payload_that_looks_like_a_frame, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(small_mtu_does_not_matter, cards_setup, cards_teardown),
};

CHARDEV_TESTS(tests)
