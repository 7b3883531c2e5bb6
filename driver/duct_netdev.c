// SPDX-License-Identifier: GPL-2.0-only
/* The interface: net_device_ops, and the way up and down. */
#include <linux/etherdevice.h>

#include "duct.h"

static void duct_init_rings(struct duct_dev *duct)
{
	duct_ring_init(&duct->cmd, duct->regs, DUCT_CMDBASE, 0,
		       sizeof(struct duct_cmd_desc), DUCT_CMD_SHIFT);
	duct_ring_init(&duct->tx, duct->regs, DUCT_TXBASE, DUCT_DBELL_TX,
		       sizeof(struct duct_pkt_desc), DUCT_TX_SHIFT);
	duct_ring_init(&duct->rx, duct->regs, DUCT_RXBASE, 0,
		       sizeof(struct duct_pkt_desc), DUCT_RX_SHIFT);
}

static int duct_alloc(struct duct_dev *duct)
{
	int err;

	err = duct_ring_alloc(&duct->cmd, duct->dev);
	if (err)
		return err;
	err = duct_tx_alloc(duct);
	if (err)
		goto err_free_cmd;
	err = duct_rx_alloc(duct);
	if (err)
		goto err_free_tx;
	return 0;

err_free_tx:
	duct_tx_free(duct);
err_free_cmd:
	duct_ring_free(&duct->cmd, duct->dev);
	return err;
}

static void duct_free(struct duct_dev *duct)
{
	duct_rx_free(duct);
	duct_tx_free(duct);
	duct_ring_free(&duct->cmd, duct->dev);
}

/* A card in its power-on state that knows the rings. */
static int duct_program(struct duct_dev *duct)
{
	int err;

	clear_bit(DUCT_STATE_STARTED, &duct->state);
	clear_bit(DUCT_STATE_FATAL, &duct->state);
	clear_bit(DUCT_STATE_GONE, &duct->state);
	err = duct_reset(duct);
	if (err)
		return err;

	duct_pci_allow_dma(duct);
	duct_ring_program(&duct->cmd);
	duct_ring_program(&duct->tx);
	duct_ring_program(&duct->rx);
	return 0;
}

static void duct_link_queues(struct duct_dev *duct, struct napi_struct *napi)
{
	netif_queue_set_napi(duct->netdev, 0, NETDEV_QUEUE_TYPE_RX, napi);
	netif_queue_set_napi(duct->netdev, 0, NETDEV_QUEUE_TYPE_TX, napi);
}

static int duct_start(struct duct_dev *duct)
{
	int err;

	napi_enable(&duct->napi);
	err = duct_irq_request(duct);
	if (err)
		goto err_disable_napi;
	err = duct_irq_learn(duct);
	if (err)
		goto err_free_irq;
	err = duct_cmd(duct, DUCT_CMD_START, 0, 0);
	if (err)
		goto err_free_irq;
	set_bit(DUCT_STATE_STARTED, &duct->state);
	err = duct_filter_restore(duct);
	if (err)
		goto err_stop_rx_mode;
	return 0;

err_stop_rx_mode:
	duct_rx_mode_stop(duct);
err_free_irq:
	duct_irq_free(duct);
err_disable_napi:
	napi_disable(&duct->napi);
	return err;
}

/*
 * NAPI first, since it wakes the transmit queue, and receive modes before the
 * card, since they give it commands.
 * Return: true when the card has let go of all memory.
 */
static bool duct_halt(struct duct_dev *duct)
{
	bool quiet;

	napi_disable(&duct->napi);
	netif_tx_disable(duct->netdev);
	duct_chardev_stop(duct);
	duct_rx_mode_stop(duct);
	if (duct_is_usable(duct))
		duct_read_events(duct);
	quiet = duct_quiesce(duct);
	duct_irq_free(duct);
	return quiet;
}

/*
 * Free the rings of a card that let go of them. From one that may still write
 * to them nothing is taken back, ever.
 */
static void duct_release(struct duct_dev *duct, bool quiet)
{
	cancel_work_sync(&duct->fatal_work);
	if (quiet) {
		duct_free(duct);
	} else {
		set_bit(DUCT_STATE_LEAKED, &duct->state);
		netdev_err(duct->netdev,
			   "the card can not be stopped, its memory is given up\n");
	}
	/* The work, were it only now to come, would have done this. */
	if (!duct_is_usable(duct))
		duct_chardev_wake(duct);
}

/**
 * duct_open() - ndo_open
 * @netdev: the interface
 *
 * Context: process, RTNL held.
 * Return: 0 or -errno, with everything as it was.
 */
int duct_open(struct net_device *netdev)
{
	struct duct_dev *duct = netdev_priv(netdev);
	int err;

	if (test_bit(DUCT_STATE_LEAKED, &duct->state))
		return -EIO;

	err = duct_alloc(duct);
	if (err)
		return err;
	err = duct_program(duct);
	if (err)
		goto err_release;
	err = duct_start(duct);
	if (err)
		goto err_release;

	duct_link_queues(duct, &duct->napi);
	netif_start_queue(netdev);
	netif_carrier_on(netdev);
	/* duct_fatal_work() may have come before the two lines above. */
	if (!duct_is_usable(duct)) {
		netif_carrier_off(netdev);
		netif_tx_disable(netdev);
	}
	duct_event_start(duct);
	set_bit(DUCT_STATE_OPEN, &duct->state);
	return 0;

err_release:
	duct_release(duct, duct_quiesce(duct));
	return err;
}

/**
 * duct_stop() - ndo_stop
 * @netdev: the interface
 *
 * Context: process, RTNL held.
 * Return: 0.
 */
int duct_stop(struct net_device *netdev)
{
	struct duct_dev *duct = netdev_priv(netdev);
	bool quiet;

	/* The stack takes it for open after a resume that failed. */
	if (!test_and_clear_bit(DUCT_STATE_OPEN, &duct->state))
		return 0;

	cancel_delayed_work_sync(&duct->event_work);
	netif_carrier_off(netdev);
	duct_link_queues(duct, NULL);
	quiet = duct_halt(duct);
	duct_release(duct, quiet);
	return 0;
}

static int duct_set_mac_address(struct net_device *netdev, void *addr)
{
	int err;

	err = eth_mac_addr(netdev, addr);
	/* The address has changed, whether or not the card hears of it. */
	if (!err)
		duct_set_rx_mode_async(netdev, &netdev->uc, &netdev->mc);
	return err;
}

static void duct_tx_timeout(struct net_device *netdev, unsigned int txqueue)
{
	struct duct_dev *duct = netdev_priv(netdev);

	duct_count(duct, DUCT_TX_TIMEOUTS);
	napi_schedule(&duct->napi);
}

static u64 duct_slow(const struct duct_dev *duct, enum duct_slow_counter which)
{
	return atomic64_read(&duct->slow[which]);
}

static void duct_get_stats64(struct net_device *netdev,
			     struct rtnl_link_stats64 *stats)
{
	struct duct_dev *duct = netdev_priv(netdev);
	struct duct_napi_stats *napi = &duct->napi_stats;
	struct duct_xmit_stats *xmit = &duct->xmit_stats;
	unsigned int start;
	u64 dropped;
	int i;

	do {
		start = u64_stats_fetch_begin(&napi->syncp);
		stats->rx_packets = u64_stats_read(&napi->rx_packets);
		stats->rx_bytes = u64_stats_read(&napi->rx_bytes);
		stats->tx_packets = u64_stats_read(&napi->tx_packets);
		stats->tx_bytes = u64_stats_read(&napi->tx_bytes);
		stats->multicast = u64_stats_read(&napi->rx_multicast);
		dropped = u64_stats_read(&napi->counter[DUCT_RX_ALLOC_FAIL]);
		stats->rx_length_errors =
			u64_stats_read(&napi->counter[DUCT_RX_BAD_LENGTH]);
	} while (u64_stats_fetch_retry(&napi->syncp, start));

	stats->rx_dropped = dropped + duct_slow(duct, DUCT_RX_FLUSHED);

	do {
		start = u64_stats_fetch_begin(&xmit->syncp);
		dropped = 0;
		for (i = 0; i <= DUCT_TX_LAST_DROP; i++)
			dropped += u64_stats_read(&xmit->counter[i]);
	} while (u64_stats_fetch_retry(&xmit->syncp, start));

	stats->tx_dropped = dropped + duct_slow(duct, DUCT_TX_FLUSHED);
	stats->rx_missed_errors = duct_slow(duct, DUCT_EV_RX_DROPS);
	stats->rx_over_errors = duct_slow(duct, DUCT_EV_RX_JUMBOS);
	stats->rx_errors = stats->rx_length_errors + stats->rx_over_errors;
}

static const struct net_device_ops duct_netdev_ops = {
	.ndo_open		= duct_open,
	.ndo_stop		= duct_stop,
	.ndo_start_xmit		= duct_start_xmit,
	.ndo_features_check	= duct_features_check,
	.ndo_get_stats64	= duct_get_stats64,
	.ndo_tx_timeout		= duct_tx_timeout,
	.ndo_set_mac_address	= duct_set_mac_address,
	.ndo_validate_addr	= eth_validate_addr,
	DUCT_RX_MODE_OP,
};

/**
 * duct_netdev_init() - everything of an interface that needs no card
 * @duct: netdev_priv() of a new interface, with registers mapped
 */
void duct_netdev_init(struct duct_dev *duct)
{
	struct net_device *netdev = duct->netdev;

	mutex_init(&duct->cmd_lock);
	mutex_init(&duct->filter_lock);
	INIT_WORK(&duct->fatal_work, duct_fatal_work);
	INIT_DEFERRABLE_WORK(&duct->event_work, duct_event_work);
	duct_rx_mode_init_work(duct);
	u64_stats_init(&duct->xmit_stats.syncp);
	u64_stats_init(&duct->napi_stats.syncp);
	duct_init_rings(duct);

	netdev->netdev_ops = &duct_netdev_ops;
	netdev->ethtool_ops = &duct_ethtool_ops;
	netdev->needed_headroom = DUCT_SHIM_LEN;
	netdev->mtu = DUCT_MTU_DEFAULT;
	netdev->min_mtu = ETH_MIN_MTU;
	netdev->max_mtu = DUCT_MTU_MAX;
	netdev->priv_flags |= IFF_UNICAST_FLT | IFF_LIVE_ADDR_CHANGE;
	/* The shim is pushed onto the skb itself: it can not be sent twice. */
	netdev->priv_flags &= ~IFF_TX_SKB_SHARING;
	netdev->hw_features = NETIF_F_SG;
	/* Segments are summed up by the CPU, which has to see all of them. */
	if (!IS_ENABLED(CONFIG_HIGHMEM))
		netdev->hw_features |= NETIF_F_HW_CSUM | NETIF_F_TSO |
				       NETIF_F_TSO6;
	netdev->features = netdev->hw_features | NETIF_F_HIGHDMA;
	netdev->vlan_features = netdev->features;
	netif_set_tso_max_segs(netdev, DUCT_TSO_SEGMENTS);
}

/*
 * Files have had their clone, and packet sockets theirs; what nobody heard is
 * in rx_native_unclaimed. Without a handler the stack would count them all as
 * dropped.
 */
static int duct_native_sink(struct sk_buff *skb, struct net_device *netdev,
			    struct packet_type *type,
			    struct net_device *orig_dev)
{
	consume_skb(skb);
	return NET_RX_SUCCESS;
}

/**
 * duct_netdev_register() - let the stack know of the interface
 * @duct: card whose address and interrupts are known
 *
 * Context: process.
 * Return: 0 or -errno of register_netdev().
 */
int duct_netdev_register(struct duct_dev *duct)
{
	struct net_device *netdev = duct->netdev;
	u8 mac[ETH_ALEN];
	int err;

	duct_mac_from_addr(mac, duct->hwaddr);
	eth_hw_addr_set(netdev, mac);
	netif_carrier_off(netdev);
	netif_napi_add(netdev, &duct->napi, duct_poll);
	netif_napi_set_irq(&duct->napi, duct->irq[DUCT_VECTOR_EVENT]);
	err = register_netdev(netdev);
	if (err)
		return err;

	duct->native_sink.type = htons(DUCT_NATIVE_TYPE);
	duct->native_sink.dev = netdev;
	duct->native_sink.func = duct_native_sink;
	dev_add_pack(&duct->native_sink);
	return 0;
}

/**
 * duct_netdev_unregister() - undo duct_netdev_register()
 * @duct: the card; stopped afterwards
 *
 * Context: process.
 */
void duct_netdev_unregister(struct duct_dev *duct)
{
	dev_remove_pack(&duct->native_sink);
	unregister_netdev(duct->netdev);
	duct_rx_mode_cancel_work(duct);
}
