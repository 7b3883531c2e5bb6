/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For driver/duct_ring.h outside of the kernel: its types, and what it orders
 * memory with, no stronger than the kernel promises. A register is memory.
 */
#ifndef TESTS_KERNEL_IO_H
#define TESTS_KERNEL_IO_H

#include <stdbool.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef uint64_t dma_addr_t;

#define __iomem
#define ____cacheline_aligned_in_smp	__attribute__((aligned(64)))

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile __typeof__(x) *)&(x) = (value))

#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define dma_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define dma_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)

static inline void writel(u32 value, void *addr)
{
	__atomic_store_n((u32 *)addr, value, __ATOMIC_RELEASE);
}

#endif /* TESTS_KERNEL_IO_H */
