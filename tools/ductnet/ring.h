/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The card's side of a descriptor ring: docs/card.md, "Rings and ownership".
 * All ordering between card and host is in ring.c.
 */
#ifndef DUCTNET_RING_H
#define DUCTNET_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "duct_hw.h"
#include "guest_mem.h"

struct ring {
	uint32_t desc_size;		/* bytes */
	uint32_t base_low;		/* low half, until the high half commits it */
	uint64_t base;			/* bus address of slot 0 */
	bool low_set;			/* both halves make a base */
	bool base_set;
	bool shift_set;
	uint32_t shift;
	uint32_t next;			/* free running; slot is next & (size - 1) */
};

/* What a descriptor said when it was read, in host order. */
struct ring_cmd {
	uint8_t type;
	uint32_t filtmask, filtaddr;
};

struct ring_pkt {
	uint32_t length[DUCT_PIECES];
	uint64_t pointer[DUCT_PIECES];
	uint32_t dst;
};

enum ring_peek { RING_EMPTY, RING_READY, RING_FAULT };

void ring_init(struct ring *ring, uint32_t desc_size);	/* power-on state */
void ring_rewind(struct ring *ring);			/* slot 0 is next */
void ring_set_base_low(struct ring *ring, uint32_t low);
void ring_set_base_high(struct ring *ring, uint32_t high);	/* commits, rewinds */
bool ring_set_shift(struct ring *ring, uint32_t shift);	/* false: too large;
							 * else rewinds
							 */
bool ring_is_set(const struct ring *ring);
uint32_t ring_size(const struct ring *ring);		/* descriptors */
uint32_t ring_slot(const struct ring *ring);		/* the next one's index */
uint64_t ring_slot_addr(const struct ring *ring);	/* and bus address */

/* Is all of the ring in memory the card can read and write? */
bool ring_is_mapped(const struct ring *ring, struct guest_mem *mem);

/*
 * Look at the next slot. RING_READY: it is the card's, and its fields as they
 * were after OWNER was read are in @cmd or @pkt. RING_FAULT: not in memory.
 * A ring that is not set is empty.
 */
enum ring_peek ring_peek_cmd(const struct ring *ring, struct guest_mem *mem,
			     struct ring_cmd *cmd);
enum ring_peek ring_peek_pkt(const struct ring *ring, struct guest_mem *mem,
			     struct ring_pkt *pkt);

/* Is the next slot the card's? */
bool ring_is_ready(const struct ring *ring, struct guest_mem *mem);

/* Hand the slot back to the host and go on to the next. false: not in memory. */
bool ring_complete_cmd(struct ring *ring, struct guest_mem *mem, uint8_t err);
bool ring_complete_tx(struct ring *ring, struct guest_mem *mem);
bool ring_complete_rx(struct ring *ring, struct guest_mem *mem,
		      uint32_t pktlen, uint32_t dst, uint32_t src);

#endif /* DUCTNET_RING_H */
