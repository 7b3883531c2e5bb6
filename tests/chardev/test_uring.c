// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring reads and writes without a thread of its own for each: what can be done at once is done at once, and what
 * has to wait waits by poll. A thread would be named iou-wrk-PID, and stays for some seconds after its work.
 */
#include <dirent.h>
#include <liburing.h>

#include "cards.h"
#include "chardev.h"

#define QUEUE	10000000

static struct io_uring ring;

static int setup(void **state)
{
	cards_setup(state);
	return io_uring_queue_init(64, &ring, 0);
}

static int teardown(void **state)
{
	io_uring_queue_exit(&ring);
	return cards_teardown(state);
}

static unsigned int workers(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned int count = 0;
	struct dirent *task;

	assert_non_null(tasks);
	while ((task = readdir(tasks))) {
		char path[300], name[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) && strncmp(name, "iou-wrk", 7) == 0)
			count++;
		fclose(file);
	}
	closedir(tasks);
	return count;
}

static struct io_uring_sqe *prepare(bool writes, int fd, struct packet *packet)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	assert_non_null(sqe);
	if (writes)
		io_uring_prep_write(sqe, fd, packet, HEADER + packet->header.length, (uint64_t)-1);
	else
		io_uring_prep_read(sqe, fd, packet, sizeof(*packet), (uint64_t)-1);
	io_uring_sqe_set_data(sqe, packet);
	return sqe;
}

static void submit(int count)
{
	assert_int_equal(io_uring_submit(&ring), count);
}

/* Of the next one that is done. */
static int result(struct packet **packet)
{
	struct __kernel_timespec patience = { PATIENCE_MS / 1000, 0 };
	struct io_uring_cqe *cqe;
	int res;

	assert_int_equal(io_uring_wait_cqe_timeout(&ring, &cqe, &patience), 0);
	if (packet)
		*packet = io_uring_cqe_get_data(cqe);
	res = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return res;
}

static bool any_result(void)
{
	struct io_uring_cqe *cqe;

	return io_uring_peek_cqe(&ring, &cqe) == 0;
}

static void check(const struct packet *packet, uint32_t length, uint32_t seed)
{
	static struct packet expected;

	pattern(expected.data, length, seed);
	assert_int_equal(packet->header.source, source);
	assert_int_equal(packet->header.length, length);
	assert_memory_equal(packet->data, expected.data, length);
}

/* The counter-proof: asked to, io_uring does use a thread, and workers() sees it. */
static void worker_threads_are_seen(void **state)
{
	static struct packet packet;

	(void)state;
	assert_int_equal(workers(), 0);
	packet_make(&packet, destination, 100, 1);
	prepare(true, from, &packet)->flags |= IOSQE_ASYNC;
	submit(1);
	assert_int_equal(result(NULL), HEADER + 100);
	assert_int_equal(workers(), 1);
}

static void read_of_a_packet_that_is_there(void **state)
{
	static struct packet packet;
	uint32_t i;

	(void)state;
	for (i = 0; i < 20; i++) {
		packet_send(from, destination, 100 + i, i);
		await_events(to, POLLIN);
		prepare(false, to, &packet);
		submit(1);
		assert_true(any_result());
		assert_int_equal(result(NULL), HEADER + 100 + i);
		check(&packet, 100 + i, i);
	}
	assert_int_equal(workers(), 0);
}

static void read_waits_for_a_packet(void **state)
{
	static struct packet packet;

	(void)state;
	prepare(false, to, &packet);
	submit(1);
	assert_false(any_result());
	packet_send(from, destination, PACKET_MAX, 1);
	assert_int_equal(result(NULL), HEADER + PACKET_MAX);
	check(&packet, PACKET_MAX, 1);
	assert_int_equal(workers(), 0);
}

static void many_reads_wait(void **state)
{
	static struct packet packets[16];
	uint32_t i;

	(void)state;
	for (i = 0; i < 16; i++)
		prepare(false, to, &packets[i]);
	submit(16);
	for (i = 0; i < 16; i++)
		packet_send(from, destination, 500, 7);
	for (i = 0; i < 16; i++) {
		struct packet *packet;

		assert_int_equal(result(&packet), HEADER + 500);
		check(packet, 500, 7);
	}
	assert_int_equal(workers(), 0);
	packet_expect_none(from, to);
}

static void read_of_a_nonblocking_file(void **state)
{
	static struct packet packet;

	(void)state;
	set_blocking(to, false);
	prepare(false, to, &packet);
	submit(1);
	assert_false(any_result());
	packet_send(from, destination, 100, 1);
	assert_int_equal(result(NULL), HEADER + 100);
	check(&packet, 100, 1);
	assert_int_equal(workers(), 0);
}

static void writes(void **state)
{
	static struct packet packets[16];
	uint32_t i;

	(void)state;
	for (i = 0; i < 16; i++) {
		packet_make(&packets[i], destination, 100 * i, i);
		prepare(true, from, &packets[i]);
	}
	submit(16);
	for (i = 0; i < 16; i++) {
		struct packet *packet;
		int res = result(&packet);

		assert_int_equal(res, HEADER + packet->header.length);
	}
	assert_int_equal(workers(), 0);
	for (i = 0; i < 16; i++)
		packet_expect(to, source, destination, 100 * i, i);
}

static void write_errors(void **state)
{
	static struct packet packet;

	(void)state;
	packet_make(&packet, destination, PACKET_MAX + 1, 0);
	prepare(true, from, &packet);
	submit(1);
	assert_int_equal(result(NULL), -EMSGSIZE);
	card_down(0);
	packet_make(&packet, destination, 10, 0);
	prepare(true, from, &packet);
	submit(1);
	assert_int_equal(result(NULL), -ENETDOWN);
	assert_int_equal(workers(), 0);
}

static void write_waits_for_room(void **state)
{
	static struct packet packet;
	unsigned int count, i;

	(void)state;
	card_stall(0, from, QUEUE);
	count = card_fill(from, destination, 1500);
	packet_make(&packet, destination, 1000, 77);
	prepare(true, from, &packet);
	submit(1);
	assert_false(any_result());
	card_release(0);
	assert_int_equal(result(NULL), HEADER + 1000);
	for (i = 0; i < count; i++)
		packet_expect(to, source, destination, 1500, i);
	packet_expect(to, source, destination, 1000, 77);
	packet_expect_none(from, to);
	assert_int_equal(workers(), 0);
}

static void read_that_is_cancelled(void **state)
{
	static struct packet packet;
	struct io_uring_sqe *sqe;
	int results[2];

	(void)state;
	prepare(false, to, &packet);
	submit(1);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_cancel(sqe, &packet, 0);
	io_uring_sqe_set_data(sqe, NULL);
	submit(1);
	results[0] = result(NULL);
	results[1] = result(NULL);
	assert_true((results[0] == 0 && results[1] == -ECANCELED) || (results[0] == -ECANCELED && results[1] == 0));
	packet_expect_none(from, to);
}

static void ring_closed_while_a_read_waits(void **state)
{
	static struct packet packet;

	(void)state;
	prepare(false, to, &packet);
	submit(1);
	io_uring_queue_exit(&ring);
	assert_int_equal(io_uring_queue_init(8, &ring, 0), 0);
	packet_expect_none(from, to);
}

static void polls(void **state)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	(void)state;
	io_uring_prep_poll_add(sqe, to, POLLIN);
	submit(1);
	assert_false(any_result());
	packet_send(from, destination, 100, 1);
	assert_int_equal(result(NULL) & POLLIN, POLLIN);
	packet_expect(to, source, destination, 100, 1);
}

static void removal_ends_what_waits(void **state)
{
	static struct packet packets[2];

	(void)state;
	prepare(false, to, &packets[0]);
	prepare(false, to, &packets[1]);
	submit(2);
	card_remove(1);
	assert_int_equal(result(NULL), -ENODEV);
	assert_int_equal(result(NULL), -ENODEV);
}

static void fatal_ends_what_waits(void **state)
{
	static struct packet packet;

	(void)state;
	prepare(false, to, &packet);
	submit(1);
	card_fail(1);
	assert_int_equal(result(NULL), -EIO);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(worker_threads_are_seen, setup, teardown),
	cmocka_unit_test_setup_teardown(read_of_a_packet_that_is_there, setup, teardown),
	cmocka_unit_test_setup_teardown(read_waits_for_a_packet, setup, teardown),
	cmocka_unit_test_setup_teardown(many_reads_wait, setup, teardown),
	cmocka_unit_test_setup_teardown(read_of_a_nonblocking_file, setup, teardown),
	cmocka_unit_test_setup_teardown(writes, setup, teardown),
	cmocka_unit_test_setup_teardown(write_errors, setup, teardown),
	cmocka_unit_test_setup_teardown(write_waits_for_room, setup, teardown),
	cmocka_unit_test_setup_teardown(read_that_is_cancelled, setup, teardown),
	cmocka_unit_test_setup_teardown(ring_closed_while_a_read_waits, setup, teardown),
	cmocka_unit_test_setup_teardown(polls, setup, teardown),
	cmocka_unit_test_setup_teardown(removal_ends_what_waits, setup, teardown),
	cmocka_unit_test_setup_teardown(fatal_ends_what_waits, setup, teardown),
};

CHARDEV_TESTS(tests)
