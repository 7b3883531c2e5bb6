// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors are memory that the guest may change at any time, against the
 * rules too: each field is read once, and what was read is what counts.
 */
#include "ring.h"

#include <endian.h>
#include <stddef.h>

#define GUEST_PAGE	4096
#define RING_BYTES_MAX	(sizeof(struct duct_pkt_desc) << DUCT_SHIFT_MAX)

/* Windows a ring can touch: they begin at pages, the ring need not. */
#define RING_WINDOWS	((int)(RING_BYTES_MAX / GUEST_PAGE + 1))

/* Any alignment: the guest chooses where a ring is. */
struct any32 {
	uint32_t value;
} __attribute__((packed, may_alias));

struct any64 {
	uint64_t value;
} __attribute__((packed, may_alias));

static uint32_t load32(const uint8_t *desc, size_t offset)
{
	const volatile struct any32 *p = (const void *)(desc + offset);

	return le32toh(p->value);
}

static uint64_t load64(const uint8_t *desc, size_t offset)
{
	const volatile struct any64 *p = (const void *)(desc + offset);

	return le64toh(p->value);
}

static void store32(uint8_t *desc, size_t offset, uint32_t value)
{
	volatile struct any32 *p = (void *)(desc + offset);

	p->value = htole32(value);
}

/*
 * Acquire: the host writes OWNER after all its other fields, so they are read
 * after OWNER.
 */
static bool owned(const uint8_t *desc)
{
	return __atomic_load_n(desc + offsetof(struct duct_pkt_desc, owner),
			       __ATOMIC_ACQUIRE) == DUCT_OWNER_CARD;
}

/*
 * Release: the host reads OWNER before err, or pktlen, dst, src and the data,
 * so they are written before OWNER.
 */
static void release(uint8_t *desc)
{
	__atomic_store_n(desc + offsetof(struct duct_pkt_desc, owner),
			 DUCT_OWNER_HOST, __ATOMIC_RELEASE);
}

void ring_init(struct ring *ring, uint32_t desc_size)
{
	*ring = (struct ring){ .desc_size = desc_size };
}

void ring_rewind(struct ring *ring)
{
	ring->next = 0;
}

void ring_set_base_low(struct ring *ring, uint32_t low)
{
	ring->base_low = low;
	ring->low_set = true;
}

void ring_set_base_high(struct ring *ring, uint32_t high)
{
	ring->base = (uint64_t)high << 32 | ring->base_low;
	ring->base_set = ring->low_set;
	ring_rewind(ring);
}

bool ring_set_shift(struct ring *ring, uint32_t shift)
{
	if (shift > DUCT_SHIFT_MAX)
		return false;
	ring->shift = shift;
	ring->shift_set = true;
	ring_rewind(ring);
	return true;
}

bool ring_is_set(const struct ring *ring)
{
	return ring->base_set && ring->shift_set;
}

uint32_t ring_size(const struct ring *ring)
{
	return 1u << ring->shift;
}

uint32_t ring_slot(const struct ring *ring)
{
	return ring->next & (ring_size(ring) - 1);
}

uint64_t ring_slot_addr(const struct ring *ring)
{
	return ring->base + (uint64_t)ring_slot(ring) * ring->desc_size;
}

bool ring_is_mapped(const struct ring *ring, struct guest_mem *mem)
{
	struct iovec iov[RING_WINDOWS];
	int n;

	n = guest_mem_translate(mem, ring->base,
				(uint64_t)ring_size(ring) * ring->desc_size,
				GUEST_READ | GUEST_WRITE, iov, RING_WINDOWS);
	if (n < 0)
		return false;
	/* No descriptor may lie half in one window and half in another. */
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len % ring->desc_size)
			return false;
	}
	return true;
}

/* Return: the next slot in host memory, or NULL. */
static uint8_t *slot(const struct ring *ring, struct guest_mem *mem)
{
	return guest_mem_ptr(mem, ring_slot_addr(ring), ring->desc_size,
			     GUEST_READ | GUEST_WRITE);
}

static enum ring_peek peek(const struct ring *ring, struct guest_mem *mem,
			   const uint8_t **desc)
{
	if (!ring_is_set(ring))
		return RING_EMPTY;
	*desc = slot(ring, mem);
	if (!*desc)
		return RING_FAULT;
	return owned(*desc) ? RING_READY : RING_EMPTY;
}

enum ring_peek ring_peek_cmd(const struct ring *ring, struct guest_mem *mem,
			     struct ring_cmd *cmd)
{
	const uint8_t *desc;
	enum ring_peek seen = peek(ring, mem, &desc);

	if (seen != RING_READY)
		return seen;
	cmd->type = *(const volatile uint8_t *)
		    (desc + offsetof(struct duct_cmd_desc, type));
	cmd->filtmask = load32(desc, offsetof(struct duct_cmd_desc, filtmask));
	cmd->filtaddr = load32(desc, offsetof(struct duct_cmd_desc, filtaddr));
	return RING_READY;
}

enum ring_peek ring_peek_pkt(const struct ring *ring, struct guest_mem *mem,
			     struct ring_pkt *pkt)
{
	const uint8_t *desc;
	enum ring_peek seen = peek(ring, mem, &desc);

	if (seen != RING_READY)
		return seen;
	for (size_t i = 0; i < DUCT_PIECES; i++) {
		pkt->length[i] = load32(desc, offsetof(struct duct_pkt_desc,
						       length) + 4 * i);
		pkt->pointer[i] = load64(desc, offsetof(struct duct_pkt_desc,
							pointer) + 8 * i);
	}
	pkt->dst = load32(desc, offsetof(struct duct_pkt_desc, dst));
	return RING_READY;
}

bool ring_is_ready(const struct ring *ring, struct guest_mem *mem)
{
	const uint8_t *desc;

	return peek(ring, mem, &desc) == RING_READY;
}

bool ring_complete_cmd(struct ring *ring, struct guest_mem *mem, uint8_t err)
{
	uint8_t *desc = slot(ring, mem);

	if (!desc)
		return false;
	desc[offsetof(struct duct_cmd_desc, err)] = err;
	release(desc);
	ring->next++;
	return true;
}

bool ring_complete_tx(struct ring *ring, struct guest_mem *mem)
{
	uint8_t *desc = slot(ring, mem);

	if (!desc)
		return false;
	release(desc);
	ring->next++;
	return true;
}

bool ring_complete_rx(struct ring *ring, struct guest_mem *mem,
		      uint32_t pktlen, uint32_t dst, uint32_t src)
{
	uint8_t *desc = slot(ring, mem);

	if (!desc)
		return false;
	store32(desc, offsetof(struct duct_pkt_desc, pktlen), pktlen);
	store32(desc, offsetof(struct duct_pkt_desc, dst), dst);
	store32(desc, offsetof(struct duct_pkt_desc, src), src);
	release(desc);
	ring->next++;
	return true;
}
