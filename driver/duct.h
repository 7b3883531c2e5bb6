/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The duct driver's own structures. Reading order: duct_pci.c (probe),
 * duct_netdev.c (open and stop), duct_ring.h, then duct_tx.c and duct_rx.c.
 */
#ifndef DUCT_H
#define DUCT_H

#include <linux/bpf.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/skbuff.h>
#include <linux/u64_stats_sync.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "duct_ether.h"
#include "duct_hw.h"
#include "duct_ring.h"

#define DUCT_CMD_SHIFT		4
#define DUCT_TX_SHIFT		9
#define DUCT_RX_SHIFT		8

/* The most segments of one skb: with fewer free slots the queue is stopped. */
#define DUCT_TSO_SEGMENTS	64
#define DUCT_TX_WAKE		(1U << (DUCT_TX_SHIFT - 2))
#define DUCT_TX_DEFER		(1U << (DUCT_TX_SHIFT - 2))

static_assert(DUCT_TX_WAKE >= DUCT_TSO_SEGMENTS);

/*
 * A receive slot: one page with room for the skb's needs around the data, and
 * behind it two pieces that only packets above DUCT_RX_HEAD_ROOM reach.
 */
#define DUCT_RX_HEADROOM	XDP_PACKET_HEADROOM
#define DUCT_RX_HEAD_ROOM	(PAGE_SIZE - DUCT_RX_HEADROOM - \
				 SKB_DATA_ALIGN(sizeof(struct skb_shared_info)))
#define DUCT_RX_TAIL_SIZE	SZ_8K
#define DUCT_RX_PAGES		3

static_assert(DUCT_RX_PAGES <= DUCT_PIECES);
static_assert(DUCT_RX_HEADROOM >= DUCT_NATIVE_HLEN);
static_assert(DUCT_RX_HEAD_ROOM +
	      (DUCT_RX_PAGES - 1) * DUCT_RX_TAIL_SIZE >= DUCT_PACKET_MAX);

/* Written under the transmit queue's lock. */
enum duct_xmit_counter {
	DUCT_TX_SHORT,
	DUCT_TX_TOO_LONG,
	DUCT_TX_NATIVE_BAD,
	DUCT_TX_NO_MEMORY,
	DUCT_TX_CSUM_FAIL,
	DUCT_TX_TSO_BAD,
	DUCT_TX_DMA_ERROR,
	DUCT_TX_LAST_DROP = DUCT_TX_DMA_ERROR,
	DUCT_TX_NATIVE,
	DUCT_TX_LINEARIZED,
	DUCT_TX_TSO_PACKETS,
	DUCT_TX_TSO_SEGMENTS,
	DUCT_TX_DOORBELLS,
	DUCT_TX_STOPS,
	DUCT_XMIT_COUNTERS
};

/* Written by NAPI. */
enum duct_napi_counter {
	DUCT_RX_ALLOC_FAIL,
	DUCT_RX_BAD_LENGTH,
	DUCT_RX_OWN,
	DUCT_RX_NATIVE,
	DUCT_RX_NATIVE_UNCLAIMED,
	DUCT_RX_FILE_OVERFLOW,
	DUCT_TX_WAKES,
	DUCT_NAPI_POLLS,
	DUCT_NAPI_COUNTERS
};

/* Written from anywhere, and rarely. */
enum duct_slow_counter {
	DUCT_EV_RX_DROPS,
	DUCT_EV_RX_JUMBOS,
	DUCT_EV_READS,
	DUCT_EVENT_IRQS,
	DUCT_FATAL_IRQS,
	DUCT_COMMANDS,
	DUCT_COMMAND_ERRORS,
	DUCT_COMMAND_TIMEOUTS,
	DUCT_FILTER_OVERFLOWS,
	DUCT_TX_TIMEOUTS,
	DUCT_TX_FLUSHED,
	DUCT_RX_FLUSHED,
	DUCT_RX_FILE_NO_MEMORY,
	DUCT_SLOW_COUNTERS
};

/* The transmit side before the card: ndo_start_xmit. */
struct duct_xmit_stats {
	u64_stats_t counter[DUCT_XMIT_COUNTERS];
	struct u64_stats_sync syncp;
};

/* Both directions behind the card: NAPI. */
struct duct_napi_stats {
	u64_stats_t tx_packets;
	u64_stats_t tx_bytes;
	u64_stats_t rx_packets;
	u64_stats_t rx_bytes;
	u64_stats_t rx_multicast;
	u64_stats_t counter[DUCT_NAPI_COUNTERS];
	struct u64_stats_sync syncp;
};

/**
 * struct duct_tx_buf - what transmit completion needs to know of a slot
 * @skb: the packet; of one that was segmented the last slot has it
 * @bytes: what BQL and the statistics were told
 * @pieces: how many pieces are mapped
 * @singles: how many of them, from the first, by dma_map_single()
 * @dma: bus address of each mapped piece
 * @len: bytes in each mapped piece
 */
struct duct_tx_buf {
	struct sk_buff *skb;
	u32 bytes;
	u8 pieces;
	u8 singles;
	dma_addr_t dma[DUCT_PIECES];
	u32 len[DUCT_PIECES];
};

/* What the card may fill at a receive slot: a head page and tail pieces. */
struct duct_rx_buf {
	struct page *page[DUCT_RX_PAGES];
};

enum duct_filter_user {
	DUCT_FILTER_NETDEV,	/* the interface's receive mode */
	DUCT_FILTER_FILES,	/* open files of the character device */
	DUCT_FILTER_USERS
};

/* One filter of the card and how many want it. */
struct duct_filter {
	u32 mask;
	u32 addr;
	u32 users[DUCT_FILTER_USERS];
};

/* A set of filters without duplicates. */
struct duct_filter_set {
	unsigned int count;
	struct {
		u32 mask;
		u32 addr;
	} filter[DUCT_FILTERS];
};

struct duct_chardev;

enum duct_state {
	DUCT_STATE_OPEN,	/* duct_open() succeeded, duct_stop() is due */
	DUCT_STATE_STARTED,	/* the card carried out START, STOP is due */
	DUCT_STATE_FATAL,	/* the card failed, until the next open */
	DUCT_STATE_GONE,	/* the card does not answer any more */
	DUCT_STATE_LEAKED,	/* could not be stopped, is not used again */
};

/**
 * struct duct_dev - a card and its interface; netdev_priv()
 * @netdev: the interface
 * @pdev: the card, known to duct_pci.c alone
 * @dev: the card as DMA sees it
 * @regs: BAR0
 * @vmaj: major version, @vmin minor version
 * @vmin: minor version
 * @hwaddr: the card's Ductnet address
 * @state: enum duct_state bits
 * @why: why the card is out of service, when @fatal_flags does not say
 * @fatal_flags: what FLAGS said
 * @irq: interrupt numbers of both vectors
 * @irq_name: their names, good while they are requested
 * @napi: receives packets and completes transmits
 * @read_evflags: the card signals only after EVFLAGS was read
 * @cmd_lock: guards @cmd and orders commands; inside @filter_lock
 * @cmd: command ring
 * @tx: transmit ring; published by ndo_start_xmit, reaped by NAPI
 * @tx_buf: shadow of @tx
 * @tx_hdr: headers of segments, TSO_HEADER_SIZE bytes for each slot of @tx
 * @tx_hdr_dma: bus address of @tx_hdr
 * @rx: receive ring; NAPI does both
 * @rx_buf: shadow of @rx
 * @rx_head_pool: pages for piece 0 of a receive slot
 * @rx_tail_pool: pages for the others
 * @filter_lock: guards @filters, @filters_live and @rx_mode
 * @filters: what the card has, or will have when it is up, and who wants it
 * @filters_live: the card has @filters
 * @rx_mode: the part of @filters the interface wants
 * @rx_mode_work: applies receive modes on kernels that call from where nobody
 *		   may sleep
 * @fatal_work: takes the interface out of service
 * @event_work: reads EVFLAGS for the counters, each DUCT_EVENT_PERIOD
 * @chardev: /dev/ductN
 * @native_sink: ends the way of native packets through the stack
 * @xmit_stats: counters of ndo_start_xmit
 * @napi_stats: counters of NAPI
 * @slow: counters of everything else
 */
struct duct_dev {
	struct net_device *netdev;
	struct pci_dev *pdev;
	struct device *dev;
	void __iomem *regs;
	u32 vmaj;
	u32 vmin;
	u32 hwaddr;
	unsigned long state;
	const char *why;
	u32 fatal_flags;
	int irq[DUCT_VECTORS];
	char irq_name[DUCT_VECTORS][IFNAMSIZ + 8];
	struct napi_struct napi;
	bool read_evflags;

	struct mutex cmd_lock; /* guards cmd; inside filter_lock */
	struct duct_ring cmd;

	struct duct_ring tx;
	struct duct_tx_buf *tx_buf;
	void *tx_hdr;
	dma_addr_t tx_hdr_dma;

	struct duct_ring rx;
	struct duct_rx_buf *rx_buf;
	struct page_pool *rx_head_pool;
	struct page_pool *rx_tail_pool;

	struct mutex filter_lock; /* guards filters, rx_mode */
	struct duct_filter filters[DUCT_FILTERS];
	bool filters_live;
	struct duct_filter_set rx_mode;

	struct work_struct rx_mode_work;
	struct work_struct fatal_work;
	struct delayed_work event_work;

	struct duct_chardev *chardev;
	struct packet_type native_sink;

	struct duct_xmit_stats xmit_stats;
	struct duct_napi_stats napi_stats;
	atomic64_t slow[DUCT_SLOW_COUNTERS];
};

static inline void duct_count(struct duct_dev *duct,
			      enum duct_slow_counter which)
{
	atomic64_inc(&duct->slow[which]);
}

/* Context: transmit queue's lock held. */
static inline void duct_xmit_add(struct duct_dev *duct,
				 enum duct_xmit_counter which, u32 count)
{
	struct duct_xmit_stats *stats = &duct->xmit_stats;

	u64_stats_update_begin(&stats->syncp);
	u64_stats_add(&stats->counter[which], count);
	u64_stats_update_end(&stats->syncp);
}

/* Context: NAPI. */
static inline void duct_napi_count(struct duct_dev *duct,
				   enum duct_napi_counter which)
{
	struct duct_napi_stats *stats = &duct->napi_stats;

	u64_stats_update_begin(&stats->syncp);
	u64_stats_inc(&stats->counter[which]);
	u64_stats_update_end(&stats->syncp);
}

/* Shadow of the slot of a free running counter. */
static inline struct duct_tx_buf *duct_tx_buf(struct duct_dev *duct, u32 count)
{
	return &duct->tx_buf[duct_ring_slot(&duct->tx, count)];
}

/* Is it of use to talk to the card? */
static inline bool duct_is_usable(const struct duct_dev *duct)
{
	return !(READ_ONCE(duct->state) & (BIT(DUCT_STATE_FATAL) |
					   BIT(DUCT_STATE_GONE) |
					   BIT(DUCT_STATE_LEAKED)));
}

/* duct_pci.c */
u32 duct_read(struct duct_dev *duct, u32 reg);
bool duct_pci_stop_dma(struct duct_dev *duct);
void duct_pci_allow_dma(struct duct_dev *duct);

/* duct_cmd.c */
int duct_cmd(struct duct_dev *duct, u8 type, u32 mask, u32 addr);

/* duct_filter.c */
int duct_filter_get(struct duct_dev *duct, u32 mask, u32 addr,
		    enum duct_filter_user who);
int duct_filter_put(struct duct_dev *duct, u32 mask, u32 addr,
		    enum duct_filter_user who);
bool duct_set_has(const struct duct_filter_set *set, u32 mask, u32 addr);
bool duct_set_add(struct duct_filter_set *set, u32 mask, u32 addr);
bool duct_set_remove(struct duct_filter_set *set, u32 mask, u32 addr);
bool duct_set_match(const struct duct_filter_set *set, u32 dst);
int duct_filter_restore(struct duct_dev *duct);
void duct_rx_mode_stop(struct duct_dev *duct);
int duct_set_rx_mode_async(struct net_device *netdev,
			   struct netdev_hw_addr_list *uc,
			   struct netdev_hw_addr_list *mc);
void duct_set_rx_mode(struct net_device *netdev);
void duct_rx_mode_work(struct work_struct *work);

/* duct_netdev.c */
void duct_netdev_init(struct duct_dev *duct);
int duct_netdev_register(struct duct_dev *duct);
void duct_netdev_unregister(struct duct_dev *duct);
int duct_open(struct net_device *netdev);
int duct_stop(struct net_device *netdev);

/* duct_tx.c */
int duct_tx_alloc(struct duct_dev *duct);
void duct_tx_free(struct duct_dev *duct);
void duct_tx_unmap(struct duct_dev *duct, const struct duct_tx_buf *buf);
netdev_tx_t duct_start_xmit(struct sk_buff *skb, struct net_device *netdev);
netdev_features_t duct_features_check(struct sk_buff *skb,
				      struct net_device *netdev,
				      netdev_features_t features);
void duct_tx_reap(struct duct_dev *duct, int budget);

/* duct_tso.c */
int duct_tso_alloc(struct duct_dev *duct);
void duct_tso_free(struct duct_dev *duct);
bool duct_tso_fits(const struct sk_buff *skb, netdev_features_t features);
u32 duct_tso_fill(struct duct_dev *duct, struct sk_buff *skb, u32 *bytes,
		  enum duct_xmit_counter *cause);

/* duct_rx.c */
int duct_rx_alloc(struct duct_dev *duct);
void duct_rx_free(struct duct_dev *duct);
int duct_rx_poll(struct duct_dev *duct, int budget);

/* duct_irq.c */
int duct_irq_request(struct duct_dev *duct);
void duct_irq_free(struct duct_dev *duct);
int duct_irq_learn(struct duct_dev *duct);
int duct_poll(struct napi_struct *napi, int budget);
void duct_read_events(struct duct_dev *duct);
void duct_event_work(struct work_struct *work);
void duct_event_start(struct duct_dev *duct);

/* duct_reset.c */
int duct_reset(struct duct_dev *duct);
bool duct_quiesce(struct duct_dev *duct);
void duct_fail(struct duct_dev *duct, u32 flags, const char *why);
void duct_fatal_work(struct work_struct *work);

/* duct_chardev.c */
int duct_chardev_register(struct duct_dev *duct);
void duct_chardev_unregister(struct duct_dev *duct);
void duct_chardev_put(struct duct_chardev *chardev);
void duct_chardev_stop(struct duct_dev *duct);
void duct_chardev_wake(struct duct_dev *duct);

/* duct_file.c */
void duct_chardev_receive(struct duct_dev *duct, struct sk_buff *skb, u32 dst,
			  u32 src);

/* duct_ethtool.c */
extern const struct ethtool_ops duct_ethtool_ops;

#endif /* DUCT_H */
