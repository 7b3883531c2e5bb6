# SPDX-License-Identifier: GPL-2.0-only
# make install, make uninstall and their parts. docs/install.md tells who needs which.

PREFIX	?= /usr/local
DESTDIR	?=

stage := $(abspath $(DESTDIR))
bindir := $(stage)$(PREFIX)/bin
includedir := $(stage)$(PREFIX)/include
mandir := $(stage)$(PREFIX)/share/man
completiondir := $(stage)$(PREFIX)/share/bash-completion/completions
dkmsdir := $(stage)/usr/src/duct-$(VERSION)
# What uname -r says, read only where it is used: not everybody has a kernel's headers. The kernelrelease of the
# kernel's Makefile is not the same in Debian's 6.1.
release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
moddir = $(stage)/lib/modules/$(release)/updates

PROGRAMS := ductnet $(basename $(notdir $(wildcard tools/ductctl.c tools/ductclient.c)))
MAN_PAGES := $(wildcard docs/man/*.[1-8])
COMPLETIONS := $(wildcard tools/completion/*)
man-section = $(patsubst .%,%,$(suffix $(1)))

.PHONY: install install-module install-tools install-dkms install-dkms-source \
	uninstall uninstall-module uninstall-tools uninstall-dkms deb

install: install-module install-tools

uninstall: uninstall-module uninstall-tools

# Debian signs its own modules with a key that nobody else has, so the kernel's build must not look for it, and its
# headers have no System.map, without which it does not call depmod.
install-module: module
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(stage) INSTALL_MOD_DIR=updates \
	  CONFIG_MODULE_SIG_ALL= DEPMOD=true modules_install
	$(if $(stage),,depmod $(release))

uninstall-module:
	@test -n "$(release)" || { echo "No kernel headers in $(KDIR): give KDIR=." >&2; exit 1; }
	rm -f $(moddir)/duct.ko $(moddir)/duct.ko.gz $(moddir)/duct.ko.xz $(moddir)/duct.ko.zst
	[ ! -d $(moddir) ] || rmdir --ignore-fail-on-non-empty $(moddir)
	$(if $(stage),,depmod $(release))

install-tools: tools
	install -d $(bindir) $(includedir)/linux $(includedir)/dev $(mandir)/man1
	install -m 755 $(PROGRAMS:%=$(B)/bin/%) $(bindir)
	install -m 644 include/uapi/linux/duct.h $(includedir)/linux
	install -m 644 include/dev/ductvar.h $(includedir)/dev
	set -e; for page in $(MAN_PAGES); do \
	  install -D -m 644 $$page $(mandir)/man$${page##*.}/$${page##*/}; \
	done
	set -e; for file in $(COMPLETIONS); do \
	  install -D -m 644 $$file $(completiondir)/$${file##*/}; \
	done

uninstall-tools:
	rm -f $(PROGRAMS:%=$(bindir)/%) $(includedir)/linux/duct.h $(includedir)/dev/ductvar.h \
	  $(foreach p,$(MAN_PAGES),$(mandir)/man$(call man-section,$(p))/$(notdir $(p))) \
	  $(COMPLETIONS:tools/completion/%=$(completiondir)/%)
	for dir in $(includedir)/linux $(includedir)/dev; do \
	  [ ! -d $$dir ] || rmdir --ignore-fail-on-non-empty $$dir; \
	done

# What DKMS needs of the source, and no Makefile: the kernel's build reads Kbuild.
install-dkms-source:
	install -d $(dkmsdir)/driver $(dkmsdir)/include/uapi/linux
	install -m 644 dkms.conf Kbuild $(dkmsdir)
	install -m 644 $(wildcard driver/*.[ch]) $(dkmsdir)/driver
	install -m 644 $(wildcard include/*.h) $(dkmsdir)/include
	install -m 644 $(wildcard include/uapi/linux/*.h) $(dkmsdir)/include/uapi/linux

# With DESTDIR there is no dkms to tell of it.
ifeq ($(stage),)
install-dkms: uninstall-dkms
	$(MAKE) install-dkms-source
	dkms install duct/$(VERSION)

uninstall-dkms:
	[ -z "$$(dkms status duct/$(VERSION))" ] || dkms remove duct/$(VERSION) --all
	rm -rf $(dkmsdir)
else
install-dkms: install-dkms-source

uninstall-dkms:
	rm -rf $(dkmsdir)
endif

deb:
	scripts/deb
