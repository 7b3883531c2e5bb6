// SPDX-License-Identifier: GPL-2.0-only
/* Reading and writing /dev/ductN: man page duct(4). */
#include <linux/rtnetlink.h>
#include <linux/uio.h>
#include <net/sch_generic.h>

#include "duct_chardev.h"

/* Longer payloads are sent from pages, shorter ones with their header. */
#define DUCT_FILE_LINEAR	SKB_MAX_HEAD(DUCT_NATIVE_HLEN)

static_assert(sizeof(struct duct_packet_hdr) == 16);

/**
 * struct duct_file_cb - a packet in a receive queue
 * @dst: its destination
 * @src: its source
 * @ring: its payload lies in the receive ring's memory
 */
struct duct_file_cb {
	u32 dst;
	u32 src;
	bool ring;
};

static struct duct_file_cb *duct_file_cb(struct sk_buff *skb)
{
	sock_skb_cb_check_size(sizeof(struct duct_file_cb));
	return (struct duct_file_cb *)skb->cb;
}

/* As duct_chardev_error(), and -ENETDOWN. */
static int duct_dev_send_error(const struct duct_dev *duct)
{
	if (!duct || test_bit(DUCT_STATE_GONE, &duct->state))
		return -ENODEV;
	if (!netif_running(duct->netdev))
		return -ENETDOWN;
	return duct_is_usable(duct) ? 0 : -EIO;
}

static int duct_file_send_error(struct duct_file *dfile)
{
	int err;

	rcu_read_lock();
	err = duct_dev_send_error(rcu_dereference(dfile->chardev->duct));
	rcu_read_unlock();
	return err;
}

/* Sending: a packet counts as on its way from before it has an skb. */

static void duct_chardev_sent(struct duct_chardev *chardev)
{
	int before = atomic_fetch_dec(&chardev->sending);

	if (wq_has_sleeper(&chardev->room_wait))
		wake_up_interruptible_poll(&chardev->room_wait,
					   EPOLLOUT | EPOLLWRNORM);
	if (before == DUCT_CHARDEV_SENDING)
		kill_fasync(&chardev->room_fasync, SIGIO, POLL_OUT);
}

/* Of the skbs a packet is turned into only the first has this destructor. */
static void duct_file_skb_sent(struct sk_buff *skb)
{
	duct_chardev_sent(duct_file_of(skb->sk)->chardev);
	sock_wfree(skb);
}

/*
 * Try to take room for one packet.
 * Return: false when there is none yet; otherwise @err is 0 or why not.
 */
static bool duct_file_try_reserve(struct duct_file *dfile, int *err)
{
	*err = duct_file_send_error(dfile);
	if (!*err && !atomic_add_unless(&dfile->chardev->sending, 1,
					DUCT_CHARDEV_SENDING))
		*err = -EAGAIN;
	return *err != -EAGAIN;
}

static int duct_file_reserve(struct duct_file *dfile, bool nonblock)
{
	int interrupted;
	int err;

	if (duct_file_try_reserve(dfile, &err) || nonblock)
		return err;
	interrupted = wait_event_interruptible(dfile->chardev->room_wait,
					       duct_file_try_reserve(dfile,
								     &err));
	return interrupted ? interrupted : err;
}

/*
 * An skb with room for the native header and @len octets behind it, in no more
 * pieces than a descriptor has.
 */
static struct sk_buff *duct_file_alloc_skb(struct duct_file *dfile, size_t len,
					   bool nonblock)
{
	size_t linear = len <= DUCT_FILE_LINEAR ? len : 0;
	struct sk_buff *skb;
	int err;

	err = duct_file_reserve(dfile, nonblock);
	if (err)
		return ERR_PTR(err);

	skb = alloc_skb_with_frags(DUCT_NATIVE_HLEN + linear, len - linear,
				   PAGE_ALLOC_COSTLY_ORDER, &err, GFP_KERNEL);
	if (!skb) {
		duct_chardev_sent(dfile->chardev);
		return ERR_PTR(-ENOMEM);
	}
	skb_set_owner_w(skb, &dfile->sk);
	skb->destructor = duct_file_skb_sent;
	skb_put(skb, DUCT_NATIVE_HLEN + linear);
	skb->data_len = len - linear;
	skb->len += len - linear;
	return skb;
}

/*
 * While the interface comes up or gets another queueing discipline the stack
 * takes packets and drops them. Both are done with rtnl held.
 */
static int duct_file_await_qdisc(struct duct_file *dfile, bool nonblock)
{
	struct duct_dev *duct;
	bool noop;

	rcu_read_lock();
	duct = rcu_dereference(dfile->chardev->duct);
	noop = !duct_dev_send_error(duct) && qdisc_tx_is_noop(duct->netdev);
	rcu_read_unlock();
	if (!noop)
		return 0;
	if (nonblock)
		return -EAGAIN;
	rtnl_lock();
	rtnl_unlock();
	return 0;
}

/* Hand a packet to the stack. Consumes @skb. */
static int duct_file_xmit(struct duct_file *dfile, struct sk_buff *skb, u32 dst)
{
	struct duct_dev *duct;
	int err;

	rcu_read_lock();
	duct = rcu_dereference(dfile->chardev->duct);
	err = duct_dev_send_error(duct);
	if (err) {
		rcu_read_unlock();
		kfree_skb(skb);
		return err;
	}

	duct_native_push(skb->data, dst, duct->hwaddr,
			 skb->len - DUCT_NATIVE_HLEN);
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	skb->protocol = htons(DUCT_NATIVE_TYPE);
	skb->dev = duct->netdev;
	err = dev_queue_xmit(skb);
	rcu_read_unlock();
	return err > 0 ? net_xmit_errno(err) : err;
}

static bool duct_file_nonblock(const struct kiocb *iocb)
{
	return iocb->ki_flags & IOCB_NOWAIT ||
	       iocb->ki_filp->f_flags & O_NONBLOCK;
}

/**
 * duct_file_write_iter() - write and writev: send one packet
 * @iocb: the call
 * @from: struct duct_packet_hdr and the payload it tells of
 *
 * Context: process; sleeps for room unless told not to.
 * Return: octets taken, all of them, or -errno with nothing sent: -EINVAL,
 * -EMSGSIZE, -EFAULT, -EAGAIN, -ERESTARTSYS, -ENOBUFS (the queueing discipline
 * dropped it), -ENOMEM, -ENETDOWN, -EIO, -ENODEV.
 */
ssize_t duct_file_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct duct_file *dfile = iocb->ki_filp->private_data;
	bool nonblock = duct_file_nonblock(iocb);
	struct duct_packet_hdr hdr;
	struct sk_buff *skb;
	size_t len;
	int err;

	if (iov_iter_count(from) < sizeof(hdr))
		return -EINVAL;
	if (!copy_from_iter_full(&hdr, sizeof(hdr), from))
		return -EFAULT;
	len = iov_iter_count(from);
	if (hdr.dpkt_length > DUCT_PACKET_MAX || len > DUCT_PACKET_MAX)
		return -EMSGSIZE;
	if (hdr.dpkt_length != len)
		return -EINVAL;

	skb = duct_file_alloc_skb(dfile, len, nonblock);
	if (IS_ERR(skb))
		return PTR_ERR(skb);
	err = skb_copy_datagram_from_iter(skb, DUCT_NATIVE_HLEN, from, len);
	if (!err)
		err = duct_file_await_qdisc(dfile, nonblock);
	if (err) {
		kfree_skb(skb);
		return err;
	}
	err = duct_file_xmit(dfile, skb, hdr.dpkt_destination);
	return err ? err : sizeof(hdr) + len;
}

/* Receiving */

/**
 * duct_file_data_ready() - a packet has come
 * @sk: of the file whose queue it is in
 *
 * Context: any.
 */
void duct_file_data_ready(struct sock *sk)
{
	struct duct_file *dfile = duct_file_of(sk);

	wake_up_interruptible_poll(&dfile->wait, EPOLLIN | EPOLLRDNORM);
	kill_fasync(&dfile->fasync, SIGIO, POLL_IN);
}

static void duct_file_queue(struct duct_dev *duct, struct duct_file *dfile,
			    struct sk_buff *skb,
			    const struct duct_file_cb *cb)
{
	struct sock *sk = &dfile->sk;
	struct sk_buff *clone;

	if (atomic_read(&sk->sk_rmem_alloc) >= sk->sk_rcvbuf) {
		duct_napi_count(duct, DUCT_RX_FILE_OVERFLOW);
		return;
	}
	clone = skb_clone(skb, GFP_ATOMIC);
	if (!clone) {
		duct_count(duct, DUCT_RX_FILE_NO_MEMORY);
		return;
	}
	*duct_file_cb(clone) = *cb;
	if (sock_queue_rcv_skb(sk, clone)) {
		kfree_skb(clone);
		duct_count(duct, DUCT_RX_FILE_NO_MEMORY);
	}
}

/**
 * duct_chardev_receive() - give a native packet to the files that want it
 * @duct: the card
 * @skb: the payload alone; stays the caller's
 * @dst: the packet's destination
 * @src: its source
 *
 * Context: NAPI.
 */
void duct_chardev_receive(struct duct_dev *duct, struct sk_buff *skb, u32 dst,
			  u32 src)
{
	const struct duct_file_cb cb = { .dst = dst, .src = src, .ring = true };
	struct duct_chardev *chardev = duct->chardev;
	struct duct_file *dfile;
	bool claimed = false;

	spin_lock(&chardev->files_lock);
	list_for_each_entry(dfile, &chardev->files, node) {
		if (dst != duct->hwaddr && !duct_set_match(&dfile->groups, dst))
			continue;
		claimed = true;
		duct_file_queue(duct, dfile, skb, &cb);
	}
	spin_unlock(&chardev->files_lock);
	if (!claimed)
		duct_napi_count(duct, DUCT_RX_NATIVE_UNCLAIMED);
}

/* The same packet in memory of its own, as the ring's may have to be freed. */
static struct sk_buff *duct_file_copy(struct duct_file *dfile,
				      struct sk_buff *skb)
{
	struct sk_buff *copy = skb_copy(skb, GFP_KERNEL);

	if (copy) {
		duct_file_cb(copy)->ring = false;
		skb_set_owner_r(copy, &dfile->sk);
	}
	return copy;
}

/* The first packet that lies in the ring's memory, with a reference on it. */
static struct sk_buff *duct_file_first_of_ring(struct duct_file *dfile)
{
	struct sk_buff_head *queue = &dfile->sk.sk_receive_queue;
	struct sk_buff *found = NULL;
	struct sk_buff *skb;

	spin_lock_irq(&queue->lock);
	skb_queue_walk(queue, skb) {
		if (duct_file_cb(skb)->ring) {
			found = skb_get(skb);
			break;
		}
	}
	spin_unlock_irq(&queue->lock);
	return found;
}

/*
 * Put @copy in the place of @skb, unless somebody has read that meanwhile.
 * Return: true when @skb is out of the queue by this, and the caller's.
 */
static bool duct_file_replace(struct duct_file *dfile, struct sk_buff *skb,
			      struct sk_buff *copy)
{
	struct sk_buff_head *queue = &dfile->sk.sk_receive_queue;
	bool waits;

	spin_lock_irq(&queue->lock);
	waits = skb->next;
	if (waits) {
		if (copy)
			__skb_queue_before(queue, skb, copy);
		__skb_unlink(skb, queue);
	}
	spin_unlock_irq(&queue->lock);
	return waits;
}

/**
 * duct_file_own_memory() - move what waits to be read out of the ring's memory
 * @duct: card that receives nothing, NAPI is off
 * @dfile: the file
 *
 * Who reads meanwhile sees the same packets in the same order.
 *
 * Context: process, may sleep.
 */
void duct_file_own_memory(struct duct_dev *duct, struct duct_file *dfile)
{
	struct sk_buff *copy;
	struct sk_buff *skb;

	while ((skb = duct_file_first_of_ring(dfile))) {
		copy = duct_file_copy(dfile, skb);
		if (duct_file_replace(dfile, skb, copy)) {
			kfree_skb(skb);
			if (!copy)
				duct_count(duct, DUCT_RX_FILE_NO_MEMORY);
		} else {
			kfree_skb(copy);
		}
		kfree_skb(skb);
	}
}

/*
 * Try to take a packet.
 * Return: false when there is none yet; otherwise @skb is one, or why not.
 */
static bool duct_file_try_dequeue(struct duct_file *dfile, struct sk_buff **skb)
{
	int err;

	*skb = skb_dequeue(&dfile->sk.sk_receive_queue);
	if (*skb)
		return true;
	err = duct_chardev_error(dfile->chardev);
	*skb = ERR_PTR(err ? err : -EAGAIN);
	return err;
}

static struct sk_buff *duct_file_dequeue(struct duct_file *dfile, bool nonblock)
{
	struct sk_buff *skb;
	int interrupted;

	if (duct_file_try_dequeue(dfile, &skb) || nonblock)
		return skb;
	interrupted = wait_event_interruptible(dfile->wait,
					       duct_file_try_dequeue(dfile,
								     &skb));
	return interrupted ? ERR_PTR(interrupted) : skb;
}

/* Put a packet back in front. Consumes @skb. */
static void duct_file_unread(struct duct_file *dfile, struct sk_buff *skb)
{
	struct sk_buff *copy = duct_file_copy(dfile, skb);
	struct duct_dev *duct;

	kfree_skb(skb);
	if (!copy) {
		rcu_read_lock();
		duct = rcu_dereference(dfile->chardev->duct);
		if (duct)
			duct_count(duct, DUCT_RX_FILE_NO_MEMORY);
		rcu_read_unlock();
		return;
	}
	skb_queue_head(&dfile->sk.sk_receive_queue, copy);
	duct_file_data_ready(&dfile->sk);
}

/**
 * duct_file_read_iter() - read and readv: receive one packet
 * @iocb: the call
 * @to: room for struct duct_packet_hdr and the payload, which is cut to it
 *
 * Context: process; sleeps for a packet unless told not to.
 * Return: octets given, 0 when none were asked for, or -errno with every packet
 * still there, as long as there is memory: -EINVAL, -EFAULT, -EAGAIN,
 * -ERESTARTSYS, -EIO, -ENODEV.
 */
ssize_t duct_file_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct duct_file *dfile = iocb->ki_filp->private_data;
	size_t count = iov_iter_count(to);
	struct duct_packet_hdr hdr = {};
	struct sk_buff *skb;
	size_t len;

	if (!count)
		return 0;
	if (count < sizeof(hdr))
		return -EINVAL;

	skb = duct_file_dequeue(dfile, duct_file_nonblock(iocb));
	if (IS_ERR(skb))
		return PTR_ERR(skb);

	hdr.dpkt_source = duct_file_cb(skb)->src;
	hdr.dpkt_destination = duct_file_cb(skb)->dst;
	hdr.dpkt_length = skb->len;
	len = min_t(size_t, skb->len, count - sizeof(hdr));
	if (copy_to_iter(&hdr, sizeof(hdr), to) != sizeof(hdr) ||
	    skb_copy_datagram_iter(skb, 0, to, len)) {
		duct_file_unread(dfile, skb);
		return -EFAULT;
	}
	consume_skb(skb);
	return sizeof(hdr) + len;
}

