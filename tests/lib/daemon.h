/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A real ductnet process in a directory of its own, with what it says on
 * stderr. Every wait ends after DAEMON_TIMEOUT_MS.
 */
#ifndef TESTS_DAEMON_H
#define TESTS_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DAEMON_TIMEOUT_MS	10000
#define DAEMON_CARDS		16

struct daemon {
	pid_t pid;			/* 0: not running */
	int err;			/* its stderr */
	char dir[64];			/* holds the sockets */
	char path[DAEMON_CARDS][96];	/* of the sockets */
	char log[256 * 1024];		/* what it said */
	size_t log_len;
};

/* Makes the directory and the paths in it; nothing runs yet. */
int daemon_prepare(struct daemon *daemon);

/*
 * Runs $DUCTNET (or build/bin/ductnet) with these arguments, up to a NULL, and
 * does not wait for anything.
 */
int daemon_spawn(struct daemon *daemon, const char *const args[]);

/* Runs it with @cards cards, @options behind each path, until it is ready. */
int daemon_start(struct daemon *daemon, unsigned int cards,
		 const char *options);

/* Waits until it has said @text, counted from @from. Return: 0 or -ETIMEDOUT. */
int daemon_wait_log(struct daemon *daemon, size_t from, const char *text);

/* Reads what it said so far. */
void daemon_read_log(struct daemon *daemon);

/* Stops it in its tracks, so that what is sent piles up; and lets it go on. */
int daemon_freeze(struct daemon *daemon);
int daemon_thaw(struct daemon *daemon);

/* Waits for its end. Return: as waitpid() has it, or -errno. */
int daemon_wait_exit(struct daemon *daemon);

/* SIGTERM, and its end. Return: the same. */
int daemon_stop(struct daemon *daemon);

/* Kills what still runs and removes the directory. */
void daemon_cleanup(struct daemon *daemon);

/* SIGUSR1. Return: the state it printed, in daemon->log, or NULL. */
const char *daemon_state(struct daemon *daemon);

/*
 * The number behind "name:" in a state, in the part that starts with @section
 * (a line's beginning). Return: -1 when there is none.
 */
long long daemon_counter(const char *state, const char *section,
			 const char *name);

/* What it holds: open files, and mappings of files named so. */
int daemon_count_fds(const struct daemon *daemon);
bool daemon_has_fd(const struct daemon *daemon, int fd);
int daemon_count_maps(const struct daemon *daemon, const char *name);

#endif /* TESTS_DAEMON_H */
