/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Ethernet over Ductnet: addresses, the shim, the native header.
 * docs/ethernet.md is the prose of this file. Pure functions on bytes and
 * host-order integers: no allocation, no locks, callable in any context.
 */
#ifndef DUCT_ETHER_H
#define DUCT_ETHER_H

#include "duct_hw.h"

#ifdef __KERNEL__
#include <linux/string.h>
#else
#include <stdbool.h>
#include <string.h>
#endif

#define DUCT_MAC_LEN		6
#define DUCT_ETHER_HLEN		14
#define DUCT_SHIM_LEN		2
#define DUCT_SHIM_0		0xdc
#define DUCT_SHIM_1		0xe1

/* IEEE 802 local experimental 1 */
#define DUCT_NATIVE_TYPE	0x88b5
/* Ethernet header and a 16-bit length */
#define DUCT_NATIVE_HLEN	16

#define DUCT_BROADCAST		0xffffffffU

#define DUCT_FRAME_MAX		(DUCT_PACKET_MAX - DUCT_SHIM_LEN)
#define DUCT_MTU_MAX		(DUCT_FRAME_MAX - DUCT_ETHER_HLEN)
#define DUCT_MTU_DEFAULT	1500

static_assert(DUCT_MTU_MAX == 16368, "largest MTU");

/* docs/card.md, "Addresses": a multicast address has its top bit set. */
static inline bool duct_addr_is_mcast(__u32 addr)
{
	return addr & DUCT_ADDR_MCAST;
}

static inline __u32 duct_get_be32(const __u8 *p)
{
	return (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3];
}

/**
 * duct_mac_from_addr() - the MAC address that stands for a Ductnet address
 * @mac: where to put it, DUCT_MAC_LEN octets
 * @addr: Ductnet address, host order, unicast or multicast
 *
 * docs/ethernet.md, "Addresses".
 */
static inline void duct_mac_from_addr(__u8 *mac, __u32 addr)
{
	mac[0] = duct_addr_is_mcast(addr) ? 0x03 : 0x02;
	mac[1] = 0xdc;
	mac[2] = (__u8)(addr >> 24);
	mac[3] = (__u8)(addr >> 16);
	mac[4] = (__u8)(addr >> 8);
	mac[5] = (__u8)addr;
}

/**
 * duct_addr_from_mac() - where on Ductnet a frame for a MAC address goes
 * @mac: destination MAC, DUCT_MAC_LEN octets
 *
 * docs/ethernet.md, "Addresses".
 *
 * Return: the Ductnet address, host order; DUCT_BROADCAST for a unicast MAC
 * that is no station's.
 */
static inline __u32 duct_addr_from_mac(const __u8 *mac)
{
	__u32 low = duct_get_be32(mac + 2);

	if (mac[0] & 0x01)
		return low | DUCT_ADDR_MCAST;
	if (mac[0] == 0x02 && mac[1] == 0xdc && !duct_addr_is_mcast(low))
		return low;
	return DUCT_BROADCAST;
}

/**
 * duct_payload_is_ether() - tell a frame from a native packet
 * @payload: first octets of the payload, min(@len, 16) of them readable
 * @len: length of the payload in octets
 * @dst: the packet's destination address, host order
 *
 * docs/ethernet.md, "Packets".
 *
 * Return: true when an Ethernet frame follows the shim.
 */
static inline bool duct_payload_is_ether(const __u8 *payload, __u32 len,
					 __u32 dst)
{
	return len >= DUCT_SHIM_LEN + DUCT_ETHER_HLEN &&
	       payload[0] == DUCT_SHIM_0 && payload[1] == DUCT_SHIM_1 &&
	       duct_addr_from_mac(payload + DUCT_SHIM_LEN) == dst;
}

/**
 * duct_native_push() - write the header a native packet has in the stack
 * @hdr: where to put it, DUCT_NATIVE_HLEN octets
 * @dst: the packet's destination, host order
 * @src: the packet's source, host order
 * @len: payload octets, 0 to DUCT_PACKET_MAX
 *
 * docs/ethernet.md, "Packets".
 */
static inline void duct_native_push(__u8 *hdr, __u32 dst, __u32 src, __u32 len)
{
	duct_mac_from_addr(hdr, dst);
	duct_mac_from_addr(hdr + DUCT_MAC_LEN, src);
	hdr[12] = DUCT_NATIVE_TYPE >> 8;
	hdr[13] = DUCT_NATIVE_TYPE & 0xff;
	hdr[14] = (__u8)(len >> 8);
	hdr[15] = (__u8)len;
}

/**
 * duct_frame_is_native() - does this frame carry a native packet?
 * @frame: a frame's first DUCT_ETHER_HLEN octets
 *
 * Return: true when its EtherType is DUCT_NATIVE_TYPE.
 */
static inline bool duct_frame_is_native(const __u8 *frame)
{
	return frame[12] == DUCT_NATIVE_TYPE >> 8 &&
	       frame[13] == (DUCT_NATIVE_TYPE & 0xff);
}

/**
 * duct_native_len() - payload length a native frame's header tells
 * @frame: the frame's first octets
 * @len: length of the frame in octets
 *
 * Octets behind the payload are padding and do not travel.
 *
 * Return: 0 to DUCT_PACKET_MAX, or -1 when the header is cut off or tells more
 * than there is.
 */
static inline int duct_native_len(const __u8 *frame, __u32 len)
{
	int told;

	if (len < DUCT_NATIVE_HLEN)
		return -1;
	told = frame[14] << 8 | frame[15];
	if (told > DUCT_PACKET_MAX || (__u32)told > len - DUCT_NATIVE_HLEN)
		return -1;
	return told;
}

#endif /* DUCT_ETHER_H */
