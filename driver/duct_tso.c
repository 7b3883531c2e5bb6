// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP segmentation, which the card can not do: the segments of one skb become
 * as many descriptors, without an skb for each. docs/driver.md, "Segmentation".
 */
#include <linux/dma-mapping.h>
#include <linux/if_vlan.h>
#include <linux/tcp.h>
#include <net/ip6_checksum.h>
#include <net/tso.h>

#include "duct.h"

/* Piece 0 has the shim and the headers. */
#define DUCT_TSO_DATA_PIECES	(DUCT_PIECES - 1)

/* One skb on its way into the ring. */
struct duct_tso {
	struct duct_dev *duct;
	const struct sk_buff *skb;
	struct tso_t lib;
	u32 hlen;
	u32 dst;
};

/*
 * The headers must be in the linear part, with room for a tag that the stack
 * has yet to put there, and tso_build_hdr() must know all of them.
 * Return: their length, 0 when they are not so.
 */
static u32 duct_tso_headers(const struct sk_buff *skb)
{
	bool ipv6 = skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6;
	u32 transport = skb_transport_offset(skb);
	u32 tag = skb_vlan_tag_present(skb) ? VLAN_HLEN : 0;
	u32 network = skb_network_offset(skb);
	u32 headlen = skb_headlen(skb);
	u32 iplen = ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
	u32 hlen;

	if (skb->encapsulation || network < ETH_HLEN || network > headlen ||
	    transport > headlen || network + iplen > transport ||
	    transport + sizeof(struct tcphdr) > headlen)
		return 0;
	/* Between Ethernet header and IP header there are at most tags. */
	if (get_unaligned_be16(skb->data + network - 2) !=
	    (ipv6 ? ETH_P_IPV6 : ETH_P_IP))
		return 0;
	if (!ipv6)
		iplen = ip_hdrlen(skb);
	if (network + iplen != transport ||
	    tcp_hdrlen(skb) < sizeof(struct tcphdr))
		return 0;

	hlen = transport + tcp_hdrlen(skb);
	if (hlen > headlen || DUCT_SHIM_LEN + tag + hlen > TSO_HEADER_SIZE ||
	    tag + hlen + skb_shinfo(skb)->gso_size > DUCT_FRAME_MAX)
		return 0;
	return hlen;
}

/*
 * A segment that touches four pieces of the skb has the middle two of them
 * whole, and an octet at least on either side.
 */
static bool duct_tso_pieces_fit(const struct sk_buff *skb, u32 hlen)
{
	const struct skb_shared_info *shinfo = skb_shinfo(skb);
	unsigned int i = skb_headlen(skb) > hlen ? 0 : 1;

	BUILD_BUG_ON(DUCT_TSO_DATA_PIECES != 3);
	for (; i + 2 < shinfo->nr_frags; i++) {
		if (skb_frag_size(&shinfo->frags[i]) +
		    skb_frag_size(&shinfo->frags[i + 1]) + 2 <=
		    shinfo->gso_size)
			return false;
	}
	return true;
}

/**
 * duct_tso_fits() - can duct_tso_fill() make segments of this?
 * @skb: GSO skb
 * @features: what the interface may use; of these TSO and TSO6 count
 *
 * Data that somebody may write to meanwhile, as that of sendfile(), is not for
 * here: its checksum would be one of other data than the card reads.
 *
 * Return: true when it can.
 */
bool duct_tso_fits(const struct sk_buff *skb, netdev_features_t features)
{
	const struct skb_shared_info *shinfo = skb_shinfo(skb);
	u32 hlen;

	if (!(shinfo->gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) ||
	    !net_gso_ok((features & (NETIF_F_TSO | NETIF_F_TSO6)) |
			NETIF_F_GSO_ROBUST, shinfo->gso_type))
		return false;
	if (skb_has_frag_list(skb) || skb_has_shared_frag(skb))
		return false;

	hlen = duct_tso_headers(skb);
	/* gso_segs is what whoever made the skb says. */
	return hlen && shinfo->gso_size && skb->len > hlen &&
	       DIV_ROUND_UP(skb->len - hlen, shinfo->gso_size) <=
	       DUCT_TSO_SEGMENTS && duct_tso_pieces_fit(skb, hlen);
}

/* Checksums of a segment with @size octets of data, whose sum is @data. */
static void duct_tso_checksum(const struct duct_tso *tso, void *frame,
			      u32 size, __wsum data)
{
	void *network = frame + skb_network_offset(tso->skb);
	struct tcphdr *tcph = frame + skb_transport_offset(tso->skb);
	u32 len = tso->lib.tlen + size;
	__wsum sum;

	tcph->check = 0;
	sum = csum_partial(tcph, tso->lib.tlen, data);
	if (tso->lib.ipv6) {
		struct ipv6hdr *ip6h = network;

		tcph->check = csum_ipv6_magic(&ip6h->saddr, &ip6h->daddr, len,
					      IPPROTO_TCP, sum);
	} else {
		struct iphdr *iph = network;

		ip_send_check(iph);
		tcph->check = csum_tcpudp_magic(iph->saddr, iph->daddr, len,
						IPPROTO_TCP, sum);
	}
}

/*
 * Map the next @size octets of data and add them up.
 * Return: 0, or -ENOMEM with nothing mapped.
 */
static int duct_tso_data(struct duct_tso *tso, struct duct_tx_buf *buf,
			 u32 size, __wsum *sum)
{
	u32 done = 0;

	buf->pieces = 0;
	*sum = 0;
	while (done < size) {
		u32 len = min_t(u32, tso->lib.size, size - done);
		void *data = tso->lib.data;
		dma_addr_t dma;

		if (len) {
			dma = dma_map_single(tso->duct->dev, data, len,
					     DMA_TO_DEVICE);
			if (dma_mapping_error(tso->duct->dev, dma))
				goto err_unmap;
			buf->dma[buf->pieces] = dma;
			buf->len[buf->pieces] = len;
			buf->pieces++;
			*sum = csum_block_add(*sum, csum_partial(data, len, 0),
					      done);
			done += len;
		}
		tso_build_data(tso->skb, &tso->lib, len);
	}
	buf->singles = buf->pieces;
	return 0;

err_unmap:
	buf->singles = buf->pieces;
	duct_tx_unmap(tso->duct, buf);
	return -ENOMEM;
}

/* Return: 0, or -ENOMEM with the slot as it was. */
static int duct_tso_segment(struct duct_tso *tso, u32 head, u32 size, bool last)
{
	struct duct_dev *duct = tso->duct;
	u32 slot = duct_ring_slot(&duct->tx, head);
	struct duct_pkt_desc *desc = duct_ring_desc(&duct->tx, head);
	struct duct_tx_buf *buf = duct_tx_buf(duct, head);
	u8 *hdr = duct->tx_hdr + slot * TSO_HEADER_SIZE;
	unsigned int i;
	__wsum sum;

	hdr[0] = DUCT_SHIM_0;
	hdr[1] = DUCT_SHIM_1;
	/* Before the data, which moves the sequence number on. */
	tso_build_hdr(tso->skb, hdr + DUCT_SHIM_LEN, &tso->lib, size, last);
	if (duct_tso_data(tso, buf, size, &sum))
		return -ENOMEM;
	duct_tso_checksum(tso, hdr + DUCT_SHIM_LEN, size, sum);
	buf->skb = NULL;
	buf->bytes = tso->hlen + size;

	desc->length[0] = cpu_to_le32(DUCT_SHIM_LEN + tso->hlen);
	desc->pointer[0] = cpu_to_le64(duct->tx_hdr_dma +
				       slot * TSO_HEADER_SIZE);
	for (i = 0; i < buf->pieces; i++) {
		desc->length[i + 1] = cpu_to_le32(buf->len[i]);
		desc->pointer[i + 1] = cpu_to_le64(buf->dma[i]);
	}
	for (; i < DUCT_TSO_DATA_PIECES; i++)
		desc->length[i + 1] = 0;
	desc->dst = cpu_to_le32(tso->dst);
	desc->src = cpu_to_le32(duct->hwaddr);
	return 0;
}

/**
 * duct_tso_fill() - make segments in the free slots from @head on
 * @duct: card with DUCT_TSO_SEGMENTS free slots in its transmit ring
 * @skb: GSO skb
 * @bytes: set to the sum of the segments' frames
 * @cause: set to why the skb can not travel
 *
 * Nothing is handed over. The skb belongs to the last slot.
 *
 * Context: transmit queue's lock held.
 * Return: how many slots were filled, 0 with nothing mapped and @cause.
 */
u32 duct_tso_fill(struct duct_dev *duct, struct sk_buff *skb, u32 *bytes,
		  enum duct_xmit_counter *cause)
{
	struct duct_tso tso = { .duct = duct, .skb = skb };
	u32 head = duct->tx.head;
	u32 left;

	*cause = DUCT_TX_TSO_BAD;
	if (!duct_tso_fits(skb, NETIF_F_TSO | NETIF_F_TSO6))
		return 0;

	tso.dst = duct_addr_from_mac(skb->data);
	tso.hlen = tso_start(skb, &tso.lib);
	/* It goes by a protocol that tags can hide. */
	tso.lib.ipv6 = skb_shinfo(skb)->gso_type & SKB_GSO_TCPV6;
	for (left = skb->len - tso.hlen; left; head++) {
		u32 size = min_t(u32, left, skb_shinfo(skb)->gso_size);

		left -= size;
		if (duct_tso_segment(&tso, head, size, !left))
			goto err_unmap;
	}
	duct_tx_buf(duct, head - 1)->skb = skb;

	head -= duct->tx.head;
	*bytes = skb->len + (head - 1) * tso.hlen;
	duct_xmit_add(duct, DUCT_TX_TSO_PACKETS, 1);
	duct_xmit_add(duct, DUCT_TX_TSO_SEGMENTS, head);
	return head;

err_unmap:
	*cause = DUCT_TX_DMA_ERROR;
	while (head-- != duct->tx.head)
		duct_tx_unmap(duct, duct_tx_buf(duct, head));
	return 0;
}

/**
 * duct_tso_alloc() - memory for the segments' headers
 * @duct: the card
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int duct_tso_alloc(struct duct_dev *duct)
{
	duct->tx_hdr = dma_alloc_coherent(duct->dev,
					  duct_ring_size(&duct->tx) *
					  TSO_HEADER_SIZE,
					  &duct->tx_hdr_dma, GFP_KERNEL);
	return duct->tx_hdr ? 0 : -ENOMEM;
}

/**
 * duct_tso_free() - undo duct_tso_alloc()
 * @duct: card that has let go of the transmit ring
 *
 * Context: process.
 */
void duct_tso_free(struct duct_dev *duct)
{
	dma_free_coherent(duct->dev,
			  duct_ring_size(&duct->tx) * TSO_HEADER_SIZE,
			  duct->tx_hdr, duct->tx_hdr_dma);
	duct->tx_hdr = NULL;
}
