// SPDX-License-Identifier: GPL-2.0-only
/*
 * Destination filters: docs/ethernet.md, "Filters". The card's table is shared
 * by the interface's receive mode and by the open files of its character
 * device; users of one filter are counted, and the card is told of the first
 * and the last of them.
 */
#include <linux/etherdevice.h>

#include "duct.h"

#define DUCT_MASK_EXACT		0xffffffffU

/* The interface's own address, broadcast, MAC address, and a wide filter. */
#define DUCT_FILTERS_NETDEV	4
#define DUCT_FILTERS_FILES	(DUCT_FILTERS - DUCT_FILTERS_NETDEV)

static bool duct_filter_used(const struct duct_filter *filter)
{
	return filter->users[DUCT_FILTER_NETDEV] ||
	       filter->users[DUCT_FILTER_FILES];
}

static struct duct_filter *duct_filter_find(struct duct_dev *duct, u32 mask,
					    u32 addr)
{
	unsigned int i;

	for (i = 0; i < DUCT_FILTERS; i++) {
		struct duct_filter *filter = &duct->filters[i];

		if (duct_filter_used(filter) && filter->mask == mask &&
		    filter->addr == addr)
			return filter;
	}
	return NULL;
}

static struct duct_filter *duct_filter_vacant(struct duct_dev *duct)
{
	unsigned int i;

	for (i = 0; i < DUCT_FILTERS; i++)
		if (!duct_filter_used(&duct->filters[i]))
			return &duct->filters[i];
	return NULL;
}

/* May one more filter be held by files? The interface must not starve. */
static bool duct_filter_files_may(const struct duct_dev *duct)
{
	unsigned int held = 0;
	unsigned int i;

	for (i = 0; i < DUCT_FILTERS; i++)
		if (duct->filters[i].users[DUCT_FILTER_FILES])
			held++;
	return held < DUCT_FILTERS_FILES;
}

/**
 * duct_filter_get() - want a filter
 * @duct: the card
 * @mask: bits of the destination that matter
 * @addr: their values
 * @who: who wants it
 *
 * Context: process, may sleep. Caller holds @duct->filter_lock.
 * Return: 0, -ENOSPC when the table is full, or when files hold as many as they
 * may, or duct_cmd()'s error.
 */
int duct_filter_get(struct duct_dev *duct, u32 mask, u32 addr,
		    enum duct_filter_user who)
{
	struct duct_filter *filter;
	int err;

	lockdep_assert_held(&duct->filter_lock);

	filter = duct_filter_find(duct, mask, addr);
	if (who == DUCT_FILTER_FILES &&
	    !(filter && filter->users[DUCT_FILTER_FILES]) &&
	    !duct_filter_files_may(duct))
		return -ENOSPC;
	if (filter) {
		filter->users[who]++;
		return 0;
	}

	filter = duct_filter_vacant(duct);
	if (!filter)
		return -ENOSPC;
	if (duct->filters_live) {
		err = duct_cmd(duct, DUCT_CMD_ADDFILT, mask, addr);
		if (err)
			return err;
	}
	filter->mask = mask;
	filter->addr = addr;
	filter->users[who] = 1;
	return 0;
}

/**
 * duct_filter_put() - want a filter no longer
 * @duct: the card
 * @mask: as given to duct_filter_get()
 * @addr: as given to duct_filter_get()
 * @who: as given to duct_filter_get()
 *
 * The caller's claim ends even when the card can not be told; the next open
 * starts from an empty card.
 *
 * Context: process, may sleep. Caller holds @duct->filter_lock.
 * Return: 0, -ENOENT when @who does not want it, or duct_cmd()'s error.
 */
int duct_filter_put(struct duct_dev *duct, u32 mask, u32 addr,
		    enum duct_filter_user who)
{
	struct duct_filter *filter;

	lockdep_assert_held(&duct->filter_lock);

	filter = duct_filter_find(duct, mask, addr);
	if (!filter || !filter->users[who])
		return -ENOENT;
	filter->users[who]--;
	if (duct_filter_used(filter) || !duct->filters_live)
		return 0;
	return duct_cmd(duct, DUCT_CMD_RMFILT, mask, addr);
}

static unsigned int duct_set_find(const struct duct_filter_set *set, u32 mask,
				  u32 addr)
{
	unsigned int i;

	for (i = 0; i < set->count; i++)
		if (set->filter[i].mask == mask && set->filter[i].addr == addr)
			break;
	return i;
}

/**
 * duct_set_has() - is the filter in the set?
 * @set: the set
 * @mask: the filter's mask
 * @addr: its address
 */
bool duct_set_has(const struct duct_filter_set *set, u32 mask, u32 addr)
{
	return duct_set_find(set, mask, addr) < set->count;
}

/**
 * duct_set_add() - put a filter into the set, unless it is there
 * @set: the set
 * @mask: the filter's mask
 * @addr: its address
 *
 * Return: false when there is no room for it.
 */
bool duct_set_add(struct duct_filter_set *set, u32 mask, u32 addr)
{
	if (duct_set_has(set, mask, addr))
		return true;
	if (set->count == ARRAY_SIZE(set->filter))
		return false;
	set->filter[set->count].mask = mask;
	set->filter[set->count].addr = addr;
	set->count++;
	return true;
}

/**
 * duct_set_remove() - take a filter out of the set
 * @set: the set
 * @mask: the filter's mask
 * @addr: its address
 *
 * Return: false when it was not there.
 */
bool duct_set_remove(struct duct_filter_set *set, u32 mask, u32 addr)
{
	unsigned int i = duct_set_find(set, mask, addr);

	if (i == set->count)
		return false;
	set->filter[i] = set->filter[--set->count];
	return true;
}

/**
 * duct_set_match() - does a filter of the set accept a destination?
 * @set: the set
 * @dst: the destination
 *
 * docs/card.md, "Filters".
 */
bool duct_set_match(const struct duct_filter_set *set, u32 dst)
{
	unsigned int i;

	for (i = 0; i < set->count; i++)
		if (!((dst ^ set->filter[i].addr) & set->filter[i].mask))
			return true;
	return false;
}

/* Hand back one filter the interface holds and does not want any more. */
static bool duct_rx_mode_drop_stale(struct duct_dev *duct,
				    const struct duct_filter_set *want)
{
	struct duct_filter_set *held = &duct->rx_mode;
	unsigned int i;

	for (i = 0; i < held->count; i++) {
		u32 mask = held->filter[i].mask;
		u32 addr = held->filter[i].addr;

		if (duct_set_has(want, mask, addr))
			continue;
		duct_set_remove(held, mask, addr);
		duct_filter_put(duct, mask, addr, DUCT_FILTER_NETDEV);
		return true;
	}
	return false;
}

/*
 * Change the interface's filters to @want. New ones come first, so that a
 * filter wanted before and after is never missing; where the table has no room
 * for that, stale ones make it, one at a time.
 */
static int duct_rx_mode_apply(struct duct_dev *duct,
			      const struct duct_filter_set *want)
{
	struct duct_filter_set *held = &duct->rx_mode;
	unsigned int i;
	int err;

	for (i = 0; i < want->count; i++) {
		u32 mask = want->filter[i].mask;
		u32 addr = want->filter[i].addr;

		if (duct_set_has(held, mask, addr))
			continue;
		do {
			err = duct_filter_get(duct, mask, addr,
					      DUCT_FILTER_NETDEV);
		} while (err == -ENOSPC && duct_rx_mode_drop_stale(duct, want));
		if (err)
			return err;
		duct_set_add(held, mask, addr);
	}
	while (duct_rx_mode_drop_stale(duct, want))
		;
	return 0;
}

/* What the card must accept for the interface whatever its receive mode. */
static void duct_rx_mode_base(struct duct_dev *duct,
			      struct duct_filter_set *want)
{
	want->count = 0;
	duct_set_add(want, DUCT_MASK_EXACT, duct->hwaddr);
	duct_set_add(want, DUCT_MASK_EXACT, DUCT_BROADCAST);
	duct_set_add(want, DUCT_MASK_EXACT,
		     duct_addr_from_mac(duct->netdev->dev_addr));
}

static bool duct_set_add_list(struct duct_filter_set *set,
			      struct netdev_hw_addr_list *list)
{
	struct netdev_hw_addr *ha;

	netdev_hw_addr_list_for_each(ha, list)
		if (!duct_set_add(set, DUCT_MASK_EXACT,
				  duct_addr_from_mac(ha->addr)))
			return false;
	return true;
}

/* From the narrowest receive mode to the widest. */
enum duct_rx_mode {
	DUCT_RX_MODE_EXACT,
	DUCT_RX_MODE_GROUPS,	/* all groups with one filter */
	DUCT_RX_MODE_ALL,	/* everything with one filter */
};

/*
 * docs/ethernet.md, "Filters".
 * Return: false when that is more than fits.
 */
static bool duct_rx_mode_want(struct duct_dev *duct,
			      struct netdev_hw_addr_list *uc,
			      struct netdev_hw_addr_list *mc,
			      enum duct_rx_mode mode,
			      struct duct_filter_set *want)
{
	duct_rx_mode_base(duct, want);
	if (mode == DUCT_RX_MODE_ALL)
		return duct_set_add(want, 0, 0);
	if (!duct_set_add_list(want, uc))
		return false;
	if (mode == DUCT_RX_MODE_GROUPS)
		return duct_set_add(want, DUCT_ADDR_MCAST, DUCT_ADDR_MCAST);
	return duct_set_add_list(want, mc);
}

/* Has the card places for it, next to what files hold? */
static bool duct_rx_mode_fits(const struct duct_dev *duct,
			      const struct duct_filter_set *want)
{
	unsigned int places = want->count;
	unsigned int i;

	for (i = 0; i < DUCT_FILTERS; i++) {
		const struct duct_filter *filter = &duct->filters[i];

		if (filter->users[DUCT_FILTER_FILES] &&
		    !duct_set_has(want, filter->mask, filter->addr))
			places++;
	}
	return places <= DUCT_FILTERS;
}

static enum duct_rx_mode duct_rx_mode_asked(const struct net_device *netdev)
{
	if (netdev->flags & IFF_PROMISC)
		return DUCT_RX_MODE_ALL;
	if (netdev->flags & IFF_ALLMULTI)
		return DUCT_RX_MODE_GROUPS;
	return DUCT_RX_MODE_EXACT;
}

/**
 * duct_set_rx_mode_async() - ndo_set_rx_mode_async
 * @netdev: the interface
 * @uc: secondary unicast addresses
 * @mc: multicast addresses
 *
 * What does not fit, here or in the card, is asked for in a wider mode.
 *
 * Context: process, may sleep. Takes @duct->filter_lock, and the address lock,
 * because older kernels have no snapshot of the lists to give.
 * Return: 0, or an error that has the core try again.
 */
int duct_set_rx_mode_async(struct net_device *netdev,
			   struct netdev_hw_addr_list *uc,
			   struct netdev_hw_addr_list *mc)
{
	enum duct_rx_mode mode = duct_rx_mode_asked(netdev);
	struct duct_dev *duct = netdev_priv(netdev);
	struct duct_filter_set want;
	int err = 0;
	bool fits;

	mutex_lock(&duct->filter_lock);
	while (duct->filters_live && duct_is_usable(duct)) {
		netif_addr_lock_bh(netdev);
		fits = duct_rx_mode_want(duct, uc, mc, mode, &want) &&
		       duct_rx_mode_fits(duct, &want);
		netif_addr_unlock_bh(netdev);

		err = fits ? duct_rx_mode_apply(duct, &want) : -ENOSPC;
		if (err != -ENOSPC)
			break;
		duct_count(duct, DUCT_FILTER_OVERFLOWS);
		if (mode++ == DUCT_RX_MODE_ALL)
			break;
	}
	mutex_unlock(&duct->filter_lock);
	return err;
}

#ifndef DUCT_HAS_RX_MODE_ASYNC
/**
 * duct_rx_mode_work() - duct_set_rx_mode(), where it may sleep
 * @work: duct_dev.rx_mode_work
 */
void duct_rx_mode_work(struct work_struct *work)
{
	struct duct_dev *duct = container_of(work, struct duct_dev,
					     rx_mode_work);

	duct_set_rx_mode_async(duct->netdev, &duct->netdev->uc,
			       &duct->netdev->mc);
}

/**
 * duct_set_rx_mode() - ndo_set_rx_mode
 * @netdev: the interface
 *
 * Context: atomic, address lock held.
 */
void duct_set_rx_mode(struct net_device *netdev)
{
	struct duct_dev *duct = netdev_priv(netdev);

	schedule_work(&duct->rx_mode_work);
}
#endif

/**
 * duct_filter_restore() - give the card all filters that are wanted
 * @duct: started card
 *
 * Among them are those the interface can not do without. Undone by
 * duct_rx_mode_stop().
 *
 * Context: process, may sleep. Takes @duct->filter_lock.
 * Return: 0 or duct_cmd()'s error.
 */
int duct_filter_restore(struct duct_dev *duct)
{
	struct duct_filter_set base;
	unsigned int i;
	int err;

	mutex_lock(&duct->filter_lock);
	duct_rx_mode_base(duct, &base);
	err = duct_rx_mode_apply(duct, &base);
	if (!err)
		err = duct_cmd(duct, DUCT_CMD_FLUSHFILT, 0, 0);
	for (i = 0; !err && i < DUCT_FILTERS; i++)
		if (duct_filter_used(&duct->filters[i]))
			err = duct_cmd(duct, DUCT_CMD_ADDFILT,
				       duct->filters[i].mask,
				       duct->filters[i].addr);
	duct->filters_live = !err;
	mutex_unlock(&duct->filter_lock);
	return err;
}

/**
 * duct_rx_mode_stop() - the interface wants no filter any more
 * @duct: the card; it is reset afterwards and is not told
 *
 * Context: process, may sleep. Takes @duct->filter_lock.
 */
void duct_rx_mode_stop(struct duct_dev *duct)
{
	struct duct_filter_set none = { .count = 0 };

	mutex_lock(&duct->filter_lock);
	duct->filters_live = false;
	duct_rx_mode_apply(duct, &none);
	mutex_unlock(&duct->filter_lock);
	duct_rx_mode_cancel_work(duct);
}
