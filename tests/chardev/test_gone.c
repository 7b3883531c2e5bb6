// SPDX-License-Identifier: GPL-2.0-only
/* Interface down, card failed, card removed: what files hear of it. */
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#include "cards.h"
#include "chardev.h"

#define QUEUE	10000000
#define OVER	(POLLERR | POLLHUP)

static void expect(uint32_t length, uint32_t seed)
{
	packet_expect(to, source, destination, length, seed);
}

static ssize_t try_to_write(int fd, uint32_t to_whom)
{
	struct packet packet;

	packet_make(&packet, to_whom, 10, 0);
	return write(fd, &packet, HEADER + 10);
}

static ssize_t try_to_read(int fd)
{
	struct packet packet;

	return read(fd, &packet, sizeof(packet));
}

static void down_write(void **state)
{
	struct packet packet;

	(void)state;
	card_down(0);
	assert_errno(try_to_write(from, destination), ENETDOWN);
	set_blocking(from, false);
	assert_errno(try_to_write(from, destination), ENETDOWN);
	/* What is wrong is wrong, up or down. */
	packet_make(&packet, destination, 10, 0);
	assert_errno(write(from, &packet, 15), EINVAL);
	assert_errno(write(from, &packet, HEADER), EINVAL);
	packet.header.length = PACKET_MAX + 1;
	assert_errno(write(from, &packet, HEADER), EMSGSIZE);
	set_blocking(from, true);
	card_up(0);
	packet_expect_none(from, to);
}

static void down_read(void **state)
{
	static struct blocked reader;

	(void)state;
	packet_send(from, destination, 100, 1);
	packet_send(from, destination, PACKET_MAX, 2);
	packet_send(from, destination, 50, 3);
	expect(100, 1);
	expect(PACKET_MAX, 2);
	await_events(to, POLLIN);
	card_down(1);
	expect(50, 3);
	set_blocking(to, false);
	assert_errno(try_to_read(to), EAGAIN);
	assert_int_equal(events_now(to) & (POLLIN | OVER), 0);
	set_blocking(to, true);
	blocked_start(&reader, to, false);
	card_up(1);
	assert_true(blocked_sleeps(&reader));
	packet_send(from, destination, 60, 4);
	blocked_ends(&reader, HEADER + 60, 0);
}

static void down_keeps_packets_that_are_there(void **state)
{
	int other = card_open(1, O_RDWR);
	uint32_t i;

	(void)state;
	/* Once the second file has the last of them, the first one has them all. */
	for (i = 0; i < 20; i++) {
		packet_send(from, destination, PACKET_MAX, i);
		packet_expect(other, source, destination, PACKET_MAX, i);
	}
	card_down(1);
	for (i = 0; i < 10; i++)
		expect(PACKET_MAX, i);
	card_up(1);
	for (i = 10; i < 20; i++)
		expect(PACKET_MAX, i);
	packet_expect_none(from, to);
	close(other);
}

#define WAITING	80

/* Reads as soon as the interface begins to go down, a packet at a time, and remembers in which order they came. */
struct reader {
	uint8_t order[WAITING];
	unsigned int count;
};

static void *read_meanwhile(void *argument)
{
	static struct packet packet;
	struct reader *reader = argument;

	while (try_to_write(to, NOBODY) >= 0 || errno != ENETDOWN)
		;
	while (reader->count < WAITING) {
		if (read(to, &packet, sizeof(packet)) >= HEADER)
			reader->order[reader->count++] = packet.data[0];
		usleep(500);
	}
	return NULL;
}

static void down_keeps_the_order_for_who_reads_meanwhile(void **state)
{
	int other = card_open(1, O_RDWR);
	unsigned int round;
	uint32_t i;

	(void)state;
	for (round = 0; round < 4; round++) {
		struct reader reader = { .count = 0 };
		struct timespec end;
		pthread_t thread;

		for (i = 0; i < WAITING; i++) {
			/* The first octet of pattern() is the seed times 31. */
			packet_send(from, destination, PACKET_MAX, i);
			packet_expect(other, source, destination, PACKET_MAX, i);
		}
		set_blocking(to, false);
		assert_int_equal(pthread_create(&thread, NULL, read_meanwhile, &reader), 0);
		card_down(1);
		clock_gettime(CLOCK_REALTIME, &end);
		end.tv_sec += PATIENCE_MS / 1000;
		assert_int_equal(pthread_timedjoin_np(thread, NULL, &end), 0);
		for (i = 0; i < WAITING; i++)
			assert_int_equal(reader.order[i], (uint8_t)(i * 31));
		card_up(1);
	}
	close(other);
}

static void down_wakes_who_waits_for_room(void **state)
{
	static struct blocked writer;

	(void)state;
	card_stall(0, from, QUEUE);
	card_fill(from, destination, 1500);
	packet_make(&writer.packet, destination, 1000, 77);
	blocked_start(&writer, from, true);
	card_down(0);
	blocked_ends(&writer, -1, ENETDOWN);
	card_up(0);
	packet_expect_none(from, to);
}

static void opened_while_down(void **state)
{
	int late;

	(void)state;
	card_down(1);
	late = card_open(1, O_RDWR);
	assert_errno(try_to_write(late, source), ENETDOWN);
	card_up(1);
	packet_send(from, destination, 100, 1);
	packet_expect(late, source, destination, 100, 1);
	packet_send(late, source, 100, 2);
	packet_expect(from, destination, source, 100, 2);
	close(late);
}

static void fatal_ends_reads_and_writes(void **state)
{
	struct info info;

	(void)state;
	packet_send(from, destination, 100, 1);
	packet_send(from, destination, 200, 2);
	await_events(to, POLLIN);
	expect(100, 1);
	await_events(to, POLLIN);
	card_fail(1);
	assert_int_equal(events_now(to) & (POLLIN | OVER), POLLIN | OVER);
	expect(200, 2);
	assert_errno(try_to_read(to), EIO);
	assert_errno(try_to_read(to), EIO);
	set_blocking(to, false);
	assert_errno(try_to_read(to), EIO);
	assert_errno(try_to_write(to, source), EIO);
	assert_int_equal(events_now(to) & OVER, OVER);
	assert_int_equal(ioctl(to, GET_INFO, &info), 0);
	assert_int_equal(events_now(from) & OVER, 0);
}

/* What ends them is done to their card. */
static void wakes_readers(void (*end)(unsigned int card), int error)
{
	static struct blocked readers[2];

	blocked_start(&readers[0], to, false);
	blocked_start(&readers[1], to, false);
	end(1);
	blocked_ends(&readers[0], -1, error);
	blocked_ends(&readers[1], -1, error);
}

static void wakes_a_writer(void (*end)(unsigned int card), int error)
{
	static struct blocked writer;

	card_stall(0, from, QUEUE);
	card_fill(from, destination, 1500);
	packet_make(&writer.packet, destination, 1000, 77);
	blocked_start(&writer, from, true);
	end(0);
	blocked_ends(&writer, -1, error);
}

static void fatal_wakes_a_reader(void **state)
{
	(void)state;
	wakes_readers(card_fail, EIO);
}

static void fatal_wakes_a_writer(void **state)
{
	(void)state;
	wakes_a_writer(card_fail, EIO);
}

static void fatal_wakes_epoll(void **state)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	(void)state;
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, to, &event), 0);
	assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
	card_fail(1);
	assert_int_equal(epoll_wait(epoll, &event, 1, PATIENCE_MS), 1);
	assert_int_equal(event.events & (EPOLLERR | EPOLLHUP), EPOLLERR | EPOLLHUP);
	close(epoll);
}

/* Nobody but who waits for room: a file that can not read. */
static void over_wakes_who_only_writes(bool removed)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int writer = card_open(1, O_WRONLY);

	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, writer, &event), 0);
	assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
	assert_int_equal(event.events, EPOLLOUT);
	assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
	if (removed)
		card_remove(1);
	else
		card_fail(1);
	assert_int_equal(epoll_wait(epoll, &event, 1, PATIENCE_MS), 1);
	assert_int_equal(event.events & (EPOLLERR | EPOLLHUP), EPOLLERR | EPOLLHUP);
	assert_errno(try_to_write(writer, source), removed ? ENODEV : EIO);
	close(epoll);
	close(writer);
}

static void fatal_wakes_who_only_writes(void **state)
{
	(void)state;
	over_wakes_who_only_writes(false);
}

static void removal_wakes_who_only_writes(void **state)
{
	(void)state;
	over_wakes_who_only_writes(true);
}

/* Down and up brings the card back, for the files that were open all the time too. */
static void fatal_and_recovery(void **state)
{
	static struct blocked reader;

	(void)state;
	filter_add(to, BROADCAST, GROUP | 5);
	card_fail(1);
	assert_errno(try_to_read(to), EIO);
	card_down(1);
	card_up(1);
	assert_int_equal(events_now(to), POLLOUT);
	packet_send(from, destination, 100, 1);
	expect(100, 1);
	packet_send(from, GROUP | 5, 100, 2);
	packet_expect(to, source, GROUP | 5, 100, 2);
	packet_send(to, source, 100, 3);
	packet_expect(from, destination, source, 100, 3);
	blocked_start(&reader, to, false);
	packet_send(from, destination, 60, 4);
	blocked_ends(&reader, HEADER + 60, 0);
}

/* Filters can be asked for and given back while the card does not listen. */
static void fatal_and_filters(void **state)
{
	int other = card_open(1, O_RDWR);

	(void)state;
	filter_add(to, BROADCAST, GROUP | 5);
	filter_add(other, BROADCAST, GROUP | 6);
	card_fail(1);
	close(other);
	card_down(1);
	card_up(1);
	packet_send(from, GROUP | 6, 100, 1);
	packet_send(from, GROUP | 5, 100, 2);
	packet_expect(to, source, GROUP | 5, 100, 2);
	filter_add(to, BROADCAST, GROUP | 6);
	packet_send(from, GROUP | 6, 100, 3);
	packet_expect(to, source, GROUP | 6, 100, 3);
}

static void removed_file_is_over(void **state)
{
	struct packet packet;
	struct info info;

	(void)state;
	filter_add(to, BROADCAST, GROUP | 5);
	packet_send(from, destination, 100, 1);
	await_events(to, POLLIN);
	card_remove(1);
	assert_int_equal(events_now(to) & OVER, OVER);
	assert_errno(try_to_read(to), ENODEV);
	assert_errno(try_to_write(to, source), ENODEV);
	assert_errno(ioctl(to, GET_INFO, &info), ENODEV);
	assert_errno(filter_ioctl(to, ADD_MCAST, BROADCAST, GROUP | 6), ENODEV);
	assert_errno(filter_ioctl(to, RM_MCAST, BROADCAST, GROUP | 5), ENODEV);
	set_blocking(to, false);
	assert_errno(try_to_read(to), ENODEV);
	assert_errno(try_to_write(to, source), ENODEV);
	packet_make(&packet, source, 10, 0);
	assert_errno(write(to, &packet, 15), EINVAL);
	assert_int_equal(access("/dev/duct1", F_OK), -1);
	/* The other card does not mind. */
	packet_send(from, ECHO, 10, 2);
	packet_expect(from, ECHO, source, 10, 2);
}

static void removal_wakes_a_reader(void **state)
{
	(void)state;
	wakes_readers(card_remove, ENODEV);
}

static void removal_wakes_a_writer(void **state)
{
	(void)state;
	wakes_a_writer(card_remove, ENODEV);
}

static void removal_wakes_epoll_and_sends_a_signal(void **state)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct timespec timeout = { PATIENCE_MS / 1000, 0 };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	sigset_t set;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	assert_int_equal(fcntl(to, F_SETOWN, getpid()), 0);
	assert_int_equal(fcntl(to, F_SETFL, fcntl(to, F_GETFL) | O_ASYNC), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, to, &event), 0);
	assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
	card_remove(1);
	assert_int_equal(epoll_wait(epoll, &event, 1, PATIENCE_MS), 1);
	assert_int_equal(event.events & (EPOLLERR | EPOLLHUP), EPOLLERR | EPOLLHUP);
	assert_int_equal(sigtimedwait(&set, NULL, &timeout), SIGIO);
	close(epoll);
}

/* A file of a card that is gone does not come back to life with the card's successor of the same name. */
static void removed_and_found_again(void **state)
{
	int fresh;

	(void)state;
	filter_add(to, BROADCAST, GROUP | 5);
	card_remove(1);
	shell("echo 1 >/sys/bus/pci/rescan");
	shell_until("test -c /dev/duct1 && test -d /sys/class/net/duct1");
	card_up(1);
	fresh = card_open(1, O_RDWR);
	packet_send(from, GROUP | 5, 100, 0);
	packet_send(from, destination, 100, 1);
	packet_expect(fresh, source, destination, 100, 1);
	assert_errno(try_to_read(to), ENODEV);
	assert_errno(try_to_write(to, source), ENODEV);
	close(to);
	to = fresh;
	packet_send(from, destination, 100, 2);
	expect(100, 2);
}

static void removed_with_its_queue_full(void **state)
{
	(void)state;
	card_stall(0, from, QUEUE);
	card_fill(from, destination, 1500);
	card_remove(0);
	assert_errno(try_to_write(from, destination), ENODEV);
	assert_int_equal(events_now(from) & OVER, OVER);
}

static void module_stays_while_a_file_is_open(void **state)
{
	(void)state;
	shell("! rmmod duct 2>/dev/null");
	packet_expect_none(from, to);
	card_remove(1);
	shell("! rmmod duct 2>/dev/null");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(down_write, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(down_read, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(down_keeps_packets_that_are_there, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(down_keeps_the_order_for_who_reads_meanwhile, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(down_wakes_who_waits_for_room, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(opened_while_down, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(fatal_ends_reads_and_writes, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(fatal_wakes_a_reader, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(fatal_wakes_a_writer, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(fatal_wakes_who_only_writes, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(fatal_wakes_epoll, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(fatal_and_recovery, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(fatal_and_filters, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(removed_file_is_over, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(removal_wakes_a_reader, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(removal_wakes_a_writer, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(removal_wakes_who_only_writes, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(removal_wakes_epoll_and_sends_a_signal, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(removed_and_found_again, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(removed_with_its_queue_full, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(module_stays_while_a_file_is_open, cards_setup, cards_teardown),
};

CHARDEV_TESTS(tests)
