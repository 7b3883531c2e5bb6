# SPDX-License-Identifier: GPL-2.0-only
"""A Debian with the packages gets a newer kernel: DKMS builds the module for it, and the next boot has it."""

from conftest import BUILD_TIMEOUT


def test_new_kernel_gets_the_module(installed):
    old = installed.release()
    installed.run("apt-get install -y /var/cache/duct/*.deb", BUILD_TIMEOUT)
    new = [release for release in installed.run("ls /lib/modules").split() if release != old]
    assert len(new) == 1 and new[0].startswith("6.12")
    assert installed.dkms_status() == {old: "installed", new[0]: "installed"}
    installed.reboot(new[0])
    assert installed.release() == new[0]


def test_next_boot_has_the_card(installed):
    """udev has found the driver by itself."""
    assert installed.release().startswith("6.12")
    assert installed.build_id_on_disk() == installed.build_id_loaded()
    assert installed.ping().count(" 0% packet loss") == 1


def test_reinstallation_builds_for_all_kernels(installed):
    before = installed.dkms_status()
    installed.run("dpkg-reconfigure duct-dkms", BUILD_TIMEOUT)
    assert installed.dkms_status() == before
