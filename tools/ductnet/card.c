// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nothing the guest gives is trusted: register values, descriptors and what
 * they point at are checked where they are used, and a bad one stops this card
 * alone, as docs/card.md, "Fatal errors", has it.
 */
#include "card_impl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

static void signal_event(struct card *card)
{
	card->event_pending = false;
	card->event_urgent = false;
	card->event_sent = 0;
	card->counters.signals++;
	card->host.signal(card->host.ctx, DUCT_VECTOR_EVENT);
}

void card_event(struct card *card, uint32_t flag)
{
	uint32_t before = card->evflags;

	card->evflags |= flag;
	card->counters.events++;
	switch (card->signal) {
	case CARD_SIGNAL_BURST:
		if (!card->event_pending)
			card->event_since = card->station.bus->now_us;
		card->event_pending = true;
		if (flag != DUCT_EV_TXCOMP ||
		    ++card->event_sent >= ring_size(&card->tx) / 4)
			card->event_urgent = true;
		break;
	case CARD_SIGNAL_EACH:
		signal_event(card);
		break;
	case CARD_SIGNAL_LATCHED:
		if (!before)
			signal_event(card);
		break;
	}
}

bool card_flush_events(struct card *card)
{
	const struct bus *bus = card->station.bus;

	if (!card->event_pending)
		return false;
	if (!card->event_urgent &&
	    bus->now_us - card->event_since < bus->hold_us)
		return true;
	signal_event(card);
	return false;
}

static const char *count_fatal(struct card *card, uint32_t flag)
{
	switch (flag) {
	case DUCT_FLAGS_FLTB:
		card->counters.fatal_fltb++;
		return "FLTB";
	case DUCT_FLAGS_FLTR:
		card->counters.fatal_fltr++;
		return "FLTR";
	case DUCT_FLAGS_SEQ:
		card->counters.fatal_seq++;
		return "SEQ";
	default:
		card->counters.fatal_hwerr++;
		return "HWERR";
	}
}

__attribute__((format(printf, 3, 0)))
static void vfatal(struct card *card, uint32_t flag, const char *fmt,
		   va_list args)
{
	const char *name = count_fatal(card, flag);
	char why[160];

	card->flags |= flag;
	bus_changed(card->station.bus);
	card->cmd_due = false;
	card->tx_due = false;
	card->event_pending = false;
	card->event_urgent = false;
	card->event_sent = 0;
	card->host.signal(card->host.ctx, DUCT_VECTOR_FATAL);

	if (log_get_level() < LOG_LEVEL_INFO ||
	    !log_limit_pass(&card->fault_limit))
		return;
	vsnprintf(why, sizeof(why), fmt, args);
	if (card->fault_limit.missed)
		log_info("card %s: %" PRIu64 " more fatal errors not shown",
			 card->name, card->fault_limit.missed);
	card->fault_limit.missed = 0;
	log_info("card %s: fatal error %s: %s", card->name, name, why);
}

void card_fatal(struct card *card, uint32_t flag, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfatal(card, flag, fmt, args);
	va_end(args);
}

void card_fault(struct card *card, uint32_t flag, uint64_t addr,
		const char *fmt, ...)
{
	va_list args;

	if (guest_mem_broken(card->mem)) {
		card_fatal(card, DUCT_FLAGS_HWERR, "the file that is the guest's memory was cut off");
		return;
	}
	va_start(args, fmt);
	vfatal(card, flag, fmt, args);
	va_end(args);
	if (guest_mem_is_unshared(card->mem, addr) &&
	    log_limit_pass(&card->unshared_limit))
		log_error("card %s: the guest's memory at 0x%" PRIx64 " is not shared with ductnet: give QEMU a memory backend with share=on",
			  card->name, addr);
}

static bool check_mapped(struct card *card, const struct ring *ring,
			 const char *name)
{
	if (ring_is_mapped(ring, card->mem))
		return true;
	card_fault(card, DUCT_FLAGS_FLTB, ring->base,
		   "%sBASE 0x%" PRIx64 ": %u descriptors there are not in memory",
		   name, ring->base, ring_size(ring));
	return false;
}

/* Both packet rings, back at their first slots. */
static void rewind_packet_rings(struct card *card)
{
	ring_rewind(&card->tx);
	ring_rewind(&card->rx);
	card->tx_due = false;
}

/* START and STOP: return false after a fatal error. */
static bool start(struct card *card)
{
	if (card->started) {
		card_fatal(card, DUCT_FLAGS_SEQ, "START while started");
		return false;
	}
	if (!ring_is_set(&card->tx) || !ring_is_set(&card->rx)) {
		card_fatal(card, DUCT_FLAGS_SEQ, "START before the %s ring is set",
			   ring_is_set(&card->tx) ? "receive" : "transmit");
		return false;
	}
	if (!check_mapped(card, &card->tx, "TX") ||
	    !check_mapped(card, &card->rx, "RX"))
		return false;
	rewind_packet_rings(card);
	card->started = true;
	return true;
}

static bool stop(struct card *card)
{
	if (!card->started) {
		card_fatal(card, DUCT_FLAGS_SEQ, "STOP while stopped");
		return false;
	}
	card->started = false;
	rewind_packet_rings(card);
	return true;
}

/* Return: false after a fatal error; the command then stays the card's. */
static bool execute(struct card *card, const struct ring_cmd *cmd, uint8_t *err)
{
	*err = DUCT_ERR_OK;
	bus_changed(card->station.bus);
	switch (cmd->type) {
	case DUCT_CMD_START:
		return start(card);
	case DUCT_CMD_STOP:
		return stop(card);
	case DUCT_CMD_ADDFILT:
		*err = filter_add(&card->filters, cmd->filtmask, cmd->filtaddr);
		return true;
	case DUCT_CMD_RMFILT:
		*err = filter_remove(&card->filters, cmd->filtmask,
				     cmd->filtaddr);
		return true;
	case DUCT_CMD_FLUSHFILT:
		filter_flush(&card->filters);
		return true;
	default:
		*err = DUCT_ERR_TYPE;
		return true;
	}
}

void card_slot_fault(struct card *card, const struct ring *ring,
		     const char *name)
{
	card_fault(card, DUCT_FLAGS_FLTB, ring_slot_addr(ring),
		   "%s ring: slot %u at 0x%" PRIx64 " is not in memory", name,
		   ring_slot(ring), ring_slot_addr(ring));
}

void card_run_commands(struct card *card, unsigned int max)
{
	while (card->cmd_due && max--) {
		struct ring_cmd cmd;
		uint8_t err;

		switch (ring_peek_cmd(&card->cmd, card->mem, &cmd)) {
		case RING_EMPTY:
			card->cmd_due = false;
			return;
		case RING_FAULT:
			card_slot_fault(card, &card->cmd, "command");
			return;
		case RING_READY:
			break;
		}
		if (!execute(card, &cmd, &err))
			return;
		if (!ring_complete_cmd(&card->cmd, card->mem, err)) {
			card_slot_fault(card, &card->cmd, "command");
			return;
		}
		card->counters.commands++;
		if (err != DUCT_ERR_OK)
			card->counters.command_errors++;
		card_event(card, DUCT_EV_CMDCOMP);
	}
}

static void count_bad_index(struct card *card, const struct ring *ring,
			    uint32_t value)
{
	if ((value & ~DUCT_DBELL_TX) >= ring_size(ring))
		card->counters.bad_doorbells++;
}

static void command_doorbell(struct card *card, uint32_t value)
{
	card->counters.cmd_doorbells++;
	if (!ring_is_set(&card->cmd)) {
		card_fatal(card, DUCT_FLAGS_SEQ,
			   "command doorbell before the command ring is set");
		return;
	}
	count_bad_index(card, &card->cmd, value);
	if (!check_mapped(card, &card->cmd, "CMD"))
		return;
	card->cmd_due = true;
	card_run_commands(card, ring_size(&card->cmd));
	card_flush_events(card);
	/* A guest that hands slots back while they are worked on has to wait. */
	if (card->cmd_due)
		bus_wake(&card->station);
}

static void transmit_doorbell(struct card *card, uint32_t value)
{
	card->counters.tx_doorbells++;
	if (!card->started) {
		card_fatal(card, DUCT_FLAGS_SEQ, "transmit doorbell while stopped");
		return;
	}
	count_bad_index(card, &card->tx, value);
	card->tx_due = true;
	bus_wake(&card->station);
}

static void write_shift(struct card *card, struct ring *ring, const char *name,
			uint32_t value)
{
	if (!ring_set_shift(ring, value))
		card_fatal(card, DUCT_FLAGS_FLTB, "%sSHIFT is %u, more than %u",
			   name, value, DUCT_SHIFT_MAX);
}

/* @offset is one of TXBASE, TXSHIFT, RXBASE, RXSHIFT. */
static void write_packet_ring(struct card *card, uint32_t offset,
			      uint32_t value)
{
	bool is_tx = offset < DUCT_RXBASE;
	struct ring *ring = is_tx ? &card->tx : &card->rx;
	const char *name = is_tx ? "TX" : "RX";

	if (card->started) {
		card_fatal(card, DUCT_FLAGS_SEQ,
			   "%s ring: register 0x%02x written while started",
			   name, offset);
		return;
	}
	switch (offset) {
	case DUCT_TXBASE:
	case DUCT_RXBASE:
		ring_set_base_low(ring, value);
		break;
	case DUCT_TXBASE + 4:
	case DUCT_RXBASE + 4:
		ring_set_base_high(ring, value);
		break;
	default:
		write_shift(card, ring, name, value);
		break;
	}
}

static void write32(struct card *card, uint32_t offset, uint32_t value)
{
	card->counters.reg_writes++;
	if (offset == DUCT_FLAGS && value & DUCT_FLAGS_RST) {
		card_reset(card);
		return;
	}
	if (card->flags)
		return;
	switch (offset) {
	case DUCT_CMDBASE:
		ring_set_base_low(&card->cmd, value);
		break;
	case DUCT_CMDBASE + 4:
		card->cmd_due = false;
		ring_set_base_high(&card->cmd, value);
		break;
	case DUCT_CMDSHIFT:
		card->cmd_due = false;
		write_shift(card, &card->cmd, "CMD", value);
		break;
	case DUCT_TXBASE:
	case DUCT_TXBASE + 4:
	case DUCT_TXSHIFT:
	case DUCT_RXBASE:
	case DUCT_RXBASE + 4:
	case DUCT_RXSHIFT:
		write_packet_ring(card, offset, value);
		break;
	case DUCT_DBELL:
		if (value & DUCT_DBELL_TX)
			transmit_doorbell(card, value);
		else
			command_doorbell(card, value);
		break;
	}
}

static uint32_t read32(struct card *card, uint32_t offset)
{
	uint32_t events;

	card->counters.reg_reads++;
	switch (offset) {
	case DUCT_VMAJ:
		return DUCT_VERSION_MAJOR;
	case DUCT_VMIN:
		return DUCT_VERSION_MINOR;
	case DUCT_FLAGS:
		return card->flags;
	case DUCT_HWADDR:
		return card->hwaddr;
	case DUCT_EVFLAGS:
		card->counters.evflags_reads++;
		events = card->evflags;
		card->evflags = 0;
		return events;
	default:
		return 0;
	}
}

uint64_t card_read(struct card *card, uint32_t offset, unsigned int size)
{
	uint64_t low;

	if (size == 8 && offset % 8 == 0) {
		low = read32(card, offset);
		return low | (uint64_t)read32(card, offset + 4) << 32;
	}
	if (size == 4 && offset % 4 == 0)
		return read32(card, offset);
	card->counters.bad_accesses++;
	return 0;
}

void card_write(struct card *card, uint32_t offset, unsigned int size,
		uint64_t value)
{
	if (size == 8 && offset % 8 == 0) {
		write32(card, offset, (uint32_t)value);
		write32(card, offset + 4, (uint32_t)(value >> 32));
	} else if (size == 4 && offset % 4 == 0) {
		write32(card, offset, (uint32_t)value);
	} else {
		card->counters.bad_accesses++;
	}
}

/* All but the address, the counters and the limits of the log. */
static void power_on(struct card *card)
{
	card->started = false;
	card->cmd_due = false;
	card->tx_due = false;
	card->flags = 0;
	card->evflags = 0;
	card->event_pending = false;
	card->event_urgent = false;
	card->event_sent = 0;
	ring_init(&card->cmd, sizeof(struct duct_cmd_desc));
	ring_init(&card->tx, sizeof(struct duct_pkt_desc));
	ring_init(&card->rx, sizeof(struct duct_pkt_desc));
	filter_flush(&card->filters);
}

void card_reset(struct card *card)
{
	log_debug("card %s: reset", card->name);
	card->counters.resets++;
	power_on(card);
	bus_changed(card->station.bus);
}

void card_init(struct card *card, struct bus *bus, const char *name,
	       uint32_t hwaddr, enum card_signal signal,
	       const struct card_host *host, struct guest_mem *mem)
{
	memset(card, 0, sizeof(*card));
	card->name = name;
	card->hwaddr = hwaddr;
	card->signal = signal;
	card->host = *host;
	card->mem = mem;
	power_on(card);
	bus_attach(bus, &card->station, &card_station_ops);
}

void card_detach(struct card *card)
{
	bus_detach(&card->station);
}
