// SPDX-License-Identifier: GPL-2.0-only
#include <linux/dma-mapping.h>
#include <linux/io-64-nonatomic-lo-hi.h>

#include "duct_ring.h"

/**
 * duct_ring_init() - describe a ring without memory
 * @ring: the ring
 * @regs: BAR0
 * @base_reg: DUCT_CMDBASE, DUCT_TXBASE or DUCT_RXBASE
 * @dbell: DUCT_DBELL_TX or 0
 * @desc_size: bytes in a descriptor
 * @shift: log2 of the number of descriptors, up to DUCT_SHIFT_MAX
 */
void duct_ring_init(struct duct_ring *ring, void __iomem *regs, u32 base_reg,
		    u32 dbell, u32 desc_size, u32 shift)
{
	ring->regs = regs;
	ring->base_reg = base_reg;
	ring->dbell = dbell;
	ring->desc_size = desc_size;
	ring->shift = shift;
}

/**
 * duct_ring_alloc() - give a ring memory, all slots the host's
 * @ring: initialised ring
 * @dev: the card
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int duct_ring_alloc(struct duct_ring *ring, struct device *dev)
{
	u32 size = duct_ring_size(ring);
	u32 i;

	ring->desc = dma_alloc_coherent(dev, size * ring->desc_size, &ring->dma,
					GFP_KERNEL);
	if (!ring->desc)
		return -ENOMEM;

	for (i = 0; i < size; i++)
		*(u8 *)duct_ring_desc(ring, i) = DUCT_OWNER_HOST;
	ring->head = 0;
	ring->rung = 0;
	ring->tail = 0;
	return 0;
}

/**
 * duct_ring_free() - give a ring's memory back
 * @ring: ring; without memory nothing happens
 * @dev: the card, which must have let go of the ring
 *
 * Context: process.
 */
void duct_ring_free(struct duct_ring *ring, struct device *dev)
{
	if (!ring->desc)
		return;

	dma_free_coherent(dev, duct_ring_size(ring) * ring->desc_size,
			  ring->desc, ring->dma);
	ring->desc = NULL;
}

/**
 * duct_ring_program() - tell the card where the ring is
 * @ring: ring with memory; the card is stopped
 *
 * The card takes slot 0 next: docs/card.md, "Rings and ownership".
 */
void duct_ring_program(struct duct_ring *ring)
{
	writeq(ring->dma, ring->regs + ring->base_reg);
	writel(ring->shift, ring->regs + ring->base_reg + 8);
}
