/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio-user on the wire, as QEMU's docs/interop/vfio-user.rst has it: what the
 * server and the tests need of it. Host byte order; nothing is aligned.
 */
#ifndef DUCTNET_VFIO_USER_PROTO_H
#define DUCTNET_VFIO_USER_PROTO_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define VU_PACKED	__attribute__((packed))

enum vu_command {
	VU_VERSION		= 1,
	VU_DMA_MAP		= 2,
	VU_DMA_UNMAP		= 3,
	VU_GET_INFO		= 4,
	VU_GET_REGION_INFO	= 5,
	VU_GET_IRQ_INFO		= 7,
	VU_SET_IRQS		= 8,
	VU_REGION_READ		= 9,
	VU_REGION_WRITE		= 10,
	VU_RESET		= 13,
	VU_WRITE_MULTI		= 15,
	VU_COMMANDS
};

/* struct vu_header.flags */
#define VU_TYPE_MASK		0x0fu
#define VU_TYPE_COMMAND		0x00u
#define VU_TYPE_REPLY		0x01u
#define VU_NO_REPLY		0x10u
#define VU_ERROR		0x20u

struct vu_header {
	uint16_t id;			/* the reply has the request's */
	uint16_t command;
	uint32_t size;			/* of the message, with this header */
	uint32_t flags;
	uint32_t error;			/* errno, with VU_ERROR */
} VU_PACKED;
static_assert(sizeof(struct vu_header) == 16, "header");

/* VERSION, both ways; JSON and its NUL follow. */
struct vu_version {
	uint16_t major;
	uint16_t minor;
} VU_PACKED;
static_assert(sizeof(struct vu_version) == 4, "VERSION");

#define VU_MAP_READ		1u	/* the device may read */
#define VU_MAP_WRITE		2u	/* the device may write */

struct vu_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t iova;
	uint64_t size;
} VU_PACKED;
static_assert(sizeof(struct vu_dma_map) == 32, "DMA_MAP");

#define VU_UNMAP_BITMAP		1u
#define VU_UNMAP_ALL		2u

struct vu_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova;
	uint64_t size;
} VU_PACKED;
static_assert(sizeof(struct vu_dma_unmap) == 24, "DMA_UNMAP");

#define VU_DEVICE_RESET		1u
#define VU_DEVICE_PCI		2u

struct vu_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t regions;
	uint32_t irqs;
} VU_PACKED;
static_assert(sizeof(struct vu_info) == 16, "GET_INFO");

enum vu_region {
	VU_REGION_BAR0	= 0,
	VU_REGION_BAR2	= 2,
	VU_REGION_CONFIG = 7,
	VU_REGIONS	= 9,
};

#define VU_REGION_CAN_READ	1u
#define VU_REGION_CAN_WRITE	2u

struct vu_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
} VU_PACKED;
static_assert(sizeof(struct vu_region_info) == 32, "GET_REGION_INFO");

enum vu_irq {
	VU_IRQ_INTX,
	VU_IRQ_MSI,
	VU_IRQ_MSIX,
	VU_IRQ_ERR,
	VU_IRQ_REQ,
	VU_IRQS
};

#define VU_IRQ_EVENTFD		1u

struct vu_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
} VU_PACKED;
static_assert(sizeof(struct vu_irq_info) == 16, "GET_IRQ_INFO");

#define VU_IRQ_DATA_NONE	0x01u
#define VU_IRQ_DATA_BOOL	0x02u
#define VU_IRQ_DATA_EVENTFD	0x04u
#define VU_IRQ_DATA_MASK	0x07u
#define VU_IRQ_MASK		0x08u
#define VU_IRQ_UNMASK		0x10u
#define VU_IRQ_TRIGGER		0x20u
#define VU_IRQ_ACTION_MASK	0x38u

/* With VU_IRQ_DATA_BOOL, @count bytes follow. */
struct vu_irq_set {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
} VU_PACKED;
static_assert(sizeof(struct vu_irq_set) == 20, "SET_IRQS");

/* REGION_READ and REGION_WRITE, both ways; the data follows. */
struct vu_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
} VU_PACKED;
static_assert(sizeof(struct vu_access) == 16, "REGION_READ, REGION_WRITE");

#define VU_MULTI_MAX		200u

/* WRITE_MULTI: a 64-bit count, then that many of these. */
struct vu_multi {
	struct vu_access access;
	uint8_t data[8];
} VU_PACKED;
static_assert(sizeof(struct vu_multi) == 24, "WRITE_MULTI");

#endif /* DUCTNET_VFIO_USER_PROTO_H */
