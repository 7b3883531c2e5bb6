# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's packet generator on a guest's duct0."""

from contextlib import contextmanager

PROC = "/proc/net/pktgen"


@contextmanager
def pktgen(guest):
    """A context in which duct0 is pktgen's."""
    guest.run(f"modprobe -q pktgen; cd {PROC} && echo rem_device_all >kpktgend_0 && echo add_device duct0 >kpktgend_0")
    yield
    guest.run(f"echo rem_device_all >{PROC}/kpktgend_0")


def send_pktgen(guest, *options):
    """Sends as many packets as the options say, each of which is a line for pktgen."""
    for option in options:
        guest.run(f"echo {option} >{PROC}/duct0")
    guest.run(f"echo start >{PROC}/pgctrl && grep -q 'Result: OK' {PROC}/duct0", timeout=60)
