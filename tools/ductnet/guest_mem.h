/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A card's view of its guest's memory: bus addresses to host pointers.
 *
 * The guest can change its memory at any time, and the map can change between
 * two calls: a pointer from here is good until control returns to the event
 * loop, and what it points at must be read once and then checked.
 */
#ifndef DUCTNET_GUEST_MEM_H
#define DUCTNET_GUEST_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define GUEST_READ	1u	/* the card reads guest memory */
#define GUEST_WRITE	2u	/* the card writes guest memory */

struct guest_mem;

/* Return: an empty map, or NULL without memory. */
struct guest_mem *guest_mem_new(void);

/* Unmaps everything. @mem may be NULL. */
void guest_mem_free(struct guest_mem *mem);

/**
 * guest_mem_map_fd() - make [iova, iova + size) a window on a file
 * @mem: the map
 * @iova: bus address, page aligned
 * @size: bytes, not 0, page aligned
 * @access: GUEST_READ | GUEST_WRITE bits the card has
 * @fd: the file; stays the caller's, and may be closed at once
 * @offset: of the range in the file, page aligned
 *
 * One mmap serves all windows on one file.
 *
 * Return: 0, or -EINVAL (alignment, wrap, beyond the file's end), -EEXIST
 * (overlap), -ENOMEM, -errno of fstat and mmap.
 */
int guest_mem_map_fd(struct guest_mem *mem, uint64_t iova, uint64_t size,
		     unsigned int access, int fd, uint64_t offset);

/* The same over memory of the caller's own, which must outlive the map. */
int guest_mem_map_host(struct guest_mem *mem, uint64_t iova, uint64_t size,
		       unsigned int access, void *host);

/* A range that exists but can not be reached (no fd came with it). */
int guest_mem_map_none(struct guest_mem *mem, uint64_t iova, uint64_t size);

/* Removes every window wholly inside [iova, iova + size); none is no error. */
void guest_mem_unmap(struct guest_mem *mem, uint64_t iova, uint64_t size);
void guest_mem_unmap_all(struct guest_mem *mem);

/* Off: every translation fails, as PCI's Bus Master Enable has it. Default on. */
void guest_mem_set_master(struct guest_mem *mem, bool on);

/**
 * guest_mem_translate() - host pieces of a bus address range
 * @mem: the map
 * @iova: bus address, any alignment
 * @len: bytes; 0 gives no piece
 * @access: GUEST_READ or GUEST_WRITE
 * @iov: where to put the pieces, neighbours in host memory merged
 * @max: room in @iov
 *
 * Return: number of pieces, or -EFAULT (some byte is unmapped or lacks the
 * access), -E2BIG (more than @max pieces), -EOWNERDEAD (the file under the
 * range was cut off, see guest_mem_broken()).
 */
int guest_mem_translate(struct guest_mem *mem, uint64_t iova, uint64_t len,
			unsigned int access, struct iovec *iov, int max);

/* Return: host pointer to @len bytes in one piece, or NULL. */
void *guest_mem_ptr(struct guest_mem *mem, uint64_t iova, uint64_t len,
		    unsigned int access);

/* Return: true when @iova lies in a range made by guest_mem_map_none(). */
bool guest_mem_is_unshared(const struct guest_mem *mem, uint64_t iova);

/*
 * Return: true once a file was truncated under its map (SIGBUS was caught),
 * until guest_mem_unmap_all().
 */
bool guest_mem_broken(const struct guest_mem *mem);

/* An eventfd to be written to when that happens; -1, as it begins: none. */
void guest_mem_set_alarm(struct guest_mem *mem, int eventfd);

/* Counts changes of the map, so that a caller may keep a pointer while equal. */
uint64_t guest_mem_generation(const struct guest_mem *mem);

/*
 * Process wide, once: turn SIGBUS on guest memory into guest_mem_broken().
 * Return: 0 or -errno.
 */
int guest_mem_catch_sigbus(void);

#endif /* DUCTNET_GUEST_MEM_H */
