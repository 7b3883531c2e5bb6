// SPDX-License-Identifier: GPL-2.0-only
/* A card's state as text: lines of "name: value". */
#include "card.h"

#include <inttypes.h>
#include <stddef.h>

static const char *const signal_names[] = {
	[CARD_SIGNAL_BURST] = "burst",
	[CARD_SIGNAL_EACH] = "each",
	[CARD_SIGNAL_LATCHED] = "latched",
};

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
#define COUNTER(name) { #name, offsetof(struct card_counters, name) }
	COUNTER(tx_packets),
	COUNTER(tx_bytes),
	COUNTER(rx_packets),
	COUNTER(rx_bytes),
	COUNTER(rx_drop),
	COUNTER(rx_jumbo),
	COUNTER(commands),
	COUNTER(command_errors),
	COUNTER(tx_doorbells),
	COUNTER(cmd_doorbells),
	COUNTER(bad_doorbells),
	COUNTER(bad_accesses),
	COUNTER(events),
	COUNTER(signals),
	COUNTER(evflags_reads),
	COUNTER(reg_reads),
	COUNTER(reg_writes),
	COUNTER(resets),
	COUNTER(fatal_fltb),
	COUNTER(fatal_fltr),
	COUNTER(fatal_seq),
	COUNTER(fatal_hwerr),
#undef COUNTER
};

static_assert(sizeof(counters) / sizeof(counters[0]) ==
	      sizeof(struct card_counters) / sizeof(uint64_t),
	      "every counter is printed");

static void print_ring(const struct ring *ring, const char *name, FILE *out)
{
	if (!ring_is_set(ring)) {
		fprintf(out, "  %s_ring: not set\n", name);
		return;
	}
	fprintf(out, "  %s_ring: base 0x%" PRIx64 " size %u next %u\n", name,
		ring->base, ring_size(ring), ring_slot(ring));
}

void card_print(const struct card *card, FILE *out)
{
	const struct filter_table *filters = &card->filters;

	fprintf(out, "card: %s\n", card->name);
	fprintf(out, "  address: %08" PRIx32 "\n", card->hwaddr);
	fprintf(out, "  signal: %s\n", signal_names[card->signal]);
	fprintf(out, "  started: %s\n", card->started ? "yes" : "no");
	fprintf(out, "  flags: %08" PRIx32 "\n", card->flags);
	fprintf(out, "  evflags: %08" PRIx32 "\n", card->evflags);
	print_ring(&card->cmd, "cmd", out);
	print_ring(&card->tx, "tx", out);
	print_ring(&card->rx, "rx", out);
	for (unsigned int i = 0; i < filters->count; i++)
		fprintf(out, "  filter: %08" PRIx32 "/%08" PRIx32 "\n",
			filters->filter[i].mask, filters->filter[i].addr);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		const char *base = (const char *)&card->counters;
		const uint64_t *value = (const void *)(base +
						       counters[i].offset);

		fprintf(out, "  %s: %" PRIu64 "\n", counters[i].name, *value);
	}
}
