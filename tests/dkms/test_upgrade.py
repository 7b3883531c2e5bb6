# SPDX-License-Identifier: GPL-2.0-only
"""A Debian with the packages gets a newer kernel: DKMS builds the module for it, and the next boot has it."""

from conftest import BUILD_TIMEOUT


def test_new_kernel_gets_the_module(installed):
    old = installed.release()
    installed.run("apt-get install -y /var/cache/duct/*.deb", BUILD_TIMEOUT)
    new, = set(installed.run("ls /lib/modules").split()) - {old}
    assert new.startswith("6.12")
    assert installed.dkms_status() == {old: "installed", new: "installed"}
    installed.reboot(new)
    assert installed.release() == new


def test_next_boot_has_the_card(installed):
    """udev has found the driver by itself, and not in the initramfs, although that is younger than the module."""
    assert installed.release().startswith("6.12")
    assert installed.build_id_on_disk() == installed.build_id_loaded()
    assert installed.ping().count(" 0% packet loss") == 1
    assert "duct" not in installed.run(f"lsinitramfs /boot/initrd.img-{installed.release()}")


def test_dkms_install_builds_for_the_running_kernel(installed):
    """As somebody does by hand after a build that has failed."""
    before = installed.dkms_status()
    loaded = installed.build_id_loaded()
    installed.run("dkms remove duct/0.1.0 -k $(uname -r)")
    assert installed.release() not in installed.dkms_status()
    installed.run("dkms install duct/0.1.0", BUILD_TIMEOUT)
    assert installed.dkms_status() == before
    assert installed.build_id_on_disk() == loaded
