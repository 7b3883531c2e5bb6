/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The duct card: registers, state, commands, rings. docs/card.md is its
 * contract. It knows no socket and no virtual machine: guest memory is a
 * struct guest_mem, the host is struct card_host, the wire a struct bus.
 */
#ifndef DUCTNET_CARD_H
#define DUCTNET_CARD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bus.h"
#include "duct_hw.h"
#include "filter.h"
#include "guest_mem.h"
#include "log.h"
#include "ring.h"

/* When vector 0 is sent; a driver must live with all three. */
enum card_signal {
	CARD_SIGNAL_BURST,	/* once a burst of events */
	CARD_SIGNAL_EACH,	/* once an event */
	CARD_SIGNAL_LATCHED,	/* when EVFLAGS leaves 0, so none until it is read */
};

/* The card's way to its host. */
struct card_host {
	void (*signal)(void *ctx, unsigned int vector);
	void *ctx;
};

struct card_counters {
	uint64_t tx_packets, tx_bytes;
	uint64_t rx_packets, rx_bytes;
	uint64_t rx_drop;		/* accepted, but no slot: RXDROP */
	uint64_t rx_jumbo;		/* accepted, but too long: RXJUMBO */
	uint64_t commands;
	uint64_t command_errors;	/* commands answered with an err */
	uint64_t tx_doorbells, cmd_doorbells;
	uint64_t bad_doorbells;		/* index beyond the ring, otherwise served */
	uint64_t bad_accesses;		/* registers accessed in no defined way */
	uint64_t events;		/* completions, drops, jumbos */
	uint64_t signals;		/* vector 0 */
	uint64_t evflags_reads;
	uint64_t reg_reads, reg_writes;
	uint64_t resets;
	uint64_t fatal_fltb, fatal_fltr, fatal_seq, fatal_hwerr;
};

struct card {
	struct bus_station station;
	const char *name;		/* for messages; the caller's */
	uint32_t hwaddr;
	enum card_signal signal;
	struct card_host host;
	struct guest_mem *mem;

	bool started;
	bool cmd_due;			/* told of commands, not all carried out */
	bool tx_due;			/* told of packets, not all sent */
	uint32_t flags;			/* FLAGS: fatal errors */
	uint32_t evflags;		/* EVFLAGS */
	bool event_pending;		/* burst: vector 0 is owed */
	bool event_urgent;		/* and not for sent packets alone */
	uint32_t event_sent;		/* packets it is owed for */
	uint64_t event_since;		/* bus.now_us of the first */
	struct ring cmd, tx, rx;
	struct filter_table filters;
	struct card_counters counters;	/* survive reset */
	struct log_limit fault_limit;	/* so that a guest floods no log */
	struct log_limit unshared_limit;
};

/* @mem, @name and @host.ctx stay the caller's and outlive the card. */
void card_init(struct card *card, struct bus *bus, const char *name,
	       uint32_t hwaddr, enum card_signal signal,
	       const struct card_host *host, struct guest_mem *mem);
void card_detach(struct card *card);

/* Power-on state; docs/card.md, "Fatal errors". */
void card_reset(struct card *card);

/*
 * Register access, any @offset and @size below DUCT_BAR_SIZE; docs/card.md,
 * "Registers". Commands are carried out here, packets in the bus's rounds.
 */
uint64_t card_read(struct card *card, uint32_t offset, unsigned int size);
void card_write(struct card *card, uint32_t offset, unsigned int size,
		uint64_t value);

/* State, filters and counters, some lines of text. */
void card_print(const struct card *card, FILE *out);

#endif /* DUCTNET_CARD_H */
