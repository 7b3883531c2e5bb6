/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line. */
#ifndef DUCTNET_OPTIONS_H
#define DUCTNET_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "card.h"
#include "log.h"

#define OPTIONS_CARDS		64
/* Microseconds: the defaults, and the largest of both. */
#define OPTIONS_BUSY_POLL	200u
#define OPTIONS_TX_USECS	300u
#define OPTIONS_US_MAX		1000000u


struct options_card {
	char *path;			/* as given */
	uint32_t hwaddr;		/* given, or derived from the path */
	bool hwaddr_given;
	enum card_signal signal;
};

struct options {
	unsigned int cards;
	struct options_card card[OPTIONS_CARDS];
	const char *quotes;		/* NULL: the built-in ones */
	uint32_t busy_poll_us;
	uint32_t tx_usecs;
	enum log_level log_level;
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,			/* --help, --version: said all */
	OPTIONS_USAGE,			/* said on @err what is wrong */
};

/**
 * options_parse() - understand the command line
 * @options: filled; options_free() it whatever the result
 * @argc: as main() has it
 * @argv: as main() has it
 * @out: where help and version go
 * @err: where explanations go
 */
enum options_result options_parse(struct options *options, int argc,
				  char *const argv[], FILE *out, FILE *err);
void options_free(struct options *options);

#endif /* DUCTNET_OPTIONS_H */
