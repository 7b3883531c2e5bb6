// SPDX-License-Identifier: GPL-2.0-only
#include "station_impl.h"

struct echo {
	struct station station;
	/* Touched only as far as the queue fills. */
	uint8_t payload[STATION_QUEUE][DUCT_PACKET_MAX];
};

static int answer(struct station *station, unsigned int slot,
		  const struct bus_packet *packet, struct station_reply *reply)
{
	struct echo *echo = (struct echo *)station;
	struct iovec room = {
		.iov_base = echo->payload[slot],
		.iov_len = DUCT_PACKET_MAX,
	};

	reply->data = echo->payload[slot];
	reply->len = packet->len;
	return (int)bus_copy(station->bus_station.bus, &room, 1, packet);
}

struct station *station_echo_new(struct bus *bus)
{
	struct station *station = station_new(bus, sizeof(struct echo), "echo",
					      STATION_ECHO_ADDR);

	if (station)
		station->answer = answer;
	return station;
}
