# SPDX-License-Identifier: GPL-2.0-only
"""Datagrams of every size, alone and in floods; what is lost is counted."""

import json

import pytest

from ductvm.ether import MTU_MAX

PORT = 7000


@pytest.mark.parametrize("mtu, sizes", [
    (1500, [1, 17, 18, 19, 1471, 1472, 1473, 8000, 40000]),
    (MTU_MAX, [1, 1473, 4096, 16339, 16340, 16341, 40000]),
])
def test_datagrams_come_back(pair, mtu, sizes):
    for guest in pair.both:
        guest.run(f"ip link set duct0 mtu {mtu}; [ -e /tmp/random ] || dd if=/dev/urandom of=/tmp/random bs=64k count=1 status=none")
    pair.b.start(f"socat -b 65000 UDP-RECVFROM:{PORT},fork PIPE")
    pair.b.until(f"ss -Hlun sport = :{PORT} | grep -q .")
    pair.a.run(f"""
        for size in {' '.join(map(str, sizes))}; do
            dd if=/tmp/random of=/tmp/sent bs=$size count=1 status=none
            socat -b 65000 -t 5 -T 5 STDIO,ignoreeof UDP:{pair.b.ip4}:{PORT} </tmp/sent >/tmp/back & peer=$!
            until cmp -s /tmp/sent /tmp/back || ! kill -0 $peer 2>/dev/null; do usleep 10000; done
            kill $peer 2>/dev/null
            cmp /tmp/sent /tmp/back || {{ echo "size $size"; exit 1; }}
        done""", timeout=90)


def test_flood_loses_nothing_uncounted(pair):
    """Each packet b should have got is in one of its card's counters."""
    server = pair.b.start("iperf3 -s -1 --forceflush")
    server.wait_for("listening")
    pair.a.run(f"ping -q -c 1 {pair.b.ip4}")
    before = pair.net.state()
    result = json.loads(pair.a.run(f"iperf3 -J -u -c {pair.b.ip4} -b 0 -l 200 -t 3", timeout=90))
    server.wait()
    after = pair.net.state()

    def delta(card, *counters):
        return sum(after.cards[card.path][name] - before.cards[card.path][name] for name in counters)

    assert result["end"]["sum"]["packets"] > 1000
    assert delta(pair.card_a, "tx_packets") >= result["end"]["sum"]["packets"]
    sent = delta(pair.card_a, "tx_packets") + delta(pair.card_b, "tx_packets")
    came = sum(delta(card, "rx_packets", "rx_drop", "rx_jumbo") for card in pair.net.cards)
    assert sent - (after.bus["unclaimed"] - before.bus["unclaimed"]) == came
