/* SPDX-License-Identifier: GPL-2.0-only */
/* What the stations share: one address, and a bounded queue of replies. */
#ifndef DUCTNET_STATION_IMPL_H
#define DUCTNET_STATION_IMPL_H

#include "station.h"

#define STATION_QUEUE	256		/* packets, a power of two */

struct station_reply {
	uint32_t dst;
	uint32_t len;
	const uint8_t *data;		/* the station's, until it is sent */
};

struct station_counters {
	uint64_t received;
	uint64_t sent;
	uint64_t dropped;		/* the queue was full */
	uint64_t ignored;		/* from a station, or from no station */
};

/*
 * A station is one of these and what else it needs behind it, in one
 * allocation that station_new() makes.
 */
struct station {
	struct bus_station bus_station;
	const char *name;
	uint32_t addr;
	/*
	 * Fill in @reply's data and len. @slot is its place in the queue,
	 * nobody else's until the reply is sent.
	 * Return: bytes of the packet it took.
	 */
	int (*answer)(struct station *station, unsigned int slot,
		      const struct bus_packet *packet,
		      struct station_reply *reply);
	void (*destroy)(struct station *station);	/* may be NULL */
	uint32_t head, tail;		/* free running: next to send, to fill */
	struct station_reply reply[STATION_QUEUE];
	struct station_counters counters;
};

/* @size: of the whole; zeroed and attached. NULL: no memory. */
struct station *station_new(struct bus *bus, size_t size, const char *name,
			    uint32_t addr);

#endif /* DUCTNET_STATION_IMPL_H */
