// SPDX-License-Identifier: GPL-2.0-only
#include "station_impl.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

static struct station *station_of(struct bus_station *bus_station)
{
	return (struct station *)((char *)bus_station -
				  offsetof(struct station, bus_station));
}

/*
 * Stations answer hosts. Were one to answer another, or a group address, two
 * of them could keep a packet going for ever.
 */
static bool may_ask(uint32_t src)
{
	return !(src & DUCT_ADDR_MCAST) && src != STATION_ECHO_ADDR &&
	       src != STATION_QUOTE_ADDR;
}

static bool accepts(struct bus_station *bus_station, uint32_t dst)
{
	return dst == station_of(bus_station)->addr;
}

static int receive(struct bus_station *bus_station,
		   const struct bus_packet *packet)
{
	struct station *station = station_of(bus_station);
	unsigned int slot = station->tail % STATION_QUEUE;
	struct station_reply *reply = &station->reply[slot];
	int taken;

	if (!may_ask(packet->src)) {
		station->counters.ignored++;
		return -1;
	}
	if (station->tail - station->head == STATION_QUEUE) {
		station->counters.dropped++;
		return -1;
	}
	reply->dst = packet->src;
	taken = station->answer(station, slot, packet, reply);
	station->tail++;
	station->counters.received++;
	bus_wake(bus_station);
	return taken;
}

static bool run(struct bus_station *bus_station, unsigned int budget)
{
	struct station *station = station_of(bus_station);

	while (station->head != station->tail && budget--) {
		const struct station_reply *reply =
			&station->reply[station->head % STATION_QUEUE];
		struct bus_packet packet = {
			.dst = reply->dst,
			.src = station->addr,
			.len = reply->len,
			.pieces = reply->len ? 1 : 0,
			.piece[0] = {
				.iov_base = (void *)(uintptr_t)reply->data,
				.iov_len = reply->len,
			},
		};

		bus_send(bus_station, &packet);
		station->head++;
		station->counters.sent++;
	}
	return station->head != station->tail;
}

static const struct bus_station_ops ops = {
	.accepts = accepts,
	.receive = receive,
	.run = run,
};

struct station *station_new(struct bus *bus, size_t size, const char *name,
			    uint32_t addr)
{
	struct station *station = calloc(1, size);

	if (!station)
		return NULL;
	station->name = name;
	station->addr = addr;
	bus_attach(bus, &station->bus_station, &ops);
	return station;
}

void station_free(struct station *station)
{
	if (!station)
		return;
	bus_detach(&station->bus_station);
	if (station->destroy)
		station->destroy(station);
	free(station);
}

void station_print(const struct station *station, FILE *out)
{
	const struct station_counters *count = &station->counters;

	fprintf(out, "station: %s\n", station->name);
	fprintf(out, "  address: %08" PRIx32 "\n", station->addr);
	fprintf(out, "  received: %" PRIu64 "\n", count->received);
	fprintf(out, "  sent: %" PRIu64 "\n", count->sent);
	fprintf(out, "  dropped: %" PRIu64 "\n", count->dropped);
	fprintf(out, "  ignored: %" PRIu64 "\n", count->ignored);
}
