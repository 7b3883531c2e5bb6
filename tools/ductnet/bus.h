/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bus: every station sees every packet but its own. A packet is carried in
 * the pieces its sender has it in, and each accepting station copies it once.
 */
#ifndef DUCTNET_BUS_H
#define DUCTNET_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "duct_hw.h"

/*
 * Pieces of host memory a packet may fall into: a piece of a descriptor can
 * span windows of the guest memory map that are no neighbours in the host.
 */
#define BUS_PACKET_PIECES	32

/* Packets a station may send in one round: its fair share. */
#define BUS_BUDGET		64

struct bus_packet {
	uint32_t dst;			/* Ductnet addresses, host order */
	uint32_t src;
	uint32_t len;			/* bytes, sum of the pieces' */
	int pieces;
	struct iovec piece[BUS_PACKET_PIECES];
};

struct bus;
struct bus_station;

struct bus_station_ops {
	/*
	 * Would this station take a packet for @dst? The bus remembers the
	 * answer until bus_changed().
	 */
	bool (*accepts)(struct bus_station *station, uint32_t dst);
	/*
	 * Take it, or count why not. Must copy what it needs with bus_copy(),
	 * and must not send from here: bus_wake() and send in @run.
	 * Return: bytes of the payload it took, or -1 when it dropped it.
	 */
	int (*receive)(struct bus_station *station,
		       const struct bus_packet *packet);
	/*
	 * Send at most @budget packets with bus_send().
	 * Return: true when more may be waiting.
	 */
	bool (*run)(struct bus_station *station, unsigned int budget);
	/* Has it work that nobody told it of? May be NULL: it has not. */
	bool (*look)(struct bus_station *station);
	/*
	 * The round is over: tell the host of it (interrupts). May be NULL.
	 * Return: true when it keeps something back: it is called again at the
	 * end of the next round.
	 */
	bool (*flush)(struct bus_station *station);
};

/* Embed it. The bus knows stations by this alone. */
struct bus_station {
	const struct bus_station_ops *ops;
	struct bus *bus;
	bool awake;			/* wants @run in the next round */
	bool touched;			/* gets @flush at the end of the round */
	struct bus_station *next;
};

struct bus_counters {
	uint64_t packets;		/* sent by any station */
	uint64_t bytes;			/* their payload */
	uint64_t deliveries;		/* packets taken, once per receiver */
	uint64_t delivered_bytes;	/* what each receiver took of them */
	uint64_t copied_bytes;		/* bytes moved by bus_copy() */
	uint64_t unclaimed;		/* packets no station accepted */
	uint64_t rounds;
};

/* Destinations whose receivers are remembered; a power of two. */
#define BUS_ROUTES		256
/* Receivers of one; for a destination with more all stations are asked. */
#define BUS_ROUTE_STATIONS	13

struct bus_route {
	uint32_t dst;
	uint32_t count;			/* above BUS_ROUTE_STATIONS: too many */
	uint64_t generation;		/* of the bus when it was learnt */
	struct bus_station *to[BUS_ROUTE_STATIONS];
};

struct bus {
	struct bus_station *stations;
	struct bus_counters counters;
	uint64_t generation;		/* bus_changed() counts; routes have 0 at first */
	uint64_t now_us;		/* the caller's clock */
	uint32_t hold_us;		/* how long @flush may keep something back */
	bool held;			/* some station does */
	struct bus_route route[BUS_ROUTES];
};

void bus_init(struct bus *bus);
void bus_attach(struct bus *bus, struct bus_station *station,
		const struct bus_station_ops *ops);
void bus_detach(struct bus_station *station);

/* What some station accepts has changed. */
void bus_changed(struct bus *bus);

/* Ask for @run in the next round. */
void bus_wake(struct bus_station *station);

/*
 * Wakes those that have work nobody told them of.
 * Return: true when there are such.
 */
bool bus_look(struct bus *bus);

/* Hand a packet to every other station that accepts it. */
void bus_send(struct bus_station *sender, const struct bus_packet *packet);

/*
 * One round: each awake station runs with a fair share, then each that ran or
 * was offered a packet, or kept something back, is flushed. Who runs first
 * changes from round to round.
 * Return: true when work is left for another round.
 */
bool bus_run(struct bus *bus);

/*
 * The only copy: gathers @packet into @piece[0..pieces).
 * The room must be at least @packet->len. Return: bytes copied.
 */
size_t bus_copy(struct bus *bus, const struct iovec *piece, int pieces,
		const struct bus_packet *packet);

#endif /* DUCTNET_BUS_H */
