// SPDX-License-Identifier: GPL-2.0-only
/* The card as a station on the bus: its packets out and in. */
#include "card_impl.h"

#include <inttypes.h>
#include <stddef.h>

static struct card *card_of(struct bus_station *station)
{
	return (struct card *)((char *)station -
			       offsetof(struct card, station));
}

/*
 * The host memory of @len bytes of a descriptor's pieces, in order.
 * @iov: room for BUS_PACKET_PIECES
 * Return: number of host pieces, or -1 after a fatal error.
 */
static int map_pieces(struct card *card, const struct ring *ring,
		      const char *name, const struct ring_pkt *pkt,
		      uint32_t len, unsigned int access, struct iovec *iov)
{
	int count = 0;

	for (unsigned int i = 0; i < DUCT_PIECES && len; i++) {
		uint32_t n = pkt->length[i] < len ? pkt->length[i] : len;
		int got;

		if (!n)
			continue;
		got = guest_mem_translate(card->mem, pkt->pointer[i], n, access,
					  iov + count,
					  BUS_PACKET_PIECES - count);
		if (got < 0) {
			card_fault(card, DUCT_FLAGS_FLTR, pkt->pointer[i],
				   "%s ring: slot %u: piece %u, %u bytes at 0x%" PRIx64 ", is not in memory",
				   name, ring_slot(ring), i, n,
				   pkt->pointer[i]);
			return -1;
		}
		count += got;
		len -= n;
	}
	return count;
}

static uint64_t pieces_sum(const struct ring_pkt *pkt)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < DUCT_PIECES; i++)
		sum += pkt->length[i];
	return sum;
}

/* Return: false after a fatal error. */
static bool gather(struct card *card, const struct ring_pkt *pkt,
		   struct bus_packet *packet)
{
	uint64_t sum = pieces_sum(pkt);

	if (sum > DUCT_PACKET_MAX) {
		card_fatal(card, DUCT_FLAGS_FLTR,
			   "transmit ring: slot %u: a packet of %" PRIu64 " bytes",
			   ring_slot(&card->tx), sum);
		return false;
	}
	packet->dst = pkt->dst;
	packet->src = card->hwaddr;
	packet->len = (uint32_t)sum;
	packet->pieces = map_pieces(card, &card->tx, "transmit", pkt,
				    packet->len, GUEST_READ, packet->piece);
	return packet->pieces >= 0;
}

static void run_transmit(struct card *card, unsigned int max)
{
	while (card->tx_due && max--) {
		struct bus_packet packet;
		struct ring_pkt pkt;

		switch (ring_peek_pkt(&card->tx, card->mem, &pkt)) {
		case RING_EMPTY:
			card->tx_due = false;
			return;
		case RING_FAULT:
			card_slot_fault(card, &card->tx, "transmit");
			return;
		case RING_READY:
			break;
		}
		if (!gather(card, &pkt, &packet))
			return;
		bus_send(&card->station, &packet);
		if (guest_mem_broken(card->mem) ||
		    !ring_complete_tx(&card->tx, card->mem)) {
			card_slot_fault(card, &card->tx, "transmit");
			return;
		}
		card->counters.tx_packets++;
		card->counters.tx_bytes += packet.len;
		card_event(card, DUCT_EV_TXCOMP);
	}
}

static bool station_run(struct bus_station *station, unsigned int budget)
{
	struct card *card = card_of(station);

	card_run_commands(card, budget);
	run_transmit(card, budget);
	return card->cmd_due || card->tx_due;
}

/* Descriptors can be handed over with no doorbell rung for them (yet). */
static bool station_look(struct bus_station *station)
{
	struct card *card = card_of(station);

	if (!card->started || card->flags ||
	    !ring_is_ready(&card->tx, card->mem))
		return false;
	card->tx_due = true;
	return true;
}

static bool station_flush(struct bus_station *station)
{
	return card_flush_events(card_of(station));
}

static bool station_accepts(struct bus_station *station, uint32_t dst)
{
	const struct card *card = card_of(station);

	return card->started && !card->flags &&
	       filter_match(&card->filters, dst);
}

static int drop(struct card *card)
{
	card->counters.rx_drop++;
	card_event(card, DUCT_EV_RXDROP);
	return -1;
}

static int station_receive(struct bus_station *station,
			   const struct bus_packet *packet)
{
	struct card *card = card_of(station);
	struct iovec iov[BUS_PACKET_PIECES];
	struct ring_pkt pkt;
	int pieces;

	switch (ring_peek_pkt(&card->rx, card->mem, &pkt)) {
	case RING_EMPTY:
		return drop(card);
	case RING_FAULT:
		card_slot_fault(card, &card->rx, "receive");
		return -1;
	case RING_READY:
		break;
	}
	if (pieces_sum(&pkt) < packet->len) {
		card->counters.rx_jumbo++;
		card_event(card, DUCT_EV_RXJUMBO);
		return -1;
	}
	pieces = map_pieces(card, &card->rx, "receive", &pkt, packet->len,
			    GUEST_WRITE, iov);
	if (pieces < 0)
		return -1;
	bus_copy(station->bus, iov, pieces, packet);
	if (guest_mem_broken(card->mem) ||
	    !ring_complete_rx(&card->rx, card->mem, packet->len, packet->dst,
			      packet->src)) {
		card_slot_fault(card, &card->rx, "receive");
		return -1;
	}
	card->counters.rx_packets++;
	card->counters.rx_bytes += packet->len;
	card_event(card, DUCT_EV_RXCOMP);
	return (int)packet->len;
}

const struct bus_station_ops card_station_ops = {
	.accepts = station_accepts,
	.receive = station_receive,
	.run = station_run,
	.look = station_look,
	.flush = station_flush,
};
