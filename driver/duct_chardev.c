// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/ductN: native packets for programs. include/uapi/linux/duct.h has what
 * read, write and ioctl carry, man page duct(4) how they behave.
 *
 * A packet on its way out is an skb like any other and goes through the stack;
 * one that comes in is cloned for each open file that wants it.
 */
#include <linux/compat.h>
#include <linux/idr.h>
#include <linux/module.h>

#include "duct_chardev.h"

/* Bytes of memory, overhead included, that wait in one file to be read. */
#define DUCT_FILE_RCVBUF	SZ_2M

static DEFINE_IDA(duct_chardev_numbers);

static struct proto duct_file_proto = {
	.name		= "DUCT",
	.owner		= THIS_MODULE,
	.obj_size	= sizeof(struct duct_file),
};

static void duct_chardev_release(struct kref *kref)
{
	kfree(container_of(kref, struct duct_chardev, kref));
}

/**
 * duct_chardev_put() - the card needs its character device no longer
 * @chardev: the device, unregistered; may be NULL
 *
 * Context: any. Nothing receives packets of the card any more.
 */
void duct_chardev_put(struct duct_chardev *chardev)
{
	if (chardev)
		kref_put(&chardev->kref, duct_chardev_release);
}

/**
 * duct_chardev_error() - what keeps the card from its work
 * @chardev: the device
 *
 * Context: any.
 * Return: 0, -ENODEV when there is no card any more, -EIO when it failed.
 */
int duct_chardev_error(struct duct_chardev *chardev)
{
	struct duct_dev *duct;
	int err = 0;

	rcu_read_lock();
	duct = rcu_dereference(chardev->duct);
	if (!duct || test_bit(DUCT_STATE_GONE, &duct->state))
		err = -ENODEV;
	else if (!duct_is_usable(duct))
		err = -EIO;
	rcu_read_unlock();
	return err;
}

static __poll_t duct_file_poll(struct file *file, poll_table *wait)
{
	struct duct_file *dfile = file->private_data;
	struct duct_chardev *chardev = dfile->chardev;
	__poll_t mask = 0;

	poll_wait(file, &dfile->wait, wait);
	poll_wait(file, &chardev->room_wait, wait);

	if (!skb_queue_empty_lockless(&dfile->sk.sk_receive_queue))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (duct_chardev_error(chardev))
		mask |= EPOLLERR | EPOLLHUP;
	else if (duct_chardev_has_room(chardev))
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

static int duct_file_fasync(int fd, struct file *file, int on)
{
	struct duct_file *dfile = file->private_data;
	int err;

	err = fasync_helper(fd, file, on, &dfile->fasync);
	if (err < 0)
		return err;
	err = fasync_helper(fd, file, on, &dfile->chardev->room_fasync);
	if (err < 0)
		fasync_helper(fd, file, 0, &dfile->fasync);
	return err < 0 ? err : 0;
}

/**
 * duct_chardev_wake() - have everyone look at the card's state
 * @duct: a card whose state has become worse
 *
 * Context: process. Takes the lock of the list of files.
 */
void duct_chardev_wake(struct duct_dev *duct)
{
	struct duct_chardev *chardev = duct->chardev;
	struct duct_file *dfile;

	if (!chardev)
		return;
	spin_lock_bh(&chardev->files_lock);
	list_for_each_entry(dfile, &chardev->files, node)
		wake_up_interruptible_poll(&dfile->wait, EPOLLERR | EPOLLHUP);
	spin_unlock_bh(&chardev->files_lock);
	wake_up_interruptible_poll(&chardev->room_wait, EPOLLERR | EPOLLHUP);
	/* Whoever wants SIGIO is on this list too. */
	kill_fasync(&chardev->room_fasync, SIGIO, POLL_HUP);
}

/**
 * duct_chardev_stop() - let the receive rings' memory be freed
 * @duct: card that receives nothing, NAPI is off
 *
 * A file that nobody reads would hold it for as long as it is open.
 *
 * Context: process, may sleep.
 */
void duct_chardev_stop(struct duct_dev *duct)
{
	struct duct_chardev *chardev = duct->chardev;
	struct duct_file *dfile;

	mutex_lock(&chardev->files_mutex);
	list_for_each_entry(dfile, &chardev->files, node)
		duct_file_own_memory(duct, dfile);
	mutex_unlock(&chardev->files_mutex);
}

/* Groups: a filter the file wants has one user in the card's table. */

static int duct_file_join(struct duct_dev *duct, struct duct_file *dfile,
			  u32 mask, u32 addr)
{
	int err;

	if (!(mask & addr & DUCT_ADDR_MCAST))
		return -EINVAL;
	if (duct_set_has(&dfile->groups, mask, addr))
		return 0;

	mutex_lock(&duct->filter_lock);
	err = duct_filter_get(duct, mask, addr, DUCT_FILTER_FILES);
	mutex_unlock(&duct->filter_lock);
	if (err)
		return err;

	spin_lock_bh(&dfile->chardev->files_lock);
	duct_set_add(&dfile->groups, mask, addr);
	spin_unlock_bh(&dfile->chardev->files_lock);
	return 0;
}

static int duct_file_leave(struct duct_dev *duct, struct duct_file *dfile,
			   u32 mask, u32 addr)
{
	bool was_there;

	spin_lock_bh(&dfile->chardev->files_lock);
	was_there = duct_set_remove(&dfile->groups, mask, addr);
	spin_unlock_bh(&dfile->chardev->files_lock);
	if (!was_there)
		return -ENOENT;

	/* It is gone even when the card is beyond being told. */
	mutex_lock(&duct->filter_lock);
	duct_filter_put(duct, mask, addr, DUCT_FILTER_FILES);
	mutex_unlock(&duct->filter_lock);
	return 0;
}

static struct duct_dev *duct_chardev_card(struct duct_chardev *chardev)
{
	return rcu_dereference_protected(chardev->duct,
					 lockdep_is_held(&chardev->lock));
}

static int duct_file_mcast(struct duct_file *dfile, unsigned int cmd,
			   const void __user *argp)
{
	struct duct_chardev *chardev = dfile->chardev;
	struct duct_mcast_arg arg;
	struct duct_dev *duct;
	int err;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (mutex_lock_interruptible(&chardev->lock))
		return -ERESTARTSYS;
	duct = duct_chardev_card(chardev);
	if (!duct)
		err = -ENODEV;
	else if (cmd == DUCTIOC_ADD_MCAST)
		err = duct_file_join(duct, dfile, arg.duct_mask, arg.duct_addr);
	else
		err = duct_file_leave(duct, dfile, arg.duct_mask,
				      arg.duct_addr);
	mutex_unlock(&chardev->lock);
	return err;
}

static int duct_file_info(struct duct_file *dfile, void __user *argp)
{
	struct duct_info_arg arg;
	struct duct_dev *duct;

	rcu_read_lock();
	duct = rcu_dereference(dfile->chardev->duct);
	if (!duct) {
		rcu_read_unlock();
		return -ENODEV;
	}
	arg.duct_major = duct->vmaj;
	arg.duct_minor = duct->vmin;
	arg.duct_hwaddr = duct->hwaddr;
	rcu_read_unlock();
	return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static long duct_file_ioctl(struct file *file, unsigned int cmd,
			    unsigned long arg)
{
	struct duct_file *dfile = file->private_data;
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case DUCTIOC_GET_INFO:
		return duct_file_info(dfile, argp);
	case DUCTIOC_ADD_MCAST:
	case DUCTIOC_RM_MCAST:
		return duct_file_mcast(dfile, cmd, argp);
	default:
		return -ENOTTY;
	}
}

/* In softirq or process context, when the last packet it sent is gone. */
static void duct_file_destruct(struct sock *sk)
{
	duct_chardev_put(duct_file_of(sk)->chardev);
}

static int duct_file_open(struct inode *inode, struct file *file)
{
	struct duct_chardev *chardev = container_of(file->private_data,
						    struct duct_chardev, misc);
	struct duct_file *dfile;
	struct sock *sk;

	sk = sk_alloc(&init_net, AF_UNSPEC, GFP_KERNEL, &duct_file_proto, 1);
	if (!sk)
		return -ENOMEM;
	sock_init_data(NULL, sk);
	sk->sk_rcvbuf = DUCT_FILE_RCVBUF;
	sk->sk_data_ready = duct_file_data_ready;
	sk->sk_destruct = duct_file_destruct;

	dfile = duct_file_of(sk);
	kref_get(&chardev->kref);
	dfile->chardev = chardev;
	INIT_LIST_HEAD(&dfile->node);
	init_waitqueue_head(&dfile->wait);
	file->private_data = dfile;
	file->f_mode |= FMODE_NOWAIT;

	if (file->f_mode & FMODE_READ) {
		mutex_lock(&chardev->files_mutex);
		spin_lock_bh(&chardev->files_lock);
		list_add_tail(&dfile->node, &chardev->files);
		spin_unlock_bh(&chardev->files_lock);
		mutex_unlock(&chardev->files_mutex);
	}
	return stream_open(inode, file);
}

static int duct_file_release(struct inode *inode, struct file *file)
{
	struct duct_file *dfile = file->private_data;
	struct duct_chardev *chardev = dfile->chardev;
	struct duct_filter_set *groups = &dfile->groups;
	struct duct_dev *duct;

	mutex_lock(&chardev->files_mutex);
	spin_lock_bh(&chardev->files_lock);
	list_del_init(&dfile->node);
	spin_unlock_bh(&chardev->files_lock);
	mutex_unlock(&chardev->files_mutex);

	mutex_lock(&chardev->lock);
	duct = duct_chardev_card(chardev);
	while (duct && groups->count)
		duct_file_leave(duct, dfile, groups->filter[0].mask,
				groups->filter[0].addr);
	mutex_unlock(&chardev->lock);

	skb_queue_purge(&dfile->sk.sk_receive_queue);
	sock_put(&dfile->sk);
	return 0;
}

static const struct file_operations duct_file_ops = {
	.owner		= THIS_MODULE,
	.open		= duct_file_open,
	.release	= duct_file_release,
	.read_iter	= duct_file_read_iter,
	.write_iter	= duct_file_write_iter,
	.poll		= duct_file_poll,
	.fasync		= duct_file_fasync,
	.unlocked_ioctl	= duct_file_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/**
 * duct_chardev_register() - make /dev/ductN
 * @duct: card whose address is known
 *
 * Before the interface, whose packets it takes. Undone by
 * duct_chardev_unregister() and then, when no packet can come any more,
 * duct_chardev_put().
 *
 * Context: process.
 * Return: 0 or -errno.
 */
int duct_chardev_register(struct duct_dev *duct)
{
	struct duct_chardev *chardev;
	int err;

	chardev = kzalloc_obj(*chardev);
	if (!chardev)
		return -ENOMEM;
	chardev->number = ida_alloc(&duct_chardev_numbers, GFP_KERNEL);
	if (chardev->number < 0) {
		err = chardev->number;
		goto err_free;
	}
	kref_init(&chardev->kref);
	mutex_init(&chardev->lock);
	mutex_init(&chardev->files_mutex);
	spin_lock_init(&chardev->files_lock);
	INIT_LIST_HEAD(&chardev->files);
	init_waitqueue_head(&chardev->room_wait);
	RCU_INIT_POINTER(chardev->duct, duct);
	snprintf(chardev->name, sizeof(chardev->name), "duct%d",
		 chardev->number);
	chardev->misc.minor = MISC_DYNAMIC_MINOR;
	chardev->misc.name = chardev->name;
	chardev->misc.fops = &duct_file_ops;
	chardev->misc.parent = duct->dev;

	err = misc_register(&chardev->misc);
	if (err)
		goto err_free_number;

	duct->chardev = chardev;
	return 0;

err_free_number:
	ida_free(&duct_chardev_numbers, chardev->number);
err_free:
	kfree(chardev);
	return err;
}

/**
 * duct_chardev_unregister() - take /dev/ductN away
 * @duct: a card about to go
 *
 * Files that are open find no card any more, and what waits in them, in memory
 * the card was given, is dropped.
 *
 * Context: process, may sleep. Nobody uses @duct on behalf of a file when it
 * returns.
 */
void duct_chardev_unregister(struct duct_dev *duct)
{
	struct duct_chardev *chardev = duct->chardev;
	struct duct_file *dfile;
	struct duct_file *next;

	misc_deregister(&chardev->misc);
	ida_free(&duct_chardev_numbers, chardev->number);

	mutex_lock(&chardev->lock);
	rcu_assign_pointer(chardev->duct, NULL);
	mutex_unlock(&chardev->lock);
	synchronize_rcu();
	duct_chardev_wake(duct);

	mutex_lock(&chardev->files_mutex);
	list_for_each_entry_safe(dfile, next, &chardev->files, node) {
		spin_lock_bh(&chardev->files_lock);
		list_del_init(&dfile->node);
		spin_unlock_bh(&chardev->files_lock);
		skb_queue_purge(&dfile->sk.sk_receive_queue);
	}
	mutex_unlock(&chardev->files_mutex);
}
