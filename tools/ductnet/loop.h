/* SPDX-License-Identifier: GPL-2.0-only */
/* One thread, one epoll. */
#ifndef DUCTNET_LOOP_H
#define DUCTNET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/*
 * A file descriptor somebody waits on. Embed it; it stays the owner's, who
 * calls loop_del() before he frees it or closes @fd.
 */
struct loop_source {
	int fd;
	void (*ready)(struct loop_source *source, uint32_t events);
};

struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* @events: EPOLLIN, EPOLLOUT, level triggered. Return: 0 or -errno. */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
int loop_mod(struct loop *loop, struct loop_source *source, uint32_t events);

/* After this @source->ready is not called, not even for events in hand. */
void loop_del(struct loop *loop, struct loop_source *source);

/**
 * loop_once() - wait for events and handle those that came
 * @loop: the loop
 * @timeout_us: how long to wait, 0 = poll, -1 = for ever
 *
 * Return: number of sources served, or -errno (EINTR counts as 0).
 */
int loop_once(struct loop *loop, int64_t timeout_us);

/*
 * How long the loop was away, from the wait before to the one that brought the
 * events now being served: nothing that waited can have waited longer.
 */
int64_t loop_away_ms(const struct loop *loop);

#endif /* DUCTNET_LOOP_H */
