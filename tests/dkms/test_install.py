# SPDX-License-Identifier: GPL-2.0-only
"""make install and make deb, on this machine."""

import os
import re
import shutil
import subprocess

import pytest

from ductvm.paths import TOP, script

MODULE = re.compile(r"lib/modules/6\.1\.[^/]*/updates/duct\.ko")
TOOLS = {
    "bin/ductnet", "bin/ductctl", "bin/ductclient",
    "include/linux/duct.h", "include/dev/ductvar.h",
    "share/man/man1/ductnet.1", "share/man/man1/ductctl.1", "share/man/man1/ductclient.1", "share/man/man4/duct.4",
    *(f"share/bash-completion/completions/{name}" for name in ("ductnet", "ductctl", "ductclient")),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the sources, to build in."""
    tree = tmp_path_factory.mktemp("source") / "duct"
    shutil.copytree(TOP, tree, ignore=shutil.ignore_patterns(".git", "build", "*.o", "*.ko", "*.cmd", "*.mod*"))
    return tree


@pytest.fixture
def make(tree):
    """make(TARGET, VARIABLE...) in it, with the headers and the compiler of Debian's 6.1."""
    root = script("kernel", "6.1") / "root"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    environment["PATH"] = f"{root}/usr/bin:{environment['PATH']}:/sbin:/usr/sbin"

    def run(*words):
        result = subprocess.run(["make", "-C", tree, f"KDIR={root}/headers", *words], env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert result.returncode == 0, result.stdout
        return result.stdout
    return run


def files(directory):
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def test_install_and_uninstall(make, tmp_path):
    make("install", f"DESTDIR={tmp_path}")
    installed = files(tmp_path)
    assert {path for path in installed if not MODULE.fullmatch(path)} == {f"usr/local/{path}" for path in TOOLS}
    assert len(installed) == len(TOOLS) + 1, "the module is one file"
    make("uninstall", f"DESTDIR={tmp_path}")
    assert files(tmp_path) == set()


def test_uninstall_leaves_what_others_installed(make, tmp_path):
    make("install-tools", f"DESTDIR={tmp_path}", "PREFIX=/opt/duct")
    assert files(tmp_path) == {f"opt/duct/{path}" for path in TOOLS}
    other = tmp_path / "opt/duct/include/linux/other.h"
    other.touch()
    make("uninstall-tools", f"DESTDIR={tmp_path}", "PREFIX=/opt/duct")
    assert files(tmp_path) == {"opt/duct/include/linux/other.h"}


def test_tools_need_no_kernel_headers(make, tmp_path):
    make("install-tools", f"DESTDIR={tmp_path}", "KDIR=/nonexistent")
    make("install-dkms", f"DESTDIR={tmp_path}", "KDIR=/nonexistent")
    make("uninstall-dkms", "uninstall-tools", f"DESTDIR={tmp_path}", "KDIR=/nonexistent")
    assert files(tmp_path) == set()


def test_source_for_dkms_builds(make, tmp_path):
    """With nothing but what DKMS gets, as DKMS does it."""
    make("install-dkms", f"DESTDIR={tmp_path}")
    source, = (tmp_path / "usr/src").iterdir()
    assert not (source / "Makefile").exists()
    make("-C", script("kernel", "6.1") / "root" / "headers", f"M={source}")
    assert (source / "duct.ko").exists()


@pytest.mark.parametrize("compiler,llvm", [("CLANG", "1"), ("GCC", "")])
def test_module_is_built_with_the_kernels_compiler(make, tmp_path, compiler, llvm):
    (tmp_path / ".config").write_text(f"CONFIG_CC_IS_{compiler}=y\n")
    (tmp_path / "Makefile").write_text("modules:\n\t@echo 'LLVM=<$(LLVM)>'\n")
    assert f"LLVM=<{llvm}>" in make("module", f"KDIR={tmp_path}")


def test_versions_agree(tree):
    wanted = re.search(r"^VERSION\s*:= (\S+)$", (tree / "Makefile").read_text(), re.MULTILINE)[1]
    assert f'PACKAGE_VERSION="{wanted}"\n' in (tree / "dkms.conf").read_text()
    assert (tree / "debian/changelog").read_text().startswith(f"duct ({wanted}) ")


def test_dkms_conf_is_for_kernels_from_6_1_on(tree):
    conf = dict(re.findall(r'^(\w+)(?:\[0\])?="(.*)"$', (tree / "dkms.conf").read_text(), re.MULTILINE))
    for release in "6.1.0-56-amd64", "6.10.3", "6.12.95+deb12-amd64", "7.0-rc1", "7.3.4+deb13-amd64", "10.1.0":
        assert re.search(conf["BUILD_EXCLUSIVE_KERNEL"], release), release
    for release in "5.10.0-30-amd64", "5.7.1", "6.0.1", "4.19.0", "2.6.32":
        assert not re.search(conf["BUILD_EXCLUSIVE_KERNEL"], release), release
    assert not {"CLEAN", "MAKE", "REMAKE_INITRD"} & set(conf)
    for series in "6.1", "6.12", "7.3":
        config = (script("kernel", series) / "root/headers/.config").read_text()
        for option in conf["BUILD_EXCLUSIVE_CONFIG"].split():
            assert f"\n{option}=y\n" in config, f"{series}: {option}"


def test_packages_have_what_they_should(packages):
    assert sorted(path.name.split("_")[0] for path in packages) == ["duct-dkms", "duct-utils"]
    for path in packages:
        listing = subprocess.run(["dpkg-deb", "-c", path], stdout=subprocess.PIPE, text=True, check=True).stdout
        names = {line.split()[5].removeprefix("./") for line in listing.splitlines()}
        owners = {line.split()[1] for line in listing.splitlines()}
        assert owners == {"root/root"}
        if path.name.startswith("duct-dkms"):
            assert "usr/src/duct-0.1.0/dkms.conf" in names
            assert not any(name.startswith(("usr/bin", "lib/modules")) for name in names)
        else:
            assert {f"usr/{name}" if "/man/" not in name else f"usr/{name}.gz" for name in TOOLS} <= names


def test_installed_headers_compile(make, tmp_path):
    """Programs find both headers, and need nothing else of the sources."""
    make("install-tools", f"DESTDIR={tmp_path}")
    for header in "linux/duct.h", "dev/ductvar.h":
        subprocess.run(["gcc", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-I",
                        tmp_path / "usr/local/include", "-"],
                       input=f"#include <{header}>\nint number = DUCTIOC_GET_INFO; struct duct_packet_hdr header;\n",
                       text=True, check=True)
