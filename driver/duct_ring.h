/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A descriptor ring: docs/card.md, "Rings and ownership". The command, the
 * transmit and the receive ring are instances of it, and all ordering between
 * the host and the card, and between the side that publishes and the side
 * that reaps, is in this file and duct_ring.c.
 */
#ifndef DUCT_RING_H
#define DUCT_RING_H

#include <linux/device.h>
#include <linux/io.h>
#include <linux/types.h>

#include "duct_hw.h"

/**
 * struct duct_ring - a ring shared with the card
 * @desc: the descriptors, coherent memory
 * @dma: their bus address
 * @regs: BAR0
 * @base_reg: offset of the ring's 64-bit base register; its shift register
 *	      follows at + 8
 * @dbell: DUCT_DBELL_TX or 0
 * @desc_size: bytes in a descriptor
 * @shift: log2 of the number of descriptors
 * @head: next slot to publish; free running, written by the publishing side
 * @tail: next slot to reap; free running, written by the reaping side
 * @rung: @head when the doorbell was rung last, written by the publishing side
 */
struct duct_ring {
	void *desc;
	dma_addr_t dma;
	void __iomem *regs;
	u32 base_reg;
	u32 dbell;
	u32 desc_size;
	u32 shift;
	u32 head ____cacheline_aligned_in_smp;
	u32 rung;
	u32 tail ____cacheline_aligned_in_smp;
};

void duct_ring_init(struct duct_ring *ring, void __iomem *regs, u32 base_reg,
		    u32 dbell, u32 desc_size, u32 shift);
int duct_ring_alloc(struct duct_ring *ring, struct device *dev);
void duct_ring_free(struct duct_ring *ring, struct device *dev);
void duct_ring_program(struct duct_ring *ring);

static inline u32 duct_ring_size(const struct duct_ring *ring)
{
	return 1U << ring->shift;
}

/* Slot of a free running counter. */
static inline u32 duct_ring_slot(const struct duct_ring *ring, u32 count)
{
	return count & (duct_ring_size(ring) - 1);
}

static inline void *duct_ring_desc(const struct duct_ring *ring, u32 count)
{
	return ring->desc + duct_ring_slot(ring, count) * ring->desc_size;
}

/* Free slots. Exact on the publishing side; the other may see too many. */
static inline u32 duct_ring_space(const struct duct_ring *ring)
{
	/* Orders the reaper's last use of a slot before ours of the same. */
	u32 tail = smp_load_acquire(&ring->tail);

	return duct_ring_size(ring) - (READ_ONCE(ring->head) - tail);
}

/* Published and not yet reaped, as the reaping side may rely on. */
static inline bool duct_ring_busy(const struct duct_ring *ring, u32 tail)
{
	/* Orders @head before the OWNER and the shadow its publisher wrote. */
	return smp_load_acquire(&ring->head) != tail;
}

/**
 * duct_ring_publish() - hand the slots from @head on to the card
 * @ring: ring with space for them, all their other fields written
 * @count: how many
 */
static inline void duct_ring_publish(struct duct_ring *ring, u32 count)
{
	u32 end = ring->head + count;
	u32 head;

	/* Orders every field before any OWNER, which the card reads first. */
	dma_wmb();
	for (head = ring->head; head != end; head++) {
		u8 *owner = duct_ring_desc(ring, head);

		WRITE_ONCE(*owner, DUCT_OWNER_CARD);
	}
	/* Orders OWNER and the shadow slots before @head, for the reaper. */
	smp_store_release(&ring->head, end);
}

/**
 * duct_ring_doorbell() - tell the card of what was published
 * @ring: the ring; nothing is written when nothing is new
 *
 * Return: true when the doorbell was rung.
 */
static inline bool duct_ring_doorbell(struct duct_ring *ring)
{
	if (ring->rung == ring->head)
		return false;
	WRITE_ONCE(ring->rung, ring->head);
	/* writel() orders OWNER in coherent memory before the doorbell. */
	writel(ring->dbell | duct_ring_slot(ring, ring->head - 1),
	       ring->regs + DUCT_DBELL);
	return true;
}

/**
 * duct_ring_done() - has the card handed the slot back?
 * @ring: the ring
 * @tail: free running counter of a published slot
 *
 * Return: true when it has; the other fields may then be read.
 */
static inline bool duct_ring_done(const struct duct_ring *ring, u32 tail)
{
	const u8 *owner = duct_ring_desc(ring, tail);

	if (READ_ONCE(*owner) != DUCT_OWNER_HOST)
		return false;
	/* Orders OWNER before the fields the card wrote ahead of it. */
	dma_rmb();
	return true;
}

/* The slots before @tail are the publishing side's again. */
static inline void duct_ring_reap(struct duct_ring *ring, u32 tail)
{
	/* Orders our last use of the slots before the publisher's next. */
	smp_store_release(&ring->tail, tail);
}

/**
 * duct_ring_is_sent() - is all handed back by the card, and some not reaped?
 * @ring: ring, after duct_ring_publish()
 *
 * A card that looks at the ring by itself can be done with a slot before @head
 * says that it is published. The reaping side may then have been called too
 * early, and by the card it is not called again.
 *
 * Return: true when the reaping side has to be called. When false, the card
 * hands a slot back later, or was not told of it.
 */
static inline bool duct_ring_is_sent(const struct duct_ring *ring)
{
	const u8 *owner = duct_ring_desc(ring, ring->head - 1);

	/*
	 * Orders @head before OWNER and, for duct_ring_can_defer(), @tail; the
	 * card's event and duct_ring_overdue() have it the other way.
	 */
	smp_mb();
	return READ_ONCE(*owner) == DUCT_OWNER_HOST &&
	       READ_ONCE(ring->tail) != ring->head;
}

/* Is there a slot the card was told of that is not reaped? */
static inline bool duct_ring_told(const struct duct_ring *ring, u32 tail)
{
	return (s32)(READ_ONCE(ring->rung) - tail) > 0;
}

/**
 * duct_ring_can_defer() - may the doorbell wait for the reaping side?
 * @ring: ring, after duct_ring_is_sent() has said no
 *
 * While the card was told of slots that are not reaped, their completion has
 * the reaping side call duct_ring_overdue().
 *
 * Return: true when that is sure to see what was published.
 */
static inline bool duct_ring_can_defer(const struct duct_ring *ring)
{
	return duct_ring_told(ring, READ_ONCE(ring->tail));
}

/**
 * duct_ring_overdue() - does the card wait for a doorbell?
 * @ring: ring, after duct_ring_reap()
 *
 * Return: true when something is published, and the card was told of none of
 * it. The publishing side then has to ring.
 */
static inline bool duct_ring_overdue(const struct duct_ring *ring)
{
	/* Orders @tail before @head; duct_ring_is_sent() the other way. */
	smp_mb();
	return READ_ONCE(ring->head) != ring->tail &&
	       !duct_ring_told(ring, ring->tail);
}

#endif /* DUCT_RING_H */
