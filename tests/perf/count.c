// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin for QEMU that counts what a guest does, in a file that others map:
 * struct counts. A guest has one processor.
 *
 *   -plugin count.so,counts=PATH
 *
 * To look at each access to memory makes a guest ten times as slow, and then it
 * is not under load any more. So accesses to devices are counted in two steps:
 * WATCH_ALL finds the instructions that make them, and WATCH_KNOWN looks at
 * those only. Whoever maps the file writes what he wants to @wanted; @mode
 * follows. Accesses to interrupt controllers are left out: they are no device's.
 *
 * What QEMU offers plugins is declared here, since no package has its header.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT		__attribute__((visibility("default")))
#define API_VERSION	7
#define CB_NO_REGS	0
#define MEM_RW		3
#define KNOWN_MAX	4096u
#define APIC_FIRST	0xfec00000u
#define APIC_LAST	0xfeefffffu

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_info_t;

void qemu_plugin_reset(uint64_t id, void (*cb)(void *data), void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
	void (*cb)(struct qemu_plugin_tb *tb, void *data), void *data);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
	void (*cb)(unsigned int vcpu, void *data), int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
	void (*cb)(unsigned int vcpu, uint32_t info, uint64_t vaddr,
		   void *data), int flags, int rw, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info,
						  uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *haddr);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *haddr);
bool qemu_plugin_mem_is_store(uint32_t info);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = API_VERSION;

enum mode { WATCH_NOTHING, WATCH_ALL, WATCH_KNOWN };

static struct counts {
	uint64_t instructions;
	uint64_t io_reads;
	uint64_t io_writes;
	uint64_t wanted;		/* enum mode */
	uint64_t mode;
	uint64_t known;			/* instructions that access devices */
} *counts;
static uint64_t known[KNOWN_MAX];	/* their addresses, by hash */
static uint64_t plugin_id;
static bool resetting;

static uint64_t *find_known(uint64_t pc)
{
	size_t i = (size_t)(pc * 0x9e3779b97f4a7c15u >> 32) % KNOWN_MAX;

	while (known[i] && known[i] != pc)
		i = (i + 1) % KNOWN_MAX;
	return &known[i];
}

static void on_access(unsigned int vcpu, uint32_t info, uint64_t vaddr,
		      void *data)
{
	const struct qemu_plugin_hwaddr *haddr;
	uint64_t *place, addr;

	(void)vcpu;
	haddr = qemu_plugin_get_hwaddr(info, vaddr);
	if (!haddr || !qemu_plugin_hwaddr_is_io(haddr))
		return;
	addr = qemu_plugin_hwaddr_phys_addr(haddr);
	if (addr >= APIC_FIRST && addr <= APIC_LAST)
		return;
	if (qemu_plugin_mem_is_store(info))
		counts->io_writes++;
	else
		counts->io_reads++;
	place = find_known((uintptr_t)data);
	/* One place stays free, for searches to end at. */
	if (!*place && counts->known < KNOWN_MAX - 1) {
		*place = (uintptr_t)data;
		counts->known++;
	}
}

static void start(void *data);

static void on_block(unsigned int vcpu, void *data)
{
	(void)vcpu;
	counts->instructions += (uintptr_t)data;
	if (counts->wanted != counts->mode && !resetting) {
		resetting = true;
		qemu_plugin_reset(plugin_id, start, NULL);
	}
}

static void on_translation(struct qemu_plugin_tb *tb, void *data)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)data;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, CB_NO_REGS,
					     (void *)(uintptr_t)n);
	if (counts->mode == WATCH_NOTHING)
		return;
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t pc = qemu_plugin_insn_vaddr(insn);

		if (counts->mode == WATCH_ALL || *find_known(pc))
			qemu_plugin_register_vcpu_mem_cb(insn, on_access,
							 CB_NO_REGS, MEM_RW,
							 (void *)pc);
	}
}

/* In the beginning, and after each reset: everything is translated anew. */
static void start(void *data)
{
	(void)data;
	resetting = false;
	counts->mode = counts->wanted;
	qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translation, NULL);
}

EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info_t *info,
			       int argc, char **argv);
EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info_t *info,
			       int argc, char **argv)
{
	const char *path = NULL;
	int fd;

	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "counts=", 7))
			path = argv[i] + 7;
	fd = path ? open(path, O_RDWR | O_CREAT, 0600) : -1;
	if (fd < 0 || ftruncate(fd, sizeof(*counts))) {
		fprintf(stderr, "count: cannot make the file\n");
		return -1;
	}
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	close(fd);
	if (counts == MAP_FAILED)
		return -1;
	plugin_id = id;
	start(NULL);
	return 0;
}
