/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * For programs written for OpenBSD: what they find in <dev/ductvar.h>, names,
 * types and numbers, is in <linux/duct.h> here.
 */
#ifndef _DEV_DUCTVAR_H
#define _DEV_DUCTVAR_H

#include <stdint.h>
#include <sys/ioctl.h>

#include <linux/duct.h>

#endif /* _DEV_DUCTVAR_H */
