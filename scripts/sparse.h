/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the headers of new kernels use and Debian's sparse does not know. Only sparse sees this file.
 */
#ifndef DUCT_SPARSE_H
#define DUCT_SPARSE_H

#define __typeof_unqual__ __typeof__

/* MODULE_INFO() asserts that its string has no NUL inside: needs to be a constant. */
#define __builtin_strlen(string) (sizeof(string) - 1)

#endif
