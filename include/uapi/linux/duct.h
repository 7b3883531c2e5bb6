/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The duct character device: what read, write and ioctl on /dev/ductN carry.
 * Names, layouts and numbers are those of OpenBSD's <dev/ductvar.h>.
 */
#ifndef _UAPI_LINUX_DUCT_H
#define _UAPI_LINUX_DUCT_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct duct_info_arg - what DUCTIOC_GET_INFO tells
 * @duct_major: the card's major version
 * @duct_minor: the card's minor version
 * @duct_hwaddr: the card's Ductnet address
 */
struct duct_info_arg {
	__u32	duct_major;
	__u32	duct_minor;
	__u32	duct_hwaddr;
};

/**
 * struct duct_mcast_arg - a multicast filter
 * @duct_mask: bits of a destination that matter, top bit set
 * @duct_addr: their values, top bit set
 */
struct duct_mcast_arg {
	__u32	duct_mask;
	__u32	duct_addr;
};

/**
 * struct duct_packet_hdr - leads each packet in read and write, host order
 * @dpkt_source: sender; ignored on write, where it is the card's own address
 * @dpkt_destination: receiver
 * @dpkt_length: payload octets that follow, 0 to 16384
 * @dpkt_reserved: zero
 */
struct duct_packet_hdr {
	__u32	dpkt_source;
	__u32	dpkt_destination;
	__u32	dpkt_length;
	__u32	dpkt_reserved;
};

#define DUCTIOC_GET_INFO	_IOR('z', 0, struct duct_info_arg)
#define DUCTIOC_ADD_MCAST	_IOW('z', 1, struct duct_mcast_arg)
#define DUCTIOC_RM_MCAST	_IOW('z', 2, struct duct_mcast_arg)

#endif /* _UAPI_LINUX_DUCT_H */
