// SPDX-License-Identifier: GPL-2.0-only
/* Messages on stderr, one write a line. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define LINE_SIZE	1024

/* log_limit_pass(): this many lines at once, then one each interval. */
#define LIMIT_BURST		8
#define LIMIT_INTERVAL_MS	5000

static enum log_level threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	threshold = level;
}

enum log_level log_get_level(void)
{
	return threshold;
}

static const char *prefix(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error: ";
	case LOG_LEVEL_WARN:
		return "warning: ";
	case LOG_LEVEL_DEBUG:
		return "debug: ";
	case LOG_LEVEL_INFO:
		break;
	}
	return "";
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[LINE_SIZE];
	va_list args;

	if (level > threshold)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "%s%s\n", prefix(level), text);
}

bool log_limit_pass(struct log_limit *limit)
{
	const uint64_t ahead = (LIMIT_BURST - 1) * (uint64_t)LIMIT_INTERVAL_MS;
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (limit->spent_until_ms < now)
		limit->spent_until_ms = now;
	if (limit->spent_until_ms - now > ahead) {
		limit->missed++;
		return false;
	}
	limit->spent_until_ms += LIMIT_INTERVAL_MS;
	return true;
}
