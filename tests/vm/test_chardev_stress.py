# SPDX-License-Identifier: GPL-2.0-only
"""32 openers of /dev/duct0 and /dev/duct1, each doing everything at random, while the interfaces go down and up. When
all is closed nothing may be left of it: no filter, no user of the module, no page, no socket."""

import re

import pytest

from ductvm.twocards import PagePools

OPENERS = 32

# Until it is killed. Without a pause the openers would hardly ever find an interface that is up.
UP_AND_DOWN = "while :; do ip {far} link set {dev} down; ip {far} link set {dev} up || exit; usleep {pause}; done"

# duct1 in a network namespace of its own, or the kernel would talk to itself without the cards.
APART = """
ip netns add far && ip link set duct1 netns far
ip addr add 10.78.0.1/24 dev duct0; ip -n far addr add 10.78.0.2/24 dev duct1; ip -n far link set duct1 up
"""
TRAFFIC = (
    "while :; do ping -q -f -c 200 -s 1400 -W 1 10.78.0.2; done >/dev/null 2>&1",
    "while :; do ip netns exec far ping -q -f -c 200 -s 8 -W 1 10.78.0.1; done >/dev/null 2>&1",
    "while :; do iperf3 -s -1 >/dev/null 2>&1; done",
    "while :; do ip netns exec far iperf3 -c 10.78.0.1 -t 2 >/dev/null 2>&1; usleep 100000; done",
)


def stress(cards, seconds, pauses, far=""):
    """What the program did, by name. The pauses, between down and down of each interface, are in microseconds."""
    ups = [cards.guest.start(UP_AND_DOWN.format(far=words, dev=dev, pause=pause))
           for words, dev, pause in (("", "duct0", pauses[0]), (far, "duct1", pauses[1]))]
    said = cards.run(f"stress {seconds} {OPENERS}", timeout=seconds + 120)
    for job in ups:
        assert not job.done, job.output()
        job.kill("KILL")
    print(said)
    return {name: int(value) for name, value in re.findall(r"(\w+) (\d+)", said.splitlines()[-1])}


def ethernet_frames(cards):
    """Sent by duct0, without what files sent."""
    return int(cards.guest.read("/sys/class/net/duct0/statistics/tx_packets")) - cards.counters("duct0")["tx_native"]


def assert_nothing_is_left(cards, pools):
    """The interfaces are up and nobody has the devices open: what there was went with the last close. Each open file
    and each of its packets has the module as long as it lives, so the module's users are the sockets that are left."""
    cards.await_own_filters()
    assert cards.guest.read("/sys/module/duct/refcnt") == "0"
    cards.guest.run("ip link set duct0 down; ip link set duct1 down")
    assert len(pools.in_flight()) >= 4
    assert set(pools.in_flight().values()) == {0}, pools.in_flight()
    if cards.guest.ok("test -e /sys/kernel/debug/kmemleak"):
        cards.guest.run("echo scan >/sys/kernel/debug/kmemleak", timeout=120)
        assert cards.guest.read("/sys/kernel/debug/kmemleak") == ""
    cards.guest.run("rmmod duct && ! ls /dev/duct* 2>/dev/null && "
                    "modprobe duct && test -c /dev/duct0 && test -c /dev/duct1", timeout=60)


def assert_much_was_done(done):
    for name in ("opened", "sent", "received", "filters", "children"):
        assert done[name] >= OPENERS, done
    assert done["wrong"] == 0


@pytest.mark.parametrize("load", ["quiet", "loaded"])
def test_everything_at_once(cards, request, load):
    pools = PagePools(cards.guest)
    seconds = request.config.getoption("--stress")
    if load == "loaded":
        cards.guest.run(APART)
        jobs = [cards.guest.start(command) for command in TRAFFIC]
        before = ethernet_frames(cards)
        # Traffic comes to a standstill with each of them, for a second or two.
        done = stress(cards, seconds, (7100000, 5300000), far="-n far")
        frames = ethernet_frames(cards) - before
        for job in jobs:
            assert not job.done
            job.kill("KILL")
        assert frames > 100, "there was no load"
        # By hand: connections that nobody closes keep the namespace for minutes.
        cards.guest.run("ip -n far link set duct1 netns 1; ip netns del far")
        cards.guest.run("ip link set duct0 up; ip link set duct1 up")
    else:
        done = stress(cards, seconds, (700000, 450000))
        cards.guest.run("ip link set duct0 up; ip link set duct1 up")
    assert_much_was_done(done)
    assert_nothing_is_left(cards, pools)
    pools.close()
