// SPDX-License-Identifier: GPL-2.0-only
/* Both vectors, EVFLAGS, and NAPI: docs/card.md, "Events and interrupts". */
#include <linux/interrupt.h>
#include <linux/iopoll.h>

#include "duct.h"

#define DUCT_EVENT_PERIOD	HZ

#define DUCT_IRQ_POLL_US	100
#define DUCT_IRQ_TIMEOUT_US	USEC_PER_SEC
#define DUCT_IRQ_LEARN_US	(250 * USEC_PER_MSEC)

static irqreturn_t duct_irq_event(int irq, void *data)
{
	struct duct_dev *duct = data;

	duct_count(duct, DUCT_EVENT_IRQS);
	napi_schedule_irqoff(&duct->napi);
	return IRQ_HANDLED;
}

static irqreturn_t duct_irq_fatal(int irq, void *data)
{
	struct duct_dev *duct = data;
	u32 flags = duct_read(duct, DUCT_FLAGS);

	duct_count(duct, DUCT_FATAL_IRQS);
	/* A message from before the last reset may come as late as this. */
	if (flags)
		duct_fail(duct, flags, "fatal interrupt");
	return IRQ_HANDLED;
}

/**
 * duct_irq_request() - take both vectors
 * @duct: the card, NAPI enabled
 *
 * Context: process.
 * Return: 0 or -errno of request_irq().
 */
int duct_irq_request(struct duct_dev *duct)
{
	const char *name = duct->netdev->name;
	int err;

	snprintf(duct->irq_name[DUCT_VECTOR_EVENT],
		 sizeof(duct->irq_name[0]), "%s-event", name);
	snprintf(duct->irq_name[DUCT_VECTOR_FATAL],
		 sizeof(duct->irq_name[0]), "%s-fatal", name);

	err = request_irq(duct->irq[DUCT_VECTOR_EVENT], duct_irq_event, 0,
			  duct->irq_name[DUCT_VECTOR_EVENT], duct);
	if (err)
		return err;

	err = request_irq(duct->irq[DUCT_VECTOR_FATAL], duct_irq_fatal, 0,
			  duct->irq_name[DUCT_VECTOR_FATAL], duct);
	if (err)
		free_irq(duct->irq[DUCT_VECTOR_EVENT], duct);
	return err;
}

/**
 * duct_irq_free() - give both vectors back; no handler runs afterwards
 * @duct: the card
 *
 * Context: process.
 */
void duct_irq_free(struct duct_dev *duct)
{
	free_irq(duct->irq[DUCT_VECTOR_FATAL], duct);
	free_irq(duct->irq[DUCT_VECTOR_EVENT], duct);
}

/*
 * One command that leaves the card as it was.
 * Return: 0 when the card signalled it within @timeout_us, -ETIME when it did
 * not, or the command's error.
 */
static int duct_irq_provoke(struct duct_dev *duct, unsigned long timeout_us)
{
	atomic64_t *irqs = &duct->slow[DUCT_EVENT_IRQS];
	s64 before = atomic64_read(irqs);
	s64 now;
	int err;

	err = duct_cmd(duct, DUCT_CMD_FLUSHFILT, 0, 0);
	if (err)
		return err;

	err = read_poll_timeout(atomic64_read, now, now != before,
				DUCT_IRQ_POLL_US, timeout_us, false, irqs);
	return err ? -ETIME : 0;
}

/**
 * duct_irq_learn() - does the card signal while EVFLAGS is not read?
 * @duct: reset card with the command ring programmed, vectors requested
 *
 * Commands without a read of EVFLAGS between them: where one of those behind
 * the first goes unsignalled, duct_poll() has to read it each time. A message
 * from before the reset may be taken for one of them, but not for two; a late
 * one is taken for none, which costs speed and nothing else. Leaves the card
 * without filters.
 *
 * Context: process, may sleep.
 * Return: 0, -EIO when no interrupt arrives at all, or duct_cmd()'s error.
 */
int duct_irq_learn(struct duct_dev *duct)
{
	int more;
	int err;

	WRITE_ONCE(duct->read_evflags, false);
	duct_read_events(duct);

	err = duct_irq_provoke(duct, DUCT_IRQ_TIMEOUT_US);
	if (err == -ETIME) {
		netdev_err(duct->netdev, "no interrupt from the card\n");
		return -EIO;
	}
	for (more = 0; !err && more < 2; more++)
		err = duct_irq_provoke(duct, DUCT_IRQ_LEARN_US);
	if (err == -ETIME) {
		WRITE_ONCE(duct->read_evflags, true);
		duct_read_events(duct);
		err = 0;
	}
	return err;
}

/**
 * duct_poll() - NAPI: completed transmits, then received packets
 * @napi: duct_dev.napi
 * @budget: packets to receive at most; 0 from netpoll
 *
 * The vector is never masked. An event during the poll raises it again, and
 * then napi_complete_done() has the poll repeated, so none is lost. A card that
 * signals only after a read of EVFLAGS is read before the rings are looked at:
 * what it completes after the read is signalled, what it completed before is
 * seen here.
 *
 * Return: packets received.
 */
int duct_poll(struct napi_struct *napi, int budget)
{
	struct duct_dev *duct = container_of(napi, struct duct_dev, napi);
	int done = 0;

	duct_napi_count(duct, DUCT_NAPI_POLLS);
	if (READ_ONCE(duct->read_evflags))
		duct_read_events(duct);

	duct_tx_reap(duct, budget);
	if (budget)
		done = duct_rx_poll(duct, budget);

	if (done < budget)
		napi_complete_done(napi, done);
	return done;
}

/**
 * duct_read_events() - clear EVFLAGS and count what only it tells
 * @duct: the card
 *
 * The card tells that packets were dropped since the last read, not how many:
 * the counters are lower bounds.
 *
 * Context: any; an MMIO read.
 */
void duct_read_events(struct duct_dev *duct)
{
	u32 events = duct_read(duct, DUCT_EVFLAGS);

	duct_count(duct, DUCT_EV_READS);
	if (test_bit(DUCT_STATE_GONE, &duct->state))
		return;
	if (events & DUCT_EV_RXDROP)
		duct_count(duct, DUCT_EV_RX_DROPS);
	if (events & DUCT_EV_RXJUMBO)
		duct_count(duct, DUCT_EV_RX_JUMBOS);
}

/**
 * duct_event_work() - read EVFLAGS once a period while the interface is up
 * @work: duct_dev.event_work
 */
void duct_event_work(struct work_struct *work)
{
	struct duct_dev *duct = container_of(to_delayed_work(work),
					     struct duct_dev, event_work);

	if (!duct_is_usable(duct))
		return;
	duct_read_events(duct);
	duct_event_start(duct);
}

/**
 * duct_event_start() - schedule the next duct_event_work()
 * @duct: the card
 */
void duct_event_start(struct duct_dev *duct)
{
	schedule_delayed_work(&duct->event_work, DUCT_EVENT_PERIOD);
}
