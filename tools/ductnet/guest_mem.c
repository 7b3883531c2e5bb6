// SPDX-License-Identifier: GPL-2.0-only
#include "guest_mem.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The unit of the map; a window starts and ends at a multiple of it. */
#define GUEST_PAGE	4096u

/* A file's only mapping in one guest_mem, whole, shared by its windows. */
struct file_map {
	struct file_map *next;
	struct guest_mem *mem;
	dev_t dev;
	ino_t ino;
	uint8_t *base;
	size_t size;
	bool writable;
	unsigned int refs;		/* windows */
	volatile sig_atomic_t broken;
};

struct window {
	uint64_t iova;
	uint64_t size;
	unsigned int access;
	uint8_t *host;			/* NULL: exists, but can not be reached */
	struct file_map *file;		/* NULL: not a file's */
	uint64_t offset;		/* in @file */
};

struct guest_mem {
	struct window *window;		/* sorted by iova, no two overlap */
	size_t count;
	size_t room;
	size_t hit;			/* where the last look-up ended: a guess */
	uint64_t generation;
	bool master;
	int alarm;			/* eventfd, or -1 */
	volatile sig_atomic_t broken;
};

/* Of all guests: the SIGBUS handler finds the torn one here. */
static struct file_map *files;
static struct sigaction previous_sigbus;

struct guest_mem *guest_mem_new(void)
{
	struct guest_mem *mem = calloc(1, sizeof(*mem));

	if (!mem)
		return NULL;
	mem->master = true;
	mem->alarm = -1;
	return mem;
}

void guest_mem_free(struct guest_mem *mem)
{
	if (!mem)
		return;
	guest_mem_unmap_all(mem);
	free(mem->window);
	free(mem);
}

/* Return: index of the first window that ends behind @iova, or the count. */
static size_t window_lookup(const struct guest_mem *mem, uint64_t iova)
{
	size_t low = 0, high = mem->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct window *w = &mem->window[mid];

		if (iova > w->iova && iova - w->iova >= w->size)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool window_holds(const struct guest_mem *mem, size_t i, uint64_t iova)
{
	return i < mem->count && iova >= mem->window[i].iova &&
	       iova - mem->window[i].iova < mem->window[i].size;
}

/* Return: the window @iova lies in, or NULL. */
static const struct window *window_at(struct guest_mem *mem, uint64_t iova)
{
	size_t i = mem->hit;

	if (!window_holds(mem, i, iova)) {
		i = window_lookup(mem, iova);
		if (!window_holds(mem, i, iova))
			return NULL;
		mem->hit = i;
	}
	return &mem->window[i];
}

/* Maps all of @fd. Return: 0 or -errno. */
static int file_mmap(struct file_map *file, int fd, const struct stat *st,
		     unsigned int access)
{
	size_t size = (size_t)st->st_size;
	bool writable = true;
	void *base;

	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED && (errno == EACCES || errno == EPERM) &&
	    !(access & GUEST_WRITE)) {
		writable = false;
		base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	}
	if (base == MAP_FAILED)
		return -errno;

	madvise(base, size, MADV_DONTDUMP);	/* a core needs no guest in it */
	file->base = base;
	file->size = size;
	file->writable = writable;
	return 0;
}

/* The file grew, or is to be written for the first time: map it anew. */
static int file_remap(struct file_map *file, int fd, const struct stat *st,
		      unsigned int access)
{
	struct guest_mem *mem = file->mem;
	uint8_t *old_base = file->base;
	size_t old_size = file->size;
	int err;

	err = file_mmap(file, fd, st, file->writable ? GUEST_WRITE : access);
	if (err)
		return err;
	munmap(old_base, old_size);
	for (size_t i = 0; i < mem->count; i++) {
		struct window *w = &mem->window[i];

		if (w->file == file)
			w->host = file->base + w->offset;
	}
	return 0;
}

/* Return: 0 with the mapping of @fd, good for @end and @access, or -errno. */
static int file_get(struct guest_mem *mem, int fd, const struct stat *st,
		    uint64_t end, unsigned int access, struct file_map **got)
{
	struct file_map *file;
	int err;

	for (file = files; file; file = file->next)
		if (file->mem == mem && file->dev == st->st_dev &&
		    file->ino == st->st_ino)
			break;
	if (file) {
		if (end > file->size ||
		    ((access & GUEST_WRITE) && !file->writable)) {
			err = file_remap(file, fd, st, access);
			if (err)
				return err;
		}
		file->refs++;
		*got = file;
		return 0;
	}

	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	err = file_mmap(file, fd, st, access);
	if (err) {
		free(file);
		return err;
	}
	file->mem = mem;
	file->dev = st->st_dev;
	file->ino = st->st_ino;
	file->refs = 1;
	file->next = files;
	files = file;
	*got = file;
	return 0;
}

static void file_put(struct file_map *file)
{
	struct file_map **link = &files;

	if (!file || --file->refs)
		return;
	while (*link != file)
		link = &(*link)->next;
	*link = file->next;
	munmap(file->base, file->size);
	free(file);
}

/*
 * Checks a new window's range and makes room for it.
 * Return: 0 with its future index in @at, or -errno.
 */
static int window_prepare(struct guest_mem *mem, uint64_t iova, uint64_t size,
			  size_t *at)
{
	size_t i;

	if (!size || iova % GUEST_PAGE || size % GUEST_PAGE ||
	    size - 1 > UINT64_MAX - iova || size > SIZE_MAX)
		return -EINVAL;

	i = window_lookup(mem, iova);
	if (window_holds(mem, i, iova) ||
	    (i < mem->count && mem->window[i].iova - iova < size))
		return -EEXIST;

	if (mem->count == mem->room) {
		size_t room = mem->room ? 2 * mem->room : 16;
		struct window *window;

		window = reallocarray(mem->window, room, sizeof(*window));
		if (!window)
			return -ENOMEM;
		mem->window = window;
		mem->room = room;
	}
	*at = i;
	return 0;
}

static void window_insert(struct guest_mem *mem, size_t at,
			  const struct window *w)
{
	memmove(&mem->window[at + 1], &mem->window[at],
		(mem->count - at) * sizeof(*w));
	mem->window[at] = *w;
	mem->count++;
	mem->generation++;
}

int guest_mem_map_fd(struct guest_mem *mem, uint64_t iova, uint64_t size,
		     unsigned int access, int fd, uint64_t offset)
{
	struct window w = { .iova = iova, .size = size, .access = access,
			    .offset = offset };
	struct stat st;
	uint64_t length;
	size_t at;
	int err;

	err = window_prepare(mem, iova, size, &at);
	if (err)
		return err;
	if (fstat(fd, &st))
		return -errno;
	length = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	if (offset % GUEST_PAGE || size > length || offset > length - size)
		return -EINVAL;
	err = file_get(mem, fd, &st, offset + size, access, &w.file);
	if (err)
		return err;
	w.host = w.file->base + offset;
	window_insert(mem, at, &w);
	return 0;
}

int guest_mem_map_host(struct guest_mem *mem, uint64_t iova, uint64_t size,
		       unsigned int access, void *host)
{
	struct window w = { .iova = iova, .size = size, .access = access,
			    .host = host };
	size_t at;
	int err;

	err = window_prepare(mem, iova, size, &at);
	if (err)
		return err;
	window_insert(mem, at, &w);
	return 0;
}

int guest_mem_map_none(struct guest_mem *mem, uint64_t iova, uint64_t size)
{
	return guest_mem_map_host(mem, iova, size, 0, NULL);
}

void guest_mem_unmap(struct guest_mem *mem, uint64_t iova, uint64_t size)
{
	uint64_t last;
	size_t from, to;

	if (!size)
		return;
	/* A guest's IOMMU asks for more than there can be: saturate. */
	last = size - 1 > UINT64_MAX - iova ? UINT64_MAX : iova + (size - 1);

	from = window_lookup(mem, iova);
	if (from < mem->count && mem->window[from].iova < iova)
		from++;				/* begins before the range */
	for (to = from; to < mem->count; to++) {
		const struct window *w = &mem->window[to];

		if (w->iova > last || w->size - 1 > last - w->iova)
			break;
		file_put(w->file);
	}
	if (from == to)
		return;
	memmove(&mem->window[from], &mem->window[to],
		(mem->count - to) * sizeof(*mem->window));
	mem->count -= to - from;
	mem->generation++;
}

void guest_mem_unmap_all(struct guest_mem *mem)
{
	for (size_t i = 0; i < mem->count; i++)
		file_put(mem->window[i].file);
	if (mem->count)
		mem->generation++;
	mem->count = 0;
	mem->broken = 0;
}

void guest_mem_set_master(struct guest_mem *mem, bool on)
{
	if (mem->master == on)
		return;
	mem->master = on;
	mem->generation++;
}

int guest_mem_translate(struct guest_mem *mem, uint64_t iova, uint64_t len,
			unsigned int access, struct iovec *iov, int max)
{
	int n = 0;

	if (!len)
		return 0;
	if (!mem->master || len - 1 > UINT64_MAX - iova)
		return -EFAULT;

	while (len) {
		const struct window *w = window_at(mem, iova);
		uint64_t skip, part;
		uint8_t *host;

		if (!w || !w->host || (w->access & access) != access)
			return -EFAULT;
		if (w->file && w->file->broken)
			return -EOWNERDEAD;

		skip = iova - w->iova;
		part = len < w->size - skip ? len : w->size - skip;
		host = w->host + skip;
		if (n && (uint8_t *)iov[n - 1].iov_base +
			 iov[n - 1].iov_len == host) {
			iov[n - 1].iov_len += part;
		} else {
			if (n >= max)
				return -E2BIG;
			iov[n].iov_base = host;
			iov[n].iov_len = part;
			n++;
		}
		iova += part;
		len -= part;
	}
	return n;
}

void *guest_mem_ptr(struct guest_mem *mem, uint64_t iova, uint64_t len,
		    unsigned int access)
{
	struct iovec iov;

	if (guest_mem_translate(mem, iova, len, access, &iov, 1) != 1)
		return NULL;
	return iov.iov_base;
}

bool guest_mem_is_unshared(const struct guest_mem *mem, uint64_t iova)
{
	size_t i = window_lookup(mem, iova);

	return window_holds(mem, i, iova) && !mem->window[i].host;
}

bool guest_mem_broken(const struct guest_mem *mem)
{
	return mem->broken;
}

void guest_mem_set_alarm(struct guest_mem *mem, int eventfd)
{
	mem->alarm = eventfd;
}

uint64_t guest_mem_generation(const struct guest_mem *mem)
{
	return mem->generation;
}

/*
 * Puts private memory in the place of a file that lost pages. In the place of
 * all of it: where huge pages end need not be known, nothing of it will be
 * translated any more, and it can not fault twice.
 */
static bool file_patch(struct file_map *file)
{
	return mmap(file->base, file->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		    -1, 0) != MAP_FAILED;
}

static void sound_alarm(const struct guest_mem *mem)
{
	uint64_t one = 1;
	ssize_t written;

	if (mem->alarm < 0)
		return;
	written = write(mem->alarm, &one, sizeof(one));
	(void)written;
}

/*
 * Runs where the card touches guest memory, so that no list changes under it.
 * A SIGBUS that is not guest memory's falls back to what was there before: the
 * same access raises it again.
 */
static void on_sigbus(int signal, siginfo_t *info, void *context)
{
	const uint8_t *fault = info->si_addr;
	int saved = errno;

	(void)context;
	for (struct file_map *file = files; file; file = file->next) {
		if (info->si_code <= 0 || fault < file->base ||
		    fault >= file->base + file->size)
			continue;
		if (!file_patch(file))
			break;
		file->broken = 1;
		file->mem->broken = 1;
		sound_alarm(file->mem);
		errno = saved;
		return;
	}
	sigaction(signal, &previous_sigbus, NULL);
	if (info->si_code <= 0)			/* kill() does not repeat itself */
		raise(signal);
	errno = saved;
}

int guest_mem_catch_sigbus(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus,
				    .sa_flags = SA_SIGINFO };

	sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, &previous_sigbus) ? -errno : 0;
}
