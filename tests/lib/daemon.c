// SPDX-License-Identifier: GPL-2.0-only
#include "daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vfio_client.h"

#define ARGS_MAX	32

int daemon_prepare(struct daemon *daemon)
{
	daemon->pid = 0;
	daemon->err = -1;
	daemon->log_len = 0;
	daemon->log[0] = '\0';
	snprintf(daemon->dir, sizeof(daemon->dir), "/tmp/ductnet-wire-XXXXXX");
	if (!mkdtemp(daemon->dir))
		return -errno;
	for (int i = 0; i < DAEMON_CARDS; i++)
		snprintf(daemon->path[i], sizeof(daemon->path[i]), "%s/%d.sock",
			 daemon->dir, i);
	return 0;
}

static const char *binary(void)
{
	const char *path = getenv("DUCTNET");

	return path && *path ? path : "build/bin/ductnet";
}

int daemon_spawn(struct daemon *daemon, const char *const args[])
{
	char *argv[ARGS_MAX + 2];
	int argc = 0;
	int pipe_fds[2];
	pid_t parent = getpid();

	argv[argc++] = (char *)(uintptr_t)binary();
	while (*args && argc <= ARGS_MAX)
		argv[argc++] = (char *)(uintptr_t)*args++;
	argv[argc] = NULL;

	if (pipe2(pipe_fds, O_CLOEXEC))
		return -errno;
	daemon->pid = fork();
	if (daemon->pid < 0) {
		daemon->pid = 0;
		return -errno;
	}
	if (!daemon->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || dup2(pipe_fds[1], 2) < 0)
			_exit(126);
		execv(argv[0], argv);
		dprintf(2, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(pipe_fds[1]);
	if (daemon->err >= 0)
		close(daemon->err);
	daemon->err = pipe_fds[0];
	fcntl(daemon->err, F_SETFL, O_NONBLOCK);
	return 0;
}

int daemon_start(struct daemon *daemon, unsigned int cards,
		 const char *options)
{
	char card[DAEMON_CARDS][160];
	const char *args[2 * DAEMON_CARDS + 1];
	size_t from = daemon->log_len;
	unsigned int n = 0;
	int err;

	for (unsigned int i = 0; i < cards; i++) {
		snprintf(card[i], sizeof(card[i]), "%s,hwaddr=%08x%s",
			 daemon->path[i], 0x1000u + i, options);
		args[n++] = "--card";
		args[n++] = card[i];
	}
	args[n] = NULL;
	err = daemon_spawn(daemon, args);
	return err ? err : daemon_wait_log(daemon, from, "ready\n");
}

/* Return: false at its end. */
static bool read_some(struct daemon *daemon)
{
	size_t room = sizeof(daemon->log) - 1 - daemon->log_len;
	ssize_t got;

	if (!room)
		return false;
	got = read(daemon->err, daemon->log + daemon->log_len, room);
	if (got <= 0)
		return got && (errno == EAGAIN || errno == EINTR);
	daemon->log_len += (size_t)got;
	daemon->log[daemon->log_len] = '\0';
	return true;
}

void daemon_read_log(struct daemon *daemon)
{
	size_t before;

	do {
		before = daemon->log_len;
	} while (read_some(daemon) && daemon->log_len > before);
}

int daemon_wait_log(struct daemon *daemon, size_t from, const char *text)
{
	int64_t deadline = vc_now_ms() + DAEMON_TIMEOUT_MS;
	struct pollfd poll_fd = { .fd = daemon->err, .events = POLLIN };

	while (!strstr(daemon->log + from, text)) {
		int64_t left = deadline - vc_now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&poll_fd, 1, (int)left) > 0 && !read_some(daemon))
			return strstr(daemon->log + from, text) ? 0 : -EPIPE;
	}
	return 0;
}

int daemon_freeze(struct daemon *daemon)
{
	int status;

	if (kill(daemon->pid, SIGSTOP) ||
	    waitpid(daemon->pid, &status, WUNTRACED) != daemon->pid)
		return -errno;
	return WIFSTOPPED(status) ? 0 : -ECHILD;
}

int daemon_thaw(struct daemon *daemon)
{
	return kill(daemon->pid, SIGCONT) ? -errno : 0;
}

int daemon_wait_exit(struct daemon *daemon)
{
	struct pollfd poll_fd = { .events = POLLIN };
	int status = -ETIMEDOUT;
	int ready;

	/* Its stderr must not fill up meanwhile; it says little at its end. */
	poll_fd.fd = (int)syscall(SYS_pidfd_open, daemon->pid, 0);
	if (poll_fd.fd < 0)
		return -errno;
	do {
		ready = poll(&poll_fd, 1, DAEMON_TIMEOUT_MS);
	} while (ready < 0 && errno == EINTR);
	close(poll_fd.fd);
	if (ready == 1 && waitpid(daemon->pid, &status, 0) == daemon->pid)
		daemon->pid = 0;
	daemon_read_log(daemon);
	return status;
}

int daemon_stop(struct daemon *daemon)
{
	if (kill(daemon->pid, SIGCONT) || kill(daemon->pid, SIGTERM))
		return -errno;
	return daemon_wait_exit(daemon);
}

void daemon_cleanup(struct daemon *daemon)
{
	struct dirent *entry;
	DIR *dir;

	if (daemon->pid > 0) {
		kill(daemon->pid, SIGKILL);
		waitpid(daemon->pid, NULL, 0);
	}
	daemon->pid = 0;
	if (daemon->err >= 0)
		close(daemon->err);
	daemon->err = -1;
	dir = opendir(daemon->dir);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(daemon->dir);
}

const char *daemon_state(struct daemon *daemon)
{
	size_t from;

	daemon_read_log(daemon);
	from = daemon->log_len;
	if (kill(daemon->pid, SIGUSR1) ||
	    daemon_wait_log(daemon, from, "end of state\n"))
		return NULL;
	return daemon->log + from;
}

long long daemon_counter(const char *state, const char *section,
			 const char *name)
{
	const char *line = strstr(state, section);
	char want[64];

	snprintf(want, sizeof(want), "  %s: ", name);
	while (line && (line = strchr(line, '\n'))) {
		line++;
		if (!strncmp(line, want, strlen(want)))
			return strtoll(line + strlen(want), NULL, 10);
		if (*line != ' ')
			break;		/* the next section */
	}
	return -1;
}

int daemon_count_fds(const struct daemon *daemon)
{
	struct dirent *entry;
	char path[64];
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)daemon->pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

bool daemon_has_fd(const struct daemon *daemon, int fd)
{
	char path[64], target[8];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)daemon->pid, fd);
	return readlink(path, target, sizeof(target)) > 0;
}

int daemon_count_maps(const struct daemon *daemon, const char *name)
{
	char line[512];
	char path[64];
	int count = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)daemon->pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, name) != NULL;
	fclose(maps);
	return count;
}
