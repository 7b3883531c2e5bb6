/* SPDX-License-Identifier: GPL-2.0-only */
/* The well-known stations: docs/card.md, "Well-known stations on Ductnet". */
#ifndef DUCTNET_STATION_H
#define DUCTNET_STATION_H

#include <stdio.h>

#include "bus.h"

#define STATION_ECHO_ADDR	0x0000EC60u
#define STATION_QUOTE_ADDR	0x0000BEEFu

struct station;

/* Sends each payload back to its sender. NULL: no memory. */
struct station *station_echo_new(struct bus *bus);

/**
 * station_quote_new() - answers any packet with a quote
 * @bus: the bus
 * @path: file with one quote a line (empty lines skipped, longer than a packet
 *        is an error), or NULL for the built-in ones
 * @err: room for one line of explanation on failure
 * @err_size: bytes at @err
 *
 * Return: the station, or NULL with @err filled.
 */
struct station *station_quote_new(struct bus *bus, const char *path, char *err,
				  size_t err_size);

void station_free(struct station *station);

/* Name and counters: received, sent, dropped (its queue was full). */
void station_print(const struct station *station, FILE *out);

#endif /* DUCTNET_STATION_H */
