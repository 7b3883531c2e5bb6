// SPDX-License-Identifier: GPL-2.0-only
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "station.h"

static const char usage[] =
"usage: ductnet --card PATH[,hwaddr=HEX][,signal=burst|each|latched] ...\n"
"               [--quotes FILE] [--busy-poll US] [--tx-usecs US]\n"
"               [--log-level LEVEL]\n"
"\n"
"Ductnet in one process: duct cards for virtual machines, the bus between\n"
"them, and on it an echo station (0000ec60) and a quote station (0000beef).\n"
"\n"
"  --card PATH       a card on a UNIX socket, for QEMU's vfio-user-pci;\n"
"                    may be given 64 times\n"
"    hwaddr=HEX      its address on Ductnet, 1 to 7fffffff;\n"
"                    default: derived from PATH, always the same\n"
"    signal=burst    one interrupt a burst of events (default)\n"
"    signal=each     one interrupt an event\n"
"    signal=latched  no further interrupt until EVFLAGS is read\n"
"  --quotes FILE     what the quote station says, one a line\n"
"  --busy-poll US    after work, look for more for that many microseconds\n"
"                    before sleeping; default 200, 0 = sleep at once\n"
"  --tx-usecs US     an interrupt only for sent packets may wait that many\n"
"                    microseconds for more; default 300, 0 = at once\n"
"  --log-level LEVEL error, warn, info (default) or debug\n"
"  --help            this text\n"
"  --version         the version\n"
"\n"
"The guest's memory must be shared, as in\n"
"  qemu-system-x86_64 -M q35,memory-backend=ram \\\n"
"    -object memory-backend-memfd,id=ram,size=512M,share=on \\\n"
"    -device '{\"driver\": \"vfio-user-pci\",\n"
"              \"socket\": {\"type\": \"unix\", \"path\": \"PATH\"}}'\n"
"\n"
"SIGUSR1 prints the state of every card; SIGTERM and SIGINT end ductnet.\n";

/* Says what is wrong; always false. */
__attribute__((format(printf, 2, 3)))
static bool complain(FILE *err, const char *fmt, ...)
{
	va_list args;

	fputs("ductnet: ", err);
	va_start(args, fmt);
	vfprintf(err, fmt, args);
	va_end(args);
	fputs("\n", err);
	return false;
}

static bool is_station(uint32_t addr)
{
	return addr == STATION_ECHO_ADDR || addr == STATION_QUOTE_ADDR;
}

static bool parse_hwaddr(struct options_card *card, const char *text, FILE *err)
{
	const char *digits = text;
	uint64_t addr = 0;
	size_t len;

	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		digits += 2;
	len = strspn(digits, "0123456789abcdefABCDEF");
	if (len < 1 || len > 8 || digits[len])
		return complain(err, "hwaddr=%s: not a hexadecimal number of 1 to 8 digits",
				text);
	addr = strtoull(digits, NULL, 16);
	if (addr & DUCT_ADDR_MCAST)
		return complain(err, "hwaddr=%s: that is a multicast address; the top bit must be clear",
				text);
	if (!addr)
		return complain(err, "hwaddr=%s: no card has address 0", text);
	if (is_station((uint32_t)addr))
		return complain(err, "hwaddr=%s: that is the %s station's address",
				text, addr == STATION_ECHO_ADDR ? "echo" :
								  "quote");
	card->hwaddr = (uint32_t)addr;
	card->hwaddr_given = true;
	return true;
}

static bool parse_signal(struct options_card *card, const char *text, FILE *err)
{
	if (!strcmp(text, "burst"))
		card->signal = CARD_SIGNAL_BURST;
	else if (!strcmp(text, "each"))
		card->signal = CARD_SIGNAL_EACH;
	else if (!strcmp(text, "latched"))
		card->signal = CARD_SIGNAL_LATCHED;
	else
		return complain(err, "signal=%s: not burst, each or latched",
				text);
	return true;
}

static bool parse_card_option(struct options_card *card, const char *text,
			      FILE *err)
{
	static const char hwaddr[] = "hwaddr=", signal[] = "signal=";

	if (!strncmp(text, hwaddr, sizeof(hwaddr) - 1))
		return parse_hwaddr(card, text + sizeof(hwaddr) - 1, err);
	if (!strncmp(text, signal, sizeof(signal) - 1))
		return parse_signal(card, text + sizeof(signal) - 1, err);
	return complain(err, "--card: unknown option \"%s\", not hwaddr=HEX or signal=MODE",
			text);
}

/* PATH[,OPTION]... */
static bool parse_card(struct options *options, const char *text, FILE *err)
{
	struct options_card *card;
	char *rest, *option;

	if (options->cards == OPTIONS_CARDS)
		return complain(err, "more than %d cards", OPTIONS_CARDS);
	card = &options->card[options->cards];
	card->path = strdup(text);
	if (!card->path)
		return complain(err, "no memory");
	options->cards++;
	rest = card->path;
	strsep(&rest, ",");
	if (!*card->path)
		return complain(err, "--card %s: no path", text);
	while ((option = strsep(&rest, ","))) {
		if (!parse_card_option(card, option, err))
			return false;
	}
	for (unsigned int i = 0; i + 1 < options->cards; i++) {
		if (!strcmp(options->card[i].path, card->path))
			return complain(err, "two cards on %s", card->path);
		if (card->hwaddr_given && options->card[i].hwaddr_given &&
		    options->card[i].hwaddr == card->hwaddr)
			return complain(err, "two cards with address %08" PRIx32,
					card->hwaddr);
	}
	return true;
}

static bool parse_us(uint32_t *to, const char *option, const char *text,
		     FILE *err)
{
	unsigned long long us;
	char *end;

	errno = 0;
	us = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno ||
	    us > OPTIONS_US_MAX)
		return complain(err, "--%s %s: not a number of microseconds up to %u",
				option, text, OPTIONS_US_MAX);
	*to = (uint32_t)us;
	return true;
}

static bool parse_log_level(struct options *options, const char *text,
			    FILE *err)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARN] = "warn",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(text, names[i])) {
			options->log_level = (enum log_level)i;
			return true;
		}
	}
	return complain(err, "--log-level %s: not error, warn, info or debug",
			text);
}

/* FNV-1a, which may go on where it stopped. */
static uint32_t hash(uint32_t seed, const char *text)
{
	for (; *text; text++)
		seed = (seed ^ (uint8_t)*text) * 0x01000193u;
	return seed;
}

/* The hash of the path from the root, however it was given. */
static uint32_t hash_path(const char *path)
{
	const char *base = strrchr(path, '/');
	char where[PATH_MAX], dir[PATH_MAX];
	uint32_t seed = 0x811c9dc5u;

	if (!base)
		snprintf(dir, sizeof(dir), ".");
	else if (base == path)
		snprintf(dir, sizeof(dir), "/");
	else
		snprintf(dir, sizeof(dir), "%.*s", (int)(base - path), path);
	if (!realpath(dir, where))
		snprintf(where, sizeof(where), "%s", dir);
	if (strcmp(where, "/"))
		seed = hash(seed, where);
	return hash(hash(seed, "/"), base ? base + 1 : path);
}

static bool is_taken(const struct options *options,
		     const struct options_card *self, uint32_t addr)
{
	for (unsigned int i = 0; i < options->cards; i++) {
		const struct options_card *card = &options->card[i];

		if (card != self && card->hwaddr == addr)
			return true;
	}
	return !addr || is_station(addr);
}

/* In the order given, after all that are given: the same cards, the same. */
static void derive_addresses(struct options *options)
{
	for (unsigned int i = 0; i < options->cards; i++) {
		struct options_card *card = &options->card[i];
		uint32_t seed;

		if (card->hwaddr_given)
			continue;
		seed = hash_path(card->path);
		while (is_taken(options, card, seed & ~DUCT_ADDR_MCAST))
			seed = hash(seed, "again");
		card->hwaddr = seed & ~DUCT_ADDR_MCAST;
	}
}

enum { OPT_CARD = 1, OPT_QUOTES, OPT_BUSY_POLL, OPT_TX_USECS, OPT_LOG_LEVEL,
       OPT_HELP, OPT_VERSION };

static const struct option longopts[] = {
	{ "card", required_argument, NULL, OPT_CARD },
	{ "quotes", required_argument, NULL, OPT_QUOTES },
	{ "busy-poll", required_argument, NULL, OPT_BUSY_POLL },
	{ "tx-usecs", required_argument, NULL, OPT_TX_USECS },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ }
};

static enum options_result understand(struct options *options, int opt,
				      const char *word, FILE *out, FILE *err)
{
	bool ok;

	switch (opt) {
	case OPT_CARD:
		ok = parse_card(options, optarg, err);
		break;
	case OPT_QUOTES:
		options->quotes = optarg;
		ok = true;
		break;
	case OPT_BUSY_POLL:
		ok = parse_us(&options->busy_poll_us, "busy-poll", optarg, err);
		break;
	case OPT_TX_USECS:
		ok = parse_us(&options->tx_usecs, "tx-usecs", optarg, err);
		break;
	case OPT_LOG_LEVEL:
		ok = parse_log_level(options, optarg, err);
		break;
	case OPT_HELP:
		fputs(usage, out);
		return OPTIONS_DONE;
	case OPT_VERSION:
		fprintf(out, "ductnet %s\n", DUCT_VERSION);
		return OPTIONS_DONE;
	case ':':
		ok = complain(err, "%s: its argument is missing", word);
		break;
	default:
		ok = optopt > ' ' ?
			complain(err, "-%c: no such option", optopt) :
			complain(err, "%s: no such option", word);
		break;
	}
	return ok ? OPTIONS_RUN : OPTIONS_USAGE;
}

static enum options_result parse(struct options *options, int argc,
				 char *const argv[], FILE *out, FILE *err)
{
	enum options_result result;
	int opt;

	optind = 0;			/* from the start, each time */
	while ((opt = getopt_long(argc, argv, "+:", longopts, NULL)) != -1) {
		result = understand(options, opt, argv[optind - 1], out, err);
		if (result != OPTIONS_RUN)
			return result;
	}
	if (optind < argc) {
		complain(err, "\"%s\": not an option", argv[optind]);
		return OPTIONS_USAGE;
	}
	if (!options->cards) {
		complain(err, "no card: give --card PATH");
		return OPTIONS_USAGE;
	}
	derive_addresses(options);
	return OPTIONS_RUN;
}

enum options_result options_parse(struct options *options, int argc,
				  char *const argv[], FILE *out, FILE *err)
{
	enum options_result result;

	memset(options, 0, sizeof(*options));
	options->busy_poll_us = OPTIONS_BUSY_POLL;
	options->tx_usecs = OPTIONS_TX_USECS;
	options->log_level = LOG_LEVEL_INFO;
	result = parse(options, argc, argv, out, err);
	if (result == OPTIONS_USAGE)
		fputs("Try ductnet --help.\n", err);
	return result;
}

void options_free(struct options *options)
{
	for (unsigned int i = 0; i < options->cards; i++)
		free(options->card[i].path);
	options->cards = 0;
}
