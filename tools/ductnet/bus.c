// SPDX-License-Identifier: GPL-2.0-only
#include "bus.h"

#include <assert.h>
#include <string.h>

void bus_init(struct bus *bus)
{
	memset(bus, 0, sizeof(*bus));
	bus->generation = 1;
}

void bus_changed(struct bus *bus)
{
	bus->generation++;
}

static void append(struct bus *bus, struct bus_station *station)
{
	struct bus_station **link = &bus->stations;

	while (*link)
		link = &(*link)->next;
	station->next = NULL;
	*link = station;
}

void bus_attach(struct bus *bus, struct bus_station *station,
		const struct bus_station_ops *ops)
{
	station->ops = ops;
	station->bus = bus;
	station->awake = false;
	station->touched = false;
	append(bus, station);
	bus_changed(bus);
}

static void unlink_station(struct bus_station *station)
{
	struct bus_station **link = &station->bus->stations;

	while (*link != station)
		link = &(*link)->next;
	*link = station->next;
	station->next = NULL;
}

void bus_detach(struct bus_station *station)
{
	unlink_station(station);
	bus_changed(station->bus);
}

void bus_wake(struct bus_station *station)
{
	station->awake = true;
}

bool bus_look(struct bus *bus)
{
	bool found = false;

	for (struct bus_station *s = bus->stations; s; s = s->next) {
		if (!s->ops->look || !s->ops->look(s))
			continue;
		s->awake = true;
		found = true;
	}
	return found;
}

/* Asks every station, once for as long as nothing changes. */
static void learn(struct bus *bus, struct bus_route *route, uint32_t dst)
{
	route->dst = dst;
	route->generation = bus->generation;
	route->count = 0;
	for (struct bus_station *s = bus->stations; s; s = s->next) {
		if (!s->ops->accepts(s, dst))
			continue;
		if (route->count < BUS_ROUTE_STATIONS)
			route->to[route->count] = s;
		route->count++;
	}
}

/* Stations' addresses are chosen by people: all octets must count. */
static struct bus_route *route_of(struct bus *bus, uint32_t dst)
{
	struct bus_route *route = &bus->route[(dst * 0x9e3779b1u) >> 24];

	static_assert(BUS_ROUTES == 256, "the hash has eight bits");
	if (route->dst != dst || route->generation != bus->generation)
		learn(bus, route, dst);
	return route;
}

static void deliver(struct bus *bus, struct bus_station *to,
		    const struct bus_packet *packet)
{
	int taken;

	to->touched = true;
	taken = to->ops->receive(to, packet);
	if (taken >= 0) {
		bus->counters.deliveries++;
		bus->counters.delivered_bytes += (uint64_t)taken;
	}
}

/* Return: how many stations there were to deliver to. */
static unsigned int deliver_all(struct bus_station *sender,
				const struct bus_packet *packet)
{
	const struct bus_route *route = route_of(sender->bus, packet->dst);
	unsigned int count = 0;

	if (route->count <= BUS_ROUTE_STATIONS) {
		for (uint32_t i = 0; i < route->count; i++) {
			if (route->to[i] == sender)
				continue;
			deliver(sender->bus, route->to[i], packet);
			count++;
		}
		return count;
	}
	for (struct bus_station *s = sender->bus->stations; s; s = s->next) {
		if (s == sender || !s->ops->accepts(s, packet->dst))
			continue;
		deliver(sender->bus, s, packet);
		count++;
	}
	return count;
}

void bus_send(struct bus_station *sender, const struct bus_packet *packet)
{
	struct bus_counters *count = &sender->bus->counters;

	count->packets++;
	count->bytes += packet->len;
	if (!deliver_all(sender, packet))
		count->unclaimed++;
}

bool bus_run(struct bus *bus)
{
	struct bus_station *first = NULL;
	bool left = false;

	for (struct bus_station *s = bus->stations; s; s = s->next) {
		if (!s->awake)
			continue;
		if (!first)
			first = s;
		s->awake = false;
		s->touched = true;
		if (s->ops->run(s, BUS_BUDGET))
			s->awake = true;
	}
	if (!first && !bus->held)
		return false;
	bus->held = false;
	for (struct bus_station *s = bus->stations; s; s = s->next) {
		s->touched = s->touched && s->ops->flush && s->ops->flush(s);
		bus->held |= s->touched;
		left |= s->awake;
	}
	if (!first)
		return false;
	bus->counters.rounds++;
	/* Who ran first is the last now: of scarce room all get the same. */
	unlink_station(first);
	append(bus, first);
	return left;
}

size_t bus_copy(struct bus *bus, const struct iovec *piece, int pieces,
		const struct bus_packet *packet)
{
	size_t copied = 0, filled = 0;
	int to = 0;

	for (int from = 0; from < packet->pieces; from++) {
		const uint8_t *src = packet->piece[from].iov_base;
		size_t left = packet->piece[from].iov_len;

		while (left) {
			size_t n;

			while (to < pieces && filled == piece[to].iov_len) {
				to++;
				filled = 0;
			}
			if (to == pieces)
				goto out;
			n = piece[to].iov_len - filled;
			if (n > left)
				n = left;
			/* A guest may well let pieces overlap: no memcpy(). */
			memmove((uint8_t *)piece[to].iov_base + filled, src, n);
			filled += n;
			src += n;
			left -= n;
			copied += n;
		}
	}
out:
	bus->counters.copied_bytes += copied;
	return copied;
}
