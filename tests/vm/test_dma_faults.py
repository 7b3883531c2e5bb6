# SPDX-License-Identifier: GPL-2.0-only
"""A mapping for transmit that fails: the frame is dropped as a whole and counted, what was mapped of it is not any
more, and the ring goes on as if it had never been. tests/kmod/duct_faults.c has the Nth mapping fail."""

import pytest

from ductvm.ether import MTU_MAX
from test_tso import capture, captured, counters
from test_tso_dma import USED, start
from test_tso_frames import build, check

FAULT = "/sys/module/duct_faults/parameters/dma"
MSS, SEGMENTS = 100, 60
# Octets of UDP, just below the largest MTU.
LARGE = 16300


@pytest.fixture(name="faulty")
def fixture_faulty(lab, configured):
    """Guests a and b. a has everything bounced, so that what stays mapped is seen."""
    pair = start(lab, configured)
    pair.card_a, pair.card_b = pair.net.cards
    for guest in pair.both:
        guest.run(f"ip link set duct0 mtu {MTU_MAX} && ethtool -K duct0 gro off")
        # Nothing but what the tests send.
        guest.run("ip link set duct0 arp off && sysctl -q -w net.ipv6.conf.duct0.disable_ipv6=1")
    pair.a.run("modprobe duct_faults")
    yield pair
    pair.a.run("rmmod duct_faults")


def fail(pair, nth, command):
    """What the driver has counted of the command, the Nth mapping of which failed."""
    before = counters(pair.a)
    pair.a.run(f"echo {nth} >{FAULT}; {command}")
    assert pair.a.read(FAULT) == "0"
    after = counters(pair.a)
    return {name: after[name] - before[name] for name in after}


def assert_unmapped(pair, slabs):
    """Mappings that were made to fail hold so many bounce buffers, of 2 KiB, and nobody else has any."""
    pair.a.run("ip link set duct0 down")
    assert int(pair.a.read(USED)) == slabs


def test_segments(faulty):
    """Also those in front of the one that fails do not travel."""
    pair = faulty
    big = build(pair, SEGMENTS * MSS)
    pair.a.put("/tmp/frame", big.frame)
    send = f"/usr/lib/duct/tests/gso duct0 /tmp/frame 1 {MSS} {big.transport}"
    tap = capture(pair.b, "duct0", SEGMENTS, f"ether src {pair.card_a.mac} and tcp", length=17000)
    which = (1, 2, SEGMENTS // 2, SEGMENTS)
    for nth in which:
        counted = fail(pair, nth, send)
        assert counted["tx_dma_error"] == SEGMENTS
        assert counted["tx_tso_packets"] == counted["tx_tso_segments"] == counted["tx_packets"] == 0
    pair.a.run(send)
    tap.wait()
    check(big, MSS, list(captured(pair.b)))
    assert_unmapped(pair, len(which))


@pytest.mark.parametrize("nth, slabs", [(1, 1), (2, 8)])
def test_pieces_of_a_frame(faulty, nth, slabs):
    """More than fits into the linear part: the second is of pages."""
    pair = faulty
    pair.a.run(f"ip neigh replace {pair.b.ip4} lladdr {pair.card_b.mac} nud permanent dev duct0")
    before = counters(pair.b)["rx_packets"]
    pair.a.run(f"head -c {LARGE} /dev/urandom >/tmp/data")
    send = f"socat -u -b {LARGE} OPEN:/tmp/data UDP4-SENDTO:{pair.b.ip4}:9"
    counted = fail(pair, nth, send)
    assert counted["tx_dma_error"] == 1 and counted["tx_packets"] == 0
    assert counters(pair.b)["rx_packets"] == before
    pair.a.run(send)
    pair.b.until(f"test $(cat /sys/class/net/duct0/statistics/rx_packets) = {before + 1}")
    assert_unmapped(pair, slabs)
