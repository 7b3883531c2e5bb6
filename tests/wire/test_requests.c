// SPDX-License-Identifier: GPL-2.0-only
/* Requests that are wrong, each in its own way, and accesses at the edges. */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

static void connect_to(struct wire *wire)
{
	assert_ok(vc_connect(&wire->vc[0], wire->daemon.path[0]));
	assert_ok(vc_version(&wire->vc[0]));
}

static void unknown_commands(void **state)
{
	static const uint16_t commands[] = { 0, 6, 11, 12, 14, 16, 17, 18, 19,
					     100, 255, 256, 32767, 65535 };
	static const uint8_t body[64];
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	connect_to(wire);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct vc_call call = { .command = commands[i], .body = body,
					.size = i % 2 ? sizeof(body) : 0 };

		assert_int_equal(vc_call(vc, &call), ENOSYS);
		call.flags = VU_NO_REPLY;
		assert_ok(vc_call(vc, &call));
	}
	wire_sync(vc);
	assert_ok(daemon_wait_log(&wire->daemon, 0, "Function not implemented"));
	assert_non_null(strstr(wire->daemon.log, "warning: /tmp/ductnet-wire-"));
}

/* Bodies of a size that the command does not have. */
static void wrong_sizes(void **state)
{
	static const struct { uint16_t command; size_t size; } bad[] = {
		{ VU_DMA_MAP, 0 }, { VU_DMA_MAP, 31 }, { VU_DMA_MAP, 33 },
		{ VU_DMA_UNMAP, 0 }, { VU_DMA_UNMAP, 23 },
		{ VU_DMA_UNMAP, 25 }, { VU_GET_INFO, 0 }, { VU_GET_INFO, 15 },
		{ VU_GET_INFO, 17 }, { VU_GET_REGION_INFO, 0 },
		{ VU_GET_REGION_INFO, 31 }, { VU_GET_IRQ_INFO, 0 },
		{ VU_GET_IRQ_INFO, 15 }, { VU_SET_IRQS, 0 },
		{ VU_SET_IRQS, 19 }, { VU_REGION_READ, 0 },
		{ VU_REGION_READ, 15 }, { VU_REGION_READ, 17 },
		{ VU_REGION_WRITE, 0 }, { VU_REGION_WRITE, 15 },
		{ VU_REGION_WRITE, 16 }, { VU_REGION_WRITE, 20 },
		{ VU_RESET, 1 }, { VU_WRITE_MULTI, 0 }, { VU_WRITE_MULTI, 7 },
		{ VU_WRITE_MULTI, 9 },
	};
	static const uint8_t body[64];
	struct wire *wire = *state;

	connect_to(wire);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vc_call call = { .command = bad[i].command,
					.body = body, .size = bad[i].size };

		assert_int_equal(vc_call(&wire->vc[0], &call), EINVAL);
	}
	wire_sync(&wire->vc[0]);
}

/* argsz is always first, and must not be less than what it is said of. */
static void wrong_argsz(void **state)
{
	static const struct { uint16_t command; uint32_t size; } bad[] = {
		{ VU_DMA_MAP, 32 }, { VU_DMA_UNMAP, 24 }, { VU_GET_INFO, 16 },
		{ VU_GET_REGION_INFO, 32 }, { VU_GET_IRQ_INFO, 16 },
		{ VU_SET_IRQS, 20 },
	};
	struct wire *wire = *state;
	uint8_t body[64] = { 0 };

	body[25] = 0x10;		/* DMA_MAP: 4096 bytes */
	connect_to(wire);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vc_call call = { .command = bad[i].command,
					.body = body, .size = bad[i].size };
		uint32_t argsz = bad[i].size - 1;

		memcpy(body, &argsz, sizeof(argsz));
		assert_int_equal(vc_call(&wire->vc[0], &call), EINVAL);
		argsz = 0;
		memcpy(body, &argsz, sizeof(argsz));
		assert_int_equal(vc_call(&wire->vc[0], &call), EINVAL);
	}
	wire_sync(&wire->vc[0]);
}

static void wrong_indexes(void **state)
{
	static const uint32_t index[] = { 9, 10, 255, 0xffffffff };
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	connect_to(wire);
	for (size_t i = 0; i < sizeof(index) / sizeof(index[0]); i++) {
		struct vu_region_info region = { .argsz = sizeof(region),
						 .index = index[i] };
		struct vu_irq_info irq = { .argsz = sizeof(irq),
					   .index = index[i] };
		struct vc_call call = { .command = VU_GET_REGION_INFO,
					.body = &region,
					.size = sizeof(region) };

		assert_int_equal(vc_call(vc, &call), EINVAL);
		call = (struct vc_call){ .command = VU_GET_IRQ_INFO,
					 .body = &irq, .size = sizeof(irq) };
		assert_int_equal(vc_call(vc, &call), EINVAL);
		if (!i) {
			irq.index = 5;
			assert_int_equal(vc_call(vc, &call), EINVAL);
		}
	}
}

static void region_bounds(void **state)
{
	static const struct {
		uint32_t region;
		uint64_t offset;
		uint32_t count;
		int want;
	} access[] = {
		{ 0, 0, 128, 0 }, { 0, 127, 1, 0 }, { 0, 124, 4, 0 },
		{ 0, 0, 0, EINVAL }, { 0, 128, 0, EINVAL },
		{ 0, 128, 1, EINVAL }, { 0, 125, 4, EINVAL },
		{ 0, 0, 129, EINVAL }, { 0, UINT64_MAX, 4, EINVAL },
		{ 0, UINT64_MAX - 3, 4, EINVAL },
		{ 0, 0x100000000, 4, EINVAL }, { 0, 64, 0xfffffff0, EINVAL },
		{ 2, 0, 4096, 0 }, { 2, 4095, 1, 0 }, { 2, 4095, 2, EINVAL },
		{ 2, 0, 4097, EINVAL }, { 2, 0x800, 8, 0 },
		{ 7, 0, 256, 0 }, { 7, 255, 1, 0 }, { 7, 0, 257, EINVAL },
		{ 7, 256, 4, EINVAL }, { 7, 254, 4, EINVAL },
		{ 1, 0, 4, EINVAL }, { 3, 0, 4, EINVAL }, { 6, 0, 4, EINVAL },
		{ 8, 0, 4, EINVAL }, { 9, 0, 4, EINVAL },
		{ 0xffffffff, 0, 4, EINVAL },
	};
	static uint8_t data[4096];
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	connect_to(wire);
	for (size_t i = 0; i < sizeof(access) / sizeof(access[0]); i++) {
		assert_int_equal(vc_read(vc, access[i].region,
					 access[i].offset, data,
					 access[i].count), access[i].want);
		if (access[i].count > sizeof(data))
			continue;
		memset(data, 0, sizeof(data));
		assert_int_equal(vc_write(vc, access[i].region,
					  access[i].offset, data,
					  access[i].count), access[i].want);
		assert_ok(vc_post(vc, access[i].region, access[i].offset,
				  data, access[i].count));
	}
	wire_sync(vc);
}

/* A count that is not what comes with it. */
static void write_counts(void **state)
{
	static const struct { uint32_t count, data; } bad[] = {
		{ 1, 0 }, { 4, 3 }, { 4, 5 }, { 1, 8 }, { 8, 4 }, { 200, 8 },
		{ 0xffffffff, 4 }, { 0xfffffff4, 4 },
	};
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint32_t value;

	connect_to(wire);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct {
			struct vu_access access;
			uint8_t data[16];
		} body = { .access = { .offset = 0x3c, .region = 7,
				       .count = bad[i].count },
			   .data = { 0x66 } };
		struct vc_call call = { .command = VU_REGION_WRITE,
					.body = &body,
					.size = sizeof(body.access) +
						bad[i].data };

		assert_int_equal(vc_call(vc, &call), EINVAL);
		assert_ok(vc_read(vc, 7, 0x3c, &value, 4));
		assert_int_equal(value, 0);
	}
}

/* Registers, whole and in parts, and many in one read. */
static void odd_accesses(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint8_t bar[128], part[3];
	uint64_t both;

	connect_to(wire);
	assert_ok(vc_read(vc, 0, 0, bar, sizeof(bar)));
	assert_memory_equal(bar, "\2\0\0\0\1\0\0\0\0\0\0\0\0\x10\0\0", 16);
	for (size_t i = 16; i < sizeof(bar); i++)
		assert_int_equal(bar[i], 0);
	assert_ok(vc_read(vc, 0, DUCT_VMAJ, &both, 8));
	assert_int_equal(both, 0x100000002ULL);
	/* in no defined way, but all of it is answered, with all that is asked */
	assert_ok(vc_read(vc, 0, 1, part, 3));
	for (uint32_t offset = 0; offset < 128; offset++)
		for (uint32_t count = 1; count <= 9 && offset + count <= 128;
		     count++)
			assert_ok(vc_read(vc, 0, offset, bar, count));
	assert_ok(vc_write32(vc, DUCT_FLAGS, DUCT_FLAGS_RST));
	assert_int_equal(vc_read32(vc, DUCT_FLAGS), 0);
}

static void bad_multi(void **state)
{
	static const struct vu_access bad[] = {
		{ .offset = 0x3c, .region = 7, .count = 9 },
		{ .offset = 0x3c, .region = 7, .count = 0 },
		{ .offset = 255, .region = 7, .count = 2 },
		{ .offset = UINT64_MAX, .region = 7, .count = 1 },
		{ .offset = 0, .region = 1, .count = 1 },
		{ .offset = 0, .region = 0xffffffff, .count = 1 },
	};
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct vu_multi multi[2];
	uint8_t body[8 + 300 * 24] = { 0 };
	struct vc_call call = { .command = VU_WRITE_MULTI,
				.flags = VU_NO_REPLY, .body = body };
	uint64_t counts[] = { 0, 1, 201, 300, UINT64_MAX, UINT64_MAX / 24,
			      0x0aaaaaaaaaaaaaabULL };
	uint8_t value;

	connect_to(wire);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(multi, 0, sizeof(multi));
		multi[0].access = bad[i];
		assert_ok(vc_post_multi(vc, multi, 1));
	}
	/* good, but more than there may be */
	memset(multi, 0, sizeof(multi));
	multi[0].access = (struct vu_access){ .offset = 0x3c, .region = 7,
					      .count = 1 };
	multi[0].data[0] = 0x55;
	for (size_t i = 0; i < 201; i++)
		memcpy(body + 8 + i * 24, &multi[0], 24);
	memcpy(body, &(uint64_t){ 201 }, 8);
	call.size = 8 + 201 * 24;
	assert_ok(vc_call(vc, &call));
	/* counts that are not those of the message */
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		memcpy(body, &counts[i], 8);
		call.size = counts[i] == 300 || counts[i] == 201 ?
				8 + counts[i] * 24 : 8 + 2 * 24;
		assert_ok(vc_call(vc, &call));
	}
	assert_ok(vc_read(vc, 7, 0x3c, &value, 1));
	assert_int_equal(value, 0);
	/* what went before it was done */
	memset(multi, 0, sizeof(multi));
	multi[0].access = (struct vu_access){ .offset = 0x3c, .region = 7,
					      .count = 1 };
	multi[0].data[0] = 0x77;
	multi[1].access = bad[0];
	assert_ok(vc_post_multi(vc, multi, 2));
	assert_ok(vc_read(vc, 7, 0x3c, &value, 1));
	assert_int_equal(value, 0x77);
}

/* Errors of posted writes are counted, and never answered. */
static void posted_errors(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	const char *text;
	char section[128];

	connect_to(wire);
	for (int i = 0; i < 100; i++)
		assert_ok(vc_post(vc, 1, 0, "x", 1));
	wire_sync(vc);
	snprintf(section, sizeof(section), "card: %s", wire->daemon.path[0]);
	text = daemon_state(&wire->daemon);
	assert_non_null(text);
	assert_int_equal(daemon_counter(text, section, "message_errors"), 100);
	/* and they do not fill the log */
	text = strstr(wire->daemon.log, "bad REGION_WRITE");
	for (int lines = 0; text; lines++) {
		assert_in_range(lines, 0, 20);
		text = strstr(text + 1, "bad REGION_WRITE");
	}
}

static uint32_t random_state = 20261122;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

/* Interesting values are more likely than others. */
static uint32_t random_word(void)
{
	static const uint32_t some[] = { 0, 1, 2, 3, 4, 7, 8, 9, 16, 20, 24, 32,
		127, 128, 255, 256, 4096, 0x10000, 0x7fffffff, 0x80000000,
		0xfffff000, 0xffffffff };

	if (random_below(4))
		return some[random_below(sizeof(some) / sizeof(some[0]))];
	return random_below(1u << 24) << 8 | random_below(256);
}

static void read_away(struct vfio_client *vc)
{
	char waste[4096];

	while (recv(vc->fd, waste, sizeof(waste), MSG_DONTWAIT) > 0)
		;
}

static void random_message(struct vfio_client *vc)
{
	static const size_t sizes[VU_COMMANDS] = { 0, 20, 32, 24, 16, 32, 8,
						   16, 20, 16, 24, 8, 8, 0, 8,
						   32 };
	uint8_t message[512];
	uint32_t body[100];
	uint16_t command = (uint16_t)random_below(VU_COMMANDS + 1);
	size_t size = command < VU_COMMANDS ? sizes[command] : 40;
	int fds[4] = { vc->memfd, vc->event[0], vc->event[1], vc->memfd };
	uint32_t flags = random_below(64) ? 0x10 * random_below(2) :
					    random_below(256);

	for (size_t i = 0; i < 100; i++)
		body[i] = random_word();
	if (random_below(2))
		body[0] = (uint32_t)size;	/* argsz */
	if (!random_below(8))
		size = random_below(sizeof(body));
	size = vc_format(message, 0, command, flags, body, size);
	if (!random_below(200))
		message[4 + random_below(4)] ^= (uint8_t)random_below(256);
	if (!vc_send(vc, message, size, fds, random_below(3) ?
		     0 : random_below(5)))
		read_away(vc);
}

/* Whatever is sent: the daemon lives, and the other card does not notice. */
static void noise(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	assert_ok(vc_attach(&wire->vc[1], wire->daemon.path[1]));
	wire_sync(&wire->vc[1]);
	for (int i = 0; i < 300; i++) {
		assert_ok(vc_attach(vc, wire->daemon.path[0]));
		assert_ok(gd_setup(&wire->gd[0], vc, WIRE_SHIFT));
		for (int k = 0; k < 50; k++)
			random_message(vc);
		wire_sync(&wire->vc[1]);
	}
	assert_ok(vc_attach(vc, wire->daemon.path[0]));
	wire_sync(vc);
	assert_int_equal(daemon_count_maps(&wire->daemon, "memfd:guest"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		wire_test(unknown_commands),
		wire_test(wrong_sizes),
		wire_test(wrong_argsz),
		wire_test(wrong_indexes),
		wire_test(region_bounds),
		wire_test(write_counts),
		wire_test(odd_accesses),
		wire_test(bad_multi),
		wire_test(posted_errors),
		wire_test(noise),
	};

	return cmocka_run_group_tests_name("requests", tests, NULL, NULL);
}
