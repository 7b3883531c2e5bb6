// SPDX-License-Identifier: GPL-2.0-only
/* The event loop. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

/* A clock that jumps when told: the loop's, as this replaces libc's. */
static int64_t jumped_ms;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	long ret = syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += jumped_ms / 1000;
	now->tv_nsec += (long)(jumped_ms % 1000) * 1000000;
	if (now->tv_nsec >= 1000000000) {
		now->tv_nsec -= 1000000000;
		now->tv_sec++;
	}
	return (int)ret;
}

/* What the loop asks of the kernel: its epoll_pwait2(), instead of libc's. */
static struct timespec asked;
static bool asked_for_ever;

int epoll_pwait2(int fd, struct epoll_event *event, int count,
		 const struct timespec *timeout, const sigset_t *mask)
{
	asked_for_ever = !timeout;
	if (timeout)
		asked = *timeout;
	return (int)syscall(SYS_epoll_pwait2, fd, event, count, timeout, mask,
			    8);
}

struct source {
	struct loop_source source;
	struct loop *loop;
	struct source *other;		/* deleted when this is served */
	int served;
	uint32_t events;
	int64_t away_ms;
	int64_t stall_ms;		/* how long serving takes */
};

static void ready(struct loop_source *loop_source, uint32_t events)
{
	struct source *source = (struct source *)loop_source;

	source->served++;
	source->events = events;
	source->away_ms = loop_away_ms(source->loop);
	jumped_ms += source->stall_ms;
	if (source->other)
		loop_del(source->loop, &source->other->source);
}

static void source_open(struct source *source, struct loop *loop)
{
	*source = (struct source){ .loop = loop };
	source->source.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	source->source.ready = ready;
	assert_true(source->source.fd >= 0);
	assert_int_equal(loop_add(loop, &source->source, EPOLLIN), 0);
}

static void source_drain(struct source *source)
{
	eventfd_t count;

	assert_int_equal(eventfd_read(source->source.fd, &count), 0);
}

static void close_source(struct source *source)
{
	loop_del(source->loop, &source->source);
	close(source->source.fd);
}

static void serves_what_is_ready(void **state)
{
	struct loop *loop = loop_new();
	struct source one, two;

	(void)state;
	assert_int_equal(loop_once(loop, 0), 0);
	source_open(&one, loop);
	source_open(&two, loop);
	assert_int_equal(loop_once(loop, -1), 2);
	assert_int_equal(one.events, EPOLLIN);
	source_drain(&one);
	assert_int_equal(loop_once(loop, -1), 1);
	assert_int_equal(one.served, 1);
	assert_int_equal(two.served, 2);
	assert_int_equal(loop_mod(loop, &one.source, EPOLLIN | EPOLLOUT), 0);
	source_drain(&two);
	assert_int_equal(loop_once(loop, -1), 1);
	assert_int_equal(one.events, EPOLLOUT);
	assert_int_equal(loop_add(loop, &one.source, EPOLLIN), -EEXIST);
	close_source(&one);
	assert_int_equal(loop_once(loop, 0), 0);
	close_source(&two);
	loop_free(loop);
}

/* Either may be the first of two to be served; the other never is. */
static void deleted_in_hand(void **state)
{
	struct loop *loop = loop_new();
	struct source one, two;

	(void)state;
	source_open(&one, loop);
	source_open(&two, loop);
	one.other = &two;
	two.other = &one;
	assert_int_equal(loop_once(loop, 0), 1);
	assert_int_equal(one.served + two.served, 1);
	assert_int_equal(loop_once(loop, 0), 1);
	assert_int_equal(one.served + two.served, 2);
	assert_true(one.served == 2 || two.served == 2);
	close(one.source.fd);
	close(two.source.fd);
	loop_free(loop);
}

/* Deletes itself while it is served. */
static void deletes_itself(void **state)
{
	struct loop *loop = loop_new();
	struct source one;

	(void)state;
	source_open(&one, loop);
	one.other = &one;
	assert_int_equal(loop_once(loop, 0), 1);
	assert_int_equal(loop_once(loop, 0), 0);
	close(one.source.fd);
	loop_free(loop);
}

static void tells_how_long_it_was_away(void **state)
{
	struct loop *loop = loop_new();
	struct source one;

	(void)state;
	source_open(&one, loop);
	assert_int_equal(loop_once(loop, 0), 1);
	assert_int_equal(one.away_ms, 0);
	one.stall_ms = 4321;
	assert_int_equal(loop_once(loop, 0), 1);
	assert_in_range(one.away_ms, 0, 999);
	one.stall_ms = 0;
	assert_int_equal(loop_once(loop, 0), 1);
	assert_in_range(one.away_ms, 4321, 5320);
	assert_int_equal(loop_once(loop, 0), 1);
	assert_in_range(one.away_ms, 0, 999);
	close_source(&one);
	loop_free(loop);
}

/* Microseconds, also more than a second of them. */
static void waits_as_long_as_told(void **state)
{
	static const struct {
		int64_t us;
		struct timespec want;
	} waits[] = {
		{ 0, { 0, 0 } }, { 1, { 0, 1000 } }, { 300, { 0, 300000 } },
		{ 999999, { 0, 999999000 } }, { 1000000, { 1, 0 } },
		{ 2500001, { 2, 500001000 } },
	};
	struct loop *loop = loop_new();
	struct source one;

	(void)state;
	/* nothing comes: that is no error */
	for (int64_t us = 0; us <= 1000; us += 250)
		assert_int_equal(loop_once(loop, us), 0);
	source_open(&one, loop);
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		assert_int_equal(loop_once(loop, waits[i].us), 1);
		assert_false(asked_for_ever);
		assert_int_equal(asked.tv_sec, waits[i].want.tv_sec);
		assert_int_equal(asked.tv_nsec, waits[i].want.tv_nsec);
	}
	assert_int_equal(loop_once(loop, -1), 1);
	assert_true(asked_for_ever);
	close_source(&one);
	loop_free(loop);
}

static void on_alarm(int signal)
{
	(void)signal;
}

static void interrupted(void **state)
{
	struct loop *loop = loop_new();
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer = { .it_value.tv_usec = 1000,
				   .it_interval.tv_usec = 1000 };

	(void)state;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	assert_int_equal(loop_once(loop, 10000000), 0);
	timer = (struct itimerval){ 0 };
	setitimer(ITIMER_REAL, &timer, NULL);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_what_is_ready),
		cmocka_unit_test(deleted_in_hand),
		cmocka_unit_test(deletes_itself),
		cmocka_unit_test(tells_how_long_it_was_away),
		cmocka_unit_test(waits_as_long_as_told),
		cmocka_unit_test(interrupted),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
