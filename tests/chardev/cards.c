// SPDX-License-Identifier: GPL-2.0-only
#include "cards.h"
#include "chardev.h"

int from, to;
uint32_t source, destination;

int cards_setup(void **state)
{
	(void)state;
	from = card_open(0, O_RDWR);
	to = card_open(1, O_RDWR);
	source = card_address(0);
	destination = card_address(1);
	return 0;
}

int cards_teardown(void **state)
{
	(void)state;
	close(from);
	close(to);
	return 0;
}
