// SPDX-License-Identifier: GPL-2.0-only
/* Clients that come and go, well and badly, and the sockets they come to. */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void attach(struct wire *wire)
{
	assert_ok(vc_attach(&wire->vc[0], wire->daemon.path[0]));
	wire_sync(&wire->vc[0]);
}

static void reconnect(void **state)
{
	struct wire *wire = *state;
	struct guest_driver *gd = &wire->gd[0];
	int fds, maps;

	attach(wire);
	fds = daemon_count_fds(&wire->daemon);
	maps = daemon_count_maps(&wire->daemon, "memfd:guest");
	assert_int_equal(maps, 1);
	for (int i = 0; i < 50; i++) {
		/* the card must come up as at power on, whatever it was in */
		assert_int_equal(vc_read32(&wire->vc[0], DUCT_EVFLAGS), 0);
		assert_ok(gd_setup(gd, &wire->vc[0], WIRE_SHIFT));
		assert_ok(gd_start(gd));
		assert_ok(gd_send(gd, 0x0000EC60, "x", 1));
		attach(wire);
		assert_int_equal(daemon_count_fds(&wire->daemon), fds);
		assert_int_equal(daemon_count_maps(&wire->daemon,
						   "memfd:guest"), maps);
	}
	vc_disconnect(&wire->vc[0]);
	assert_ok(vc_connect(&wire->vc[0], wire->daemon.path[0]));
	assert_ok(vc_version(&wire->vc[0]));
	assert_int_equal(daemon_count_maps(&wire->daemon, "memfd:guest"), 0);
	assert_int_equal(daemon_count_fds(&wire->daemon), fds - VC_VECTORS);
}

/* In a process of its own: attaches, works, says so, and waits to be killed. */
static void victim(struct wire *wire, int ready)
{
	struct vfio_client *vc = &wire->vc[1];
	struct guest_driver *gd = &wire->gd[1];
	uint8_t half[20] = { 0 };

	if (vc_attach(vc, wire->daemon.path[0]) ||
	    gd_setup(gd, vc, WIRE_SHIFT) || gd_start(gd) ||
	    gd_send(gd, 0x0000EC60, "x", 1))
		_exit(1);
	/* and half a message that brings an fd */
	vc_format(half, 1, VU_DMA_MAP, 0, NULL, 0);
	half[4] = 48;
	if (vc_send(vc, half, sizeof(half), &vc->memfd, 1) ||
	    vc_wait_taken(vc) || write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static void killed_client(void **state)
{
	struct wire *wire = *state;
	int fds, status;

	attach(wire);
	fds = daemon_count_fds(&wire->daemon);
	for (int i = 0; i < 10; i++) {
		int ready[2];
		pid_t pid;
		char byte;

		vc_disconnect(&wire->vc[0]);
		assert_ok(pipe(ready));
		pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			victim(wire, ready[1]);
		close(ready[1]);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		close(ready[0]);
		assert_ok(kill(pid, SIGKILL));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));

		attach(wire);
		assert_int_equal(daemon_count_fds(&wire->daemon), fds);
		assert_int_equal(daemon_count_maps(&wire->daemon,
						   "memfd:guest"), 1);
	}
}

/* It must not wait: QEMU would, for 5 s. */
static void second_client(void **state)
{
	struct wire *wire = *state;
	const char *text;
	char section[128];

	attach(wire);
	for (int i = 0; i < 3; i++) {
		assert_ok(vc_connect(&wire->vc[1], wire->daemon.path[0]));
		assert_ok(vc_wait_hangup(&wire->vc[1]));
	}
	wire_sync(&wire->vc[0]);
	text = daemon_state(&wire->daemon);
	assert_non_null(text);
	snprintf(section, sizeof(section), "card: %s", wire->daemon.path[0]);
	assert_int_equal(daemon_counter(text, section, "refused"), 3);
	assert_int_equal(daemon_counter(text, section, "clients"), 1);
	/* the other card is free */
	assert_ok(vc_attach(&wire->vc[1], wire->daemon.path[1]));
	wire_sync(&wire->vc[1]);
}

/* One goes and one comes, and the server hears of both at once. */
static void changing_of_the_guard(void **state)
{
	struct wire *wire = *state;
	uint8_t reset[16];
	size_t size = vc_format(reset, 1, VU_RESET, VU_NO_REPLY, NULL, 0);

	for (int i = 0; i < 20; i++) {
		attach(wire);
		assert_ok(daemon_freeze(&wire->daemon));
		if (i % 2)
			assert_ok(vc_send(&wire->vc[0], reset, size, NULL, 0));
		vc_disconnect(&wire->vc[0]);
		assert_ok(vc_connect(&wire->vc[1], wire->daemon.path[0]));
		assert_ok(daemon_thaw(&wire->daemon));
		assert_ok(vc_version(&wire->vc[1]));
		wire_sync(&wire->vc[1]);
		vc_disconnect(&wire->vc[1]);
	}
}

static void send_config_read(struct vfio_client *vc, uint16_t id, int *err)
{
	struct vu_access access = { .region = 7, .count = 256 };
	uint8_t message[64];
	size_t size = vc_format(message, id, VU_REGION_READ, 0, &access,
				sizeof(access));

	*err = vc_send(vc, message, size, NULL, 0);
}

/* One that never reads is dropped in the end, and nobody else notices. */
static void deaf_client(void **state)
{
	struct wire *wire = *state;
	int err = 0;

	wire_start_both(wire);
	for (uint16_t i = 0; i < 20000 && !err; i++) {
		send_config_read(&wire->vc[0], i, &err);
		if (i % 50)
			continue;
		assert_ok(gd_send(&wire->gd[1], 0x0000EC60, &i, 2));
		gd_give_back(&wire->gd[1]);
		wire_sync(&wire->vc[1]);
	}
	assert_int_equal(err, -EPIPE);
	assert_ok(daemon_wait_log(&wire->daemon, 0, "does not read"));
	attach(wire);
}

/* One that is only slow gets all its replies, whole and in order. */
static void slow_client(void **state)
{
	const uint16_t pile = 900, count = 5000;
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint8_t body[16 + 256];
	int err;

	attach(wire);
	for (uint16_t i = 0; i < pile; i++) {
		send_config_read(vc, i, &err);
		assert_ok(err);
	}
	assert_ok(vc_wait_taken(vc));
	for (uint16_t i = 0; i < count; i++) {
		struct vu_header header;

		assert_ok(vc_receive(vc, &header, body, sizeof(body)));
		assert_int_equal(header.id, i);
		assert_int_equal(header.size, sizeof(header) + sizeof(body));
		assert_memory_equal(body + 16, "\x01\x33\x00\x20", 4);
		if (i + pile >= count)
			continue;
		send_config_read(vc, (uint16_t)(i + pile), &err);
		assert_ok(err);
	}
	wire_sync(vc);
}

/* With no descriptor left a client is turned away, and the next one is not. */
static void out_of_descriptors(void **state)
{
	struct wire *wire = *state;
	struct rlimit none, before;
	int fds = 0;

	assert_ok(vc_attach(&wire->vc[1], wire->daemon.path[1]));
	wire_sync(&wire->vc[1]);
	while (daemon_has_fd(&wire->daemon, fds))
		fds++;
	assert_ok(prlimit(wire->daemon.pid, RLIMIT_NOFILE, NULL, &before));
	none = before;
	none.rlim_cur = (rlim_t)fds;
	assert_ok(prlimit(wire->daemon.pid, RLIMIT_NOFILE, &none, NULL));
	for (int i = 0; i < 5; i++) {
		assert_ok(vc_connect(&wire->vc[0], wire->daemon.path[0]));
		assert_ok(vc_wait_hangup(&wire->vc[0]));
		wire_sync(&wire->vc[1]);
	}
	/* an fd that does not arrive takes its message along */
	assert_int_equal(vc_map(&wire->vc[1], 0x10000000, 4096,
				wire->vc[0].memfd, 0, 3), -EPIPE);
	assert_ok(prlimit(wire->daemon.pid, RLIMIT_NOFILE, &before, NULL));
	attach(wire);
	assert_ok(vc_attach(&wire->vc[1], wire->daemon.path[1]));
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static void start(struct wire *wire)
{
	assert_ok(daemon_start(&wire->daemon, 2, ""));
}

/* Its sockets go with it; a client that is there sees the end. */
static void clean_exit(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT };
	struct wire *wire = *state;

	for (size_t i = 0; i < 2; i++) {
		start(wire);
		attach(wire);
		assert_true(exists(wire->daemon.path[0]));
		assert_true(exists(wire->daemon.path[1]));
		assert_ok(kill(wire->daemon.pid, signals[i]));
		assert_ok(daemon_wait_exit(&wire->daemon));
		assert_ok(vc_wait_hangup(&wire->vc[0]));
		assert_false(exists(wire->daemon.path[0]));
		assert_false(exists(wire->daemon.path[1]));
	}
}

static void stale_socket(void **state)
{
	struct wire *wire = *state;

	start(wire);
	assert_ok(kill(wire->daemon.pid, SIGKILL));
	assert_true(WIFSIGNALED(daemon_wait_exit(&wire->daemon)));
	assert_true(exists(wire->daemon.path[0]));
	start(wire);
	attach(wire);
}

/* Runs a daemon that must say why it does not, and returns. */
static void expect_refusal(const char *const args[], const char *why)
{
	static struct daemon other;
	int status;

	other.err = -1;
	other.log_len = 0;
	other.log[0] = '\0';
	other.dir[0] = '\0';
	assert_ok(daemon_spawn(&other, args));
	assert_ok(daemon_wait_log(&other, 0, why));
	status = daemon_wait_exit(&other);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status));
	daemon_cleanup(&other);
}

static void living_socket(void **state)
{
	struct wire *wire = *state;
	const char *path = wire->daemon.path[0];
	const char *args[] = { "--card", wire->daemon.path[2], "--card", path,
			       NULL };

	start(wire);
	attach(wire);
	expect_refusal(args, "another process listens on it");
	/* not the living one's, but its own */
	assert_true(exists(path));
	assert_false(exists(wire->daemon.path[2]));
	wire_sync(&wire->vc[0]);
	vc_disconnect(&wire->vc[0]);
	expect_refusal(args, path);
	attach(wire);
}

static void not_a_socket(void **state)
{
	struct wire *wire = *state;
	const char *path = wire->daemon.path[0];
	const char *args[] = { "--card", path, NULL };
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	expect_refusal(args, "is not a socket");
	assert_true(exists(path));
	unlink(path);

	assert_ok(symlink(wire->daemon.path[1], path));
	expect_refusal(args, "is not a socket");
	assert_true(exists(path));
	assert_false(exists(wire->daemon.path[1]));
	unlink(path);

	args[1] = "/nonexistent/directory/duct.sock";
	expect_refusal(args, "No such file or directory");
}

static void path_length(void **state)
{
	struct wire *wire = *state;
	const char *args[] = { "--card", NULL, NULL };
	char path[160];
	size_t len = strlen(wire->daemon.dir);

	memset(path, 'x', sizeof(path));
	memcpy(path, wire->daemon.dir, len);
	path[len] = '/';
	path[108] = '\0';
	args[1] = path;
	expect_refusal(args, "107");
	assert_false(exists(path));

	path[107] = '\0';
	assert_ok(daemon_spawn(&wire->daemon, args));
	assert_ok(daemon_wait_log(&wire->daemon, 0, "ready\n"));
	assert_ok(vc_attach(&wire->vc[0], path));
	wire_sync(&wire->vc[0]);
	assert_ok(daemon_stop(&wire->daemon));
	assert_false(exists(path));
}

static unsigned int umask_of(pid_t pid)
{
	unsigned int mask = 0xffff;
	char line[128];
	FILE *status;

	snprintf(line, sizeof(line), "/proc/%d/status", (int)pid);
	status = fopen(line, "re");
	assert_non_null(status);
	while (fgets(line, sizeof(line), status) &&
	       sscanf(line, "Umask: %o", &mask) != 1)
		;
	fclose(status);
	return mask;
}

/* Its own umask is as it was. */
static void socket_mode(void **state)
{
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	struct wire *wire = *state;
	mode_t mask = umask(022);
	struct stat st;

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		int err;

		umask(masks[i]);
		err = daemon_start(&wire->daemon, 1, "");
		umask(mask);
		assert_ok(err);
		assert_ok(lstat(wire->daemon.path[0], &st));
		assert_true(S_ISSOCK(st.st_mode));
		assert_int_equal(st.st_mode & 07777, 0660);
		assert_int_equal(umask_of(wire->daemon.pid), masks[i]);
		assert_ok(daemon_stop(&wire->daemon));
	}
}

/* Somebody else's socket in its place is left alone. */
static void replaced_socket(void **state)
{
	struct wire *wire = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	start(wire);
	assert_ok(unlink(wire->daemon.path[0]));
	strcpy(addr.sun_path, wire->daemon.path[0]);
	assert_ok(bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	assert_ok(daemon_stop(&wire->daemon));
	assert_true(exists(wire->daemon.path[0]));
	assert_false(exists(wire->daemon.path[1]));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		wire_test(reconnect),
		wire_test(killed_client),
		wire_test(second_client),
		wire_test(changing_of_the_guard),
		wire_test(deaf_client),
		wire_test(slow_client),
		wire_test(out_of_descriptors),
		wire_test_empty(clean_exit),
		wire_test_empty(stale_socket),
		wire_test_empty(living_socket),
		wire_test_empty(not_a_socket),
		wire_test_empty(path_length),
		wire_test_empty(socket_mode),
		wire_test_empty(replaced_socket),
	};

	return cmocka_run_group_tests_name("clients", tests, NULL, NULL);
}
