// SPDX-License-Identifier: GPL-2.0-only
/* Reset, fatal errors, and making sure that the card has let go of memory. */
#include <linux/iopoll.h>

#include "duct.h"

#define DUCT_RESET_POLL_US	50
#define DUCT_RESET_TIMEOUT_US	USEC_PER_SEC

static const struct {
	u32 flag;
	const char *why;
} duct_fatal_reasons[] = {
	{ DUCT_FLAGS_FLTB, "fault at an address in a register (FLTB)" },
	{ DUCT_FLAGS_FLTR, "fault at an address in a descriptor (FLTR)" },
	{ DUCT_FLAGS_SEQ, "operation out of sequence (SEQ)" },
	{ DUCT_FLAGS_HWERR, "hardware error (HWERR)" },
};

/**
 * duct_reset() - bring the card to its power-on state
 * @duct: the card
 *
 * docs/card.md, "Fatal errors".
 *
 * Context: process, may sleep.
 * Return: 0 when the card is stopped and has no rings, -ENODEV when it does not
 * answer at all, -ETIMEDOUT.
 */
int duct_reset(struct duct_dev *duct)
{
	u32 flags;

	writel(DUCT_FLAGS_RST, duct->regs + DUCT_FLAGS);
	read_poll_timeout(duct_read, flags, !flags || flags == ~0U,
			  DUCT_RESET_POLL_US, DUCT_RESET_TIMEOUT_US, false,
			  duct, DUCT_FLAGS);
	if (!flags)
		return 0;
	return flags == ~0U ? -ENODEV : -ETIMEDOUT;
}

/**
 * duct_quiesce() - stop the card and make sure of it
 * @duct: the card
 *
 * STOP alone leaves the card the command ring, so a reset follows. A card that
 * answers neither is taken off the bus.
 *
 * Context: process, may sleep.
 * Return: true when no memory is the card's any more.
 */
bool duct_quiesce(struct duct_dev *duct)
{
	if (test_and_clear_bit(DUCT_STATE_STARTED, &duct->state) &&
	    duct_is_usable(duct))
		duct_cmd(duct, DUCT_CMD_STOP, 0, 0);
	if (!duct_reset(duct))
		return true;
	return duct_pci_stop_dma(duct);
}

/**
 * duct_fail() - take the card out of service until the next open
 * @duct: the card
 * @flags: what FLAGS said, 0 when it said nothing or was not read
 * @why: what to say then; a literal
 *
 * Only the first call until the next open has an effect.
 *
 * Context: any.
 */
void duct_fail(struct duct_dev *duct, u32 flags, const char *why)
{
	if (test_and_set_bit(DUCT_STATE_FATAL, &duct->state))
		return;
	duct->fatal_flags = flags;
	duct->why = why;
	schedule_work(&duct->fatal_work);
}

static const char *duct_fatal_reason(const struct duct_dev *duct)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(duct_fatal_reasons); i++)
		if (duct->fatal_flags & duct_fatal_reasons[i].flag)
			return duct_fatal_reasons[i].why;
	return duct->why;
}

/**
 * duct_fatal_work() - stop the interface of a card that failed, and say why
 * @work: duct_dev.fatal_work
 *
 * The rings stay as they are: duct_stop() resets the card before it frees them.
 */
void duct_fatal_work(struct work_struct *work)
{
	struct duct_dev *duct = container_of(work, struct duct_dev, fatal_work);

	netif_carrier_off(duct->netdev);
	netif_tx_disable(duct->netdev);
	duct_chardev_wake(duct);

	if (test_bit(DUCT_STATE_GONE, &duct->state))
		netdev_err(duct->netdev, "the card does not answer any more\n");
	else
		netdev_err(duct->netdev,
			   "stopped: %s, flags 0x%x; set it down and up to recover\n",
			   duct_fatal_reason(duct), duct->fatal_flags);
}
