// SPDX-License-Identifier: GPL-2.0-only
/* ethtool. docs/driver.md tells what each counter means. */
#include <linux/ethtool.h>

#include "duct.h"

static const char duct_xmit_strings[DUCT_XMIT_COUNTERS][ETH_GSTRING_LEN] = {
	[DUCT_TX_SHORT]		= "tx_short",
	[DUCT_TX_TOO_LONG]	= "tx_too_long",
	[DUCT_TX_NATIVE_BAD]	= "tx_native_bad",
	[DUCT_TX_NO_MEMORY]	= "tx_no_memory",
	[DUCT_TX_CSUM_FAIL]	= "tx_csum_fail",
	[DUCT_TX_TSO_BAD]	= "tx_tso_bad",
	[DUCT_TX_DMA_ERROR]	= "tx_dma_error",
	[DUCT_TX_NATIVE]	= "tx_native",
	[DUCT_TX_LINEARIZED]	= "tx_linearized",
	[DUCT_TX_TSO_PACKETS]	= "tx_tso_packets",
	[DUCT_TX_TSO_SEGMENTS]	= "tx_tso_segments",
	[DUCT_TX_DOORBELLS]	= "tx_doorbells",
	[DUCT_TX_STOPS]		= "tx_stops",
};

static const char duct_napi_strings[DUCT_NAPI_COUNTERS][ETH_GSTRING_LEN] = {
	[DUCT_RX_ALLOC_FAIL]	= "rx_alloc_fail",
	[DUCT_RX_BAD_LENGTH]	= "rx_bad_length",
	[DUCT_RX_OWN]		= "rx_own",
	[DUCT_RX_NATIVE]	= "rx_native",
	[DUCT_RX_NATIVE_UNCLAIMED]	= "rx_native_unclaimed",
	[DUCT_RX_FILE_OVERFLOW]		= "rx_file_overflow",
	[DUCT_TX_WAKES]		= "tx_wakes",
	[DUCT_NAPI_POLLS]	= "napi_polls",
};

static const char duct_slow_strings[DUCT_SLOW_COUNTERS][ETH_GSTRING_LEN] = {
	[DUCT_EV_RX_DROPS]	= "ev_rx_drops",
	[DUCT_EV_RX_JUMBOS]	= "ev_rx_jumbos",
	[DUCT_EV_READS]		= "ev_reads",
	[DUCT_EVENT_IRQS]	= "event_irqs",
	[DUCT_FATAL_IRQS]	= "fatal_irqs",
	[DUCT_COMMANDS]		= "commands",
	[DUCT_COMMAND_ERRORS]	= "command_errors",
	[DUCT_COMMAND_TIMEOUTS]	= "command_timeouts",
	[DUCT_FILTER_OVERFLOWS]	= "filter_overflows",
	[DUCT_TX_TIMEOUTS]	= "tx_timeouts",
	[DUCT_TX_FLUSHED]	= "tx_flushed",
	[DUCT_RX_FLUSHED]	= "rx_flushed",
	[DUCT_RX_FILE_NO_MEMORY]	= "rx_file_no_memory",
};

static void duct_get_drvinfo(struct net_device *netdev,
			     struct ethtool_drvinfo *info)
{
	struct duct_dev *duct = netdev_priv(netdev);

	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	strscpy(info->bus_info, dev_name(duct->dev), sizeof(info->bus_info));
	snprintf(info->fw_version, sizeof(info->fw_version), "%u.%u",
		 duct->vmaj, duct->vmin);
}

static int duct_get_sset_count(struct net_device *netdev, int sset)
{
	if (sset != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return DUCT_XMIT_COUNTERS + DUCT_NAPI_COUNTERS + DUCT_SLOW_COUNTERS;
}

static void duct_get_strings(struct net_device *netdev, u32 sset, u8 *data)
{
	if (sset != ETH_SS_STATS)
		return;
	memcpy(data, duct_xmit_strings, sizeof(duct_xmit_strings));
	data += sizeof(duct_xmit_strings);
	memcpy(data, duct_napi_strings, sizeof(duct_napi_strings));
	data += sizeof(duct_napi_strings);
	memcpy(data, duct_slow_strings, sizeof(duct_slow_strings));
}

static void duct_get_ethtool_stats(struct net_device *netdev,
				   struct ethtool_stats *stats, u64 *data)
{
	struct duct_dev *duct = netdev_priv(netdev);
	struct duct_napi_stats *napi = &duct->napi_stats;
	struct duct_xmit_stats *xmit = &duct->xmit_stats;
	unsigned int start;
	int i;

	if (netif_running(netdev) && duct_is_usable(duct))
		duct_read_events(duct);

	do {
		start = u64_stats_fetch_begin(&xmit->syncp);
		for (i = 0; i < DUCT_XMIT_COUNTERS; i++)
			data[i] = u64_stats_read(&xmit->counter[i]);
	} while (u64_stats_fetch_retry(&xmit->syncp, start));
	data += DUCT_XMIT_COUNTERS;

	do {
		start = u64_stats_fetch_begin(&napi->syncp);
		for (i = 0; i < DUCT_NAPI_COUNTERS; i++)
			data[i] = u64_stats_read(&napi->counter[i]);
	} while (u64_stats_fetch_retry(&napi->syncp, start));
	data += DUCT_NAPI_COUNTERS;

	for (i = 0; i < DUCT_SLOW_COUNTERS; i++)
		data[i] = atomic64_read(&duct->slow[i]);
}

static int duct_get_link_ksettings(struct net_device *netdev,
				   struct ethtool_link_ksettings *cmd)
{
	cmd->base.speed = SPEED_UNKNOWN;
	cmd->base.duplex = DUPLEX_UNKNOWN;
	cmd->base.port = PORT_OTHER;
	cmd->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

static void duct_get_ringparam(struct net_device *netdev,
			       struct ethtool_ringparam *ring,
			       struct kernel_ethtool_ringparam *kernel_ring,
			       struct netlink_ext_ack *extack)
{
	struct duct_dev *duct = netdev_priv(netdev);

	ring->rx_max_pending = duct_ring_size(&duct->rx);
	ring->tx_max_pending = duct_ring_size(&duct->tx);
	ring->rx_pending = duct_ring_size(&duct->rx);
	ring->tx_pending = duct_ring_size(&duct->tx);
}

const struct ethtool_ops duct_ethtool_ops = {
	.get_drvinfo		= duct_get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_ts_info		= ethtool_op_get_ts_info,
	.get_sset_count		= duct_get_sset_count,
	.get_strings		= duct_get_strings,
	.get_ethtool_stats	= duct_get_ethtool_stats,
	.get_link_ksettings	= duct_get_link_ksettings,
	.get_ringparam		= duct_get_ringparam,
};
