// SPDX-License-Identifier: GPL-2.0-only
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define LOOP_BATCH	64

struct loop {
	int epoll;
	int count;			/* events in hand */
	int next;			/* the first of them not yet served */
	int64_t left_ms;		/* when the last wait ended, 0 = never */
	int64_t away_ms;
	struct epoll_event event[LOOP_BATCH];
};

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close(loop->epoll);
	free(loop);
}

static int loop_control(struct loop *loop, int op, struct loop_source *source,
			uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(loop->epoll, op, source->fd, &event) ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return loop_control(loop, EPOLL_CTL_ADD, source, events);
}

int loop_mod(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return loop_control(loop, EPOLL_CTL_MOD, source, events);
}

void loop_del(struct loop *loop, struct loop_source *source)
{
	loop_control(loop, EPOLL_CTL_DEL, source, 0);
	for (int i = loop->next; i < loop->count; i++)
		if (loop->event[i].data.ptr == source)
			loop->event[i].data.ptr = NULL;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t loop_away_ms(const struct loop *loop)
{
	return loop->away_ms;
}

int loop_once(struct loop *loop, int64_t timeout_us)
{
	const struct timespec timeout = {
		.tv_sec = timeout_us / 1000000,
		.tv_nsec = timeout_us % 1000000 * 1000,
	};
	int served = 0;
	int count;

	loop->away_ms = loop->left_ms ? now_ms() - loop->left_ms : 0;
	count = epoll_pwait2(loop->epoll, loop->event, LOOP_BATCH,
			     timeout_us < 0 ? NULL : &timeout, NULL);
	loop->left_ms = now_ms();
	if (count < 0)
		return errno == EINTR ? 0 : -errno;

	loop->count = count;
	for (loop->next = 0; loop->next < loop->count; ) {
		const struct epoll_event *event = &loop->event[loop->next++];
		struct loop_source *source = event->data.ptr;

		if (!source)
			continue;
		source->ready(source, event->events);
		served++;
	}
	loop->count = 0;
	loop->next = 0;
	return served;
}
