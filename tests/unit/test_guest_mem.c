// SPDX-License-Identifier: GPL-2.0-only
/* The map of guest memory. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest_mem.h"

#define PAGE	4096u
#define RW	(GUEST_READ | GUEST_WRITE)

/* A file of @pages pages; the first byte of each tells its number. */
static int make_file(unsigned int pages)
{
	int fd = memfd_create("unit", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)pages * PAGE), 0);
	for (unsigned int i = 0; i < pages; i++) {
		uint8_t number = (uint8_t)i;

		assert_int_equal(pwrite(fd, &number, 1, (off_t)i * PAGE), 1);
	}
	return fd;
}

static int setup(void **state)
{
	struct guest_mem *mem = guest_mem_new();

	*state = mem;
	return mem ? 0 : -1;
}

static int teardown(void **state)
{
	guest_mem_free(*state);
	return 0;
}

/* Number of the file's page that is seen at @iova, or -1. */
static int page_at(struct guest_mem *mem, uint64_t iova)
{
	const uint8_t *p = guest_mem_ptr(mem, iova, 1, GUEST_READ);

	return p ? *p : -1;
}

static void map_and_unmap(void **state)
{
	struct guest_mem *mem = *state;
	int fd = make_file(8);

	assert_int_equal(page_at(mem, 0), -1);
	assert_int_equal(guest_mem_map_fd(mem, 0x10000, 4 * PAGE, RW, fd,
					  2 * PAGE), 0);
	close(fd);
	assert_int_equal(page_at(mem, 0x10000 - 1), -1);
	assert_int_equal(page_at(mem, 0x10000), 2);
	assert_int_equal(page_at(mem, 0x13000), 5);
	assert_int_equal(page_at(mem, 0x14000), -1);
	assert_null(guest_mem_ptr(mem, 0x13fff, 2, GUEST_READ));
	assert_non_null(guest_mem_ptr(mem, 0x13fff, 1, GUEST_READ));
	guest_mem_unmap(mem, 0x10000, 4 * PAGE);
	assert_int_equal(page_at(mem, 0x10000), -1);
}

/* Both ends of the address space. */
static void extremes(void **state)
{
	struct guest_mem *mem = *state;
	const uint64_t last = UINT64_MAX - PAGE + 1;
	struct iovec iov[2];
	int fd = make_file(2);

	assert_int_equal(guest_mem_map_fd(mem, last, PAGE, RW, fd, PAGE), 0);
	assert_int_equal(guest_mem_map_fd(mem, 0, PAGE, RW, fd, 0), 0);
	close(fd);
	assert_int_equal(page_at(mem, last), 1);
	assert_int_equal(page_at(mem, 0), 0);
	assert_non_null(guest_mem_ptr(mem, last, PAGE, RW));
	/* never around the end, though both sides are there */
	assert_int_equal(guest_mem_translate(mem, last, PAGE + 1, GUEST_READ,
					     iov, 2), -EFAULT);
	assert_int_equal(guest_mem_translate(mem, UINT64_MAX, 2, GUEST_READ,
					     iov, 2), -EFAULT);
	assert_int_equal(guest_mem_translate(mem, 1, UINT64_MAX, GUEST_READ,
					     iov, 2), -EFAULT);
	guest_mem_unmap(mem, 1, UINT64_MAX);	/* saturates; not the first */
	assert_int_equal(page_at(mem, last), -1);
	assert_int_equal(page_at(mem, 0), 0);
	guest_mem_unmap(mem, 0, UINT64_MAX);
	assert_int_equal(page_at(mem, 0), -1);
}

static void refused(void **state)
{
	static const struct {
		uint64_t iova, size, offset;
		int want;
	} map[] = {
		{ 0, 0, 0, -EINVAL },
		{ 1, PAGE, 0, -EINVAL },
		{ 0, PAGE - 1, 0, -EINVAL },
		{ 0, PAGE, 1, -EINVAL },
		{ 0, 9 * PAGE, 0, -EINVAL },
		{ 0, PAGE, 8 * PAGE, -EINVAL },
		{ 0, 2 * PAGE, UINT64_MAX - PAGE + 1, -EINVAL },
		{ 2 * PAGE, UINT64_MAX - PAGE + 1, 0, -EINVAL },
		{ 0x100000, PAGE, 0, -EEXIST },
		{ 0x100000 - PAGE, 2 * PAGE, 0, -EEXIST },
		{ 0x101000, PAGE, 0, -EEXIST },
		{ 0x101000, 3 * PAGE, 0, -EEXIST },
		{ 0x100000 - PAGE, 4 * PAGE, 0, -EEXIST },
	};
	struct guest_mem *mem = *state;
	uint64_t generation;
	int fd = make_file(8);

	assert_int_equal(guest_mem_map_fd(mem, 0x100000, 2 * PAGE, RW, fd, 0),
			 0);
	generation = guest_mem_generation(mem);
	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		assert_int_equal(guest_mem_map_fd(mem, map[i].iova,
						  map[i].size, RW, fd,
						  map[i].offset), map[i].want);
	assert_int_equal(guest_mem_map_none(mem, 0x101000, PAGE), -EEXIST);
	close(fd);
	assert_int_equal(guest_mem_map_fd(mem, 0, PAGE, RW, fd, 0), -EBADF);
	assert_int_equal(guest_mem_generation(mem), generation);
	assert_int_equal(page_at(mem, 0), -1);
}

static void access_rights(void **state)
{
	struct guest_mem *mem = *state;
	struct iovec iov[4];
	int fd = make_file(3);

	assert_int_equal(guest_mem_map_fd(mem, 0, PAGE, GUEST_READ, fd, 0), 0);
	assert_int_equal(guest_mem_map_fd(mem, PAGE, PAGE, RW, fd, PAGE), 0);
	assert_int_equal(guest_mem_map_fd(mem, 2 * PAGE, PAGE, GUEST_WRITE, fd,
					  2 * PAGE), 0);
	close(fd);
	assert_non_null(guest_mem_ptr(mem, 0, 2 * PAGE, GUEST_READ));
	assert_null(guest_mem_ptr(mem, 0, 2 * PAGE, GUEST_WRITE));
	assert_null(guest_mem_ptr(mem, 0, 1, GUEST_WRITE));
	assert_non_null(guest_mem_ptr(mem, PAGE, 2 * PAGE, GUEST_WRITE));
	assert_null(guest_mem_ptr(mem, PAGE, 2 * PAGE, GUEST_READ));
	assert_non_null(guest_mem_ptr(mem, PAGE, PAGE, RW));
	assert_null(guest_mem_ptr(mem, PAGE, PAGE + 1, RW));
	/* no byte needs no right, and not even memory */
	assert_int_equal(guest_mem_translate(mem, 1 << 30, 0, RW, iov, 0), 0);
}

/* An fd for reading alone serves windows for reading, until a better comes. */
static void read_only_file(void **state)
{
	struct guest_mem *mem = *state;
	int fd = make_file(2);
	char path[32];
	uint8_t *p;
	int ro;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(ro >= 0);
	assert_int_equal(guest_mem_map_fd(mem, 0, PAGE, RW, ro, 0), -EACCES);
	assert_int_equal(guest_mem_map_fd(mem, 0, PAGE, GUEST_READ, ro, 0), 0);
	assert_int_equal(guest_mem_map_fd(mem, PAGE, PAGE, RW, ro, PAGE),
			 -EACCES);
	assert_int_equal(page_at(mem, 0), 0);
	assert_int_equal(guest_mem_map_fd(mem, PAGE, PAGE, RW, fd, PAGE), 0);
	p = guest_mem_ptr(mem, PAGE, 1, GUEST_WRITE);
	assert_non_null(p);
	*p = 77;
	assert_int_equal(page_at(mem, PAGE), 77);
	assert_int_equal(page_at(mem, 0), 0);
	close(ro);
	close(fd);
}

static void pieces(void **state)
{
	struct guest_mem *mem = *state;
	struct iovec iov[8];
	int fd = make_file(8);

	/* neighbours in the file as in the guest: one piece */
	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(guest_mem_map_fd(mem, i * PAGE, PAGE, RW, fd,
						  i * PAGE), 0);
	assert_int_equal(guest_mem_translate(mem, 10, 4 * PAGE - 10, RW, iov,
					     1), 1);
	assert_int_equal(iov[0].iov_len, 4 * PAGE - 10);
	assert_ptr_equal(iov[0].iov_base, guest_mem_ptr(mem, 10, 1, RW));
	/* behind them the file's pages backwards: a piece each */
	for (uint64_t i = 4; i < 8; i++)
		assert_int_equal(guest_mem_map_fd(mem, i * PAGE, PAGE, RW, fd,
						  (11 - i) * PAGE), 0);
	assert_int_equal(guest_mem_translate(mem, 10, 8 * PAGE - 20, RW, iov,
					     8), 5);
	assert_int_equal(iov[0].iov_len, 4 * PAGE - 10);
	assert_int_equal(*(uint8_t *)iov[1].iov_base, 7);
	assert_int_equal(*(uint8_t *)iov[4].iov_base, 4);
	assert_int_equal(iov[4].iov_len, PAGE - 10);
	assert_int_equal(guest_mem_translate(mem, 10, 8 * PAGE - 20, RW, iov,
					     5), 5);
	assert_int_equal(guest_mem_translate(mem, 10, 8 * PAGE - 20, RW, iov,
					     4), -E2BIG);
	assert_null(guest_mem_ptr(mem, 4 * PAGE, PAGE + 1, RW));
	/* a hole */
	guest_mem_unmap(mem, 2 * PAGE, PAGE);
	assert_int_equal(guest_mem_translate(mem, 0, 8 * PAGE, RW, iov, 8),
			 -EFAULT);
	close(fd);
}

static void host_memory(void **state)
{
	struct guest_mem *mem = *state;
	uint8_t *host = aligned_alloc(PAGE, 2 * PAGE);

	assert_non_null(host);
	assert_int_equal(guest_mem_map_host(mem, 0x5000, 2 * PAGE, GUEST_READ,
					    host), 0);
	assert_ptr_equal(guest_mem_ptr(mem, 0x5001, 8, GUEST_READ), host + 1);
	assert_null(guest_mem_ptr(mem, 0x5001, 8, GUEST_WRITE));
	assert_false(guest_mem_is_unshared(mem, 0x5000));
	free(host);
}

static void unshared(void **state)
{
	struct guest_mem *mem = *state;

	assert_int_equal(guest_mem_map_none(mem, 0x8000, 2 * PAGE), 0);
	assert_false(guest_mem_is_unshared(mem, 0x7fff));
	assert_true(guest_mem_is_unshared(mem, 0x8000));
	assert_true(guest_mem_is_unshared(mem, 0x9fff));
	assert_false(guest_mem_is_unshared(mem, 0xa000));
	assert_null(guest_mem_ptr(mem, 0x8000, 1, GUEST_READ));
	assert_null(guest_mem_ptr(mem, 0x8000, 1, 0));
	guest_mem_unmap(mem, 0x8000, 2 * PAGE);
	assert_false(guest_mem_is_unshared(mem, 0x8000));
}

static void bus_master(void **state)
{
	struct guest_mem *mem = *state;
	uint64_t generation;
	struct iovec iov;
	int fd = make_file(1);

	assert_int_equal(guest_mem_map_fd(mem, 0, PAGE, RW, fd, 0), 0);
	close(fd);
	generation = guest_mem_generation(mem);
	assert_non_null(guest_mem_ptr(mem, 0, 1, GUEST_READ));
	guest_mem_set_master(mem, true);
	assert_int_equal(guest_mem_generation(mem), generation);
	guest_mem_set_master(mem, false);
	assert_int_not_equal(guest_mem_generation(mem), generation);
	assert_int_equal(guest_mem_translate(mem, 0, 1, GUEST_READ, &iov, 1),
			 -EFAULT);
	guest_mem_set_master(mem, true);
	assert_non_null(guest_mem_ptr(mem, 0, 1, GUEST_READ));
}

/* Every change is told, and nothing else. */
static void generation(void **state)
{
	struct guest_mem *mem = *state;
	uint64_t before = guest_mem_generation(mem);
	int fd = make_file(2);

	assert_int_equal(guest_mem_map_fd(mem, 0, PAGE, RW, fd, 0), 0);
	assert_int_not_equal(guest_mem_generation(mem), before);
	before = guest_mem_generation(mem);
	assert_int_equal(guest_mem_map_none(mem, PAGE, PAGE), 0);
	assert_int_not_equal(guest_mem_generation(mem), before);
	before = guest_mem_generation(mem);
	guest_mem_unmap(mem, 0x100000, PAGE);
	guest_mem_unmap(mem, 0, PAGE - 1);
	guest_mem_unmap(mem, 0, 0);
	page_at(mem, 0);
	assert_int_equal(guest_mem_generation(mem), before);
	guest_mem_unmap(mem, 0, PAGE);
	assert_int_not_equal(guest_mem_generation(mem), before);
	before = guest_mem_generation(mem);
	guest_mem_unmap_all(mem);
	assert_int_not_equal(guest_mem_generation(mem), before);
	close(fd);
}

/* Lines of /proc/self/maps that tell of the files of make_file(). */
static int count_maps(void)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	int count = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "memfd:unit") != NULL;
	fclose(maps);
	return count;
}

static void one_mmap_a_file(void **state)
{
	struct guest_mem *mem = *state;
	int fd = make_file(64), other = make_file(1);

	for (uint64_t i = 0; i < 64; i++) {
		int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		assert_int_equal(guest_mem_map_fd(mem, i << 20, PAGE, RW, again,
						  i * PAGE), 0);
		close(again);
		assert_int_equal(count_maps(), 1);
	}
	assert_int_equal(guest_mem_map_fd(mem, 0xfff00000, PAGE, RW, other, 0),
			 0);
	assert_int_equal(count_maps(), 2);
	for (uint64_t i = 0; i < 63; i++)
		guest_mem_unmap(mem, i << 20, PAGE);
	assert_int_equal(count_maps(), 2);
	guest_mem_unmap(mem, 63 << 20, PAGE);
	assert_int_equal(count_maps(), 1);
	guest_mem_unmap_all(mem);
	assert_int_equal(count_maps(), 0);
	close(fd);
	close(other);
}

static void growing_file(void **state)
{
	struct guest_mem *mem = *state;
	int fd = make_file(2);
	uint8_t number = 9;

	assert_int_equal(guest_mem_map_fd(mem, 0, 2 * PAGE, RW, fd, 0), 0);
	assert_int_equal(ftruncate(fd, 100 * PAGE), 0);
	assert_int_equal(pwrite(fd, &number, 1, 99 * PAGE), 1);
	assert_int_equal(guest_mem_map_fd(mem, 0x100000, PAGE, RW, fd,
					  99 * PAGE), 0);
	close(fd);
	assert_int_equal(count_maps(), 1);
	assert_int_equal(page_at(mem, PAGE), 1);
	assert_int_equal(page_at(mem, 0x100000), 9);
}

/* Reads one byte where nobody optimizes it away. */
static uint8_t touch(const void *p)
{
	return *(const volatile uint8_t *)p;
}

static void truncated_file(void **state)
{
	struct guest_mem *mem = *state, *other = guest_mem_new();
	int fd = make_file(4), alarm = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct iovec iov;
	eventfd_t count;
	uint8_t *p;

	assert_non_null(other);
	assert_true(alarm >= 0);
	assert_int_equal(guest_mem_catch_sigbus(), 0);
	guest_mem_set_alarm(mem, alarm);
	assert_int_equal(guest_mem_map_fd(mem, 0, 4 * PAGE, RW, fd, 0), 0);
	assert_int_equal(guest_mem_map_fd(other, 0, PAGE, RW, fd, 0), 0);
	p = guest_mem_ptr(mem, 0, 4 * PAGE, RW);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(touch(p), 0);
	assert_false(guest_mem_broken(mem));
	assert_int_equal(eventfd_read(alarm, &count), -1);

	touch(p + 3 * PAGE);
	assert_true(guest_mem_broken(mem));
	assert_int_equal(eventfd_read(alarm, &count), 0);
	p[2 * PAGE] = 1;
	p[0] = 1;
	assert_int_equal(guest_mem_translate(mem, 0, 1, GUEST_READ, &iov, 1),
			 -EOWNERDEAD);
	assert_null(guest_mem_ptr(mem, 0, 1, GUEST_READ));

	/* another guest's map of the same file is another's */
	assert_false(guest_mem_broken(other));
	assert_int_equal(page_at(other, 0), 0);

	/* a new start */
	guest_mem_unmap_all(mem);
	assert_false(guest_mem_broken(mem));
	assert_int_equal(guest_mem_map_fd(mem, 0, PAGE, RW, fd, 0), 0);
	assert_int_equal(page_at(mem, 0), 0);
	guest_mem_free(other);
	close(alarm);
	close(fd);
}

/*
 * Random maps and unmaps against a plain table of pages, each look-up asked of
 * both.
 */
#define MODEL_PAGES	48u

static uint32_t random_below(uint32_t n)
{
	static uint32_t seed = 4711;

	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void check_range(struct guest_mem *mem, const int *page, uint64_t iova,
			uint64_t len)
{
	struct iovec iov[MODEL_PAGES];
	uint64_t last = (iova + len - 1) / PAGE;
	uint64_t sum = 0;
	bool there = true;
	int want = 0, n;

	for (uint64_t i = iova / PAGE; i <= last; i++) {
		there = there && i < MODEL_PAGES && page[i] >= 0;
		if (there)
			want += i == iova / PAGE || page[i] != page[i - 1] + 1;
	}
	n = guest_mem_translate(mem, iova, len, GUEST_READ, iov, MODEL_PAGES);
	assert_int_equal(n, there ? want : -EFAULT);
	for (int i = 0; i < n; i++)
		sum += iov[i].iov_len;
	if (n >= 0)
		assert_int_equal(sum, len);
	if (n >= 0 && iova % PAGE == 0)
		assert_int_equal(touch(iov[0].iov_base), page[iova / PAGE]);
}

static void against_a_model(void **state)
{
	struct guest_mem *mem = *state;
	int page[MODEL_PAGES], window[MODEL_PAGES];
	int fd = make_file(2 * MODEL_PAGES);
	int windows = 0;

	memset(page, 0xff, sizeof(page));
	memset(window, 0xff, sizeof(window));
	for (int round = 0; round < 20000; round++) {
		uint32_t first = random_below(MODEL_PAGES);
		uint32_t pages = 1 + random_below(MODEL_PAGES - first);
		uint32_t offset = random_below(MODEL_PAGES);

		if (random_below(3)) {
			bool free = true;
			int ret;

			pages = pages > 6 ? 6 : pages;
			for (uint32_t i = 0; i < pages; i++)
				free = free && window[first + i] < 0;
			ret = guest_mem_map_fd(mem, first * PAGE, pages * PAGE,
					       GUEST_READ, fd, offset * PAGE);
			assert_int_equal(ret, free ? 0 : -EEXIST);
			for (uint32_t i = 0; free && i < pages; i++) {
				page[first + i] = (int)(offset + i);
				window[first + i] = windows;
			}
			windows++;
		} else {
			guest_mem_unmap(mem, first * PAGE, pages * PAGE);
			/* a window goes when none of it is outside */
			for (uint32_t i = first; i < first + pages; i++) {
				bool outside = false;
				int w = window[i];

				for (uint32_t k = 0; k < MODEL_PAGES; k++)
					outside |= window[k] == w &&
						   (k < first ||
						    k >= first + pages);
				if (w < 0 || outside)
					continue;
				for (uint32_t k = 0; k < MODEL_PAGES; k++)
					if (window[k] == w)
						page[k] = window[k] = -1;
			}
		}
		check_range(mem, page, random_below(MODEL_PAGES * PAGE),
			    1 + random_below(4 * PAGE));
		check_range(mem, page, random_below(MODEL_PAGES) * PAGE, PAGE);
	}
	close(fd);
}

#define mem_test(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		mem_test(map_and_unmap),
		mem_test(extremes),
		mem_test(refused),
		mem_test(access_rights),
		mem_test(read_only_file),
		mem_test(pieces),
		mem_test(host_memory),
		mem_test(unshared),
		mem_test(bus_master),
		mem_test(generation),
		mem_test(one_mmap_a_file),
		mem_test(growing_file),
		mem_test(truncated_file),
		mem_test(against_a_model),
	};

	return cmocka_run_group_tests_name("guest_mem", tests, NULL, NULL);
}
