// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin for QEMU that counts what a guest does, in a file that others map:
 * instructions, and reads and writes of devices' memory. Each is 64 bits.
 *
 *   -plugin count.so,counts=PATH[,io=on]
 *
 * Accesses are counted with io=on only, which makes the guest slow. Those of
 * interrupt controllers are left out: they are no device's. A guest has one
 * processor. What QEMU offers plugins is declared here, since no package has
 * its header.
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
#define APIC_FIRST	0xfec00000u
#define APIC_LAST	0xfeefffffu

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_info_t;

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

EXPORT int qemu_plugin_version = API_VERSION;

static struct counts {
	uint64_t instructions;
	uint64_t io_reads;
	uint64_t io_writes;
} *counts;
static bool with_io;

static void on_block(unsigned int vcpu, void *data)
{
	(void)vcpu;
	counts->instructions += (uintptr_t)data;
}

static void on_access(unsigned int vcpu, uint32_t info, uint64_t vaddr,
		      void *data)
{
	const struct qemu_plugin_hwaddr *haddr;
	uint64_t addr;

	(void)vcpu;
	(void)data;
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
}

static void on_translation(struct qemu_plugin_tb *tb, void *data)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)data;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, CB_NO_REGS,
					     (void *)(uintptr_t)n);
	for (size_t i = 0; with_io && i < n; i++)
		qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i),
						 on_access, CB_NO_REGS, MEM_RW,
						 NULL);
}

EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info_t *info,
			       int argc, char **argv);
EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info_t *info,
			       int argc, char **argv)
{
	const char *path = NULL;
	int fd;

	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "counts=", 7))
			path = argv[i] + 7;
		else if (!strcmp(argv[i], "io=on"))
			with_io = true;
	}
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
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation, NULL);
	return 0;
}
