// SPDX-License-Identifier: GPL-2.0-only
/* When the loop polls and when it sleeps, on a clock that is a number. */
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pace.h"
#include "unit.h"

#define POLL		200u
#define LOST		300u		/* away for so long: others had the CPU */
#define REST		1000u		/* the first rest, and the longest */
#define REST_LONGEST	16000u

struct test {
	struct pace pace;
	uint64_t now;
};

static struct test begin(void)
{
	struct test t = { .now = 5000000 };

	pace_init(&t.pace, POLL);
	return t;
}

/* A turn with work, or without, @after the one before. */
static bool works(struct test *t, uint64_t after)
{
	t->now += after;
	return pace_turn(&t->pace, t->now, true);
}

static bool idles(struct test *t, uint64_t after)
{
	t->now += after;
	return pace_turn(&t->pace, t->now, false);
}

static bool yields(struct test *t, uint64_t away)
{
	uint64_t before = t->now;

	t->now += away;
	return pace_yielded(&t->pace, before, t->now);
}

/* It is not to poll before @rest is over, whatever comes, but then again. */
static void assert_rests(struct test *t, uint64_t rest)
{
	assert_false(works(t, 0));
	assert_false(works(t, rest / 2));
	assert_false(works(t, rest - rest / 2 - 1));
	assert_true(works(t, 1));
}

static void sleeps_without_work(void **state)
{
	struct test t = begin();

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		assert_false(idles(&t, i * POLL / 4));
	/* no more when the clock has just begun */
	t.now = 0;
	assert_false(idles(&t, 0));
}

static void polls_after_work(void **state)
{
	struct test t = begin();

	(void)state;
	assert_true(works(&t, 0));
	assert_true(idles(&t, 0));
	assert_true(idles(&t, POLL - 1));
	assert_false(idles(&t, 1));
	/* and not again before there is work */
	assert_false(idles(&t, 0));
	assert_true(works(&t, 10 * POLL));
}

/* From the last work on. */
static void work_prolongs(void **state)
{
	struct test t = begin();

	(void)state;
	assert_true(works(&t, 0));
	for (int i = 0; i < 10; i++) {
		assert_true(idles(&t, POLL - 1));
		assert_true(works(&t, 0));
	}
	assert_true(idles(&t, POLL - 1));
	assert_false(idles(&t, 1));
}

static void never_when_told_so(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, 0);
	assert_false(pace_turn(&pace, 1000, true));
	assert_false(pace_turn(&pace, 1000, false));
}

/* Others had something to do, but not for long. */
static void short_yields_do_not_matter(void **state)
{
	struct test t = begin();

	(void)state;
	assert_true(works(&t, 0));
	assert_true(yields(&t, 0));
	assert_true(idles(&t, 0));
	assert_true(works(&t, 0));
	assert_true(yields(&t, LOST - 1));
	assert_true(works(&t, 0));
	assert_true(idles(&t, POLL - 1));
}

static void rests_when_the_cpu_was_lost(void **state)
{
	struct test t = begin();

	(void)state;
	assert_true(works(&t, 0));
	assert_false(yields(&t, LOST));
	assert_rests(&t, REST);
}

/* What came before the rest is no reason to poll after it. */
static void rest_ends_the_poll(void **state)
{
	struct test t = begin();

	(void)state;
	pace_init(&t.pace, 10 * REST);
	assert_true(works(&t, 0));
	assert_false(yields(&t, LOST));
	assert_false(idles(&t, REST));
	assert_false(idles(&t, 1));
}

static void rest_doubles(void **state)
{
	struct test t = begin();
	uint64_t rest = REST;

	(void)state;
	for (int i = 0; i < 15; i++) {
		works(&t, 0);
		assert_false(yields(&t, LOST));
		assert_rests(&t, rest);
		if (rest < REST_LONGEST)
			rest *= 2;
	}
	assert_int_equal(rest, REST_LONGEST);
}

/* To poll undisturbed for as long as the rest was to be is forgiven, not less. */
static void undisturbed_polls_are_forgiven(void **state)
{
	const uint64_t lost = 8 * REST;		/* the rest after the next loss */
	struct test t = begin();

	(void)state;
	for (uint64_t rest = REST; rest < lost; rest *= 2) {
		works(&t, 0);
		assert_false(yields(&t, LOST));
		assert_rests(&t, rest);
	}
	works(&t, lost - 1);
	assert_true(yields(&t, 0));
	assert_false(yields(&t, LOST));
	assert_rests(&t, lost);

	works(&t, 2 * lost);
	assert_true(yields(&t, 0));
	assert_false(yields(&t, LOST));
	assert_rests(&t, REST);
}

/* To sleep all the time costs nobody a CPU, so nothing is forgiven for it. */
static void sleep_is_not_forgiven(void **state)
{
	struct test t = begin();

	(void)state;
	works(&t, 0);
	assert_false(yields(&t, LOST));
	for (int i = 0; i < 10; i++)
		assert_false(idles(&t, REST));
	assert_true(works(&t, 0));
	assert_false(yields(&t, LOST));
	assert_rests(&t, 2 * REST);
}

/* Nothing but the slice, and nothing at all of a policy somebody chose. */
static void asks_for_short_slices(void **state)
{
	struct sched_attr before = { 0 }, after = { 0 }, batch = { 0 };

	(void)state;
	assert_int_equal(syscall(SYS_sched_getattr, 0, &before, sizeof(before),
				 0), 0);
	pace_ask_scheduler();
	assert_int_equal(syscall(SYS_sched_getattr, 0, &after, sizeof(after),
				 0), 0);
	assert_int_equal(after.sched_policy, before.sched_policy);
	assert_int_equal(after.sched_nice, before.sched_nice);
	assert_int_equal(after.sched_flags, before.sched_flags);

	batch.size = sizeof(batch);
	batch.sched_policy = SCHED_BATCH;
	batch.sched_nice = before.sched_nice;
	assert_int_equal(syscall(SYS_sched_setattr, 0, &batch, 0), 0);
	assert_int_equal(syscall(SYS_sched_getattr, 0, &before, sizeof(before),
				 0), 0);
	pace_ask_scheduler();
	assert_int_equal(syscall(SYS_sched_getattr, 0, &after, sizeof(after),
				 0), 0);
	assert_memory_equal(&after, &before, sizeof(after));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleeps_without_work),
		cmocka_unit_test(polls_after_work),
		cmocka_unit_test(work_prolongs),
		cmocka_unit_test(never_when_told_so),
		cmocka_unit_test(short_yields_do_not_matter),
		cmocka_unit_test(rests_when_the_cpu_was_lost),
		cmocka_unit_test(rest_ends_the_poll),
		cmocka_unit_test(rest_doubles),
		cmocka_unit_test(undisturbed_polls_are_forgiven),
		cmocka_unit_test(sleep_is_not_forgiven),
		cmocka_unit_test(asks_for_short_slices),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
