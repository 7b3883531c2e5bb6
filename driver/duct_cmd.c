// SPDX-License-Identifier: GPL-2.0-only
/* The command ring: docs/card.md, "Commands". */
#include <linux/iopoll.h>

#include "duct.h"

#define DUCT_CMD_POLL_US	20
#define DUCT_CMD_TIMEOUT_US	(2 * USEC_PER_SEC)

static int duct_cmd_errno(u8 type, u8 status)
{
	switch (status) {
	case DUCT_ERR_OK:
		return 0;
	case DUCT_ERR_TABLE:
		if (type == DUCT_CMD_ADDFILT)
			return -ENOSPC;
		if (type == DUCT_CMD_RMFILT)
			return -ENOENT;
		return -EIO;
	case DUCT_ERR_TYPE:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

static int duct_cmd_run(struct duct_dev *duct, u8 type, u32 mask, u32 addr)
{
	struct duct_ring *ring = &duct->cmd;
	struct duct_cmd_desc *desc;
	u32 slot = ring->head;
	bool done;

	lockdep_assert_held(&duct->cmd_lock);

	desc = duct_ring_desc(ring, slot);
	desc->type = type;
	desc->err = DUCT_ERR_HW;
	desc->filtmask = cpu_to_le32(mask);
	desc->filtaddr = cpu_to_le32(addr);
	duct_ring_publish(ring, 1);
	duct_ring_doorbell(ring);
	duct_count(duct, DUCT_COMMANDS);

	read_poll_timeout(duct_ring_done, done, done || !duct_is_usable(duct),
			  DUCT_CMD_POLL_US, DUCT_CMD_TIMEOUT_US, false,
			  ring, slot);
	if (done) {
		duct_ring_reap(ring, slot + 1);
		return duct_cmd_errno(type, READ_ONCE(desc->err));
	}
	if (!duct_is_usable(duct))
		return -EIO;

	/* The slot stays the card's: nothing but a reset gets it back. */
	duct_count(duct, DUCT_COMMAND_TIMEOUTS);
	duct_fail(duct, 0, "no answer to a command");
	return -ETIMEDOUT;
}

/**
 * duct_cmd() - have the card carry out one command
 * @duct: card whose command ring is programmed
 * @type: DUCT_CMD_*
 * @mask: filtmask, for ADDFILT and RMFILT
 * @addr: filtaddr, for ADDFILT and RMFILT
 *
 * Waits for the card, at most DUCT_CMD_TIMEOUT_US. A card that does not answer
 * in time is taken out of service.
 *
 * Context: process, may sleep. Takes @duct->cmd_lock.
 * Return: 0, -ENOSPC (ADDFILT: the table is full), -ENOENT (RMFILT: no such
 * filter), -EOPNOTSUPP (the card does not know @type), -ETIMEDOUT, -EIO.
 */
int duct_cmd(struct duct_dev *duct, u8 type, u32 mask, u32 addr)
{
	int err = -EIO;

	mutex_lock(&duct->cmd_lock);
	if (duct_is_usable(duct))
		err = duct_cmd_run(duct, type, mask, addr);
	mutex_unlock(&duct->cmd_lock);

	if (err)
		duct_count(duct, DUCT_COMMAND_ERRORS);
	return err;
}
