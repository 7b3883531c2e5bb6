# SPDX-License-Identifier: GPL-2.0-only
# `make` builds everything, `make help` tells what else there is.
# The module is described in Kbuild, which the kernel's build reads.

VERSION	:= 0.1.0
KDIR	?= /lib/modules/$(shell uname -r)/build
B	?= build

CC	?= cc
CFLAGS	?= -O2 -g
WARN	:= -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
	   -Wmissing-prototypes
DEFS	:= -D_GNU_SOURCE -DDUCT_VERSION='"$(VERSION)"'
INCS	:= -Iinclude -Iinclude/uapi -Itools -Itools/ductnet -Itests/lib
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(DEFS) $(INCS) $(SANITIZE) -MMD -MP
ALL_LDFLAGS = $(LDFLAGS) $(SANITIZE)

DUCTNET_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard tools/ductnet/*.c))
CORE_OBJS := $(filter-out %/main.o,$(DUCTNET_OBJS))
TOOL_OBJS := $(B)/tools/duct_client.o $(B)/tools/duct_text.o
TOOLS := $(B)/bin/ductctl $(B)/bin/ductclient
LIB_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
WIRE_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/wire/test_*.c))
# Programs that run in guests, and test /dev/ductN there.
GUEST_TESTS := $(patsubst tests/chardev/%.c,$(B)/guest/%,$(wildcard tests/chardev/test_*.c))
GUEST_TOOLS := $(addprefix $(B)/guest/,ductio stress)
GUEST_PROGRAMS := $(GUEST_TESTS) $(GUEST_TOOLS) $(B)/guest/gso $(B)/guest/openbsd $(B)/guest/compat32

# A module is built with the compiler of its kernel.
ifneq ($(shell grep -s '^CONFIG_CC_IS_CLANG=y' $(KDIR)/.config),)
export LLVM ?= 1
endif

.PHONY: all help module tools ductnet guest-tests perf bench unit wire sanitize \
	test check demo shell setup clean
.SECONDARY:

all: module tools

help:
	@echo "make            the module for KDIR, ductnet and the tools"
	@echo "make module     duct.ko alone; KDIR=DIR for another kernel's headers"
	@echo "make tools      ductnet and the tools, in build/bin"
	@echo "make demo       two guests on one Ductnet, shown live"
	@echo "make shell      a guest's console, with a second guest to talk to"
	@echo "make test       all tests: unit, wire, sanitized, guests"
	@echo "make unit wire  the tests that need no guest"
	@echo "make guest-tests  the programs that test the driver inside guests"
	@echo "make sanitize   the same under ASAN and UBSAN"
	@echo "make bench      how fast it is, against other network cards"
	@echo "make check      what CI runs: every kernel, checkpatch, clang, make test"
	@echo "make install    the module for KDIR and the tools, to PREFIX=/usr/local; DESTDIR=DIR"
	@echo "make install-dkms       have DKMS build the module, for each new kernel too"
	@echo "make uninstall, make uninstall-dkms     the contrary"
	@echo "make deb        Debian packages, in build/deb"
	@echo "make setup      install the packages all of this needs"
	@echo "make clean      remove what was built; caches stay in ~/.cache/duct"

module:
	@test -e $(KDIR)/Makefile || { \
	  echo "No kernel headers in $(KDIR): install linux-headers-$$(uname -r)," \
	       "or give KDIR=." >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

tools: ductnet $(TOOLS)
ductnet: $(B)/bin/ductnet

$(B)/bin/ductnet: $(DUCTNET_OBJS)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^

$(TOOLS): $(B)/bin/%: $(B)/tools/%.o $(TOOL_OBJS)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

# The driver's own header, in a program.
$(B)/tests/unit/test_doorbell.o: INCS += -Itests/unit/kernel

$(UNIT_TESTS): $(B)/%: $(B)/%.o $(CORE_OBJS) $(TOOL_OBJS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka

PERF := $(addprefix $(B)/tests/perf/,bus count.so guest/load peer)

$(B)/tests/perf/bus: $(B)/tests/perf/bus.o $(LIB_OBJS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^

$(B)/tests/perf/peer: $(B)/tests/perf/peer.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lvdeplug

$(B)/tests/perf/count.so: tests/perf/count.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MF $@.d -shared -fPIC -fvisibility=hidden -o $@ $<

$(B)/tests/perf/guest/load: $(B)/tests/perf/guest/load.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^

perf: $(PERF)

bench:
	scripts/bench

$(WIRE_TESTS): $(B)/%: $(B)/%.o $(LIB_OBJS)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka

$(GUEST_TESTS): $(B)/guest/%: $(B)/tests/chardev/%.o $(B)/tests/chardev/cards.o \
		$(B)/tests/chardev/chardev.o
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka -l:liburing.a

$(GUEST_TOOLS): $(B)/guest/%: $(B)/tests/chardev/%.o
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^

$(B)/guest/gso: $(B)/tests/guest/gso.o
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^

# As a program for OpenBSD is built here: nothing but this project's headers and libbsd, and no warning.
$(B)/guest/openbsd: tests/chardev/openbsd.c include/dev/ductvar.h include/uapi/linux/duct.h Makefile
	@mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -Wconversion -Werror -Iinclude -Iinclude/uapi -o $@ $< -l:libbsd.a -l:libmd.a

# 32 bits, without needing libraries of 32 bits.
$(B)/guest/compat32: tests/chardev/compat32.c Makefile
	@mkdir -p $(@D)
	$(CC) -m32 -std=gnu11 -O2 $(WARN) -ffreestanding -fno-pic -no-pie -fno-stack-protector -nostdlib -static -o $@ $<

guest-tests: $(GUEST_PROGRAMS)

unit: $(TOOLS) $(UNIT_TESTS)
	DUCT_TOOLS=$(B)/bin scripts/run-tests $(UNIT_TESTS)
	/usr/bin/python3 -B -m pytest -q --tb=short -p no:cacheprovider tests/perf

wire: $(B)/bin/ductnet $(WIRE_TESTS)
	DUCTNET=$(B)/bin/ductnet scripts/run-tests $(WIRE_TESTS)

sanitize:
	$(MAKE) B=build/sanitize CFLAGS="-O1 -g -fno-omit-frame-pointer" \
	  SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=all" unit wire

setup:
	scripts/setup

test:
	scripts/test

check:
	scripts/check

demo:
	scripts/demo

shell:
	scripts/shell

include scripts/install.mk

clean:
	rm -rf build
	rm -f duct.ko duct.o duct.mod duct.mod.c duct.mod.o Module.symvers \
	      modules.order .*.cmd driver/*.o driver/.*.cmd

-include $(DUCTNET_OBJS:.o=.d) $(LIB_OBJS:.o=.d)
-include $(TOOL_OBJS:.o=.d) $(TOOLS:$(B)/bin/%=$(B)/tools/%.d)
-include $(UNIT_TESTS:=.d) $(WIRE_TESTS:=.d)
-include $(wildcard $(B)/tests/chardev/*.d)
