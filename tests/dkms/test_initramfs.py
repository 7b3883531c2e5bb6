# SPDX-License-Identifier: GPL-2.0-only
"""What docs/install.md says of the initramfs."""


def initramfs(system):
    system.run("update-initramfs -u", 300)
    return system.run(f"lsinitramfs /boot/initrd.img-{system.release()}")


def test_module_is_not_in_it(installed):
    assert "duct" not in initramfs(installed)


def test_module_is_in_it_on_demand(installed):
    installed.run("echo duct >>/etc/initramfs-tools/modules")
    assert "/updates/dkms/duct.ko" in initramfs(installed)
