/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads what a test writes to stderr. */
#ifndef DUCT_CAPTURE_H
#define DUCT_CAPTURE_H

#include <stdio.h>
#include <unistd.h>

#include "unit.h"

static FILE *capture_file;
static int capture_saved;

static inline void capture(void)
{
	capture_file = tmpfile();
	assert_non_null(capture_file);
	fflush(stderr);
	capture_saved = dup(STDERR_FILENO);
	dup2(fileno(capture_file), STDERR_FILENO);
}

/* The end of it, as a string. */
static inline void captured(char *text, size_t size)
{
	size_t n;

	dup2(capture_saved, STDERR_FILENO);
	close(capture_saved);
	rewind(capture_file);
	n = fread(text, 1, size - 1, capture_file);
	text[n] = 0;
	fclose(capture_file);
}

#endif /* DUCT_CAPTURE_H */
