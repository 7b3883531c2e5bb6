# SPDX-License-Identifier: GPL-2.0-only
"""DKMS without the packages: make install-dkms in a copy of the sources."""

from conftest import BUILD_TIMEOUT, FIND

MAKE = "make --no-print-directory -C /root/duct"


def test_install_dkms_and_uninstall_dkms(system):
    assert system.dkms_status() == {}, "the packages must be gone"
    system.run("mkdir /root/duct && tar -C /root/duct -xf /root/duct.tar")
    before = system.run(FIND)
    system.run(f"{MAKE} install-dkms", BUILD_TIMEOUT)
    assert set(system.dkms_status().values()) == {"installed"}
    assert system.release() in system.dkms_status()
    system.run("modprobe duct && modprobe -r duct")
    system.run(f"{MAKE} uninstall-dkms", 300)
    assert system.dkms_status() == {}
    assert system.run(FIND) == before
