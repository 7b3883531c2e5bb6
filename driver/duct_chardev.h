/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The character device: what duct_chardev.c, which has the device and its open
 * files, and duct_file.c, which has reading and writing, share.
 */
#ifndef DUCT_CHARDEV_H
#define DUCT_CHARDEV_H

#include <linux/miscdevice.h>
#include <linux/poll.h>
#include <net/sock.h>

#include "duct.h"
#include "uapi/linux/duct.h"

/* Packets of a card's files that are on their way out, at most. */
#define DUCT_CHARDEV_SENDING	256

/**
 * struct duct_chardev - a card's character device; outlives the card while
 * files are open
 * @misc: the device node
 * @name: its name
 * @number: the number in @name
 * @kref: one for the card, one for each file and what it sent
 * @duct: the card, NULL once it is gone
 * @lock: guards @duct against going away, for those who sleep with it, and
 *	  orders changes of a file's groups
 * @files_mutex: orders changes of @files; never together with @lock
 * @files_lock: guards @files and the groups of the files on it against NAPI;
 *		inside either
 * @files: open files that receive
 * @sending: packets on their way out
 * @room_wait: those who wait for less of them
 * @room_fasync: those who want SIGIO then
 */
struct duct_chardev {
	struct miscdevice misc;
	char name[IFNAMSIZ];
	int number;
	struct kref kref;
	struct duct_dev __rcu *duct;
	struct mutex lock; /* guards duct; orders changes of groups */
	struct mutex files_mutex; /* orders changes of files */
	spinlock_t files_lock; /* guards files and their groups */
	struct list_head files;
	atomic_t sending;
	wait_queue_head_t room_wait;
	struct fasync_struct *room_fasync;
};

/**
 * struct duct_file - an open file
 * @sk: its receive queue, and who owns what it sends; first for sk_alloc()
 * @chardev: the device
 * @node: in duct_chardev.files
 * @groups: multicast filters it added
 * @wait: those who wait for a packet
 * @fasync: those who want SIGIO then
 */
struct duct_file {
	struct sock sk;
	struct duct_chardev *chardev;
	struct list_head node;
	struct duct_filter_set groups;
	wait_queue_head_t wait;
	struct fasync_struct *fasync;
};

static inline struct duct_file *duct_file_of(struct sock *sk)
{
	return container_of(sk, struct duct_file, sk);
}

static inline bool duct_chardev_has_room(struct duct_chardev *chardev)
{
	return atomic_read(&chardev->sending) < DUCT_CHARDEV_SENDING;
}

/* duct_chardev.c */
int duct_chardev_error(struct duct_chardev *chardev);

/* duct_file.c */
void duct_file_data_ready(struct sock *sk);
void duct_file_own_memory(struct duct_dev *duct, struct duct_file *dfile);
ssize_t duct_file_write_iter(struct kiocb *iocb, struct iov_iter *from);
ssize_t duct_file_read_iter(struct kiocb *iocb, struct iov_iter *to);

#endif /* DUCT_CHARDEV_H */
