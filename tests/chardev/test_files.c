// SPDX-License-Identifier: GPL-2.0-only
/* Several files, and files that several processes share. */
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cards.h"
#include "chardev.h"

#define TEST_GROUP	(GROUP | 0x4711)

static void expect(int fd, uint32_t length, uint32_t seed)
{
	packet_expect(fd, source, destination, length, seed);
}

static void each_file_gets_its_own_copy(void **state)
{
	static const uint32_t sizes[] = { 0, 100, 4000, PACKET_MAX };
	int second = card_open(1, O_RDWR);
	int third = card_open(1, O_RDONLY);
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		packet_send(from, destination, sizes[i], (uint32_t)i);
	for (i = 0; i < 4; i++)
		expect(to, sizes[i], (uint32_t)i);
	for (i = 0; i < 4; i++) {
		expect(third, sizes[i], (uint32_t)i);
		expect(second, sizes[i], (uint32_t)i);
	}
	packet_expect_none(from, to);
	expect(second, 29, 0xfeed + 1);
	close(second);
	close(third);
}

/* A short read of one file's copy leaves the others' whole. */
static void copies_do_not_touch_each_other(void **state)
{
	int second = card_open(1, O_RDWR);
	struct packet packet;

	(void)state;
	packet_send(from, destination, 9000, 1);
	await_events(to, POLLIN);
	assert_int_equal(read(to, &packet, HEADER + 10), HEADER + 10);
	expect(second, 9000, 1);
	close(second);
}

static void a_new_file_starts_empty(void **state)
{
	int late;

	(void)state;
	packet_send(from, destination, 100, 1);
	await_events(to, POLLIN);
	late = card_open(1, O_RDWR);
	packet_send(from, destination, 100, 2);
	expect(late, 100, 2);
	expect(to, 100, 1);
	expect(to, 100, 2);
	close(late);
}

static void closing_with_packets_left(void **state)
{
	int second = card_open(1, O_RDWR);
	uint32_t i;

	(void)state;
	for (i = 0; i < 20; i++)
		packet_send(from, destination, 5000, i);
	for (i = 0; i < 20; i++)
		expect(to, 5000, i);
	close(second);
	packet_expect_none(from, to);
}

/* What was written goes out even when the file that wrote it is gone. */
static void closing_with_packets_to_send(void **state)
{
	int writer = card_open(0, O_WRONLY);
	unsigned int count, i;

	(void)state;
	card_stall(0, from, 10000000);
	count = card_fill(writer, destination, 1500);
	assert_true(count > 10);
	close(writer);
	card_release(0);
	for (i = 0; i < count; i++)
		expect(to, 1500, i);
	packet_expect_none(from, to);
}

static void dup_shares_the_queue(void **state)
{
	int twin = dup(to);

	(void)state;
	packet_send(from, destination, 100, 1);
	packet_send(from, destination, 200, 2);
	expect(twin, 100, 1);
	expect(to, 200, 2);
	filter_add(twin, BROADCAST, TEST_GROUP);
	close(twin);
	packet_send(from, TEST_GROUP, 100, 3);
	packet_expect(to, source, TEST_GROUP, 100, 3);
}

/* The child's end is not the file's: what it shares stays open, with its filters. */
static void fork_shares_the_file(void **state)
{
	struct packet packet;
	int status;
	pid_t child;

	(void)state;
	filter_add(to, BROADCAST, TEST_GROUP);
	packet_send(from, destination, 100, 1);
	packet_send(from, destination, 200, 2);
	await_events(to, POLLIN);
	child = fork();
	if (child == 0)
		_exit(read(to, &packet, sizeof(packet)) == HEADER + 100 ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	expect(to, 200, 2);
	packet_send(from, TEST_GROUP, 100, 3);
	packet_expect(to, source, TEST_GROUP, 100, 3);
}

static void a_killed_child_does_not_close_it(void **state)
{
	int status;
	pid_t child;

	(void)state;
	filter_add(to, BROADCAST, TEST_GROUP);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	packet_send(from, TEST_GROUP, 100, 1);
	packet_expect(to, source, TEST_GROUP, 100, 1);
}

static void send_fd(int channel, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	char octet = 0;
	struct iovec data = { &octet, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *control = CMSG_FIRSTHDR(&message);

	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
	assert_int_equal(sendmsg(channel, &message, 0), 1);
}

static int receive_fd(int channel)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	char octet;
	struct iovec data = { &octet, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	int fd;

	assert_int_equal(recvmsg(channel, &message, 0), 1);
	assert_non_null(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* On its way through a socket the file is open, has its filters and its queue. */
static void passed_through_a_socket(void **state)
{
	int channel[2];
	int passed;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
	filter_add(to, BROADCAST, TEST_GROUP);
	send_fd(channel[0], to);
	close(to);
	packet_send(from, TEST_GROUP, 100, 1);
	passed = receive_fd(channel[1]);
	packet_expect(passed, source, TEST_GROUP, 100, 1);
	packet_expect_none(from, passed);
	to = passed;
	close(channel[0]);
	close(channel[1]);
}

static void closed_while_in_a_socket(void **state)
{
	int channel[2];
	int second = card_open(1, O_RDWR);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
	filter_add(second, BROADCAST, TEST_GROUP);
	send_fd(channel[0], second);
	close(second);
	close(channel[0]);
	close(channel[1]);
	packet_send(from, TEST_GROUP, 100, 1);
	packet_expect_none(from, to);
}

/* One packet for each of those who wait at one file, and none for two of them. */
static void readers_of_one_file_share_its_packets(void **state)
{
	struct blocked *readers = calloc(4, sizeof(*readers));
	bool seen[4] = { false };
	uint32_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		blocked_start(&readers[i], to, false);
	for (i = 0; i < 4; i++)
		packet_send(from, destination, 100, i);
	for (i = 0; i < 4; i++) {
		uint8_t expected[100];
		uint32_t seed;

		blocked_ends(&readers[i], HEADER + 100, 0);
		for (seed = 0; seed < 4; seed++) {
			pattern(expected, 100, seed);
			if (memcmp(expected, readers[i].packet.data, 100) == 0)
				break;
		}
		assert_true(seed < 4);
		assert_false(seen[seed]);
		seen[seed] = true;
	}
	free(readers);
}

/* Two threads that write at once do not mix their packets. */
static void *write_many(void *argument)
{
	uint32_t seed = *(uint32_t *)argument;
	int fd = card_open(0, O_RDWR);
	struct packet packet;
	uint32_t i;

	for (i = 0; i < 100; i++) {
		packet_make(&packet, destination, 64 + seed * 1000, seed);
		if (write(fd, &packet, HEADER + packet.header.length) != (ssize_t)(HEADER + packet.header.length))
			break;
	}
	close(fd);
	return (void *)(uintptr_t)i;
}

static void writers_do_not_mix(void **state)
{
	uint32_t seeds[] = { 0, 1, 2 };
	unsigned int got[3] = { 0 };
	pthread_t threads[3];
	uint8_t expected[4096];
	struct packet packet;
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &seeds[i]), 0);
	for (i = 0; i < 300; i++) {
		uint32_t seed;

		await_events(to, POLLIN);
		assert_true(read(to, &packet, sizeof(packet)) >= HEADER + 64);
		seed = packet.header.length / 1000;
		assert_true(seed < 3 && packet.header.length == 64 + seed * 1000);
		pattern(expected, packet.header.length, seed);
		assert_memory_equal(packet.data, expected, packet.header.length);
		got[seed]++;
	}
	for (i = 0; i < 3; i++) {
		void *sent;

		assert_int_equal(pthread_join(threads[i], &sent), 0);
		assert_int_equal((uintptr_t)sent, 100);
		assert_int_equal(got[i], 100);
	}
}

static void info(void **state)
{
	struct info info[2] = { { 99, 99, 99 }, { 99, 99, 99 } };

	(void)state;
	assert_int_equal(ioctl(from, GET_INFO, &info[0]), 0);
	assert_int_equal(ioctl(to, GET_INFO, &info[1]), 0);
	assert_int_equal(info[0].major, 2);
	assert_int_equal(info[0].minor, 1);
	shell("test $(cat /sys/class/net/duct0/address) = 02:dc:%02x:%02x:%02x:%02x", info[0].address >> 24,
	      info[0].address >> 16 & 255, info[0].address >> 8 & 255, info[0].address & 255);
	assert_int_not_equal(info[0].address, info[1].address);
	card_down(0);
	memset(&info[1], 0, sizeof(info[1]));
	assert_int_equal(ioctl(from, GET_INFO, &info[1]), 0);
	assert_memory_equal(&info[0], &info[1], sizeof(info[0]));
}

static void ioctls_that_are_none(void **state)
{
	static const unsigned long requests[] = {
		0, 0x7a00, 0x800c7a03, 0x40087a03, 0x400c7a00, 0x80087a01, 0x80107a00, 0x400c7a01, 0x5401, 0x8927, 0xffffffff
	};
	uint8_t room[4096] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		assert_errno(ioctl(to, requests[i], room), ENOTTY);
}

static void ioctls_with_bad_memory(void **state)
{
	(void)state;
	assert_errno(ioctl(to, GET_INFO, NULL), EFAULT);
	assert_errno(ioctl(to, ADD_MCAST, NULL), EFAULT);
	assert_errno(ioctl(to, RM_MCAST, (void *)8), EFAULT);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(each_file_gets_its_own_copy, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(copies_do_not_touch_each_other, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(a_new_file_starts_empty, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(closing_with_packets_left, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(closing_with_packets_to_send, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(dup_shares_the_queue, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(fork_shares_the_file, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(a_killed_child_does_not_close_it, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(passed_through_a_socket, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(closed_while_in_a_socket, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(readers_of_one_file_share_its_packets, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(writers_do_not_mix, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(info, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(ioctls_that_are_none, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(ioctls_with_bad_memory, cards_setup, cards_teardown),
};

CHARDEV_TESTS(tests)
