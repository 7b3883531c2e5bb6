// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver's doorbells that wait: driver/duct_ring.h as it is, with a card
 * and both sides of the driver played. No packet may stay that the card was not
 * told of, nor one that was sent and not reaped: nobody would ever come for it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "../../driver/duct_ring.h"
#include "unit.h"

#define SHIFT		3u
#define SIZE		(1u << SHIFT)
#define DEFER		(SIZE / 4)

struct model {
	struct duct_ring ring;
	struct duct_pkt_desc desc[SIZE];
	u32 regs[DUCT_BAR_SIZE / 4];
};

/* The counters run freely: @base is where they are when nothing was sent. */
static void model_init(struct model *m, u32 base)
{
	memset(m, 0, sizeof(*m));
	m->ring.desc = m->desc;
	m->ring.regs = m->regs;
	m->ring.dbell = DUCT_DBELL_TX;
	m->ring.desc_size = sizeof(m->desc[0]);
	m->ring.shift = SHIFT;
	m->ring.head = base;
	m->ring.rung = base;
	m->ring.tail = base;
	for (u32 i = 0; i < SIZE; i++)
		m->desc[i].owner = DUCT_OWNER_HOST;
}

/* Return: what was written to DBELL since the last call, or 0. */
static u32 take_doorbell(struct model *m)
{
	return __atomic_exchange_n(&m->regs[DUCT_DBELL / 4], 0,
				   __ATOMIC_ACQ_REL);
}

/* The card sends what lies at @slot. Return: false when that is not its own. */
static bool card_sends(struct model *m, u32 slot)
{
	u8 *owner = &m->desc[slot & (SIZE - 1)].owner;

	if (__atomic_load_n(owner, __ATOMIC_ACQUIRE) != DUCT_OWNER_CARD)
		return false;
	__atomic_store_n(owner, DUCT_OWNER_HOST, __ATOMIC_RELEASE);
	return true;
}

/*
 * ndo_start_xmit, behind duct_ring_publish().
 * Return: true when NAPI has to be called.
 */
static bool ring_or_defer(struct duct_ring *ring)
{
	if (duct_ring_is_sent(ring))
		return true;
	if (ring->head - ring->rung >= DEFER || !duct_ring_can_defer(ring))
		duct_ring_doorbell(ring);
	return false;
}

/*
 * NAPI, under the lock of the other side, when something is overdue.
 * Return: true when it has to be called again.
 */
static bool ring_overdue(struct duct_ring *ring)
{
	if (duct_ring_done(ring, ring->tail))
		return true;
	if (duct_ring_overdue(ring))
		duct_ring_doorbell(ring);
	return false;
}

/* NAPI, before it looks whether it has to ring. */
static void reap(struct duct_ring *ring)
{
	u32 tail = ring->tail;

	while (duct_ring_busy(ring, tail) && duct_ring_done(ring, tail))
		tail++;
	duct_ring_reap(ring, tail);
}

/* Where counters wrap, and where their difference changes its sign. */
static const u32 bases[] = {
	0, 1, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
};

static void idle_card_is_rung_for(void **state)
{
	struct model m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		model_init(&m, bases[i]);
		assert_false(duct_ring_overdue(&m.ring));
		assert_false(duct_ring_doorbell(&m.ring));
		duct_ring_publish(&m.ring, 1);
		assert_false(duct_ring_can_defer(&m.ring));
		assert_true(duct_ring_overdue(&m.ring));
		assert_true(duct_ring_doorbell(&m.ring));
		assert_int_equal(take_doorbell(&m),
				 DUCT_DBELL_TX | (bases[i] & (SIZE - 1)));
		assert_false(duct_ring_overdue(&m.ring));
		assert_false(duct_ring_doorbell(&m.ring));
		assert_int_equal(take_doorbell(&m), 0);
	}
}

static void card_at_work_is_not(void **state)
{
	struct model m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		model_init(&m, bases[i]);
		duct_ring_publish(&m.ring, 2);
		duct_ring_doorbell(&m.ring);
		duct_ring_publish(&m.ring, 3);
		assert_true(duct_ring_can_defer(&m.ring));
		/* one of the two it was told of is sent, then the other */
		card_sends(&m, bases[i]);
		assert_true(duct_ring_can_defer(&m.ring));
		reap(&m.ring);
		assert_true(duct_ring_can_defer(&m.ring));
		assert_false(duct_ring_overdue(&m.ring));
		card_sends(&m, bases[i] + 1);
		assert_true(duct_ring_can_defer(&m.ring));
		reap(&m.ring);
		assert_false(duct_ring_can_defer(&m.ring));
		assert_true(duct_ring_overdue(&m.ring));
		/* for all three, by the last of them */
		take_doorbell(&m);
		assert_true(duct_ring_doorbell(&m.ring));
		assert_int_equal(take_doorbell(&m),
				 DUCT_DBELL_TX | ((bases[i] + 4) & (SIZE - 1)));
	}
}

/* docs/card.md, "Rings and ownership", rule 5: it may, but need not. */
static void card_that_has_taken_more(void **state)
{
	struct model m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		model_init(&m, bases[i]);
		duct_ring_publish(&m.ring, 1);
		duct_ring_doorbell(&m.ring);
		duct_ring_publish(&m.ring, 3);
		for (u32 k = 0; k < 3; k++)
			card_sends(&m, bases[i] + k);
		reap(&m.ring);
		/* it is beyond what it was told of, and one is left */
		assert_false(duct_ring_can_defer(&m.ring));
		assert_true(duct_ring_overdue(&m.ring));
		card_sends(&m, bases[i] + 3);
		reap(&m.ring);
		assert_false(duct_ring_overdue(&m.ring));
		duct_ring_publish(&m.ring, 1);
		assert_false(duct_ring_can_defer(&m.ring));
		assert_true(duct_ring_overdue(&m.ring));
		take_doorbell(&m);
		assert_true(duct_ring_doorbell(&m.ring));
		assert_true(duct_ring_can_defer(&m.ring));
		assert_false(duct_ring_overdue(&m.ring));
	}
}

/* All that is published is back, and not all of that reaped. */
static void sent_and_not_reaped(void **state)
{
	struct model m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		model_init(&m, bases[i]);
		assert_false(duct_ring_is_sent(&m.ring));
		duct_ring_publish(&m.ring, 2);
		assert_false(duct_ring_is_sent(&m.ring));
		card_sends(&m, bases[i]);
		assert_false(duct_ring_is_sent(&m.ring));
		reap(&m.ring);
		assert_false(duct_ring_is_sent(&m.ring));
		card_sends(&m, bases[i] + 1);
		assert_true(duct_ring_is_sent(&m.ring));
		reap(&m.ring);
		assert_false(duct_ring_is_sent(&m.ring));
	}
}

/*
 * Every order in which their steps can happen: ndo_start_xmit under its lock,
 * with one packet or two, of which duct_ring_publish() is several steps; a card
 * that looks at the ring because of a doorbell, and some times by itself; NAPI
 * when it is called.
 */
struct order {
	struct model m;
	u32 left;			/* to be published */
	enum { UNLOCKED, OWNED, PUBLISHED } xmit;
	u32 count, owned;		/* slots of this time, the card's by now */
	bool working;			/* the card; where it is */
	u32 next;
	u32 looks;			/* it has left */
	bool called;
	enum { IDLE, REAPED, OVERDUE } napi;
};

static bool xmit_begins(struct order *o, u32 count)
{
	if (o->xmit != UNLOCKED || o->left < count ||
	    duct_ring_space(&o->m.ring) < count)
		return false;
	o->xmit = OWNED;
	o->count = count;
	o->owned = 0;
	return true;
}

static bool xmit_one(struct order *o)
{
	return xmit_begins(o, 1);
}

static bool xmit_two(struct order *o)
{
	return xmit_begins(o, 2);
}

static bool xmit_goes_on(struct order *o)
{
	struct duct_ring *ring = &o->m.ring;

	if (o->xmit == OWNED && o->owned < o->count) {
		o->m.desc[(ring->head + o->owned++) & (SIZE - 1)].owner =
			DUCT_OWNER_CARD;
	} else if (o->xmit == OWNED) {
		ring->head += o->count;
		o->left -= o->count;
		o->xmit = PUBLISHED;
	} else if (o->xmit == PUBLISHED) {
		o->called |= ring_or_defer(ring);
		o->xmit = UNLOCKED;
	} else {
		return false;
	}
	return true;
}

/* The stack promises more, and so nothing is decided yet. */
static bool xmit_expects_more(struct order *o)
{
	if (o->xmit != PUBLISHED || !o->left || !duct_ring_space(&o->m.ring))
		return false;
	o->xmit = UNLOCKED;
	return true;
}

static bool card_is_rung(struct order *o)
{
	if (o->working || !take_doorbell(&o->m))
		return false;
	o->working = true;
	return true;
}

static bool card_looks(struct order *o)
{
	if (o->working || !o->looks)
		return false;
	o->looks--;
	o->working = true;
	return true;
}

static bool card_goes_on(struct order *o)
{
	if (!o->working)
		return false;
	o->working = card_sends(&o->m, o->next);
	o->next += o->working;
	o->called |= o->working;
	return true;
}

static bool napi_goes_on(struct order *o)
{
	struct duct_ring *ring = &o->m.ring;

	if (o->napi == IDLE && o->called) {
		o->called = false;
		reap(ring);
		o->napi = REAPED;
	} else if (o->napi == REAPED) {
		o->napi = duct_ring_overdue(ring) ? OVERDUE : IDLE;
	} else if (o->napi == OVERDUE && o->xmit == UNLOCKED) {
		o->called |= ring_overdue(ring);
		o->napi = IDLE;
	} else {
		return false;
	}
	return true;
}

/* Where it can come to, and where it then stays. */
#define STATES		(1u << 18)

static u64 seen[STATES];
static u32 states, ends, stuck;

/* Return: false when it was there before. */
static bool is_new(const struct order *o)
{
	const struct duct_ring *ring = &o->m.ring;
	u64 key = 1;
	u32 slot;

	key = key << 5 | (ring->head & 31);
	key = key << 5 | (ring->rung & 31);
	key = key << 5 | (ring->tail & 31);
	key = key << 5 | (o->next & 31);
	key = key << 4 | o->left;
	key = key << 2 | o->count;
	key = key << 2 | o->owned;
	key = key << 2 | o->looks;
	key = key << 2 | (u8)o->xmit;
	key = key << 2 | (u8)o->napi;
	key = key << 1 | o->working;
	key = key << 1 | o->called;
	key = key << 1 | !!o->m.regs[DUCT_DBELL / 4];
	for (u32 i = 0; i < SIZE; i++)
		key = key << 1 | (o->m.desc[i].owner == DUCT_OWNER_CARD);
	slot = (u32)((key * 0x9e3779b97f4a7c15u) >> 32) % STATES;
	while (seen[slot] && seen[slot] != key)
		slot = (slot + 1) % STATES;
	if (seen[slot])
		return false;
	seen[slot] = key;
	assert_true(++states < STATES / 2);
	return true;
}

static void every_order(const struct order *before)
{
	static bool (*const step[])(struct order *) = {
		xmit_one, xmit_two, xmit_goes_on, xmit_expects_more,
		card_is_rung, card_looks, card_goes_on, napi_goes_on,
	};
	bool moved = false;

	for (size_t i = 0; i < ARRAY_SIZE(step); i++) {
		struct order o = *before;

		o.m.ring.desc = o.m.desc;
		o.m.ring.regs = o.m.regs;
		if (!step[i](&o))
			continue;
		/* that a card need not look is no way to go on */
		moved |= step[i] != card_looks;
		if (is_new(&o))
			every_order(&o);
	}
	if (moved)
		return;
	ends++;
	stuck += before->left || before->m.ring.head != before->m.ring.tail;
}

static void nothing_stays_in_any_order(void **state)
{
	struct order o = { .left = 6, .looks = 2 };

	(void)state;
	model_init(&o.m, 0xfffffffe);
	o.next = o.m.ring.head;
	every_order(&o);
	assert_in_range(ends, 1, states);
	assert_int_equal(stuck, 0);
}

/*
 * The same on two processors, which also see each other's writes late: one
 * publishes, the other is card and NAPI. When both have nothing more to do, and
 * something is published, then it is lost.
 */
#define ROUNDS		2000000u
#define SECONDS		2		/* on a busy machine fewer rounds must do */
#define PUBLISHED	3u		/* at most, in a round */

struct race {
	struct model m;
	pthread_spinlock_t lock;
	_Atomic u32 rounds;		/* to go through */
	_Atomic u32 done;		/* rounds all of which is published */
	_Atomic u32 rest;		/* rounds with nothing left to do */
	_Atomic bool called;		/* NAPI */
	u32 looks;			/* the card's, after work */
	u32 lost;
};

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static u32 random_of(u32 *seed, u32 count)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % count;
}

/* Some nanoseconds: which of two comes first shall change. */
static void dawdle(u32 *seed)
{
	for (volatile u32 i = random_of(seed, 40); i; i--)
		;
}

static void await_round(_Atomic u32 *count, u32 round)
{
	for (u32 spins = 1; atomic_load(count) != round; spins++)
		if (spins % 4096 == 0)
			sched_yield();
}

static void *publisher(void *arg)
{
	struct race *race = arg;
	struct duct_ring *ring = &race->m.ring;
	time_t end = now() + SECONDS;
	u32 seed = 1;

	for (u32 round = 1; round <= race->rounds; round++) {
		for (u32 i = random_of(&seed, PUBLISHED) + 1; i; i--) {
			pthread_spin_lock(&race->lock);
			duct_ring_publish(ring, 1);
			if (ring_or_defer(ring))
				atomic_store(&race->called, true);
			pthread_spin_unlock(&race->lock);
			dawdle(&seed);
		}
		if (now() > end)
			atomic_store(&race->rounds, round);
		atomic_store(&race->done, round);
		await_round(&race->rest, round);
	}
	return NULL;
}

static void napi(struct race *race)
{
	struct duct_ring *ring = &race->m.ring;

	reap(ring);
	if (!duct_ring_overdue(ring))
		return;
	pthread_spin_lock(&race->lock);
	if (ring_overdue(ring))
		atomic_store(&race->called, true);
	pthread_spin_unlock(&race->lock);
}

/* Return: true when it has sent something. */
static bool card_works(struct race *race, u32 *next, u32 *seed)
{
	u32 first = *next;

	while (card_sends(&race->m, *next)) {
		(*next)++;
		dawdle(seed);
		if (random_of(seed, 2))
			napi(race);
	}
	if (*next == first)
		return false;
	/* The way of an interrupt to NAPI is a barrier. */
	atomic_thread_fence(memory_order_seq_cst);
	napi(race);
	return true;
}

static void *card_and_napi(void *arg)
{
	struct race *race = arg;
	struct duct_ring *ring = &race->m.ring;
	u32 next = ring->tail, awake = 0, round = 1, seed = 2;

	for (u32 spins = 1; round <= race->rounds; spins++) {
		bool all = atomic_load(&race->done) == round;

		if (take_doorbell(&race->m))
			awake = race->looks + 1;
		if (atomic_exchange(&race->called, false)) {
			napi(race);
		} else if (awake) {
			awake--;
			if (card_works(race, &next, &seed))
				awake = race->looks;
		} else if (all && ring->head != ring->tail) {
			race->lost++;
			awake = 1;
			race->called = true;
		} else if (all) {
			atomic_store(&race->rest, round++);
		} else if (spins % 4096 == 0) {
			sched_yield();
		}
	}
	return NULL;
}

static void run_race(u32 looks)
{
	struct race race = { .looks = looks, .rounds = ROUNDS };
	pthread_t thread;

	model_init(&race.m, 0u - 1000);
	pthread_spin_init(&race.lock, PTHREAD_PROCESS_PRIVATE);
	assert_int_equal(pthread_create(&thread, NULL, publisher, &race), 0);
	card_and_napi(&race);
	pthread_join(thread, NULL);
	pthread_spin_destroy(&race.lock);
	if (race.lost)
		fail_msg("%u times nobody would have come, in %u rounds",
			 race.lost, race.rounds);
	assert_int_equal(race.m.ring.head, race.m.ring.tail);
}

static void nothing_stays_on_two_processors(void **state)
{
	(void)state;
	run_race(0);
}

static void card_that_looks_for_a_while(void **state)
{
	(void)state;
	run_race(20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_card_is_rung_for),
		cmocka_unit_test(card_at_work_is_not),
		cmocka_unit_test(card_that_has_taken_more),
		cmocka_unit_test(sent_and_not_reaped),
		cmocka_unit_test(nothing_stays_in_any_order),
		cmocka_unit_test(nothing_stays_on_two_processors),
		cmocka_unit_test(card_that_looks_for_a_while),
	};

	return cmocka_run_group_tests_name("doorbell", tests, NULL, NULL);
}
