// SPDX-License-Identifier: GPL-2.0-only
/* Who waits with poll, select, epoll or a signal hears of packets, of room, and of nothing else. */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "cards.h"
#include "chardev.h"

#define QUEUE	10000000

static void arrive(uint32_t seed)
{
	packet_send(from, destination, 100, seed);
}

static void take(uint32_t seed)
{
	packet_expect(to, source, destination, 100, seed);
}

static void poll_of_an_idle_file(void **state)
{
	(void)state;
	assert_int_equal(events_now(to), POLLOUT);
	assert_int_equal(events_now(from), POLLOUT);
}

static void poll_in_as_long_as_there_is_a_packet(void **state)
{
	int other = card_open(1, O_RDWR);

	(void)state;
	arrive(1);
	arrive(2);
	await_events(to, POLLIN);
	assert_int_equal(events_now(to), POLLIN | POLLOUT);
	take(1);
	await_events(to, POLLIN);
	take(2);
	assert_int_equal(events_now(to), POLLOUT);
	await_events(other, POLLIN);
	assert_int_equal(events_now(from), POLLOUT);
	close(other);
}

static void poll_in_for_an_empty_packet(void **state)
{
	(void)state;
	packet_send(from, destination, 0, 0);
	await_events(to, POLLIN);
	packet_expect(to, source, destination, 0, 0);
	assert_int_equal(events_now(to), POLLOUT);
}

/* A packet that this file does not want wakes nobody. */
static void poll_in_not_for_others_packets(void **state)
{
	int other = card_open(1, O_RDWR);

	(void)state;
	filter_add(other, BROADCAST, GROUP | 5);
	packet_send(from, GROUP | 5, 100, 1);
	await_events(other, POLLIN);
	assert_int_equal(events_now(to), POLLOUT);
	close(other);
}

/* A thread that sleeps in poll() is woken by what happens afterwards. */
struct poller {
	pthread_t thread;
	pid_t tid;
	struct pollfd poll;
	int result;
};

static void *poller_run(void *argument)
{
	struct poller *poller = argument;

	__atomic_store_n(&poller->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	poller->result = poll(&poller->poll, 1, PATIENCE_MS);
	return NULL;
}

static void poller_start(struct poller *poller)
{
	assert_int_equal(pthread_create(&poller->thread, NULL, poller_run, poller), 0);
	while (!thread_sleeps(__atomic_load_n(&poller->tid, __ATOMIC_SEQ_CST), SYS_poll, -1))
		;
}

static void poll_wakes_for_a_packet(void **state)
{
	struct poller poller = { .poll = { .fd = to, .events = POLLIN } };

	(void)state;
	poller_start(&poller);
	arrive(1);
	assert_int_equal(pthread_join(poller.thread, NULL), 0);
	assert_int_equal(poller.result, 1);
	assert_int_equal(poller.poll.revents, POLLIN);
	take(1);
}

static void poll_wakes_for_room(void **state)
{
	struct poller poller = { .poll = { .fd = from, .events = POLLOUT } };

	(void)state;
	card_stall(0, from, QUEUE);
	card_fill(from, NOBODY, 1500);
	assert_int_equal(events_now(from), 0);
	poller_start(&poller);
	card_release(0);
	assert_int_equal(pthread_join(poller.thread, NULL), 0);
	assert_int_equal(poller.result, 1);
	assert_int_equal(poller.poll.revents, POLLOUT);
}

/* POLLOUT and EAGAIN do not contradict each other. */
static void poll_out_as_long_as_a_write_succeeds(void **state)
{
	unsigned int count;

	(void)state;
	card_stall(0, from, QUEUE);
	for (count = 0; events_now(from) & POLLOUT && count < 10000; count++)
		packet_send(from, NOBODY, 1500, 0);
	assert_true(count > 100);
	assert_int_equal(card_fill(from, NOBODY, 1500), 0);
	assert_int_equal(events_now(from), 0);
	card_release(0);
	await_events(from, POLLOUT);
}

static void select_for_packets_and_room(void **state)
{
	struct timeval now = { 0, 0 };
	struct timeval patience = { PATIENCE_MS / 1000, 0 };
	fd_set in, out, except;

	(void)state;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(to, &in);
	FD_SET(to, &out);
	FD_SET(to, &except);
	assert_int_equal(select(to + 1, &in, &out, &except, &now), 1);
	assert_false(FD_ISSET(to, &in));
	assert_true(FD_ISSET(to, &out));
	assert_false(FD_ISSET(to, &except));
	arrive(1);
	FD_ZERO(&in);
	FD_SET(to, &in);
	assert_int_equal(select(to + 1, &in, NULL, NULL, &patience), 1);
	assert_true(FD_ISSET(to, &in));
	take(1);
}

static int watch(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	assert_true(epoll >= 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	return epoll;
}

static uint32_t next_event(int epoll, int timeout)
{
	struct epoll_event event = { .events = 0 };

	assert_true(epoll_wait(epoll, &event, 1, timeout) >= 0);
	return event.events;
}

static void epoll_level_triggered(void **state)
{
	int epoll = watch(to, EPOLLIN);

	(void)state;
	assert_int_equal(next_event(epoll, 0), 0);
	arrive(1);
	assert_int_equal(next_event(epoll, PATIENCE_MS), EPOLLIN);
	assert_int_equal(next_event(epoll, 0), EPOLLIN);
	take(1);
	assert_int_equal(next_event(epoll, 0), 0);
	close(epoll);
}

/* One event for each packet that arrives, whether or not those before it were taken. */
static void epoll_edge_triggered_in(void **state)
{
	int epoll = watch(to, EPOLLIN | EPOLLET);

	(void)state;
	arrive(1);
	assert_int_equal(next_event(epoll, PATIENCE_MS), EPOLLIN);
	assert_int_equal(next_event(epoll, 0), 0);
	arrive(2);
	assert_int_equal(next_event(epoll, PATIENCE_MS), EPOLLIN);
	take(1);
	assert_int_equal(next_event(epoll, 0), 0);
	take(2);
	assert_int_equal(next_event(epoll, 0), 0);
	arrive(3);
	assert_int_equal(next_event(epoll, PATIENCE_MS), EPOLLIN);
	take(3);
	close(epoll);
}

/* No event for each packet that is sent; one when there is room again. */
static void epoll_edge_triggered_out(void **state)
{
	int epoll = watch(from, EPOLLOUT | EPOLLET);

	(void)state;
	assert_int_equal(next_event(epoll, 0), EPOLLOUT);
	card_stall(0, from, QUEUE);
	card_fill(from, NOBODY, 1500);
	while (next_event(epoll, 0))
		;
	assert_int_equal(events_now(from), 0);
	card_release(0);
	assert_int_equal(next_event(epoll, PATIENCE_MS), EPOLLOUT);
	packet_send(from, NOBODY, 1500, 0);
	close(epoll);
}

static void epoll_oneshot(void **state)
{
	struct epoll_event again = { .events = EPOLLIN | EPOLLONESHOT };
	int epoll = watch(to, EPOLLIN | EPOLLONESHOT);

	(void)state;
	arrive(1);
	assert_int_equal(next_event(epoll, PATIENCE_MS), EPOLLIN);
	arrive(2);
	take(1);
	take(2);
	arrive(3);
	await_events(to, POLLIN);
	assert_int_equal(next_event(epoll, 0), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_MOD, to, &again), 0);
	assert_int_equal(next_event(epoll, 0), EPOLLIN);
	close(epoll);
}

/* A file that is closed is forgotten by who watches it. */
static void epoll_of_a_closed_file(void **state)
{
	int second = card_open(1, O_RDWR);
	int epoll = watch(second, EPOLLIN);

	(void)state;
	arrive(1);
	assert_int_equal(next_event(epoll, PATIENCE_MS), EPOLLIN);
	close(second);
	assert_int_equal(next_event(epoll, 0), 0);
	arrive(2);
	take(1);
	take(2);
	assert_int_equal(next_event(epoll, 0), 0);
	close(epoll);
}

static void want_signal(int fd, int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	if (number != SIGIO)
		assert_int_equal(fcntl(fd, F_SETSIG, number), 0);
	assert_int_equal(fcntl(fd, F_SETOWN, getpid()), 0);
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC), 0);
}

static int next_signal(int number, siginfo_t *info, int seconds)
{
	struct timespec timeout = { seconds, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	return sigtimedwait(&set, info, &timeout);
}

static void sigio_for_a_packet(void **state)
{
	(void)state;
	want_signal(to, SIGIO);
	assert_int_equal(next_signal(SIGIO, NULL, 0), -1);
	arrive(1);
	assert_int_equal(next_signal(SIGIO, NULL, PATIENCE_MS / 1000), SIGIO);
	take(1);
	arrive(2);
	assert_int_equal(next_signal(SIGIO, NULL, PATIENCE_MS / 1000), SIGIO);
	take(2);
}

static void signal_says_which_file(void **state)
{
	int number = SIGRTMIN + 3;
	siginfo_t info;

	(void)state;
	want_signal(to, number);
	arrive(1);
	assert_int_equal(next_signal(number, &info, PATIENCE_MS / 1000), number);
	assert_int_equal(info.si_fd, to);
	assert_int_equal(info.si_code, POLL_IN);
	assert_int_equal(info.si_band & (POLLIN | POLLRDNORM), POLLIN | POLLRDNORM);
}

static void sigio_for_room(void **state)
{
	(void)state;
	card_stall(0, from, QUEUE);
	want_signal(from, SIGIO);
	card_fill(from, NOBODY, 1500);
	while (next_signal(SIGIO, NULL, 0) == SIGIO)
		;
	card_release(0);
	assert_int_equal(next_signal(SIGIO, NULL, PATIENCE_MS / 1000), SIGIO);
	await_events(from, POLLOUT);
}

static void no_sigio_after_all(void **state)
{
	(void)state;
	want_signal(to, SIGIO);
	assert_int_equal(fcntl(to, F_SETFL, fcntl(to, F_GETFL) & ~O_ASYNC), 0);
	arrive(1);
	take(1);
	assert_int_equal(next_signal(SIGIO, NULL, 0), -1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(poll_of_an_idle_file, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(poll_in_as_long_as_there_is_a_packet, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(poll_in_for_an_empty_packet, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(poll_in_not_for_others_packets, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(poll_wakes_for_a_packet, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(poll_wakes_for_room, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(poll_out_as_long_as_a_write_succeeds, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(select_for_packets_and_room, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(epoll_level_triggered, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(epoll_edge_triggered_in, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(epoll_edge_triggered_out, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(epoll_oneshot, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(epoll_of_a_closed_file, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(sigio_for_a_packet, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(signal_says_which_file, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(sigio_for_room, cards_setup, cards_teardown),
	cmocka_unit_test_setup_teardown(no_sigio_after_all, cards_setup, cards_teardown),
};

CHARDEV_TESTS(tests)
