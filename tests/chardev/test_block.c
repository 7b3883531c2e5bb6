// SPDX-License-Identifier: GPL-2.0-only
/* Reads that wait for a packet, writes that wait for room, and signals meanwhile. */
#include <signal.h>

#include "cards.h"
#include "chardev.h"

#define QUEUE		10000000
/* Packets of a card's files that are on their way out, at most. */
#define SENDING		256

static void expect(uint32_t length, uint32_t seed)
{
	packet_expect(to, source, destination, length, seed);
}

static void nothing_on(int signal_number)
{
	(void)signal_number;
}

static void handle(int number, int flags)
{
	struct sigaction action = { .sa_handler = nothing_on, .sa_flags = flags };

	assert_int_equal(sigaction(number, &action, NULL), 0);
}

static void read_waits_for_a_packet(void **state)
{
	static struct blocked reader;
	uint8_t expected[100];

	(void)state;
	blocked_start(&reader, to, false);
	packet_send(from, destination, 100, 1);
	blocked_ends(&reader, HEADER + 100, 0);
	pattern(expected, 100, 1);
	assert_memory_equal(reader.packet.data, expected, 100);
}

static void read_of_nothing_does_not_wait(void **state)
{
	struct packet packet;

	(void)state;
	assert_int_equal(read(to, &packet, 0), 0);
	assert_errno(read(to, &packet, 15), EINVAL);
}

static void read_interrupted_by_a_signal(void **state)
{
	static struct blocked reader;

	(void)state;
	handle(SIGUSR1, 0);
	blocked_start(&reader, to, false);
	pthread_kill(reader.thread, SIGUSR1);
	blocked_ends(&reader, -1, EINTR);
	packet_expect_none(from, to);
}

/* With SA_RESTART the signal is handled, and the read goes on waiting. */
static void read_restarted_after_a_signal(void **state)
{
	static struct blocked reader;

	(void)state;
	handle(SIGUSR1, SA_RESTART);
	blocked_start(&reader, to, false);
	pthread_kill(reader.thread, SIGUSR1);
	packet_send(from, destination, 100, 1);
	blocked_ends(&reader, HEADER + 100, 0);
}

static void nonblock_when_full(void **state)
{
	struct packet packet;
	unsigned int count, i;

	(void)state;
	card_stall(0, from, QUEUE);
	count = card_fill(from, destination, 1500);
	assert_int_equal(count, SENDING);
	packet_make(&packet, destination, 0, 0);
	set_blocking(from, false);
	assert_errno(write(from, &packet, HEADER), EAGAIN);
	/* A packet that is wrong is wrong, full or not. */
	packet.header.length = 5;
	assert_errno(write(from, &packet, HEADER), EINVAL);
	set_blocking(from, true);
	card_release(0);
	for (i = 0; i < count; i++)
		expect(1500, i);
	packet_expect_none(from, to);
}

static void empty_packets_take_room_too(void **state)
{
	unsigned int count, i;

	(void)state;
	card_stall(0, from, QUEUE);
	/* Behind it even a small packet finds no token. */
	packet_send(from, NOBODY, 2000, 0);
	count = card_fill(from, destination, 0);
	assert_int_equal(count, SENDING - 1);
	card_release(0);
	for (i = 0; i < count; i++)
		expect(0, i);
}

static void files_of_a_card_share_its_room(void **state)
{
	int other = card_open(0, O_RDWR | O_NONBLOCK);
	struct packet packet;

	(void)state;
	card_stall(0, from, QUEUE);
	card_fill(from, NOBODY, 1500);
	packet_make(&packet, destination, 10, 0);
	assert_errno(write(other, &packet, HEADER + 10), EAGAIN);
	assert_int_equal(events_now(other), 0);
	/* The other card does not mind. */
	packet_send(to, source, 10, 1);
	packet_expect(from, destination, source, 10, 1);
	card_release(0);
	await_events(other, POLLOUT);
	assert_int_equal(write(other, &packet, HEADER + 10), HEADER + 10);
	expect(10, 0);
	close(other);
}

static void write_waits_for_room(void **state)
{
	static struct blocked writer;
	unsigned int count, i;

	(void)state;
	card_stall(0, from, QUEUE);
	count = card_fill(from, destination, 1500);
	packet_make(&writer.packet, destination, 1000, 77);
	blocked_start(&writer, from, true);
	card_release(0);
	blocked_ends(&writer, HEADER + 1000, 0);
	for (i = 0; i < count; i++)
		expect(1500, i);
	expect(1000, 77);
	packet_expect_none(from, to);
}

static void many_writers_wait_for_room(void **state)
{
	static struct blocked writers[4];
	unsigned int count, i;

	(void)state;
	card_stall(0, from, QUEUE);
	count = card_fill(from, destination, 1500);
	for (i = 0; i < 4; i++) {
		packet_make(&writers[i].packet, destination, PACKET_MAX, 77);
		blocked_start(&writers[i], from, true);
	}
	card_release(0);
	for (i = 0; i < 4; i++)
		blocked_ends(&writers[i], HEADER + PACKET_MAX, 0);
	for (i = 0; i < count; i++)
		expect(1500, i);
	for (i = 0; i < 4; i++)
		expect(PACKET_MAX, 77);
	packet_expect_none(from, to);
}

/* A write that a signal ended has sent nothing: as many packets arrive as writes succeeded. */
static void write_interrupted_by_a_signal_has_not_sent(void **state)
{
	static struct blocked writer;
	unsigned int count, i;

	(void)state;
	handle(SIGUSR1, 0);
	card_stall(0, from, QUEUE);
	count = card_fill(from, destination, 1500);
	for (i = 0; i < 5; i++) {
		packet_make(&writer.packet, destination, 1000, 99);
		blocked_start(&writer, from, true);
		pthread_kill(writer.thread, SIGUSR1);
		blocked_ends(&writer, -1, EINTR);
	}
	card_release(0);
	for (i = 0; i < count; i++)
		expect(1500, i);
	packet_expect_none(from, to);
}

static void write_restarted_after_a_signal(void **state)
{
	static struct blocked writer;
	unsigned int count, i;

	(void)state;
	handle(SIGUSR1, SA_RESTART);
	card_stall(0, from, QUEUE);
	count = card_fill(from, destination, 1500);
	packet_make(&writer.packet, destination, 1000, 77);
	blocked_start(&writer, from, true);
	pthread_kill(writer.thread, SIGUSR1);
	card_release(0);
	blocked_ends(&writer, HEADER + 1000, 0);
	for (i = 0; i < count; i++)
		expect(1500, i);
	expect(1000, 77);
	packet_expect_none(from, to);
}

/* Signals all the time, also in the middle of writes: what a write says to have failed is not sent. */
#define SIGNALS	2000

static pthread_t shot_at;
static volatile unsigned int signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static void *shoot(void *argument)
{
	(void)argument;
	while (signals < SIGNALS) {
		pthread_kill(shot_at, SIGUSR1);
		usleep(50);
	}
	return NULL;
}

static void writes_under_a_rain_of_signals(void **state)
{
	struct sigaction action = { .sa_handler = count_signal };
	struct packet packet;
	pthread_t shooter;
	uint32_t good = 0;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	shot_at = pthread_self();
	assert_int_equal(pthread_create(&shooter, NULL, shoot, NULL), 0);
	while (signals < SIGNALS) {
		packet_make(&packet, destination, 4000, good);
		if (write(from, &packet, HEADER + 4000) == HEADER + 4000)
			expect(4000, good++);
		else
			assert_int_equal(errno, EINTR);
	}
	assert_int_equal(pthread_join(shooter, NULL), 0);
	assert_true(good > 0);
	packet_expect_none(from, to);
}

static void no_buffers_when_the_queue_is_full(void **state)
{
	struct packet packet;
	unsigned int sent = 0, i;
	ssize_t result;

	(void)state;
	card_stall(0, from, 20000);
	for (;;) {
		packet_make(&packet, destination, 5000, sent);
		errno = 0;
		result = write(from, &packet, HEADER + 5000);
		if (result < 0)
			break;
		assert_true(++sent < 10);
	}
	assert_int_equal(errno, ENOBUFS);
	assert_in_range(sent, 2, 4);
	card_release(0);
	for (i = 0; i < sent; i++)
		expect(5000, i);
	packet_expect_none(from, to);
}

/* What the queueing discipline throws away makes room as what was sent does. */
static void room_comes_back_when_packets_are_thrown_away(void **state)
{
	static struct blocked writer;

	(void)state;
	card_stall(0, from, QUEUE);
	card_fill(from, destination, 1500);
	packet_make(&writer.packet, destination, 1000, 77);
	blocked_start(&writer, from, true);
	shell("tc qdisc del dev duct0 root");
	blocked_ends(&writer, HEADER + 1000, 0);
	expect(1000, 77);
	packet_expect_none(from, to);
}

/* Somebody changes the queueing discipline: the interface is up all the time, so a write never says that it is down. */
static void *change_queues(void *argument)
{
	volatile bool *done = argument;
	int i;

	for (i = 0; i < 15; i++)
		if (system("tc qdisc replace dev duct0 root pfifo limit 500; tc qdisc del dev duct0 root") != 0)
			break;
	*done = true;
	return (void *)(uintptr_t)i;
}

static void another_queueing_discipline_is_not_down(void **state)
{
	volatile bool done = false;
	struct packet packet;
	unsigned int sent = 0;
	pthread_t changer;
	void *changes;

	(void)state;
	packet_make(&packet, NOBODY, 100, 0);
	assert_int_equal(pthread_create(&changer, NULL, change_queues, (void *)&done), 0);
	while (!done) {
		if (write(from, &packet, HEADER + 100) == HEADER + 100)
			sent++;
		else if (errno != ENOBUFS)
			fail_msg("after %u packets: %s", sent, strerror(errno));
	}
	assert_int_equal(pthread_join(changer, &changes), 0);
	assert_int_equal((uintptr_t)changes, 15);
	assert_true(sent > 0);
}

static void nonblocking_write_does_not_wait_behind_a_blocked_one(void **state)
{
	static struct blocked writer;
	struct packet packet;

	(void)state;
	card_stall(0, from, QUEUE);
	card_fill(from, destination, 1500);
	packet_make(&writer.packet, destination, 1000, 77);
	blocked_start(&writer, from, true);
	packet_make(&packet, destination, 10, 0);
	set_blocking(from, false);
	assert_errno(write(from, &packet, HEADER + 10), EAGAIN);
	assert_errno(read(from, &packet, sizeof(packet)), EAGAIN);
	card_release(0);
	blocked_ends(&writer, HEADER + 1000, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(read_waits_for_a_packet, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(read_of_nothing_does_not_wait, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(read_interrupted_by_a_signal, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(read_restarted_after_a_signal, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(nonblock_when_full, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(empty_packets_take_room_too, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(files_of_a_card_share_its_room, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(write_waits_for_room, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(many_writers_wait_for_room, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(write_interrupted_by_a_signal_has_not_sent, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(write_restarted_after_a_signal, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(writes_under_a_rain_of_signals, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(no_buffers_when_the_queue_is_full, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(room_comes_back_when_packets_are_thrown_away, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(another_queueing_discipline_is_not_down, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(nonblocking_write_does_not_wait_behind_a_blocked_one, cards_setup, cards_teardown),
};

CHARDEV_TESTS(tests)
