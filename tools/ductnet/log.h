/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages on stderr, one line each. */
#ifndef DUCTNET_LOG_H
#define DUCTNET_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

__attribute__((format(printf, 2, 3)))
void log_line(enum log_level level, const char *fmt, ...);

/*
 * A budget for messages somebody else can provoke: a few at once, then one now
 * and then. All zero is a fresh one.
 */
struct log_limit {
	uint64_t spent_until_ms;
	uint64_t missed;		/* not shown since the last one shown */
};

/* Return: true when a line may be written; false: counted in @limit->missed. */
bool log_limit_pass(struct log_limit *limit);

#define log_error(...)	log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)	log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)						\
	do {							\
		if (log_get_level() >= LOG_LEVEL_DEBUG)		\
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);	\
	} while (0)

#endif /* DUCTNET_LOG_H */
