# SPDX-License-Identifier: GPL-2.0-only
"""The packages on a Debian with one kernel: the module is built, found by udev, and works."""

import re


def test_dkms_has_built_and_installed_the_module(installed):
    assert installed.dkms_status() == {installed.release(): "installed"}


def test_modprobe_takes_the_module_of_dkms(installed):
    path = installed.run("modinfo -n duct").strip()
    assert path.startswith(f"/lib/modules/{installed.release()}/updates/dkms/duct.ko")
    assert installed.run("modinfo -F vermagic duct").split()[0] == installed.release()


def test_module_is_signed_with_the_key_of_dkms(installed):
    assert installed.run("modinfo -F signer duct").strip() == "DKMS module signing key"


def test_udev_loads_it_by_its_alias(installed):
    installed.run("udevadm trigger --action=add --subsystem-match=pci; udevadm settle")
    assert {"duct0", "duct1"} <= set(installed.run("ls /sys/class/net").split())


def test_loaded_module_is_the_one_on_the_disk(loaded):
    assert loaded.build_id_on_disk() == loaded.build_id_loaded()


def test_packets_travel(loaded):
    assert loaded.ping().count(" 0% packet loss") == 1
    assert "driver: duct" in loaded.run("ethtool -i duct0")


def test_tools_and_their_pages_are_installed(installed):
    for program in "ductctl", "ductclient", "ductnet":
        assert installed.run(f"command -v {program}").strip() == f"/usr/bin/{program}"
        assert re.search(r"\d+\.\d+", installed.run(f"{program} --version 2>&1 || {program} -V 2>&1"))
    listing = installed.run("dpkg -L duct-utils").split()
    for path in ("/usr/include/linux/duct.h", "/usr/include/dev/ductvar.h", "/usr/share/man/man4/duct.4.gz",
                 "/usr/share/bash-completion/completions/ductctl"):
        assert path in listing
    assert not installed.guest.ok("ls /etc/udev/rules.d/*duct* /usr/lib/udev/rules.d/*duct*"), \
        "the rule is an example, and must not be active"
