/* SPDX-License-Identifier: GPL-2.0-only */
/* For driver/duct_ring.h outside of the kernel: nothing of it is used there. */
struct device;
