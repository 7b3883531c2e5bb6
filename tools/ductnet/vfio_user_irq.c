// SPDX-License-Identifier: GPL-2.0-only
/* Vectors: eventfds the client gave for them, and signals kept without one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vfio_user_priv.h"

void vu_irqs_init(struct vu_irqs *irqs)
{
	irqs->pending = 0;
	irqs->error = -1;
	for (size_t i = 0; i < VU_VECTORS_MAX; i++)
		irqs->vector[i] = -1;
}

static void disarm(int *eventfd)
{
	if (*eventfd >= 0)
		close(*eventfd);
	*eventfd = -1;
}

void vu_irqs_disarm(struct vu_irqs *irqs)
{
	irqs->pending = 0;
	disarm(&irqs->error);
	for (size_t i = 0; i < VU_VECTORS_MAX; i++)
		disarm(&irqs->vector[i]);
}

/* Return: interrupts the device has of the kind @index. */
unsigned int vu_irqs_count(const struct vfio_user *vu, uint32_t index)
{
	if (index == VU_IRQ_MSIX)
		return vu->ident.vectors;
	return index == VU_IRQ_ERR ? 1 : 0;
}

/*
 * Not blocking (see prepare_eventfd()). Its only failure, a counter that is
 * full, means that the client has a wake-up waiting anyway.
 */
static void fire(int eventfd)
{
	uint64_t one = 1;
	ssize_t written = write(eventfd, &one, sizeof(one));

	(void)written;
}

bool vu_irqs_fire_error(struct vu_irqs *irqs)
{
	if (irqs->error < 0)
		return false;
	fire(irqs->error);
	return true;
}

void vfio_user_signal(struct vfio_user *vu, unsigned int vector)
{
	if (!vu->client.ready || vector >= vu->ident.vectors)
		return;
	if (vu->irqs.vector[vector] >= 0) {
		fire(vu->irqs.vector[vector]);
		vu->counters.signals_sent++;
	} else {
		vu->irqs.pending |= 1u << vector;
		vu->counters.signals_latched++;
	}
}

/*
 * What we are told to write to must be an eventfd, as anything else could
 * block, and must not block.
 */
static int prepare_eventfd(int fd)
{
	static const char want[] = "anon_inode:[eventfd]";
	char path[32], target[sizeof(want)];
	ssize_t len;
	int flags;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, target, sizeof(target));
	if (len >= 0 && ((size_t)len != sizeof(want) - 1 ||
			 memcmp(target, want, sizeof(want) - 1)))
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	return 0;
}

static int *eventfd_of(struct vfio_user *vu, uint32_t index, uint32_t i)
{
	return index == VU_IRQ_ERR ? &vu->irqs.error : &vu->irqs.vector[i];
}

/* QEMU sends a new dup of the same eventfd each time a vector is unmasked. */
static int arm(struct vfio_user *vu, const struct vu_irq_set *set,
	       struct vu_fds *fds)
{
	uint32_t armed;

	for (uint32_t i = 0; i < set->count; i++) {
		int err = prepare_eventfd(fds->fd[i]);

		if (err)
			return err;
	}
	for (uint32_t i = 0; i < set->count; i++) {
		int *eventfd = eventfd_of(vu, set->index, set->start + i);

		disarm(eventfd);
		*eventfd = fds->fd[i];
		fds->fd[i] = -1;
	}
	if (set->index != VU_IRQ_MSIX)
		return 0;

	armed = ((1u << set->count) - 1) << set->start;
	for (uint32_t i = 0; i < vu->ident.vectors; i++) {
		if (!(vu->irqs.pending & armed & (1u << i)))
			continue;
		vu->irqs.pending &= ~(1u << i);
		fire(vu->irqs.vector[i]);
		vu->counters.signals_sent++;
	}
	return 0;
}

/* The client plays the device: fire what is armed. */
static void trigger(struct vfio_user *vu, const struct vu_irq_set *set,
		    const uint8_t *chosen)
{
	for (uint32_t i = 0; i < set->count; i++) {
		int eventfd = *eventfd_of(vu, set->index, set->start + i);

		if (eventfd >= 0 && (!chosen || chosen[i]))
			fire(eventfd);
	}
}

static int check(const struct vfio_user *vu, const struct vu_irq_set *set,
		 const struct vu_request *request)
{
	uint32_t data = set->flags & VU_IRQ_DATA_MASK;
	unsigned int have;
	size_t extra;

	if (set->argsz < sizeof(*set) || set->index >= VU_IRQS ||
	    set->flags & ~(VU_IRQ_DATA_MASK | VU_IRQ_ACTION_MASK))
		return -EINVAL;
	have = vu_irqs_count(vu, set->index);
	if (set->start > have || set->count > have - set->start)
		return -EINVAL;
	if (data != VU_IRQ_DATA_NONE && data != VU_IRQ_DATA_BOOL &&
	    data != VU_IRQ_DATA_EVENTFD)
		return -EINVAL;
	/* No kind of interrupt is told to be maskable. */
	if ((set->flags & VU_IRQ_ACTION_MASK) != VU_IRQ_TRIGGER)
		return -EINVAL;
	if (data != VU_IRQ_DATA_NONE && !set->count)
		return -EINVAL;
	extra = data == VU_IRQ_DATA_BOOL ? set->count : 0;
	if (request->size != sizeof(*set) + extra)
		return -EINVAL;
	if (request->fds->count && (data != VU_IRQ_DATA_EVENTFD ||
				    request->fds->count != set->count))
		return -EINVAL;
	return 0;
}

ssize_t vu_irqs_set(struct vfio_user *vu, const struct vu_request *request)
{
	struct vu_irq_set set;
	int err;

	memcpy(&set, request->body, sizeof(set));
	err = check(vu, &set, request);
	if (err)
		return err;

	if (set.flags & VU_IRQ_DATA_EVENTFD && request->fds->count)
		return arm(vu, &set, request->fds);
	if (set.flags & VU_IRQ_DATA_EVENTFD) {
		for (uint32_t i = 0; i < set.count; i++)
			disarm(eventfd_of(vu, set.index, set.start + i));
	} else if (set.flags & VU_IRQ_DATA_BOOL) {
		trigger(vu, &set, request->body + sizeof(set));
	} else if (set.count) {
		trigger(vu, &set, NULL);
	} else {
		for (uint32_t i = 0; i < vu_irqs_count(vu, set.index); i++)
			disarm(eventfd_of(vu, set.index, i));
	}
	return 0;
}
