# SPDX-License-Identifier: GPL-2.0-only
"""The watch on the guests' kernel logs sees what it should: without it no other test means much."""

import pytest

from ductvm import GuestError, complaints

TROUBLE = """\
WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 x+0x1/0x2
BUG: kernel NULL pointer dereference, address: 0000000000000008
BUG: KASAN: use-after-free in duct_poll+0x1/0x2
Oops: 0000 [#1] PREEMPT SMP PTI
Kernel panic - not syncing: Fatal exception
UBSAN: array-index-out-of-bounds in x.c:1:2
WARNING: possible circular locking dependency detected
INFO: task ip:123 blocked for more than 120 seconds.
rcu: INFO: rcu_preempt self-detected stall on CPU
watchdog: BUG: soft lockup - CPU#0 stuck for 26s!
DMA-API: duct 0000:00:01.0: device driver tries to free DMA memory it has not allocated
NETDEV WATCHDOG: duct0 (duct): transmit queue 0 timed out
page_pool_release_retry() stalled pool shutdown 1 inflight 60 sec
unregister_netdevice: waiting for duct0 to become free. Usage count = 1
irq 24: nobody cared (try booting with the "irqpoll" option)
"""

PEACE = """\
duct 0000:00:01.0 duct0: duct v2.1, hwaddr 34565ca1
Spectre V2 : Mitigation: Retpolines
rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.
debug: unmapping init [mem 0x1-0x2]
"""


@pytest.mark.parametrize("line", TROUBLE.splitlines())
def test_trouble_is_seen(line):
    assert complaints(f"[    1.0] {line}")


def test_peace_is_left_alone():
    assert not complaints(PEACE)


def test_forgiven():
    assert not complaints("WARNING: on purpose", ["on purpose"])
    assert complaints("WARNING: on purpose\nWARNING: another", ["on purpose"])


def test_guest_that_warns_fails(pair):
    pair.a.run("echo '<4>WARNING: CPU: 0 PID: 1 at nowhere' >/dev/kmsg")
    with pytest.raises(GuestError, match="a: .*WARNING: CPU: 0"):
        pair.lab.check()
    pair.lab.check()
