/* SPDX-License-Identifier: GPL-2.0-only */
/* What card.c and card_packet.c share. */
#ifndef DUCTNET_CARD_IMPL_H
#define DUCTNET_CARD_IMPL_H

#include "card.h"

extern const struct bus_station_ops card_station_ops;

/* Sets bits of EVFLAGS, and vector 0 now or at the end of the burst. */
void card_event(struct card *card, uint32_t flag);

/*
 * The end of a burst. That packets were sent waits up to bus.hold_us for more
 * of them, or for an event that can not wait.
 * Return: true when it does.
 */
bool card_flush_events(struct card *card);

/* A fatal error: from here on silence until reset. */
__attribute__((format(printf, 3, 4)))
void card_fatal(struct card *card, uint32_t flag, const char *fmt, ...);

/*
 * A fatal error as @addr could not be reached: the fault of the guest, of who
 * configured it, or of the host.
 */
__attribute__((format(printf, 4, 5)))
void card_fault(struct card *card, uint32_t flag, uint64_t addr,
		const char *fmt, ...);

/* The same for the next slot of @ring. */
void card_slot_fault(struct card *card, const struct ring *ring,
		     const char *name);

/* Carries out commands the card was told of, @max at most. */
void card_run_commands(struct card *card, unsigned int max);

#endif /* DUCTNET_CARD_IMPL_H */
