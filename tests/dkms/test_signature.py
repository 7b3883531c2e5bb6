# SPDX-License-Identifier: GPL-2.0-only
"""What docs/install.md says of signatures: a kernel that wants them, and a module with none, or with one of a key
that is not enrolled. (No firmware with Secure Boot takes part: kernel parameters have the same effect.)"""

import pytest

SIGN = "/lib/modules/$(uname -r)/build/scripts/sign-file sha256 /var/lib/dkms/mok.key /var/lib/dkms/mok.pub"
UNPACK = "module=$(modinfo -n duct); case $module in *.xz) xz -dc $module;; *) cat $module;; esac >/tmp/duct.ko"


@pytest.fixture
def strict(installed, request):
    """The system, booted with a parameter; afterwards as it was."""
    release = installed.release()
    installed.reboot(release, request.param)
    yield installed
    installed.reboot(release)


def refuse(system, command):
    """What the program and the kernel say when a module is not loaded."""
    start = system.guest.mark_log()
    assert not system.guest.ok(f"{command} >/tmp/said 2>&1", 60)
    return system.guest.read("/tmp/said") + "\n" + system.guest.dmesg()[start:]


@pytest.mark.parametrize("strict", ["module.sig_enforce=1"], indirect=True)
def test_signatures_are_enforced(strict):
    said = refuse(strict, "modprobe duct")
    assert "Key was rejected by service" in said
    assert "Loading of module with unavailable key is rejected" in said

    strict.run(f"{UNPACK}; strip -g /tmp/duct.ko")
    assert "Loading of unsigned module is rejected" in refuse(strict, "insmod /tmp/duct.ko")

    # Signed by hand it is again what it was.
    strict.run(f"{SIGN} /tmp/duct.ko")
    assert "Loading of module with unavailable key is rejected" in refuse(strict, "insmod /tmp/duct.ko")


@pytest.mark.parametrize("strict", ["lockdown=integrity"], indirect=True)
def test_kernel_is_locked_down(strict):
    said = refuse(strict, "modprobe duct")
    assert "Operation not permitted" in said
    assert "Lockdown: modprobe: unsigned module loading is restricted" in said
