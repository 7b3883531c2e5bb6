// SPDX-License-Identifier: GPL-2.0-only
/* Receive: docs/card.md, "Receiving and sending"; docs/ethernet.md. */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/slab.h>

#include "duct.h"

#define DUCT_RX_TAIL_ORDER	get_order(DUCT_RX_TAIL_SIZE)

/*
 * A socket's queue holds far more pages than the ring: what it gives back at
 * once is kept, in ring sizes.
 */
#define DUCT_RX_SPARE		4

/* Octets up to which to copy a packet is cheaper than a page for its slot. */
#define DUCT_RX_COPYBREAK	256

static_assert(DUCT_RX_COPYBREAK <= DUCT_RX_HEAD_ROOM);

/* What a poll received, for the statistics. */
struct duct_rx_sum {
	unsigned int packets;
	unsigned int bytes;
	unsigned int multicast;
};

static struct duct_rx_buf *duct_rx_shadow(const struct duct_dev *duct,
					  u32 count)
{
	return &duct->rx_buf[duct_ring_slot(&duct->rx, count)];
}

static struct page_pool *duct_rx_pool(const struct duct_dev *duct,
				      unsigned int page)
{
	return page ? duct->rx_tail_pool : duct->rx_head_pool;
}

static u32 duct_rx_offset(unsigned int page)
{
	return page ? 0 : DUCT_RX_HEADROOM;
}

static u32 duct_rx_room(unsigned int page)
{
	return page ? DUCT_RX_TAIL_SIZE : DUCT_RX_HEAD_ROOM;
}

/* How many pages of a slot a packet of @len bytes lies in. */
static unsigned int duct_rx_pages(u32 len)
{
	if (len <= DUCT_RX_HEAD_ROOM)
		return 1;
	return 1 + DIV_ROUND_UP(len - DUCT_RX_HEAD_ROOM, DUCT_RX_TAIL_SIZE);
}

/* Fill in the slot at head, with the pages its shadow has. */
static void duct_rx_prepare(struct duct_dev *duct)
{
	struct duct_ring *ring = &duct->rx;
	struct duct_pkt_desc *desc = duct_ring_desc(ring, ring->head);
	const struct duct_rx_buf *buf = duct_rx_shadow(duct, ring->head);
	unsigned int i;

	for (i = 0; i < DUCT_RX_PAGES; i++) {
		dma_addr_t dma = page_pool_get_dma_addr(buf->page[i]);

		desc->length[i] = cpu_to_le32(duct_rx_room(i));
		desc->pointer[i] = cpu_to_le64(dma + duct_rx_offset(i));
	}
	for (; i < DUCT_PIECES; i++)
		desc->length[i] = 0;
}

/* Return: false, with nothing taken, when there is no memory. */
static bool duct_rx_fresh(struct duct_dev *duct, struct page **page,
			  unsigned int pages)
{
	unsigned int i;

	for (i = 0; i < pages; i++) {
		page[i] = page_pool_dev_alloc_pages(duct_rx_pool(duct, i));
		if (!page[i])
			goto err_pages;
	}
	return true;

err_pages:
	while (i--)
		page_pool_recycle_direct(duct_rx_pool(duct, i), page[i]);
	return false;
}

/* Around the pages of @buf that @len bytes lie in. The skb owns them. */
static struct sk_buff *duct_rx_build(struct duct_dev *duct,
				     const struct duct_rx_buf *buf, u32 len)
{
	struct sk_buff *skb;
	unsigned int i;

	skb = napi_build_skb(page_address(buf->page[0]), PAGE_SIZE);
	if (unlikely(!skb))
		return NULL;
	skb_reserve(skb, DUCT_RX_HEADROOM);
	skb_mark_for_recycle(skb);

	for (i = 0; i < duct_rx_pages(len); i++) {
		dma_addr_t dma = page_pool_get_dma_addr(buf->page[i]);
		u32 part = min_t(u32, len - skb->len, duct_rx_room(i));

		dma_sync_single_range_for_cpu(duct->dev, dma, duct_rx_offset(i),
					      part, DMA_FROM_DEVICE);
		if (i)
			skb_add_rx_frag(skb, i - 1, buf->page[i], 0, part,
					PAGE_SIZE << DUCT_RX_TAIL_ORDER);
		else
			skb_put(skb, part);
	}
	return skb;
}

/* A copy of a short packet; the slot keeps its pages. */
static struct sk_buff *duct_rx_copy(struct duct_dev *duct,
				    const struct duct_rx_buf *buf, u32 len)
{
	void *data = page_address(buf->page[0]) + DUCT_RX_HEADROOM;
	dma_addr_t dma = page_pool_get_dma_addr(buf->page[0]);
	struct sk_buff *skb;

	BUILD_BUG_ON(NET_SKB_PAD < DUCT_NATIVE_HLEN);
	skb = napi_alloc_skb(&duct->napi, NET_IP_ALIGN + len);
	if (unlikely(!skb))
		return NULL;
	/* A second time: the shim is in front of the Ethernet header. */
	skb_reserve(skb, NET_IP_ALIGN);

	dma_sync_single_range_for_cpu(duct->dev, dma, DUCT_RX_HEADROOM, len,
				      DMA_FROM_DEVICE);
	skb_put_data(skb, data, len);
	dma_sync_single_range_for_device(duct->dev, dma, DUCT_RX_HEADROOM, len,
					 DMA_FROM_DEVICE);
	return skb;
}

/*
 * The packet in the pages it came in, which are replaced first: a slot is never
 * without memory, and without memory for others it keeps its own.
 */
static struct sk_buff *duct_rx_take(struct duct_dev *duct,
				    struct duct_rx_buf *buf, u32 len)
{
	unsigned int pages = duct_rx_pages(len);
	struct page *fresh[DUCT_RX_PAGES];
	struct sk_buff *skb;
	unsigned int i;

	if (unlikely(!duct_rx_fresh(duct, fresh, pages)))
		return NULL;
	skb = duct_rx_build(duct, buf, len);
	if (unlikely(!skb)) {
		for (i = 0; i < pages; i++)
			page_pool_recycle_direct(duct_rx_pool(duct, i),
						 fresh[i]);
		return NULL;
	}
	memcpy(buf->page, fresh, pages * sizeof(*fresh));
	return skb;
}

/* From payload to frame: docs/ethernet.md, "Packets". */
static void duct_rx_frame(struct duct_dev *duct, struct sk_buff *skb, u32 dst,
			  u32 src, struct duct_rx_sum *sum)
{
	u32 len = skb->len;

	if (duct_payload_is_ether(skb->data, len, dst)) {
		__skb_pull(skb, DUCT_SHIM_LEN);
	} else {
		duct_chardev_receive(duct, skb, dst, src);
		skb_push(skb, DUCT_NATIVE_HLEN);
		duct_native_push(skb->data, dst, src, len);
		duct_napi_count(duct, DUCT_RX_NATIVE);
	}

	sum->packets++;
	sum->bytes += skb->len;
	sum->multicast += is_multicast_ether_addr(skb->data);

	skb->protocol = eth_type_trans(skb, duct->netdev);
	napi_gro_receive(&duct->napi, skb);
}

/*
 * Take the packet out of the slot at @tail; a bad one, or one there is no
 * memory for, is lost.
 * Return: true when the slot has other pages now.
 */
static bool duct_rx_packet(struct duct_dev *duct, u32 tail,
			   struct duct_rx_sum *sum)
{
	const struct duct_pkt_desc *desc = duct_ring_desc(&duct->rx, tail);
	struct duct_rx_buf *buf = duct_rx_shadow(duct, tail);
	u32 len = le32_to_cpu(READ_ONCE(desc->pktlen));
	u32 dst = le32_to_cpu(READ_ONCE(desc->dst));
	u32 src = le32_to_cpu(READ_ONCE(desc->src));
	bool copy = len <= DUCT_RX_COPYBREAK;
	struct sk_buff *skb;

	if (unlikely(len > DUCT_PACKET_MAX)) {
		duct_napi_count(duct, DUCT_RX_BAD_LENGTH);
		return false;
	}
	/* Only some cards promise that a sender does not hear itself. */
	if (unlikely(src == duct->hwaddr)) {
		duct_napi_count(duct, DUCT_RX_OWN);
		return false;
	}
	if (copy)
		skb = duct_rx_copy(duct, buf, len);
	else
		skb = duct_rx_take(duct, buf, len);
	if (unlikely(!skb)) {
		duct_napi_count(duct, DUCT_RX_ALLOC_FAIL);
		return false;
	}
	duct_rx_frame(duct, skb, dst, src, sum);
	return !copy;
}

static void duct_rx_count(struct duct_dev *duct, const struct duct_rx_sum *sum)
{
	struct duct_napi_stats *stats = &duct->napi_stats;

	u64_stats_update_begin(&stats->syncp);
	u64_stats_add(&stats->rx_packets, sum->packets);
	u64_stats_add(&stats->rx_bytes, sum->bytes);
	u64_stats_add(&stats->rx_multicast, sum->multicast);
	u64_stats_update_end(&stats->syncp);
}

/**
 * duct_rx_poll() - receive what the card has handed back
 * @duct: the card
 * @budget: packets at most
 *
 * Context: NAPI.
 * Return: slots taken.
 */
int duct_rx_poll(struct duct_dev *duct, int budget)
{
	struct duct_ring *ring = &duct->rx;
	struct duct_rx_sum sum = { };
	int done;

	for (done = 0; done < budget; done++) {
		u32 tail = ring->tail;
		bool changed;

		if (!duct_ring_done(ring, tail))
			break;
		changed = duct_rx_packet(duct, tail, &sum);
		duct_ring_reap(ring, tail + 1);
		/* The ring is full: the slot at head is the one just reaped. */
		if (changed)
			duct_rx_prepare(duct);
		duct_ring_publish(ring, 1);
	}
	if (sum.packets)
		duct_rx_count(duct, &sum);
	return done;
}

static struct page_pool *duct_rx_create_pool(struct duct_dev *duct,
					     unsigned int page)
{
	struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
		.order = page ? DUCT_RX_TAIL_ORDER : 0,
		.pool_size = duct_ring_size(&duct->rx) *
			     (page ? DUCT_RX_PAGES - 1 : DUCT_RX_SPARE),
		.nid = dev_to_node(duct->dev),
		.dev = duct->dev,
		.dma_dir = DMA_FROM_DEVICE,
		.max_len = duct_rx_room(page),
		.offset = duct_rx_offset(page),
	};

	duct_page_pool_owner(&params, duct->netdev, &duct->napi);
	return page_pool_create(&params);
}

/* Give each slot its pages and hand it to the card. */
static int duct_rx_fill(struct duct_dev *duct)
{
	struct duct_ring *ring = &duct->rx;
	unsigned int i;

	while (duct_ring_space(ring)) {
		struct duct_rx_buf *buf = duct_rx_shadow(duct, ring->head);

		for (i = 0; i < DUCT_RX_PAGES; i++) {
			struct page_pool *pool = duct_rx_pool(duct, i);

			buf->page[i] = page_pool_alloc_pages(pool, GFP_KERNEL);
			if (!buf->page[i])
				return -ENOMEM;
		}
		duct_rx_prepare(duct);
		duct_ring_publish(ring, 1);
	}
	return 0;
}

/**
 * duct_rx_alloc() - receive ring, its shadow, and pages in every slot
 * @duct: card that does not know of the ring yet
 *
 * Context: process.
 * Return: 0 or -errno.
 */
int duct_rx_alloc(struct duct_dev *duct)
{
	int err = -ENOMEM;

	duct->rx_buf = kvcalloc(duct_ring_size(&duct->rx),
				sizeof(*duct->rx_buf), GFP_KERNEL);
	if (!duct->rx_buf)
		return -ENOMEM;

	duct->rx_head_pool = duct_rx_create_pool(duct, 0);
	if (IS_ERR(duct->rx_head_pool)) {
		err = PTR_ERR(duct->rx_head_pool);
		goto err_free_buf;
	}
	duct->rx_tail_pool = duct_rx_create_pool(duct, 1);
	if (IS_ERR(duct->rx_tail_pool)) {
		err = PTR_ERR(duct->rx_tail_pool);
		goto err_free_head_pool;
	}
	err = duct_ring_alloc(&duct->rx, duct->dev);
	if (err)
		goto err_free_tail_pool;

	err = duct_rx_fill(duct);
	if (err)
		duct_rx_free(duct);
	return err;

err_free_tail_pool:
	page_pool_destroy(duct->rx_tail_pool);
err_free_head_pool:
	page_pool_destroy(duct->rx_head_pool);
err_free_buf:
	kvfree(duct->rx_buf);
	duct->rx_buf = NULL;
	return err;
}

/**
 * duct_rx_free() - undo duct_rx_alloc()
 * @duct: card that has let go of the ring; NAPI is off
 *
 * Context: process.
 */
void duct_rx_free(struct duct_dev *duct)
{
	struct duct_ring *ring = &duct->rx;
	unsigned int slot;
	unsigned int i;
	u32 tail;

	for (tail = ring->tail; tail != ring->head; tail++)
		if (duct_ring_done(ring, tail))
			duct_count(duct, DUCT_RX_FLUSHED);
	for (slot = 0; slot < duct_ring_size(ring); slot++) {
		const struct duct_rx_buf *buf = &duct->rx_buf[slot];

		for (i = 0; i < DUCT_RX_PAGES && buf->page[i]; i++)
			page_pool_put_full_page(duct_rx_pool(duct, i),
						buf->page[i], false);
	}
	duct_ring_free(ring, duct->dev);
	page_pool_destroy(duct->rx_tail_pool);
	page_pool_destroy(duct->rx_head_pool);
	kvfree(duct->rx_buf);
	duct->rx_buf = NULL;
}
