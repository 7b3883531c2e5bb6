// SPDX-License-Identifier: GPL-2.0-only
/* Messages cut up and glued together, and the fds that come with them. */
#include "wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Messages in one run of bytes. */
struct run {
	uint8_t bytes[4 * VC_MESSAGE_MAX];
	size_t size;
};

static void add(struct run *run, uint16_t id, uint16_t command, uint32_t flags,
		const void *body, size_t size)
{
	assert_true(run->size + 16 + size <= sizeof(run->bytes));
	run->size += vc_format(run->bytes + run->size, id, command, flags, body,
			       size);
}

static void add_read(struct run *run, uint16_t id, uint64_t offset)
{
	struct vu_access access = { .offset = offset, .count = 4 };

	add(run, id, VU_REGION_READ, 0, &access, sizeof(access));
}

/* Posts @value to config space's byte 0x3c, which keeps it. */
static void add_post(struct run *run, uint16_t id, uint8_t value)
{
	uint8_t body[17];
	struct vu_access access = { .offset = 0x3c, .region = 7, .count = 1 };

	memcpy(body, &access, sizeof(access));
	body[16] = value;
	add(run, id, VU_REGION_WRITE, VU_NO_REPLY, body, sizeof(body));
}

static void add_map(struct run *run, uint16_t id, uint64_t iova, uint64_t size,
		    uint64_t offset)
{
	struct vu_dma_map map = { .argsz = sizeof(map), .flags = 3,
				  .offset = offset, .iova = iova,
				  .size = size };

	add(run, id, VU_DMA_MAP, 0, &map, sizeof(map));
}

static void add_unmap(struct run *run, uint16_t id, uint64_t iova,
		      uint64_t size)
{
	struct vu_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = iova,
				      .size = size };

	add(run, id, VU_DMA_UNMAP, 0, &unmap, sizeof(unmap));
}

static void expect(struct vfio_client *vc, uint16_t id, uint32_t error,
		   void *body, size_t size)
{
	struct vu_header header;

	assert_ok(vc_receive(vc, &header, body, size));
	assert_int_equal(header.id, id);
	assert_int_equal(header.error, error);
	assert_int_equal(header.size - sizeof(header), size);
}

static void expect_read(struct vfio_client *vc, uint16_t id, uint32_t value)
{
	uint8_t body[20];

	expect(vc, id, 0, body, sizeof(body));
	assert_memory_equal(body + 16, &value, 4);
}

static void send_run(struct vfio_client *vc, const struct run *run, int fd)
{
	assert_ok(vc_send(vc, run->bytes, run->size, &fd, fd >= 0));
}

static void connect_to(struct wire *wire)
{
	assert_ok(vc_connect(&wire->vc[0], wire->daemon.path[0]));
	assert_ok(vc_version(&wire->vc[0]));
}

/* Is guest memory at bus address 0, and its command ring at work? */
static void check_memory(struct wire *wire)
{
	struct vfio_client *vc = &wire->vc[0];
	uint16_t master = 6;
	uint8_t err = 0xff;

	assert_ok(vc_write(vc, 7, 4, &master, 2));
	assert_ok(vc_write32(vc, DUCT_FLAGS, DUCT_FLAGS_RST));
	assert_ok(gd_setup(&wire->gd[0], vc, WIRE_SHIFT));
	assert_ok(gd_command(&wire->gd[0], DUCT_CMD_FLUSHFILT, 0, 0, &err));
	assert_int_equal(err, 0);
}

static void byte_by_byte(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct run run = { .size = 0 };
	uint32_t value;

	connect_to(wire);
	add_map(&run, 1, 0, WIRE_MEMORY, 0);
	for (size_t i = 0; i < run.size; i++)
		assert_ok(vc_send(vc, run.bytes + i, 1, &vc->memfd, !i));
	expect(vc, 1, 0, NULL, 0);

	run.size = 0;
	add_read(&run, 2, DUCT_VMAJ);
	add_post(&run, 3, 0x5a);
	add_read(&run, 4, DUCT_HWADDR);
	for (size_t i = 0; i < run.size; i++)
		assert_ok(vc_send(vc, run.bytes + i, 1, NULL, 0));
	expect_read(vc, 2, 2);
	expect_read(vc, 4, 0x1000);
	assert_ok(vc_read(vc, 7, 0x3c, &value, 4));
	assert_int_equal(value, 0x5a);
	check_memory(wire);
}

/* Each place a message can be cut at, the first part read before the next. */
static void cut_in_two(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct run map = { .size = 0 }, unmap = { .size = 0 };

	connect_to(wire);
	add_map(&map, 1, 0, WIRE_MEMORY, 0);
	add_unmap(&unmap, 2, 0, WIRE_MEMORY);
	for (size_t cut = 1; cut < map.size; cut++) {
		uint8_t echo[24];

		assert_ok(vc_send(vc, map.bytes, cut, &vc->memfd, 1));
		assert_ok(vc_wait_taken(vc));
		assert_ok(vc_send(vc, map.bytes + cut, map.size - cut, NULL,
				  0));
		expect(vc, 1, 0, NULL, 0);
		assert_int_equal(daemon_count_maps(&wire->daemon,
						   "memfd:guest"), 1);
		send_run(vc, &unmap, -1);
		expect(vc, 2, 0, echo, sizeof(echo));
		assert_int_equal(daemon_count_maps(&wire->daemon,
						   "memfd:guest"), 0);
	}
}

/* One sendmsg() with several messages; its fd is the last one's. */
static void glued_by_the_sender(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct run run = { .size = 0 };

	connect_to(wire);
	add_read(&run, 1, DUCT_VMAJ);
	add_post(&run, 2, 1);
	add_map(&run, 3, 0xfffc0000, 0x40000, 0);	/* ROM, no fd */
	add_read(&run, 4, DUCT_VMIN);
	add_map(&run, 5, 0, WIRE_MEMORY, 0);
	send_run(vc, &run, vc->memfd);
	expect_read(vc, 1, 2);
	expect(vc, 3, 0, NULL, 0);
	expect_read(vc, 4, 1);
	expect(vc, 5, 0, NULL, 0);
	check_memory(wire);
}

/*
 * Messages that pile up while the server is busy: a receive gets several of
 * them, and the fd of the last one in it.
 */
static void glued_by_the_socket(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint8_t echo[24];

	connect_to(wire);
	for (uint16_t round = 0; round < 20; round++) {
		struct run run[6] = { { .size = 0 } };

		add_map(&run[0], 10, 0xfffc0000, 0x40000, 0);
		add_map(&run[1], 11, 0, 0x80000, 0);
		add_map(&run[2], 12, 0xfffb0000, 0x10000, 0);
		add_post(&run[3], 13, 1);
		add_map(&run[4], 14, 0x80000, WIRE_MEMORY - 0x80000, 0x80000);
		add_read(&run[5], 15, DUCT_VMAJ);
		assert_ok(daemon_freeze(&wire->daemon));
		for (int i = 0; i < 6; i++)
			send_run(vc, &run[i],
				 i == 1 || i == 4 ? vc->memfd : -1);
		assert_ok(daemon_thaw(&wire->daemon));
		expect(vc, 10, 0, NULL, 0);
		expect(vc, 11, 0, NULL, 0);
		expect(vc, 12, 0, NULL, 0);
		expect(vc, 14, 0, NULL, 0);
		expect_read(vc, 15, 2);
		check_memory(wire);

		run[0].size = 0;
		add_unmap(&run[0], 16, 0, UINT64_MAX);
		send_run(vc, &run[0], -1);
		expect(vc, 16, 0, echo, sizeof(echo));
	}
}

/* The end of one message with an fd, glued to another one with an fd. */
static void two_with_fds(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct run first = { .size = 0 }, second = { .size = 0 };
	int before, pipe_fds[2];

	connect_to(wire);
	wire_sync(vc);
	before = daemon_count_fds(&wire->daemon);
	assert_ok(pipe(pipe_fds));
	add_map(&first, 1, 0, WIRE_MEMORY, 0);
	add_map(&second, 2, 0x10000000, 0x1000, 0);
	assert_ok(vc_send(vc, first.bytes, 20, &vc->memfd, 1));
	assert_ok(vc_wait_taken(vc));
	assert_ok(daemon_freeze(&wire->daemon));
	assert_ok(vc_send(vc, first.bytes + 20, first.size - 20, NULL, 0));
	/* a pipe can not be mapped: tells whose fd was taken */
	send_run(vc, &second, pipe_fds[0]);
	assert_ok(daemon_thaw(&wire->daemon));
	expect(vc, 1, 0, NULL, 0);
	expect(vc, 2, EINVAL, NULL, 0);
	check_memory(wire);
	assert_int_equal(daemon_count_fds(&wire->daemon), before);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* The whole pile is handled, whatever a receive's limit cuts. */
static void long_pile(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint32_t value;

	connect_to(wire);
	assert_ok(daemon_freeze(&wire->daemon));
	for (uint16_t i = 0; i < 200; i++) {
		struct run run = { .size = 0 };

		add_post(&run, i, (uint8_t)i);
		if (i % 3 == 0)
			add_read(&run, i, DUCT_VMAJ);
		send_run(vc, &run, -1);
	}
	assert_ok(daemon_thaw(&wire->daemon));
	for (uint16_t i = 0; i < 200; i += 3)
		expect_read(vc, i, 2);
	assert_ok(vc_read(vc, 7, 0x3c, &value, 4));
	assert_int_equal(value, 199);
}

/* The daemon hung up on this client, and takes the next one. */
static void expect_hangup(struct wire *wire)
{
	assert_ok(vc_wait_hangup(&wire->vc[0]));
	connect_to(wire);
	wire_sync(&wire->vc[0]);
}

static void bad_sizes(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 15, 8193, 65536, 0x7fffffff,
					  0x80000000, 0xffffffff };
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	connect_to(wire);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vu_header header = { .command = VU_REGION_READ,
					    .size = sizes[i] };

		assert_ok(vc_send(vc, &header, sizeof(header), NULL, 0));
		expect_hangup(wire);
	}
	assert_ok(daemon_wait_log(&wire->daemon, 0, wire->daemon.path[0]));
	assert_ok(daemon_wait_log(&wire->daemon, 0, "message of 8193 bytes"));
}

/* The largest message there can be is none that means anything, but it fits. */
static void largest_message(void **state)
{
	static const uint8_t body[VC_MESSAGE_MAX - 16];
	struct wire *wire = *state;
	struct vc_call call = { .command = VU_REGION_WRITE, .body = body,
				.size = sizeof(body) };

	connect_to(wire);
	assert_int_equal(vc_call(&wire->vc[0], &call), EINVAL);
	wire_sync(&wire->vc[0]);
}

static void bad_types(void **state)
{
	struct wire *wire = *state;

	for (uint32_t type = 1; type < 16; type++) {
		struct run run = { .size = 0 };

		connect_to(wire);
		add(&run, 1, VU_RESET, type, NULL, 0);
		send_run(&wire->vc[0], &run, -1);
		expect_hangup(wire);
	}
}

static void not_version_first(void **state)
{
	static const uint16_t commands[] = { VU_RESET, VU_GET_INFO, 0, 99 };
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct run run = { .size = 0 };

		assert_ok(vc_connect(vc, wire->daemon.path[0]));
		add(&run, 1, commands[i], 0, NULL, 0);
		send_run(vc, &run, -1);
		expect_hangup(wire);
	}
	assert_ok(daemon_wait_log(&wire->daemon, 0,
				  "DEVICE_RESET before VERSION"));
}

static void version_twice(void **state)
{
	struct wire *wire = *state;

	connect_to(wire);
	assert_int_equal(vc_version(&wire->vc[0]), EINVAL);
	wire_sync(&wire->vc[0]);
}

static void bad_versions(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct vc_call call = { .command = VU_VERSION, .body = "\1\0\0\0{}",
				.size = 7 };

	assert_ok(vc_connect(vc, wire->daemon.path[0]));
	assert_int_equal(vc_call(vc, &call), ENOTSUP);
	call.body = "\0\0\0\0{}";
	call.size = 6;				/* without its NUL */
	assert_int_equal(vc_call(vc, &call), EINVAL);
	call.size = 3;
	assert_int_equal(vc_call(vc, &call), EINVAL);
	assert_ok(vc_version(vc));
	wire_sync(vc);
}

static void wrong_number_of_fds(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct vu_dma_map map = { .argsz = sizeof(map), .flags = 3,
				  .size = 0x1000 };
	struct vu_access access = { .count = 4 };
	struct vc_call call = { .command = VU_DMA_MAP, .body = &map,
				.size = sizeof(map) };
	int fds[32], before;

	for (int i = 0; i < 32; i++)
		fds[i] = vc->memfd;
	call.fds = fds;
	connect_to(wire);
	wire_sync(vc);
	before = daemon_count_fds(&wire->daemon);
	for (unsigned int n = 2; n <= 16; n++) {
		call.fd_count = n;
		assert_int_equal(vc_call(vc, &call), EINVAL);
	}
	call = (struct vc_call){ .command = VU_REGION_READ, .body = &access,
				 .size = sizeof(access), .fds = fds,
				 .fd_count = 1 };
	assert_int_equal(vc_call(vc, &call), EINVAL);
	call = (struct vc_call){ .command = VU_RESET, .fds = fds,
				 .fd_count = 3 };
	assert_int_equal(vc_call(vc, &call), EINVAL);
	wire_sync(vc);
	assert_int_equal(daemon_count_fds(&wire->daemon), before);

	/* more than there is room for */
	call.fd_count = 17;
	assert_int_equal(vc_call(vc, &call), -EPIPE);
	connect_to(wire);
	call.fd_count = 32;
	assert_int_equal(vc_call(vc, &call), -EPIPE);
	connect_to(wire);
	wire_sync(vc);
	assert_int_equal(daemon_count_fds(&wire->daemon), before);
}

/* fds of a message that never gets complete, and in the middle of one. */
static void fds_of_half_a_message(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct run run = { .size = 0 };
	int before;

	connect_to(wire);
	wire_sync(vc);
	before = daemon_count_fds(&wire->daemon);
	add_map(&run, 1, 0, WIRE_MEMORY, 0);
	for (size_t part = 1; part < run.size; part += 9) {
		assert_ok(vc_send(vc, run.bytes, part, &vc->memfd, 1));
		assert_ok(vc_wait_taken(vc));
		connect_to(wire);
		wire_sync(vc);
		assert_int_equal(daemon_count_fds(&wire->daemon), before);
	}
	assert_ok(vc_send(vc, run.bytes, 20, NULL, 0));
	assert_ok(vc_wait_taken(vc));
	assert_ok(vc_send(vc, run.bytes + 20, run.size - 20, &vc->memfd, 1));
	expect_hangup(wire);
	assert_int_equal(daemon_count_fds(&wire->daemon), before);
}

/* A client that shuts down its side, in the middle or between messages. */
static void half_closed(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct run run = { .size = 0 };

	add_read(&run, 1, DUCT_VMAJ);
	for (size_t part = 0; part < run.size; part += 8) {
		connect_to(wire);
		assert_ok(vc_send(vc, run.bytes, part, NULL, 0));
		assert_ok(shutdown(vc->fd, SHUT_WR));
		assert_ok(vc_wait_hangup(vc));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		wire_test(byte_by_byte),
		wire_test(cut_in_two),
		wire_test(glued_by_the_sender),
		wire_test(glued_by_the_socket),
		wire_test(two_with_fds),
		wire_test(long_pile),
		wire_test(bad_sizes),
		wire_test(largest_message),
		wire_test(bad_types),
		wire_test(not_version_first),
		wire_test(version_twice),
		wire_test(bad_versions),
		wire_test(wrong_number_of_fds),
		wire_test(fds_of_half_a_message),
		wire_test(half_closed),
	};

	return cmocka_run_group_tests_name("framing", tests, NULL, NULL);
}
