// SPDX-License-Identifier: GPL-2.0-only
/* Transmit: docs/card.md, "Receiving and sending"; docs/ethernet.md. */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/slab.h>

#include "duct.h"

static void duct_tx_ring(struct duct_dev *duct)
{
	if (duct_ring_doorbell(&duct->tx))
		duct_xmit_add(duct, DUCT_TX_DOORBELLS, 1);
}

/*
 * A doorbell costs more than the rest of a packet. While the card works on what
 * it was told of, the packets behind that wait for duct_tx_overdue(), unless
 * they become many; a card that looks further in the ring by itself has taken
 * them by then.
 */
static void duct_tx_ring_or_defer(struct duct_dev *duct)
{
	struct duct_ring *ring = &duct->tx;

	if (duct_ring_is_sent(ring))
		napi_schedule(&duct->napi);
	else if (ring->head - ring->rung >= DUCT_TX_DEFER ||
		 !duct_ring_can_defer(ring))
		duct_tx_ring(duct);
}

/*
 * NAPI: ring for what duct_tx_ring_or_defer() left. What was handed back since
 * it looked may have had its event by then: then it has to look again.
 */
static void duct_tx_overdue(struct duct_dev *duct, struct netdev_queue *txq)
{
	struct duct_ring *ring = &duct->tx;

	__netif_tx_lock(txq, smp_processor_id());
	if (duct_ring_done(ring, ring->tail))
		napi_schedule(&duct->napi);
	else if (duct_ring_overdue(ring))
		duct_tx_ring(duct);
	__netif_tx_unlock(txq);
}

/* Return: 0 when the queue was stopped. */
static int duct_tx_maybe_stop(struct duct_dev *duct)
{
	struct netdev_queue *txq = netdev_get_tx_queue(duct->netdev, 0);

	return netif_txq_maybe_stop(txq, duct_ring_space(&duct->tx),
				    DUCT_TSO_SEGMENTS, DUCT_TX_WAKE);
}

/**
 * duct_tx_unmap() - take the pieces of a slot back
 * @duct: the card
 * @buf: shadow of a slot that is not the card's
 */
void duct_tx_unmap(struct duct_dev *duct, const struct duct_tx_buf *buf)
{
	unsigned int i;

	for (i = 0; i < buf->singles; i++)
		dma_unmap_single(duct->dev, buf->dma[i], buf->len[i],
				 DMA_TO_DEVICE);
	for (; i < buf->pieces; i++)
		dma_unmap_page(duct->dev, buf->dma[i], buf->len[i],
			       DMA_TO_DEVICE);
}

/* Return: 0, or -ENOMEM with nothing mapped. */
static int duct_tx_map(struct duct_dev *duct, struct sk_buff *skb,
		       struct duct_tx_buf *buf)
{
	u32 len = skb_headlen(skb);
	dma_addr_t dma;
	unsigned int i;

	buf->pieces = 0;
	buf->singles = 0;
	if (len) {
		dma = dma_map_single(duct->dev, skb->data, len, DMA_TO_DEVICE);
		if (dma_mapping_error(duct->dev, dma))
			return -ENOMEM;
		buf->dma[0] = dma;
		buf->len[0] = len;
		buf->pieces = 1;
		buf->singles = 1;
	}

	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];

		len = skb_frag_size(frag);
		dma = skb_frag_dma_map(duct->dev, frag, 0, len, DMA_TO_DEVICE);
		if (dma_mapping_error(duct->dev, dma)) {
			duct_tx_unmap(duct, buf);
			return -ENOMEM;
		}
		buf->dma[buf->pieces] = dma;
		buf->len[buf->pieces] = len;
		buf->pieces++;
	}
	return 0;
}

/* Take the native header off; octets behind the payload do not travel. */
static bool duct_tx_native(struct sk_buff *skb)
{
	int len;

	if (!pskb_may_pull(skb, DUCT_NATIVE_HLEN))
		return false;
	len = duct_native_len(skb->data, skb->len);
	if (len < 0)
		return false;
	skb_pull(skb, DUCT_NATIVE_HLEN);
	return !pskb_trim(skb, len);
}

/*
 * Turn a frame into a payload: docs/ethernet.md, "Packets".
 * Return: false with @cause why the frame can not travel.
 */
static bool duct_tx_prepare(struct duct_dev *duct, struct sk_buff *skb,
			    u32 *dst, bool *native,
			    enum duct_xmit_counter *cause)
{
	*cause = DUCT_TX_SHORT;
	if (skb->len < DUCT_ETHER_HLEN)
		return false;
	*cause = DUCT_TX_NO_MEMORY;
	if (!pskb_may_pull(skb, DUCT_ETHER_HLEN))
		return false;
	*dst = duct_addr_from_mac(skb->data);
	/* From whom duct_features_check() is not asked, as pktgen. */
	*cause = DUCT_TX_CSUM_FAIL;
	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))
		return false;

	*native = duct_frame_is_native(skb->data);
	if (*native) {
		*cause = DUCT_TX_NATIVE_BAD;
		if (!duct_tx_native(skb))
			return false;
	} else {
		*cause = DUCT_TX_TOO_LONG;
		if (skb->len > DUCT_FRAME_MAX)
			return false;
		*cause = DUCT_TX_NO_MEMORY;
		if (skb_cow_head(skb, DUCT_SHIM_LEN))
			return false;
		skb_push(skb, DUCT_SHIM_LEN);
		skb->data[0] = DUCT_SHIM_0;
		skb->data[1] = DUCT_SHIM_1;
	}

	if (skb_shinfo(skb)->nr_frags + !!skb_headlen(skb) > DUCT_PIECES) {
		*cause = DUCT_TX_NO_MEMORY;
		if (skb_linearize(skb))
			return false;
		duct_xmit_add(duct, DUCT_TX_LINEARIZED, 1);
	}
	return true;
}

/*
 * Make one packet of @skb in the slot at head.
 * Return: how many slots were filled, 0 with @cause.
 */
static u32 duct_tx_fill(struct duct_dev *duct, struct sk_buff *skb, u32 *bytes,
			enum duct_xmit_counter *cause)
{
	u32 head = duct->tx.head;
	struct duct_pkt_desc *desc = duct_ring_desc(&duct->tx, head);
	struct duct_tx_buf *buf = duct_tx_buf(duct, head);
	unsigned int i;
	bool native;
	u32 dst;

	*bytes = skb->len;
	if (!duct_tx_prepare(duct, skb, &dst, &native, cause))
		return 0;
	*cause = DUCT_TX_DMA_ERROR;
	if (duct_tx_map(duct, skb, buf))
		return 0;
	buf->skb = skb;
	buf->bytes = *bytes;
	if (native)
		duct_xmit_add(duct, DUCT_TX_NATIVE, 1);

	for (i = 0; i < buf->pieces; i++) {
		desc->length[i] = cpu_to_le32(buf->len[i]);
		desc->pointer[i] = cpu_to_le64(buf->dma[i]);
	}
	for (; i < DUCT_PIECES; i++)
		desc->length[i] = 0;
	desc->dst = cpu_to_le32(dst);
	desc->src = cpu_to_le32(duct->hwaddr);
	return 1;
}

/**
 * duct_start_xmit() - ndo_start_xmit
 * @skb: the frame; consumed unless busy
 * @netdev: the interface
 *
 * The pieces of the skb become the pieces of the descriptor, or of as many as
 * it has segments. The doorbell waits while the stack has more to send or the
 * card is at work, and what was published before is not forgotten even when
 * this frame is dropped.
 *
 * Context: softirq or BH disabled, transmit queue's lock held.
 */
netdev_tx_t duct_start_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct netdev_queue *txq = netdev_get_tx_queue(netdev, 0);
	struct duct_dev *duct = netdev_priv(netdev);
	bool more = netdev_xmit_more();
	enum duct_xmit_counter cause;
	u32 slots;
	u32 bytes;

	if (!duct_tx_maybe_stop(duct)) {
		duct_tx_ring_or_defer(duct);
		return NETDEV_TX_BUSY;
	}

	if (skb_is_gso(skb))
		slots = duct_tso_fill(duct, skb, &bytes, &cause);
	else
		slots = duct_tx_fill(duct, skb, &bytes, &cause);
	if (!slots)
		goto drop;
	skb_tx_timestamp(skb);
	/* First: the card may complete a slot as soon as it is published. */
	more = !__netdev_tx_sent_queue(txq, bytes, more);
	duct_ring_publish(&duct->tx, slots);

	if (!duct_tx_maybe_stop(duct)) {
		duct_xmit_add(duct, DUCT_TX_STOPS, 1);
		more = false;
	}
	if (!more)
		duct_tx_ring_or_defer(duct);
	return NETDEV_TX_OK;

drop:
	duct_xmit_add(duct, cause, max_t(u32, skb_shinfo(skb)->gso_segs, 1));
	dev_kfree_skb_any(skb);
	if (!more)
		duct_tx_ring_or_defer(duct);
	return NETDEV_TX_OK;
}

/* The header of a native packet travels in no piece. */
static unsigned int duct_tx_pieces(const struct sk_buff *skb)
{
	u32 len = skb_headlen(skb);

	if (skb->protocol == htons(DUCT_NATIVE_TYPE) && len == DUCT_NATIVE_HLEN)
		len = 0;
	return skb_shinfo(skb)->nr_frags + !!len;
}

/**
 * duct_features_check() - ndo_features_check
 * @skb: the frame
 * @netdev: the interface
 * @features: what the stack would use
 *
 * Checksums are left open only in what duct_tso_fill() takes. All others are
 * the stack's, outside of the queue's lock.
 *
 * Without NETIF_F_SG the stack makes one piece of a frame that has too many.
 * What it segments first may still end up with too many; duct_start_xmit()
 * linearizes those.
 */
netdev_features_t duct_features_check(struct sk_buff *skb,
				      struct net_device *netdev,
				      netdev_features_t features)
{
	if (!skb_is_gso(skb)) {
		features &= ~NETIF_F_CSUM_MASK;
		if (duct_tx_pieces(skb) > DUCT_PIECES)
			features &= ~NETIF_F_SG;
	} else if (!duct_tso_fits(skb, features)) {
		features &= ~(NETIF_F_CSUM_MASK | NETIF_F_GSO_MASK);
	}
	return features;
}

/*
 * Free what the card has sent.
 * Return: number of packets, their @bytes as BQL was told of them.
 */
static unsigned int duct_tx_clean(struct duct_dev *duct, int budget,
				  unsigned int *bytes)
{
	struct duct_napi_stats *stats = &duct->napi_stats;
	struct duct_ring *ring = &duct->tx;
	unsigned int packets = 0;
	u32 tail = ring->tail;

	*bytes = 0;
	while (duct_ring_busy(ring, tail) && duct_ring_done(ring, tail)) {
		struct duct_tx_buf *buf = duct_tx_buf(duct, tail);

		duct_tx_unmap(duct, buf);
		packets++;
		*bytes += buf->bytes;
		if (buf->skb)
			napi_consume_skb(buf->skb, budget);
		buf->skb = NULL;
		tail++;
	}
	if (!packets)
		return 0;
	duct_ring_reap(ring, tail);

	u64_stats_update_begin(&stats->syncp);
	u64_stats_add(&stats->tx_packets, packets);
	u64_stats_add(&stats->tx_bytes, *bytes);
	u64_stats_update_end(&stats->syncp);
	return packets;
}

/**
 * duct_tx_reap() - free what the card has sent, and let the stack send more
 * @duct: the card
 * @budget: NAPI budget
 *
 * Context: NAPI, or netpoll with @budget 0.
 */
void duct_tx_reap(struct duct_dev *duct, int budget)
{
	struct netdev_queue *txq = netdev_get_tx_queue(duct->netdev, 0);
	unsigned int packets;
	unsigned int bytes;

	packets = duct_tx_clean(duct, budget, &bytes);
	if (packets &&
	    !netif_txq_completed_wake(txq, packets, bytes,
				      duct_ring_space(&duct->tx), DUCT_TX_WAKE))
		duct_napi_count(duct, DUCT_TX_WAKES);
	if (duct_ring_overdue(&duct->tx))
		duct_tx_overdue(duct, txq);
}

/**
 * duct_tx_alloc() - transmit ring and its shadow
 * @duct: the card
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int duct_tx_alloc(struct duct_dev *duct)
{
	int err;

	duct->tx_buf = kvcalloc(duct_ring_size(&duct->tx),
				sizeof(*duct->tx_buf), GFP_KERNEL);
	if (!duct->tx_buf)
		return -ENOMEM;

	err = duct_ring_alloc(&duct->tx, duct->dev);
	if (err)
		goto err_free_buf;
	err = duct_tso_alloc(duct);
	if (err)
		goto err_free_ring;
	return 0;

err_free_ring:
	duct_ring_free(&duct->tx, duct->dev);
err_free_buf:
	kvfree(duct->tx_buf);
	duct->tx_buf = NULL;
	return err;
}

/**
 * duct_tx_free() - undo duct_tx_alloc(), with what was not sent
 * @duct: card that has let go of the ring; transmit and NAPI are off
 *
 * Context: process.
 */
void duct_tx_free(struct duct_dev *duct)
{
	struct duct_ring *ring = &duct->tx;
	unsigned int bytes;
	u32 tail;

	local_bh_disable();
	duct_tx_clean(duct, 0, &bytes);
	local_bh_enable();
	for (tail = ring->tail; tail != ring->head; tail++) {
		struct duct_tx_buf *buf = duct_tx_buf(duct, tail);

		duct_tx_unmap(duct, buf);
		if (buf->skb)
			dev_kfree_skb_any(buf->skb);
		duct_count(duct, DUCT_TX_FLUSHED);
	}
	netdev_reset_queue(duct->netdev);
	duct_tso_free(duct);
	duct_ring_free(ring, duct->dev);
	kvfree(duct->tx_buf);
	duct->tx_buf = NULL;
}
