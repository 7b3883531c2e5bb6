# SPDX-License-Identifier: GPL-2.0-only
"""What the driver maps of its segments it unmaps."""

from types import SimpleNamespace

from ductvm.ether import MTU_MAX
from test_tso import counters, stream

USED = "/sys/kernel/debug/swiotlb/io_tlb_used"


def start(lab, configured):
    """Guests a and b; a has everything bounced."""
    net = lab.ductnet(2)
    both = [lab.guest("a", [net.cards[0]], append="swiotlb=force"), lab.guest("b", [net.cards[1]])]
    for number, guest in enumerate(both, 1):
        guest.ready()
        if guest.name == "a":
            guest.run("ip link set duct0 down")
            assert guest.read(USED) == "0"
        configured(guest, number)
    return SimpleNamespace(net=net, both=both, a=both[0], b=both[1])


def test_bounce_buffers_come_back(lab, configured):
    pair = start(lab, configured)
    idle = int(pair.a.read(USED))
    before = counters(pair.a)
    stream(pair.a, pair.b, pair.b.ip4)
    pair.a.until(f"[ $(cat {USED}) -le {idle} ]")
    assert counters(pair.a)["tx_tso_packets"] > before["tx_tso_packets"]
    stream(pair.b, pair.a, pair.a.ip4)
    pair.a.run("ip link set duct0 down")
    pair.a.until(f"[ $(cat {USED}) = 0 ]")
