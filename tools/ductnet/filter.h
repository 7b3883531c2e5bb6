/* SPDX-License-Identifier: GPL-2.0-only */
/* A card's table of destination filters: docs/card.md, "Commands". */
#ifndef DUCTNET_FILTER_H
#define DUCTNET_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "duct_hw.h"

struct filter {
	uint32_t mask;
	uint32_t addr;
};

struct filter_table {
	unsigned int count;
	struct filter filter[DUCT_FILTERS];
};

/* Return: DUCT_ERR_OK, also when it is there, or DUCT_ERR_TABLE when full. */
uint8_t filter_add(struct filter_table *table, uint32_t mask, uint32_t addr);

/* Return: DUCT_ERR_OK, or DUCT_ERR_TABLE when the very same is not there. */
uint8_t filter_remove(struct filter_table *table, uint32_t mask, uint32_t addr);

void filter_flush(struct filter_table *table);

bool filter_match(const struct filter_table *table, uint32_t dst);

#endif /* DUCTNET_FILTER_H */
