# SPDX-License-Identifier: GPL-2.0-only
"""The packages go, and nothing of them is left."""

from conftest import FIND


def test_nothing_is_left(loaded):
    kernels = set(loaded.dkms_status())
    assert kernels
    assert loaded.run(FIND).strip()
    loaded.run("modprobe -r duct")
    loaded.run("apt-get purge -y duct-dkms duct-utils", 300)
    assert loaded.run(FIND).split() == []
    assert loaded.dkms_status() == {}
    assert not loaded.guest.ok("ls /lib/modules/*/updates/dkms/*")
    assert not loaded.guest.ok("dpkg -s duct-dkms || dpkg -s duct-utils")
    for kernel in kernels:
        assert not loaded.guest.ok(f"modinfo -k {kernel} duct")
        assert "duct" not in loaded.run(f"cat /lib/modules/{kernel}/modules.*", 60)
