/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The duct card's hardware interface: registers, commands, descriptors.
 * docs/card.md is the prose of this file. Everything is little endian.
 */
#ifndef DUCT_HW_H
#define DUCT_HW_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stddef.h>
#endif

/* docs/card.md, "PCI" */
#define DUCT_PCI_VENDOR		0x3301
#define DUCT_PCI_DEVICE		0x2000
#define DUCT_PCI_CLASS		0x028000
#define DUCT_PCI_BAR		0
#define DUCT_BAR_SIZE		128
#define DUCT_VECTORS		2
#define DUCT_VECTOR_EVENT	0
#define DUCT_VECTOR_FATAL	1

/* docs/card.md, "Registers": byte offsets in BAR0 */
#define DUCT_VMAJ		0x00
#define DUCT_VMIN		0x04
#define DUCT_FLAGS		0x08
#define DUCT_HWADDR		0x0c
#define DUCT_CMDBASE		0x10
#define DUCT_CMDSHIFT		0x18
#define DUCT_TXBASE		0x20
#define DUCT_TXSHIFT		0x28
#define DUCT_RXBASE		0x30
#define DUCT_RXSHIFT		0x38
#define DUCT_EVFLAGS		0x40
#define DUCT_DBELL		0x50

#define DUCT_VERSION_MAJOR	2
#define DUCT_VERSION_MINOR	1

/*
 * FLTB: fault at an address given in a register; FLTR: fault in a descriptor or
 * at an address given in one; SEQ: operation out of sequence; HWERR: the rest.
 */
#define DUCT_FLAGS_FLTB		0x00000001U
#define DUCT_FLAGS_FLTR		0x00000002U
#define DUCT_FLAGS_SEQ		0x00000004U
#define DUCT_FLAGS_HWERR	0x00010000U
#define DUCT_FLAGS_FATAL	(DUCT_FLAGS_FLTB | DUCT_FLAGS_FLTR | \
				 DUCT_FLAGS_SEQ | DUCT_FLAGS_HWERR)
/* Written it resets the card; FLAGS reads 0 when that is done. */
#define DUCT_FLAGS_RST		0x80000000U

#define DUCT_EV_TXCOMP		0x00000001U
#define DUCT_EV_RXCOMP		0x00000002U
#define DUCT_EV_RXDROP		0x00000004U
#define DUCT_EV_CMDCOMP		0x00000008U
#define DUCT_EV_RXJUMBO		0x00000010U

/* Set: the transmit ring; clear: the command ring. */
#define DUCT_DBELL_TX		0x80000000U

#define DUCT_SHIFT_MAX		12

/* docs/card.md, "Addresses" and "Rings and ownership" */
#define DUCT_ADDR_MCAST		0x80000000U
#define DUCT_PACKET_MAX		16384
#define DUCT_PIECES		4
#define DUCT_FILTERS		32

#define DUCT_OWNER_CARD		0x55
#define DUCT_OWNER_HOST		0xaa

/* docs/card.md, "Commands" */
#define DUCT_CMD_START		1
#define DUCT_CMD_STOP		2
#define DUCT_CMD_ADDFILT	3
#define DUCT_CMD_RMFILT		4
#define DUCT_CMD_FLUSHFILT	5

/* TABLE: full (ADDFILT), or no such filter (RMFILT); TYPE: unknown command. */
#define DUCT_ERR_OK		0
#define DUCT_ERR_TABLE		1
#define DUCT_ERR_TYPE		2
#define DUCT_ERR_HW		0xff

/**
 * struct duct_cmd_desc - one slot of the command ring
 * @owner: DUCT_OWNER_CARD or DUCT_OWNER_HOST, written last and read first
 * @type: DUCT_CMD_*
 * @err: DUCT_ERR_*, written by the card
 * @reserved0: zero
 * @filtmask: mask of ADDFILT and RMFILT
 * @filtaddr: address of ADDFILT and RMFILT
 * @reserved1: zero
 */
struct duct_cmd_desc {
	__u8	owner;
	__u8	type;
	__u8	err;
	__u8	reserved0[5];
	__le32	filtmask;
	__le32	filtaddr;
	__u8	reserved1[16];
};

static_assert(sizeof(struct duct_cmd_desc) == 32, "command descriptor");
static_assert(offsetof(struct duct_cmd_desc, owner) == 0, "owner");
static_assert(offsetof(struct duct_cmd_desc, type) == 1, "type");
static_assert(offsetof(struct duct_cmd_desc, err) == 2, "err");
static_assert(offsetof(struct duct_cmd_desc, filtmask) == 8, "filtmask");
static_assert(offsetof(struct duct_cmd_desc, filtaddr) == 12, "filtaddr");

/**
 * struct duct_pkt_desc - one slot of the transmit or the receive ring
 * @owner: DUCT_OWNER_CARD or DUCT_OWNER_HOST, written last and read first
 * @reserved: zero
 * @pktlen: receive: bytes in the packet, written by the card
 * @length: bytes in (transmit) or room in (receive) each piece, 0 = no piece
 * @dst: destination; receive: written by the card
 * @src: receive: source, written by the card; transmit: ignored
 * @pointer: bus address of each piece
 */
struct duct_pkt_desc {
	__u8	owner;
	__u8	reserved[3];
	__le32	pktlen;
	__le32	length[DUCT_PIECES];
	__le32	dst;
	__le32	src;
	__le64	pointer[DUCT_PIECES];
};

static_assert(sizeof(struct duct_pkt_desc) == 64, "packet descriptor");
static_assert(offsetof(struct duct_pkt_desc, owner) == 0, "owner");
static_assert(offsetof(struct duct_pkt_desc, pktlen) == 4, "pktlen");
static_assert(offsetof(struct duct_pkt_desc, length) == 8, "length");
static_assert(offsetof(struct duct_pkt_desc, dst) == 24, "dst");
static_assert(offsetof(struct duct_pkt_desc, src) == 28, "src");
static_assert(offsetof(struct duct_pkt_desc, pointer) == 32, "pointer");

#endif /* DUCT_HW_H */
