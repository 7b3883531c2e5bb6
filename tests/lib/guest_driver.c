// SPDX-License-Identifier: GPL-2.0-only
#include "guest_driver.h"

#include <endian.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#define CMD_SHIFT	4u
#define CMD_RING	0x1000u		/* bus addresses */
#define TX_RING		0x10000u

static uint32_t ring_slots(const struct gd_ring *ring)
{
	return 1u << ring->shift;
}

static void *ring_slot(const struct gd_ring *ring, uint32_t index)
{
	return ring->slots +
	       (size_t)(index & (ring_slots(ring) - 1)) * ring->desc_size;
}

static uint64_t ring_buffer(const struct gd_ring *ring, uint32_t index)
{
	return ring->buffers +
	       (uint64_t)(index & (ring_slots(ring) - 1)) * DUCT_PACKET_MAX;
}

uint64_t gd_memory(uint32_t shift)
{
	uint64_t rings = 2 * sizeof(struct duct_pkt_desc) << shift;
	uint64_t buffers = 2 * (uint64_t)DUCT_PACKET_MAX << shift;
	uint64_t size = TX_RING + rings + buffers;

	return (size + 0xfff) & ~0xfffULL;
}

static void ring_place(struct gd_ring *ring, struct vfio_client *vc,
		       uint64_t iova, uint32_t desc_size, uint32_t shift)
{
	memset(ring, 0, sizeof(*ring));
	ring->slots = vc->mem + iova;
	ring->iova = iova;
	ring->desc_size = desc_size;
	ring->shift = shift;
	memset(ring->slots, 0, (size_t)desc_size << shift);
	for (uint32_t i = 0; i < ring_slots(ring); i++)
		*(uint8_t *)ring_slot(ring, i) = DUCT_OWNER_HOST;
}

/* A ring of the card: its base register, and behind that its shift. */
static int ring_program(struct vfio_client *vc, const struct gd_ring *ring,
			uint32_t base)
{
	int err = vc_write64(vc, base, ring->iova);

	return err ? err : vc_write32(vc, base + 8, ring->shift);
}

int gd_setup(struct guest_driver *gd, struct vfio_client *vc, uint32_t shift)
{
	uint64_t ring_bytes = sizeof(struct duct_pkt_desc) << shift;
	uint64_t iova = TX_RING;
	int err;

	if (vc->mem_size < gd_memory(shift))
		return -ENOMEM;
	gd->vc = vc;
	ring_place(&gd->cmd, vc, CMD_RING, sizeof(struct duct_cmd_desc),
		   CMD_SHIFT);
	ring_place(&gd->tx, vc, iova, sizeof(struct duct_pkt_desc), shift);
	iova += ring_bytes;
	ring_place(&gd->rx, vc, iova, sizeof(struct duct_pkt_desc), shift);
	iova += ring_bytes;
	gd->tx.buffers = iova;
	gd->rx.buffers = iova + ((uint64_t)DUCT_PACKET_MAX << shift);

	gd->hwaddr = vc_read32(vc, DUCT_HWADDR);
	err = ring_program(vc, &gd->cmd, DUCT_CMDBASE);
	if (!err)
		err = ring_program(vc, &gd->tx, DUCT_TXBASE);
	if (!err)
		err = ring_program(vc, &gd->rx, DUCT_RXBASE);
	return err;
}

static void hand_over(uint8_t *owner)
{
	__atomic_store_n(owner, DUCT_OWNER_CARD, __ATOMIC_RELEASE);
}

static bool is_hosts(const uint8_t *owner)
{
	return __atomic_load_n(owner, __ATOMIC_ACQUIRE) == DUCT_OWNER_HOST;
}

int gd_wait_host(const struct guest_driver *gd, const uint8_t *owner)
{
	int64_t deadline = vc_now_ms() + gd->vc->timeout_ms;

	while (!is_hosts(owner)) {
		if (vc_now_ms() >= deadline)
			return -ETIMEDOUT;
		sched_yield();
	}
	return 0;
}

struct duct_cmd_desc *gd_put_command(struct guest_driver *gd, uint8_t type,
				     uint32_t mask, uint32_t addr)
{
	struct duct_cmd_desc *desc = ring_slot(&gd->cmd, gd->cmd.head++);

	desc->type = type;
	desc->err = 0xee;
	desc->filtmask = htole32(mask);
	desc->filtaddr = htole32(addr);
	hand_over(&desc->owner);
	return desc;
}

int gd_ring_command(struct guest_driver *gd)
{
	return vc_write32(gd->vc, DUCT_DBELL,
			  (gd->cmd.head - 1) & (ring_slots(&gd->cmd) - 1));
}

int gd_command(struct guest_driver *gd, uint8_t type, uint32_t mask,
	       uint32_t addr, uint8_t *err)
{
	struct duct_cmd_desc *desc = gd_put_command(gd, type, mask, addr);
	int ret = gd_ring_command(gd);

	if (!ret)
		ret = gd_wait_host(gd, &desc->owner);
	if (!ret) {
		gd->cmd.tail = gd->cmd.head;
		*err = desc->err;
	}
	return ret;
}

static void rx_fill(struct guest_driver *gd)
{
	while (gd->rx.head - gd->rx.tail < ring_slots(&gd->rx)) {
		struct duct_pkt_desc *desc = ring_slot(&gd->rx, gd->rx.head);

		memset(desc->length, 0, sizeof(desc->length));
		desc->length[0] = htole32(DUCT_PACKET_MAX);
		desc->pointer[0] = htole64(ring_buffer(&gd->rx, gd->rx.head));
		desc->pktlen = htole32(UINT32_MAX);
		gd->rx.head++;
		hand_over(&desc->owner);
	}
}

int gd_start(struct guest_driver *gd)
{
	uint8_t status;
	int err;

	gd->tx.head = 0;
	gd->tx.tail = 0;
	gd->rx.head = 0;
	gd->rx.tail = 0;
	rx_fill(gd);
	err = gd_command(gd, DUCT_CMD_START, 0, 0, &status);
	if (!err && status)
		err = -EIO;
	if (!err)
		err = gd_command(gd, DUCT_CMD_ADDFILT, 0xffffffff, gd->hwaddr,
				 &status);
	return !err && status ? -EIO : err;
}

int gd_put(struct guest_driver *gd, uint32_t dst, const void *data,
	   uint32_t len)
{
	struct duct_pkt_desc *desc = ring_slot(&gd->tx, gd->tx.head);
	uint64_t buffer = ring_buffer(&gd->tx, gd->tx.head);

	if (gd->tx.head - gd->tx.tail == ring_slots(&gd->tx))
		return -ENOSPC;
	if (len)
		memcpy(gd->vc->mem + buffer, data, len);
	memset(desc->length, 0, sizeof(desc->length));
	desc->length[0] = htole32(len);
	desc->pointer[0] = htole64(buffer);
	desc->dst = htole32(dst);
	desc->src = 0;
	gd->tx.head++;
	hand_over(&desc->owner);
	return 0;
}

int gd_ring_tx(struct guest_driver *gd)
{
	uint32_t last = (gd->tx.head - 1) & (ring_slots(&gd->tx) - 1);

	return vc_write32(gd->vc, DUCT_DBELL, DUCT_DBELL_TX | last);
}

int gd_wait_sent(struct guest_driver *gd)
{
	while (gd->tx.tail != gd->tx.head) {
		int err = gd_wait_host(gd, ring_slot(&gd->tx, gd->tx.tail));

		if (err)
			return err;
		gd->tx.tail++;
	}
	return 0;
}

int gd_send(struct guest_driver *gd, uint32_t dst, const void *data,
	    uint32_t len)
{
	int err = gd_put(gd, dst, data, len);

	if (!err)
		err = gd_ring_tx(gd);
	return err ? err : gd_wait_sent(gd);
}

bool gd_peek(const struct guest_driver *gd)
{
	return is_hosts(ring_slot(&gd->rx, gd->rx.tail));
}

int gd_receive(struct guest_driver *gd, struct gd_packet *packet)
{
	const struct duct_pkt_desc *desc = ring_slot(&gd->rx, gd->rx.tail);
	int err = gd_wait_host(gd, &desc->owner);

	if (err)
		return err;
	packet->dst = le32toh(desc->dst);
	packet->src = le32toh(desc->src);
	packet->len = le32toh(desc->pktlen);
	packet->data = gd->vc->mem + ring_buffer(&gd->rx, gd->rx.tail);
	return packet->len > DUCT_PACKET_MAX ? -EPROTO : 0;
}

void gd_give_back(struct guest_driver *gd)
{
	gd->rx.tail++;
	rx_fill(gd);
}
