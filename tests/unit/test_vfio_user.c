// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vfio-user server that was away too long does not answer: it hangs up. And
 * what else is easier to see from the inside of a server.
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vfio_user.h"
#include "vfio_user_proto.h"

/* A clock that jumps when told: the loop's, as this replaces libc's. */
static int64_t jumped_s;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	long ret = syscall(SYS_clock_gettime, clock, now);

	now->tv_sec += jumped_s;
	return (int)ret;
}

struct server {
	struct loop *loop;
	struct guest_mem *mem;
	struct vfio_user *vu;
	char dir[32];
	char path[64];
	int client;
	int resets;
	int writes;
};

static uint64_t dev_read(void *device, uint32_t offset, unsigned int size)
{
	(void)device;
	(void)offset;
	(void)size;
	return 0x0123456789abcdefULL;
}

static void dev_write(void *device, uint32_t offset, unsigned int size,
		      uint64_t value)
{
	struct server *server = device;

	(void)offset;
	(void)size;
	(void)value;
	server->writes++;
}

static void dev_reset(void *device)
{
	struct server *server = device;

	server->resets++;
}

static const struct vfio_user_ops ops = { dev_read, dev_write, dev_reset };
static const struct vfio_user_ident ident = {
	.vendor = 0x1234, .device = 0x5678, .class = 0x028000,
	.bar0_size = 128, .vectors = 16,
};

static void send_message(struct server *server, uint16_t command,
			 uint32_t flags, const void *body, size_t size)
{
	uint8_t message[256];
	struct vu_header header = { .id = 7, .command = command,
				    .size = (uint32_t)(sizeof(header) + size),
				    .flags = flags };

	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), body, size);
	assert_int_equal(send(server->client, message, header.size,
			      MSG_NOSIGNAL), header.size);
}

static int setup(void **state)
{
	struct server *server = calloc(1, sizeof(*server));
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char err[256];

	*state = server;
	server->loop = loop_new();
	server->mem = guest_mem_new();
	strcpy(server->dir, "/tmp/ductnet-unit-XXXXXX");
	if (!mkdtemp(server->dir))
		return -1;
	snprintf(server->path, sizeof(server->path), "%s/s", server->dir);
	server->vu = vfio_user_new(server->loop, server->path, &ident, &ops,
				   server, server->mem, err, sizeof(err));
	if (!server->vu)
		return -1;
	server->client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(addr.sun_path, server->path);
	return connect(server->client, (struct sockaddr *)&addr, sizeof(addr));
}

static int teardown(void **state)
{
	struct server *server = *state;

	close(server->client);
	vfio_user_free(server->vu);
	guest_mem_free(server->mem);
	loop_free(server->loop);
	rmdir(server->dir);
	free(server);
	return 0;
}

/* Serves what is there, and receives what was answered. */
static ssize_t serve(struct server *server, void *answer, size_t room)
{
	while (loop_once(server->loop, 0) > 0)
		;
	return recv(server->client, answer, room, MSG_DONTWAIT);
}

static void version(struct server *server)
{
	uint8_t answer[256];

	send_message(server, VU_VERSION, 0, "\0\0\0\0{}", 7);
	assert_true(serve(server, answer, sizeof(answer)) > 20);
	assert_true(vfio_user_connected(server->vu));
}

static void send_read(struct server *server, uint32_t count)
{
	struct vu_access access = { .count = count };

	send_message(server, VU_REGION_READ, 0, &access, sizeof(access));
}

static void short_stall(void **state)
{
	struct server *server = *state;
	uint8_t answer[64];

	version(server);
	send_read(server, 4);
	jumped_s += 3;
	assert_int_equal(serve(server, answer, sizeof(answer)), 36);
	assert_true(vfio_user_connected(server->vu));
}

static void long_stall(void **state)
{
	struct server *server = *state;
	uint8_t answer[64];

	version(server);
	send_read(server, 4);
	jumped_s += 5;
	assert_int_equal(serve(server, answer, sizeof(answer)), 0);
	assert_false(vfio_user_connected(server->vu));
	assert_int_equal(vfio_user_counters(server->vu)->broken, 1);
}

/* A posted write waits for nothing, and a stall before it is no matter. */
static void stall_and_post(void **state)
{
	struct server *server = *state;
	uint8_t body[20] = { 0 };
	struct vu_access access = { .count = 4 };
	uint8_t answer[64];

	version(server);
	memcpy(body, &access, sizeof(access));
	send_message(server, VU_REGION_WRITE, VU_NO_REPLY, body, sizeof(body));
	jumped_s += 100;
	assert_int_equal(serve(server, answer, sizeof(answer)), -1);
	assert_int_equal(server->writes, 1);
	assert_true(vfio_user_connected(server->vu));
	send_read(server, 8);
	assert_int_equal(serve(server, answer, sizeof(answer)), 40);
	assert_memory_equal(answer + 32, "\xef\xcd\xab\x89\x67\x45\x23\x01", 8);
}

/* The request may be far behind in what piled up meanwhile. */
static void stall_behind_posts(void **state)
{
	struct server *server = *state;
	uint8_t body[20] = { 0 };
	struct vu_access access = { .count = 4 };
	uint8_t answer[64];

	version(server);
	memcpy(body, &access, sizeof(access));
	for (int i = 0; i < 150; i++)
		send_message(server, VU_REGION_WRITE, VU_NO_REPLY, body,
			     sizeof(body));
	send_read(server, 4);
	jumped_s += 5;
	assert_int_equal(serve(server, answer, sizeof(answer)), 0);
	assert_int_equal(server->writes, 150);
	assert_false(vfio_user_connected(server->vu));
}

/* Reset when a client comes, when it says so, and when it goes. */
static void resets(void **state)
{
	struct server *server = *state;
	uint8_t answer[64];
	int before;

	assert_int_equal(server->resets, 0);
	version(server);
	assert_int_equal(server->resets, 1);
	send_message(server, VU_RESET, 0, "", 0);
	assert_int_equal(serve(server, answer, sizeof(answer)), 16);
	assert_int_equal(server->resets, 2);
	before = server->resets;
	shutdown(server->client, SHUT_RDWR);
	serve(server, answer, sizeof(answer));
	assert_false(vfio_user_connected(server->vu));
	assert_int_equal(server->resets, before + 1);
}

/* Nothing is kept for a client that is not there. */
static void signal_to_nobody(void **state)
{
	struct server *server = *state;

	for (unsigned int i = 0; i < 20; i++)
		vfio_user_signal(server->vu, i);
	assert_int_equal(vfio_user_counters(server->vu)->signals_latched, 0);
	version(server);
	for (unsigned int i = 0; i < 20; i++)
		vfio_user_signal(server->vu, i);
	assert_int_equal(vfio_user_counters(server->vu)->signals_latched, 16);
	assert_int_equal(vfio_user_counters(server->vu)->signals_sent, 0);
}

static void unsent(void **state)
{
	struct server *server = *state;
	uint8_t answer[64];
	int count = 0;

	version(server);
	assert_int_equal(vfio_user_unsent(server->vu), 0);
	for (; count < 3000 && !vfio_user_unsent(server->vu); count++) {
		send_read(server, 128);
		while (loop_once(server->loop, 0) > 0)
			;
	}
	assert_true(vfio_user_unsent(server->vu) > 0);
	for (size_t left = (size_t)count * (32 + 128); left; ) {
		ssize_t got = serve(server, answer, sizeof(answer));

		assert_true(got > 0);
		left -= (size_t)got;
	}
	assert_int_equal(vfio_user_unsent(server->vu), 0);
	assert_int_equal(serve(server, answer, sizeof(answer)), -1);
}

#define server_test(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(short_stall),
		server_test(long_stall),
		server_test(stall_and_post),
		server_test(stall_behind_posts),
		server_test(resets),
		server_test(signal_to_nobody),
		server_test(unsent),
	};

	return cmocka_run_group_tests_name("vfio_user", tests, NULL, NULL);
}
