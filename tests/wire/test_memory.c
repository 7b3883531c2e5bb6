// SPDX-License-Identifier: GPL-2.0-only
/* The map of guest memory, as clients make, change and break it. */
#include "wire.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define RW	(VU_MAP_READ | VU_MAP_WRITE)
#define PAGE	4096u

static void connect_to(struct wire *wire)
{
	assert_ok(vc_connect(&wire->vc[0], wire->daemon.path[0]));
	assert_ok(vc_version(&wire->vc[0]));
}

static int guest_maps(struct wire *wire)
{
	wire_sync(&wire->vc[0]);
	return daemon_count_maps(&wire->daemon, "memfd:guest");
}

static void overlaps(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	int fd = vc->memfd;

	connect_to(wire);
	assert_ok(vc_map(vc, 0x10000, 0x10000, fd, 0, RW));
	assert_int_equal(vc_map(vc, 0x10000, 0x10000, fd, 0, RW), EEXIST);
	assert_int_equal(vc_map(vc, 0xf000, 0x2000, fd, 0, RW), EEXIST);
	assert_int_equal(vc_map(vc, 0x1f000, 0x1000, fd, 0, RW), EEXIST);
	assert_int_equal(vc_map(vc, 0, 0x100000, fd, 0, RW), EEXIST);
	assert_int_equal(vc_map(vc, 0x18000, 0x1000, -1, 0, RW), EEXIST);
	assert_ok(vc_map(vc, 0xf000, 0x1000, fd, 0, RW));
	assert_ok(vc_map(vc, 0x20000, 0x1000, fd, 0, RW));
	assert_ok(vc_unmap(vc, 0x10000, 0x10000, 0));
	assert_ok(vc_map(vc, 0x10000, 0x10000, fd, 0, RW));
}

static void bad_ranges(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	int fd = vc->memfd;
	int before;

	connect_to(wire);
	wire_sync(vc);
	before = daemon_count_fds(&wire->daemon);
	assert_int_equal(vc_map(vc, 0, 0, fd, 0, RW), EINVAL);
	assert_int_equal(vc_map(vc, 0, 1, fd, 0, RW), EINVAL);
	assert_int_equal(vc_map(vc, 1, PAGE, fd, 0, RW), EINVAL);
	assert_int_equal(vc_map(vc, 0, PAGE + 1, fd, 0, RW), EINVAL);
	assert_int_equal(vc_map(vc, 0, PAGE, fd, 1, RW), EINVAL);
	/* around the end of all addresses */
	assert_int_equal(vc_map(vc, UINT64_MAX - 2 * PAGE + 1, 3 * PAGE, fd, 0, RW),
			 EINVAL);
	assert_int_equal(vc_map(vc, PAGE, -(uint64_t)PAGE, -1, 0, RW), 0);
	assert_ok(vc_unmap(vc, PAGE, -(uint64_t)PAGE, 0));
	assert_int_equal(vc_map(vc, 2 * PAGE, -(uint64_t)PAGE, -1, 0, RW),
			 EINVAL);
	assert_ok(vc_map(vc, UINT64_MAX - 2 * PAGE + 1, 2 * PAGE, fd, 0, RW));
	/* beyond the file */
	assert_int_equal(vc_map(vc, 0, WIRE_MEMORY + PAGE, fd, 0, RW), EINVAL);
	assert_int_equal(vc_map(vc, 0, PAGE, fd, WIRE_MEMORY, RW), EINVAL);
	assert_int_equal(vc_map(vc, 0, 2 * PAGE, fd, WIRE_MEMORY - PAGE, RW),
			 EINVAL);
	assert_int_equal(vc_map(vc, 0, PAGE, fd, -(uint64_t)PAGE, RW), EINVAL);
	assert_int_equal(vc_map(vc, 0, 2 * PAGE, fd, -(uint64_t)PAGE, RW),
			 EINVAL);
	assert_ok(vc_map(vc, 0, PAGE, fd, WIRE_MEMORY - PAGE, RW));
	wire_sync(vc);
	assert_int_equal(daemon_count_fds(&wire->daemon), before);
}

static void bad_files(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	char path[64];
	int pipe_fds[2];
	int fd, before;

	connect_to(wire);
	wire_sync(vc);
	before = daemon_count_fds(&wire->daemon);
	assert_ok(pipe(pipe_fds));
	assert_int_equal(vc_map(vc, 0, PAGE, pipe_fds[0], 0, RW), EINVAL);
	assert_int_equal(vc_map(vc, 0, PAGE, vc->fd, 0, RW), EINVAL);
	assert_int_equal(vc_map(vc, 0, PAGE, vc->event[0], 0, RW), EINVAL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	fd = open("/", O_RDONLY | O_CLOEXEC);
	assert_int_equal(vc_map(vc, 0, PAGE, fd, 0, RW), EINVAL);
	close(fd);

	/* an fd that is only for reading is enough for memory only read */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", vc->memfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(vc_map(vc, 0, PAGE, fd, 0, RW), EACCES);
	assert_ok(vc_map(vc, 0, PAGE, fd, 0, VU_MAP_READ));
	close(fd);
	assert_ok(vc_map(vc, PAGE, PAGE, vc->memfd, PAGE, RW));
	assert_int_equal(guest_maps(wire), 1);
	assert_int_equal(daemon_count_fds(&wire->daemon), before);
}

/* With an IOMMU a guest has ranges removed that never were there. */
static void unmap_what_is_not_there(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	connect_to(wire);
	assert_ok(vc_unmap(vc, 0, WIRE_MEMORY, 0));
	assert_ok(vc_unmap(vc, 0, 0, 0));
	assert_ok(vc_unmap(vc, 0xff000000, 0xffffffff01100000ULL, 0));
	assert_ok(vc_map(vc, 0, WIRE_MEMORY, vc->memfd, 0, RW));
	/* not wholly inside: stays */
	assert_ok(vc_unmap(vc, 0, WIRE_MEMORY - PAGE, 0));
	assert_ok(vc_unmap(vc, PAGE, UINT64_MAX - PAGE, 0));
	assert_int_equal(guest_maps(wire), 1);
	/* saturates */
	assert_ok(vc_map(vc, 0xff000000, PAGE, vc->memfd, 0, RW));
	assert_ok(vc_unmap(vc, PAGE, UINT64_MAX, 0));
	assert_int_equal(vc_map(vc, 0, PAGE, vc->memfd, 0, RW), EEXIST);
	assert_ok(vc_map(vc, 0xff000000, PAGE, vc->memfd, 0, RW));
	assert_ok(vc_unmap(vc, 0, UINT64_MAX, 0));
	assert_int_equal(guest_maps(wire), 0);
}

static void unmap_flags(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	connect_to(wire);
	assert_ok(vc_map(vc, 0, PAGE, vc->memfd, 0, RW));
	assert_ok(vc_map(vc, PAGE, PAGE, vc->memfd, 0, RW));
	assert_int_equal(vc_unmap(vc, 0, PAGE, VU_UNMAP_ALL), EINVAL);
	assert_int_equal(vc_unmap(vc, 0, PAGE, VU_UNMAP_BITMAP), EINVAL);
	assert_int_equal(guest_maps(wire), 1);
	assert_ok(vc_unmap(vc, 0, 0, VU_UNMAP_ALL));
	assert_int_equal(guest_maps(wire), 0);
}

/* One mapping a file, however many windows there are on it. */
static void one_mapping(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	int before;

	connect_to(wire);
	wire_sync(vc);
	before = daemon_count_fds(&wire->daemon);
	for (uint64_t i = 0; i < WIRE_MEMORY / PAGE; i++)
		assert_ok(vc_map(vc, (i << 32) + i * PAGE, PAGE, vc->memfd,
				 i * PAGE, RW));
	assert_int_equal(guest_maps(wire), 1);
	assert_ok(vc_map(vc, 0x80000000, PAGE, wire->vc[1].memfd, 0, RW));
	assert_int_equal(guest_maps(wire), 2);
	assert_int_equal(daemon_count_fds(&wire->daemon), before);
	for (uint64_t i = 0; i < WIRE_MEMORY / PAGE; i++) {
		assert_int_equal(guest_maps(wire), 2);
		assert_ok(vc_unmap(vc, (i << 32) + i * PAGE, PAGE, 0));
	}
	assert_int_equal(guest_maps(wire), 1);
}

/* A piece of a packet may lie in windows that have nothing else in common. */
static void across_windows(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct guest_driver *gd = &wire->gd[0];
	const uint64_t seam = 0x40000000;
	struct duct_pkt_desc *desc;
	struct gd_packet packet;
	uint8_t want[3 * PAGE];

	wire_start_both(wire);
	/* the last page of one file, the first of another, one read-only */
	assert_ok(vc_map(vc, seam - PAGE, PAGE, vc->memfd, WIRE_MEMORY - PAGE,
			 RW));
	assert_ok(vc_map(vc, seam, PAGE, wire->vc[1].memfd, 0, RW));
	assert_ok(vc_map(vc, seam + PAGE, PAGE, wire->vc[1].memfd, PAGE,
			 VU_MAP_READ));
	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (uint8_t)(i * 7 + i / 256);
	memcpy(vc->mem + WIRE_MEMORY - PAGE, want, PAGE);
	memcpy(wire->vc[1].mem, want + PAGE, 2 * PAGE);

	desc = (struct duct_pkt_desc *)gd->tx.slots;
	desc->length[0] = htole32(2 * PAGE - 2);
	desc->pointer[0] = htole64(seam - PAGE + 1);
	desc->dst = htole32(wire->gd[1].hwaddr);
	desc->owner = DUCT_OWNER_CARD;
	gd->tx.head++;
	assert_ok(gd_ring_tx(gd));
	assert_ok(gd_wait_sent(gd));
	assert_ok(gd_receive(&wire->gd[1], &packet));
	assert_int_equal(packet.len, 2 * PAGE - 2);
	assert_memory_equal(packet.data, want + 1, packet.len);
	gd_give_back(&wire->gd[1]);

	/* reading from memory that is only for reading is fine */
	desc++;
	*desc = desc[-1];
	desc->pointer[0] = htole64(seam + 2);
	__atomic_store_n(&desc->owner, DUCT_OWNER_CARD, __ATOMIC_RELEASE);
	gd->tx.head++;
	assert_ok(gd_ring_tx(gd));
	assert_ok(gd_wait_sent(gd));
	assert_ok(gd_receive(&wire->gd[1], &packet));
	assert_memory_equal(packet.data, want + PAGE + 2, packet.len);
	assert_int_equal(vc_read32(vc, DUCT_FLAGS), 0);

	/* past its end is not */
	desc++;
	*desc = desc[-1];
	desc->pointer[0] = htole64(seam + 3);
	__atomic_store_n(&desc->owner, DUCT_OWNER_CARD, __ATOMIC_RELEASE);
	gd->tx.head++;
	assert_ok(gd_ring_tx(gd));
	assert_int_equal(vc_wait_event(vc, DUCT_VECTOR_FATAL), 1);
	assert_int_equal(vc_read32(vc, DUCT_FLAGS), DUCT_FLAGS_FLTR);
	assert_int_equal(vc_read32(&wire->vc[1], DUCT_FLAGS), 0);
}

/* Receiving into memory that the card may not write. */
static void read_only_receive(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	struct guest_driver *gd = &wire->gd[0];
	struct duct_pkt_desc *desc;

	wire_start_both(wire);
	assert_ok(vc_map(vc, 0x40000000, PAGE, wire->vc[1].memfd, 0,
			 VU_MAP_READ));
	desc = (struct duct_pkt_desc *)gd->rx.slots;
	desc->pointer[0] = htole64(0x40000000);
	assert_ok(gd_send(&wire->gd[1], gd->hwaddr, "x", 1));
	assert_int_equal(vc_wait_event(vc, DUCT_VECTOR_FATAL), 1);
	assert_int_equal(vc_read32(vc, DUCT_FLAGS), DUCT_FLAGS_FLTR);
}

/* Memory that goes away under a started card: its fault, and no crash. */
static void unmapped_while_started(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];

	wire_start_both(wire);
	assert_int_equal(guest_maps(wire), 2);
	assert_ok(vc_unmap(vc, 0, WIRE_MEMORY, 0));
	assert_int_equal(guest_maps(wire), 1);	/* the other card's */
	assert_ok(gd_send(&wire->gd[1], wire->gd[0].hwaddr, "x", 1));
	assert_int_equal(vc_wait_event(vc, DUCT_VECTOR_FATAL), 1);
	assert_int_not_equal(vc_read32(vc, DUCT_FLAGS), 0);
	/* and back: a reset later all is well */
	assert_ok(vc_map(vc, 0, WIRE_MEMORY, vc->memfd, 0, RW));
	assert_ok(vc_write32(vc, DUCT_FLAGS, DUCT_FLAGS_RST));
	assert_ok(gd_setup(&wire->gd[0], vc, WIRE_SHIFT));
	assert_ok(gd_start(&wire->gd[0]));
	assert_ok(gd_send(&wire->gd[1], wire->gd[0].hwaddr, "x", 1));
}

/* A file that grew: what was mapped before stays good. */
static void file_grows(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint8_t err;

	wire_start_both(wire);
	assert_int_equal(vc_map(vc, 0x10000000, PAGE, vc->memfd, WIRE_MEMORY,
				RW), EINVAL);
	assert_ok(ftruncate(vc->memfd, 2 * WIRE_MEMORY));
	assert_ok(vc_map(vc, 0x10000000, WIRE_MEMORY, vc->memfd, WIRE_MEMORY,
			 RW));
	assert_int_equal(guest_maps(wire), 2);	/* one a card */
	assert_ok(gd_command(&wire->gd[0], DUCT_CMD_ADDFILT, 0, 0, &err));
	assert_int_equal(err, 0);
	assert_ok(gd_send(&wire->gd[1], wire->gd[0].hwaddr, "x", 1));
	assert_true(gd_peek(&wire->gd[0]));
}

/* A guest whose memory nobody can share, from -m alone. */
static void unshared_memory(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	uint16_t master = 6;

	connect_to(wire);
	assert_ok(vc_map(vc, 0, WIRE_MEMORY, -1, 0, RW));
	assert_ok(vc_write(vc, 7, 4, &master, 2));
	assert_ok(vc_arm(vc, DUCT_VECTOR_FATAL));
	assert_ok(gd_setup(&wire->gd[0], vc, WIRE_SHIFT));
	gd_put_command(&wire->gd[0], DUCT_CMD_FLUSHFILT, 0, 0);
	assert_ok(gd_ring_command(&wire->gd[0]));
	assert_int_equal(vc_wait_event(vc, DUCT_VECTOR_FATAL), 1);
	assert_int_equal(vc_read32(vc, DUCT_FLAGS), DUCT_FLAGS_FLTB);
	assert_ok(daemon_wait_log(&wire->daemon, 0, "share=on"));
	assert_non_null(strstr(wire->daemon.log, wire->daemon.path[0]));
}

/* Cuts card 0's memory off and has the card touch it. */
static void tear_and_touch(struct wire *wire)
{
	struct gd_packet packet;

	assert_ok(ftruncate(wire->vc[0].memfd, 0));
	assert_ok(gd_put(&wire->gd[1], wire->gd[0].hwaddr, "x", 1));
	assert_ok(gd_ring_tx(&wire->gd[1]));
	assert_ok(gd_wait_sent(&wire->gd[1]));
	assert_ok(daemon_wait_log(&wire->daemon, 0, "cut off"));

	/* the other card goes on */
	assert_ok(gd_send(&wire->gd[1], 0x0000EC60, "y", 1));
	assert_ok(gd_receive(&wire->gd[1], &packet));
	assert_memory_equal(packet.data, "y", 1);
	gd_give_back(&wire->gd[1]);
}

static void truncated_with_err_irq(void **state)
{
	struct wire *wire = *state;
	struct vfio_client *vc = &wire->vc[0];
	int error = eventfd(0, EFD_CLOEXEC);
	uint64_t count = 0;

	assert_true(error >= 0);
	wire_start_both(wire);
	assert_ok(vc_set_irqs(vc, 0x24, VU_IRQ_ERR, 0, 1, &error, 1));
	tear_and_touch(wire);
	assert_int_equal(read(error, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	/* still there, but of no use, until it comes again */
	wire_sync(vc);
	close(error);
	vc_close(vc);
	assert_ok(vc_open(vc, WIRE_MEMORY));
	assert_ok(vc_attach(vc, wire->daemon.path[0]));
	assert_ok(gd_setup(&wire->gd[0], vc, WIRE_SHIFT));
	assert_ok(gd_start(&wire->gd[0]));
	assert_ok(gd_send(&wire->gd[1], wire->gd[0].hwaddr, "x", 1));
}

static void truncated_without_err_irq(void **state)
{
	struct wire *wire = *state;

	wire_start_both(wire);
	tear_and_touch(wire);
	assert_ok(vc_wait_hangup(&wire->vc[0]));
	assert_int_equal(daemon_count_maps(&wire->daemon, "memfd:guest"), 1);
}

/* A ring that is gone looks empty; that must not go unnoticed. */
static void truncated_ring(void **state)
{
	struct wire *wire = *state;

	wire_start_both(wire);
	assert_ok(ftruncate(wire->vc[0].memfd, 0));
	assert_ok(vc_write32(&wire->vc[0], DUCT_DBELL, DUCT_DBELL_TX));
	assert_ok(vc_wait_hangup(&wire->vc[0]));
	wire_sync(&wire->vc[1]);
}

/* The sender's memory is torn while the bus copies from it. */
static void truncated_sender(void **state)
{
	static const uint8_t data[DUCT_PACKET_MAX];
	struct wire *wire = *state;
	struct guest_driver *gd = &wire->gd[0];
	struct gd_packet packet;
	uint64_t keep;

	wire_start_both(wire);
	/* the rings stay, and less than a page of the packet */
	assert_ok(gd_put(gd, wire->gd[1].hwaddr, data, sizeof(data)));
	keep = (gd->tx.buffers + PAGE - 1) / PAGE * PAGE;
	assert_ok(ftruncate(wire->vc[0].memfd, (off_t)keep));
	assert_ok(gd_ring_tx(gd));
	assert_ok(vc_wait_hangup(&wire->vc[0]));
	assert_ok(gd_send(&wire->gd[1], 0x0000EC60, "y", 1));
	do {
		assert_ok(gd_receive(&wire->gd[1], &packet));
		gd_give_back(&wire->gd[1]);
	} while (packet.src != 0x0000EC60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		wire_test(overlaps),
		wire_test(bad_ranges),
		wire_test(bad_files),
		wire_test(unmap_what_is_not_there),
		wire_test(unmap_flags),
		wire_test(one_mapping),
		wire_test(across_windows),
		wire_test(read_only_receive),
		wire_test(unmapped_while_started),
		wire_test(file_grows),
		wire_test(unshared_memory),
		wire_test(truncated_with_err_irq),
		wire_test(truncated_without_err_irq),
		wire_test(truncated_ring),
		wire_test(truncated_sender),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
