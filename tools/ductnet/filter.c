// SPDX-License-Identifier: GPL-2.0-only
#include "filter.h"

/* Return: the filter's place, or @table->count. */
static unsigned int find(const struct filter_table *table, uint32_t mask,
			 uint32_t addr)
{
	unsigned int i;

	for (i = 0; i < table->count; i++) {
		if (table->filter[i].mask == mask &&
		    table->filter[i].addr == addr)
			break;
	}
	return i;
}

uint8_t filter_add(struct filter_table *table, uint32_t mask, uint32_t addr)
{
	if (find(table, mask, addr) < table->count)
		return DUCT_ERR_OK;
	if (table->count == DUCT_FILTERS)
		return DUCT_ERR_TABLE;
	table->filter[table->count].mask = mask;
	table->filter[table->count].addr = addr;
	table->count++;
	return DUCT_ERR_OK;
}

uint8_t filter_remove(struct filter_table *table, uint32_t mask, uint32_t addr)
{
	unsigned int i = find(table, mask, addr);

	if (i == table->count)
		return DUCT_ERR_TABLE;
	table->count--;
	table->filter[i] = table->filter[table->count];
	return DUCT_ERR_OK;
}

void filter_flush(struct filter_table *table)
{
	table->count = 0;
}

bool filter_match(const struct filter_table *table, uint32_t dst)
{
	for (unsigned int i = 0; i < table->count; i++) {
		const struct filter *filter = &table->filter[i];

		if ((dst & filter->mask) == (filter->addr & filter->mask))
			return true;
	}
	return false;
}
