/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels 6.1 and 7.3. The sources are written for the
 * newest; here the older ones are given what they lack. Kbuild asks the
 * kernel's headers for what can not be told by the preprocessor.
 */
#ifndef DUCT_COMPAT_H
#define DUCT_COMPAT_H

#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/netdev_queues.h>

#ifndef kzalloc_obj
#define kzalloc_obj(obj)	kzalloc(sizeof(obj), GFP_KERNEL)
#endif

#ifdef DUCT_HAS_PAGE_POOL_DIR
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif

/* Who uses the pool: lets NAPI recycle directly and ynl tell the pools. */
static inline void duct_page_pool_owner(struct page_pool_params *params,
					struct net_device *netdev,
					struct napi_struct *napi)
{
#ifdef DUCT_HAS_PAGE_POOL_NETDEV
	params->netdev = netdev;
	params->napi = napi;
#endif
}

#ifndef netif_txq_completed_wake
/* Return: as upstream's, 0 when the queue was woken. */
static inline int
duct_txq_completed_wake(struct netdev_queue *txq, unsigned int pkts,
			unsigned int bytes, unsigned int desc,
			unsigned int start_thrs)
{
	netdev_tx_completed_queue(txq, pkts, bytes);
	/*
	 * Orders the ring's tail before the queue's stop bit, for
	 * netif_txq_try_stop(), which sets the bit and then looks at the tail.
	 */
	smp_mb();
	if (!pkts || desc < start_thrs)
		return -1;
	if (!netif_tx_queue_stopped(txq))
		return 1;
	netif_tx_wake_queue(txq);
	return 0;
}

#define netif_txq_completed_wake(txq, pkts, bytes, get_desc, start_thrs) \
	duct_txq_completed_wake(txq, pkts, bytes, get_desc, start_thrs)
#endif

#ifndef DUCT_HAS_QUEUE_NAPI
enum netdev_queue_type {
	NETDEV_QUEUE_TYPE_RX,
	NETDEV_QUEUE_TYPE_TX,
};

static inline void netif_queue_set_napi(struct net_device *dev,
					unsigned int queue_index,
					enum netdev_queue_type type,
					struct napi_struct *napi)
{
}

static inline void netif_napi_set_irq(struct napi_struct *napi, int irq)
{
}
#endif

/*
 * Receive modes: where there is no call that may sleep, a work item makes it,
 * on the lists as they are when it runs.
 */
#ifdef DUCT_HAS_RX_MODE_ASYNC
#define DUCT_RX_MODE_OP		.ndo_set_rx_mode_async = duct_set_rx_mode_async
struct duct_dev;

static inline void duct_rx_mode_init_work(struct duct_dev *duct)
{
}

static inline void duct_rx_mode_cancel_work(struct duct_dev *duct)
{
}
#else
#define DUCT_RX_MODE_OP		.ndo_set_rx_mode = duct_set_rx_mode
#define duct_rx_mode_init_work(duct)	\
	INIT_WORK(&(duct)->rx_mode_work, duct_rx_mode_work)
#define duct_rx_mode_cancel_work(duct)	\
	cancel_work_sync(&(duct)->rx_mode_work)
#endif

#endif /* DUCT_COMPAT_H */
