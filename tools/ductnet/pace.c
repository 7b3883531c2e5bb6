// SPDX-License-Identifier: GPL-2.0-only
#include "pace.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PACE_SLICE_NS	100000u

/* A guest that answers a packet has the CPU for less than this. */
#define PACE_LOST	300u

/* The rest after a CPU was lost doubles, from and to. */
#define PACE_REST_MIN	1000u
#define PACE_REST_MAX	16000u

void pace_ask_scheduler(void)
{
	struct sched_attr attr;

	if (syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) ||
	    attr.sched_policy != SCHED_NORMAL)
		return;
	attr.sched_runtime = PACE_SLICE_NS;
	syscall(SYS_sched_setattr, 0, &attr, 0);
}

void pace_init(struct pace *pace, uint32_t poll)
{
	*pace = (struct pace){ .poll = poll, .rest = PACE_REST_MIN };
}

bool pace_turn(struct pace *pace, uint64_t now, bool worked)
{
	if (!pace->poll || now < pace->rest_until)
		return false;
	if (worked)
		pace->worked = now;
	if (worked || (pace->polls && now - pace->worked < pace->poll)) {
		pace->polls = true;
		return true;
	}
	pace->polls = false;
	return false;
}

bool pace_yielded(struct pace *pace, uint64_t before, uint64_t now)
{
	if (now - before < PACE_LOST) {
		/* For as long as the last rest was nobody minded. */
		if (now - pace->rest_until >= pace->rest)
			pace->rest = PACE_REST_MIN;
		return true;
	}
	pace->polls = false;
	pace->rest_until = now + pace->rest;
	if (pace->rest < PACE_REST_MAX)
		pace->rest *= 2;
	return false;
}
