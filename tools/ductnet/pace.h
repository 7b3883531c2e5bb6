/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When the loop polls, and when it sleeps. To wake a process takes longer than
 * all it does for a packet, so after work the loop looks for more of it for a
 * while. But it must not do so on a CPU that somebody else needs: who wakes up
 * is soon let in again, who only yields waits until the other's time is up.
 */
#ifndef DUCTNET_PACE_H
#define DUCTNET_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* All times are microseconds of one clock that never goes back. */
struct pace {
	uint32_t poll;			/* after work, 0 = never */
	uint32_t rest;			/* when the CPU is lost: not again for so long */
	uint64_t rest_until;
	uint64_t worked;
	bool polls;
};

/*
 * Asks the scheduler for short slices, so that this thread is let in soon after
 * it wakes. Where that is not to be had nothing changes.
 */
void pace_ask_scheduler(void);

/* @poll: how long to poll after work, 0 = never. */
void pace_init(struct pace *pace, uint32_t poll);

/**
 * pace_turn() - a turn of the loop is over
 * @pace: the pace
 * @now: the time
 * @worked: there was work in it
 *
 * Return: true to poll, false to sleep.
 */
bool pace_turn(struct pace *pace, uint64_t now, bool worked);

/**
 * pace_yielded() - the CPU was offered to others
 * @pace: the pace
 * @before: the time when it was
 * @now: the time when it was ours again
 *
 * Return: true to go on polling, false to sleep: others need it.
 */
bool pace_yielded(struct pace *pace, uint64_t before, uint64_t now);

#endif /* DUCTNET_PACE_H */
