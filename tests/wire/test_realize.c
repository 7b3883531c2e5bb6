// SPDX-License-Identifier: GPL-2.0-only
/*
 * What QEMU 11.1.3 sends when it plugs the card in, when a Linux guest turns
 * MSI-X on and off, and at a reboot: byte by byte, with the bytes it must get.
 */
#include "wire.h"

#include <unistd.h>

#define MESSAGE_MAX	(32 + 4096)

static size_t from_hex(const char *hex, uint8_t *bytes, size_t room)
{
	size_t n = 0;

	while (*hex) {
		char digits[3] = { hex[0], 0, 0 };

		if (*hex == ' ') {
			hex++;
			continue;
		}
		digits[1] = hex[1];
		assert_true(n < room);
		bytes[n++] = (uint8_t)strtoul(digits, NULL, 16);
		hex += 2;
	}
	return n;
}

static void send_hex(struct vfio_client *vc, const char *hex, int fd)
{
	uint8_t message[MESSAGE_MAX];
	size_t size = from_hex(hex, message, sizeof(message));

	assert_ok(vc_send(vc, message, size, &fd, fd >= 0));
}

static void expect_bytes(struct vfio_client *vc, const uint8_t *want,
			 size_t size)
{
	uint8_t got[MESSAGE_MAX];
	struct vu_header header;

	assert_ok(vc_receive(vc, &header, got + sizeof(header),
			     sizeof(got) - sizeof(header)));
	memcpy(got, &header, sizeof(header));
	assert_int_equal(header.size, size);
	assert_memory_equal(got, want, size);
}

static void expect_hex(struct vfio_client *vc, const char *hex)
{
	uint8_t want[MESSAGE_MAX];

	expect_bytes(vc, want, from_hex(hex, want, sizeof(want)));
}

static void exchange(struct vfio_client *vc, const char *request,
		     const char *reply)
{
	send_hex(vc, request, -1);
	expect_hex(vc, reply);
}

static void exchange_fd(struct vfio_client *vc, const char *request, int fd,
			const char *reply)
{
	send_hex(vc, request, fd);
	expect_hex(vc, reply);
}

/* 214 bytes, padded with spaces inside the JSON as a longer one would be. */
static void send_version(struct vfio_client *vc)
{
	static const char json[] = "{\"capabilities\": {\"pgsizes\": 4096, "
		"\"max_msg_fds\": 16, \"max_dma_maps\": 65535, "
		"\"max_data_xfer_size\": 1048576, \"migration\": "
		"{\"max_bitmap_size\": 268435456, \"pgsize\": 4096}, "
		"\"write_multiple\": true}}";
	uint8_t message[214];

	assert_true(sizeof(json) <= sizeof(message) - 20);
	memset(message, ' ', sizeof(message));
	from_hex("0000 0100 d6000000 00000000 00000000 0000 0000", message,
		 sizeof(message));
	memcpy(message + 20, json, sizeof(json) - 1);
	message[sizeof(message) - 1] = '\0';
	assert_ok(vc_send(vc, message, sizeof(message), NULL, 0));
}

static void version_reply(struct vfio_client *vc)
{
	static const uint8_t head[] = { 0, 0, 1, 0 };
	struct vu_header header;
	char body[214];

	assert_ok(vc_receive(vc, &header, body, sizeof(body)));
	assert_memory_equal(&header, head, sizeof(head));
	assert_true(header.size <= sizeof(body));
	assert_int_equal(header.flags, 1);
	assert_int_equal(header.error, 0);
	assert_memory_equal(body, "\0\0\0\0", 4);
	assert_int_equal(body[4], '{');
	assert_int_equal(strnlen(body + 4, sizeof(body) - 4),
			 header.size - sizeof(header) - 5);
	assert_null(strstr(body + 4, "write_multiple"));
	assert_null(strstr(body + 4, "migration"));
}

/* 0001 and 0002 go out back to back; both are answered. */
static void map_memory(struct vfio_client *vc)
{
	send_hex(vc, "0100 0200 30000000 00000000 00000000"
		 "20000000 03000000 0000000000000000 0000000000000000"
		 "0000080000000000", vc->memfd);
	send_hex(vc, "0200 0200 30000000 00000000 00000000"
		 "20000000 01000000 0000000000000000 0000fcff00000000"
		 "0000040000000000", -1);
	expect_hex(vc, "0100 0200 10000000 01000000 00000000");
	expect_hex(vc, "0200 0200 10000000 01000000 00000000");
}

static void get_infos(struct vfio_client *vc)
{
	static const char *const size[9] = { "80000000", "00000000",
		"00100000", "00000000", "00000000", "00000000", "00000000",
		"00010000", "00000000" };

	exchange(vc, "0300 0400 20000000 00000000 00000000"
		 "10000000 00000000 00000000 00000000",
		 "0300 0400 20000000 01000000 00000000"
		 "10000000 03000000 09000000 05000000");
	for (unsigned int i = 0; i < 9; i++) {
		bool there = i == 0 || i == 2 || i == 7;
		char request[160], reply[160];

		snprintf(request, sizeof(request),
			 "%02x00 0500 30000000 00000000 00000000 20000000"
			 "00000000 %02x000000 00000000 0000000000000000"
			 "0000000000000000", 4 + i, i);
		snprintf(reply, sizeof(reply),
			 "%02x00 0500 30000000 01000000 00000000 20000000"
			 "%s %02x000000 00000000 %s00000000"
			 "0000000000000000", 4 + i,
			 there ? "03000000" : "00000000", i, size[i]);
		exchange(vc, request, reply);
	}
	/* ERR: one, so that QEMU does not complain and can be told */
	exchange(vc, "0d00 0700 20000000 00000000 00000000"
		 "10000000 00000000 03000000 00000000",
		 "0d00 0700 20000000 01000000 00000000"
		 "10000000 01000000 03000000 01000000");
	/* MSI-X: two, EVENTFD and nothing else, NORESIZE least of all */
	exchange(vc, "0e00 0700 20000000 00000000 00000000"
		 "10000000 00000000 02000000 00000000",
		 "0e00 0700 20000000 01000000 00000000"
		 "10000000 01000000 02000000 02000000");
	/* INTx: none */
	exchange(vc, "0f00 0700 20000000 00000000 00000000"
		 "10000000 00000000 00000000 00000000",
		 "0f00 0700 20000000 01000000 00000000"
		 "10000000 00000000 00000000 00000000");
}

static void config_reads(struct vfio_client *vc)
{
	static const char first[] =
		"0133 0020 0000 1000 00 00 80 02 00 00 00 00"
		"00000000 00000000 00000000 00000000 00000000 00000000"
		"00000000 0133 0020 00000000 40 000000 00000000 00 00 00 00"
		"11 00 01 00 02 00 00 00 02 08 00 00";
	uint8_t want[32 + 256] = { 0 };

	from_hex("1000 0900 20010000 01000000 00000000"
		 "0000000000000000 07000000 00010000", want, sizeof(want));
	from_hex(first, want + 32, 256);
	send_hex(vc, "1000 0900 20000000 00000000 00000000"
		 "0000000000000000 07000000 00010000", -1);
	expect_bytes(vc, want, sizeof(want));

	/* ROM sizing */
	exchange(vc, "1100 0a00 24000000 00000000 00000000"
		 "3000000000000000 07000000 04000000 00f8ffff",
		 "1100 0a00 20000000 01000000 00000000"
		 "3000000000000000 07000000 04000000");
	exchange(vc, "1200 0900 20000000 00000000 00000000"
		 "3000000000000000 07000000 04000000",
		 "1200 0900 24000000 01000000 00000000"
		 "3000000000000000 07000000 04000000 00000000");
	/* MSI-X table */
	exchange(vc, "1300 0900 20000000 00000000 00000000"
		 "4400000000000000 07000000 04000000",
		 "1300 0900 24000000 01000000 00000000"
		 "4400000000000000 07000000 04000000 02000000");
	/* INTx pin */
	exchange(vc, "1400 0900 20000000 00000000 00000000"
		 "3d00000000000000 07000000 01000000",
		 "1400 0900 21000000 01000000 00000000"
		 "3d00000000000000 07000000 01000000 00");
}

static void realize(struct wire *wire)
{
	struct vfio_client *vc = &wire->vc[0];

	assert_ok(vc_connect(vc, wire->daemon.path[0]));
	send_version(vc);
	version_reply(vc);
	map_memory(vc);
	get_infos(vc);
	config_reads(vc);
	exchange(vc, "1500 0d00 10000000 00000000 00000000",
		 "1500 0d00 10000000 01000000 00000000");
}

static void realize_sequence(void **state)
{
	realize(*state);
}

/* Firmware moves memory about: pieces go and come, up to 8 in a row. */
static void memory_map_churn(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	realize(wire);
	for (int round = 0; round < 3; round++) {
		send_hex(vc, "2000 0300 28000000 00000000 00000000"
			 "18000000 00000000 0000000000000000"
			 "0000080000000000", -1);
		send_hex(vc, "2100 0200 30000000 00000000 00000000 20000000"
			 "03000000 0000000000000000 0000000000000000"
			 "00000c0000000000", vc->memfd);
		/* the shadow of an option ROM: no fd, or an fd but read-only */
		send_hex(vc, "2200 0200 30000000 00000000 00000000 20000000"
			 "01000000 0000000000000000 00000c0000000000"
			 "0000010000000000", round ? vc->memfd : -1);
		send_hex(vc, "2300 0300 28000000 00000000 00000000"
			 "18000000 00000000 0000000000000000"
			 "0000100000000000", -1);
		send_hex(vc, "2400 0200 30000000 00000000 00000000 20000000"
			 "03000000 0000000000000000 0000000000000000"
			 "0000080000000000", vc->memfd);
		expect_hex(vc, "2000 0300 28000000 01000000 00000000"
			   "18000000 00000000 0000000000000000"
			   "0000080000000000");
		expect_hex(vc, "2100 0200 10000000 01000000 00000000");
		expect_hex(vc, "2200 0200 10000000 01000000 00000000");
		expect_hex(vc, "2300 0300 28000000 01000000 00000000"
			   "18000000 00000000 0000000000000000"
			   "0000100000000000");
		expect_hex(vc, "2400 0200 10000000 01000000 00000000");
	}
}

#define W_MSIX(value)							\
	"3000 0a00 22000000 00000000 00000000 4200000000000000"		\
	"07000000 02000000" value
#define W_MSIX_REPLY							\
	"3000 0a00 20000000 01000000 00000000 4200000000000000"		\
	"07000000 02000000"
#define SET_IRQS(flags, start, count)					\
	"3100 0800 24000000 00000000 00000000 14000000" flags		\
	"02000000" start count
#define SET_IRQS_REPLY	"3100 0800 10000000 01000000 00000000"

/* A shift too large is fatal: the shortest way to have vector 1 sent. */
static void provoke_fatal(struct vfio_client *vc)
{
	assert_ok(vc_write32(vc, DUCT_FLAGS, DUCT_FLAGS_RST));
	assert_ok(vc_write32(vc, DUCT_CMDSHIFT, DUCT_SHIFT_MAX + 1));
	assert_int_equal(vc_read32(vc, DUCT_FLAGS), DUCT_FLAGS_FLTB);
}

static void enable_msix(struct vfio_client *vc)
{
	exchange(vc, W_MSIX("01c0"), W_MSIX_REPLY);
	/* vector 0, no fd: not armed */
	exchange(vc, SET_IRQS("24000000", "00000000", "01000000"),
		 SET_IRQS_REPLY);
	exchange(vc, W_MSIX("0180"), W_MSIX_REPLY);
	exchange_fd(vc, SET_IRQS("24000000", "00000000", "01000000"),
		    vc->event[0], SET_IRQS_REPLY);
	exchange_fd(vc, SET_IRQS("24000000", "01000000", "01000000"),
		    vc->event[1], SET_IRQS_REPLY);
}

static void disable_msix(struct vfio_client *vc)
{
	exchange(vc, W_MSIX("0100"), W_MSIX_REPLY);
	exchange(vc, SET_IRQS("21000000", "00000000", "00000000"),
		 SET_IRQS_REPLY);
}

static void msix_life_cycle(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	realize(wire);
	for (int round = 0; round < 3; round++) {
		enable_msix(vc);
		provoke_fatal(vc);
		assert_int_equal(vc_poll_event(vc, 1), 1);
		assert_int_equal(vc_poll_event(vc, 0), 0);
		disable_msix(vc);
		/* nobody listens: not sent, and not kept for the next driver */
		provoke_fatal(vc);
		assert_int_equal(vc_poll_event(vc, 1), 0);
	}
	enable_msix(vc);
	assert_int_equal(vc_poll_event(vc, 1), 0);
}

/* NORESIZE clients: everything off, then both at once. */
static void both_vectors_at_once(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	realize(wire);
	exchange(vc, W_MSIX("0180"), W_MSIX_REPLY);
	exchange(vc, SET_IRQS("21000000", "00000000", "00000000"),
		 SET_IRQS_REPLY);
	assert_ok(vc_set_irqs(vc, 0x24, 2, 0, 2, vc->event, 2));
	provoke_fatal(vc);
	assert_int_equal(vc_poll_event(vc, 1), 1);
}

/* A signal for a vector that is not armed is sent when it is, once. */
static void signal_is_kept(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint32_t pending;

	realize(wire);
	enable_msix(vc);
	/* vector 1 off, as a mask may have it */
	assert_ok(vc_set_irqs(vc, 0x24, 2, 1, 1, NULL, 0));
	provoke_fatal(vc);
	provoke_fatal(vc);
	assert_int_equal(vc_poll_event(vc, 1), 0);
	assert_ok(vc_read(vc, VU_REGION_BAR2, 0x800, &pending, 4));
	assert_int_equal(pending, 2);
	assert_ok(vc_arm(vc, 1));
	assert_int_equal(vc_poll_event(vc, 1), 1);
	assert_ok(vc_arm(vc, 1));
	assert_int_equal(vc_poll_event(vc, 1), 0);
	assert_ok(vc_read(vc, VU_REGION_BAR2, 0x800, &pending, 4));
	assert_int_equal(pending, 0);
}

/* Arming one vector sends nothing for another. */
static void signals_are_kept_apart(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint16_t master = 6;
	uint8_t err;

	realize(wire);
	assert_ok(vc_write(vc, 7, 4, &master, 2));
	assert_ok(gd_setup(&wire->gd[0], vc, WIRE_SHIFT));
	assert_ok(gd_command(&wire->gd[0], DUCT_CMD_FLUSHFILT, 0, 0, &err));
	provoke_fatal(vc);
	assert_ok(vc_arm(vc, 1));
	assert_int_equal(vc_poll_event(vc, 1), 1);
	assert_int_equal(vc_poll_event(vc, 0), 0);
	assert_ok(vc_arm(vc, 0));
	assert_int_equal(vc_poll_event(vc, 0), 1);
	assert_int_equal(vc_poll_event(vc, 1), 0);
}

/* A reset forgets it, and MSI-X is off, which nobody tells the card. */
static void reboot(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint8_t config[256];

	realize(wire);
	enable_msix(vc);
	assert_ok(vc_write(vc, VU_REGION_CONFIG, 4, "\x07\x05", 2));
	exchange(vc, SET_IRQS("21000000", "00000000", "00000000"),
		 SET_IRQS_REPLY);
	provoke_fatal(vc);
	exchange(vc, "1500 0d00 10000000 00000000 00000000",
		 "1500 0d00 10000000 01000000 00000000");
	assert_int_equal(vc_read32(vc, DUCT_FLAGS), 0);
	assert_ok(vc_read(vc, VU_REGION_CONFIG, 0, config, sizeof(config)));
	assert_int_equal(config[4], 0);
	assert_int_equal(config[5], 0);
	assert_int_equal(config[0x42], 1);
	assert_int_equal(config[0x43], 0);
	assert_ok(vc_arm(vc, 1));
	assert_int_equal(vc_poll_event(vc, 1), 0);
}

/* 400 unmasks bring 400 dups of one eventfd. */
static void unmask_storm(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	int before;

	realize(wire);
	enable_msix(vc);
	before = daemon_count_fds(&wire->daemon);
	assert_true(before > 0);
	for (int i = 0; i < 400; i++)
		assert_ok(vc_arm(vc, (uint32_t)i % 2));
	assert_int_equal(daemon_count_fds(&wire->daemon), before);
	disable_msix(vc);
	assert_int_equal(daemon_count_fds(&wire->daemon), before - 2);
}

/* The client plays the card: VFIO_IRQ_SET_DATA_NONE and DATA_BOOL. */
static void software_trigger(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct {
		struct vu_irq_set set;
		uint8_t chosen[2];
	} body = { .set = { .argsz = sizeof(body), .flags = 0x22, .index = 2,
			    .count = 2 }, .chosen = { 1, 0 } };
	struct vc_call call = { .command = VU_SET_IRQS, .body = &body,
				.size = sizeof(body) };

	realize(wire);
	enable_msix(vc);
	assert_ok(vc_set_irqs(vc, 0x21, 2, 0, 2, NULL, 0));
	assert_int_equal(vc_poll_event(vc, 0), 1);
	assert_int_equal(vc_poll_event(vc, 1), 1);
	assert_ok(vc_call(vc, &call));
	assert_int_equal(vc_poll_event(vc, 0), 1);
	assert_int_equal(vc_poll_event(vc, 1), 0);
}

static void set_irqs_refused(void **state)
{
	static const struct {
		uint32_t flags, index, start, count;
		unsigned int fds;
	} bad[] = {
		{ 0x24, 2, 0, 1, 2 },		/* fds are not count */
		{ 0x24, 2, 0, 2, 1 },
		{ 0x24, 2, 0, 3, 3 },		/* beyond the vectors */
		{ 0x24, 2, 2, 1, 1 },
		{ 0x24, 2, 1, 2, 2 },
		{ 0x24, 2, 0xffffffff, 2, 2 },	/* wraps */
		{ 0x24, 2, 2, 0xffffffff, 1 },
		{ 0x24, 2, 0, 0, 0 },
		{ 0x24, 0, 0, 1, 1 },		/* no INTx */
		{ 0x24, 3, 0, 2, 2 },		/* one ERR */
		{ 0x24, 5, 0, 1, 1 },		/* no such kind */
		{ 0x24, 0xffffffff, 0, 1, 1 },
		{ 0x21, 2, 0, 1, 1 },		/* an fd for nothing */
		{ 0x20, 2, 0, 1, 0 },		/* no data */
		{ 0x27, 2, 0, 1, 0 },		/* all data */
		{ 0x04, 2, 0, 1, 1 },		/* no action */
		{ 0x2c, 2, 0, 1, 1 },		/* two actions */
		{ 0x09, 2, 0, 1, 0 },		/* mask: not told to be possible */
		{ 0x11, 2, 0, 1, 0 },
		{ 0x64, 2, 0, 1, 1 },		/* unknown flag */
		{ 0x22, 2, 0, 2, 0 },		/* bytes are missing */
	};
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	int fds[3] = { vc->event[0], vc->event[1], vc->event[0] };
	int before;

	realize(wire);
	before = daemon_count_fds(&wire->daemon);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(vc_set_irqs(vc, bad[i].flags, bad[i].index,
					     bad[i].start, bad[i].count, fds,
					     bad[i].fds), 22);
	/* not an eventfd */
	assert_int_equal(vc_set_irqs(vc, 0x24, 2, 0, 1, &vc->memfd, 1), 22);
	wire_sync(vc);
	assert_int_equal(daemon_count_fds(&wire->daemon), before);
	provoke_fatal(vc);
}

/* A register read sees what was posted before it. */
static void posted_then_read(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct vu_multi multi[VU_MULTI_MAX];
	uint32_t value = 0;

	realize(wire);
	for (uint32_t i = 0; i < 5000; i++) {
		value = i << 8;
		assert_ok(vc_post(vc, VU_REGION_CONFIG, 0x0c, &value, 4));
	}
	assert_ok(vc_read(vc, VU_REGION_CONFIG, 0x0c, &value, 4));
	/* cache line size and latency can be written, the rest can not */
	assert_int_equal(value, (4999 << 8) & 0xffff);

	memset(multi, 0, sizeof(multi));
	for (uint32_t i = 0; i < VU_MULTI_MAX; i++) {
		multi[i].access = (struct vu_access){ .offset = 0x3c,
						      .region = 7, .count = 1 };
		multi[i].data[0] = (uint8_t)i;
	}
	assert_ok(vc_post_multi(vc, multi, VU_MULTI_MAX));
	assert_ok(vc_read(vc, VU_REGION_CONFIG, 0x3c, &value, 4));
	assert_int_equal(value, VU_MULTI_MAX - 1);

	/* and the registers: reset behind a fault, in one message */
	for (int i = 0; i < 2; i++)
		multi[i].access = (struct vu_access){ .count = 4 };
	multi[0].access.offset = DUCT_CMDSHIFT;
	memcpy(multi[0].data, &(uint32_t){ 13 }, 4);
	multi[1].access.offset = DUCT_FLAGS;
	memcpy(multi[1].data, &(uint32_t){ DUCT_FLAGS_RST }, 4);
	assert_ok(vc_post_multi(vc, multi, 1));
	assert_int_equal(vc_read32(vc, DUCT_FLAGS), DUCT_FLAGS_FLTB);
	assert_ok(vc_post_multi(vc, multi, 2));
	assert_int_equal(vc_read32(vc, DUCT_FLAGS), 0);
}

/* BARs are sized the way firmware does it, and keep what they are given. */
static void bar_sizing(void **state)
{
	static const struct { uint64_t offset; uint32_t mask; } bar[] = {
		{ 0x10, 0xffffff80 }, { 0x14, 0 }, { 0x18, 0xfffff000 },
		{ 0x1c, 0 }, { 0x20, 0 }, { 0x24, 0 }, { 0x30, 0 },
	};
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	realize(wire);
	for (size_t i = 0; i < sizeof(bar) / sizeof(bar[0]); i++) {
		uint32_t value = 0xffffffff;

		assert_ok(vc_write(vc, 7, bar[i].offset, &value, 4));
		assert_ok(vc_read(vc, 7, bar[i].offset, &value, 4));
		assert_int_equal(value, bar[i].mask);
		value = 0;
		assert_ok(vc_write(vc, 7, bar[i].offset, &value, 4));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		wire_test(realize_sequence),
		wire_test(memory_map_churn),
		wire_test(msix_life_cycle),
		wire_test(both_vectors_at_once),
		wire_test(signal_is_kept),
		wire_test(signals_are_kept_apart),
		wire_test(reboot),
		wire_test(unmask_storm),
		wire_test(software_trigger),
		wire_test(set_irqs_refused),
		wire_test(posted_then_read),
		wire_test(bar_sizing),
	};

	return cmocka_run_group_tests_name("realize", tests, NULL, NULL);
}
