# SPDX-License-Identifier: GPL-2.0-only
"""The driver leaves doorbells out while the card is at work. No packet may be forgotten for that: these guests are
silent by themselves, so that nothing but the packet's own doorbell, and its own interrupt, can move it."""

import re
from types import SimpleNamespace

import pytest

BQL = "/sys/class/net/duct0/queues/tx-0/byte_queue_limits/inflight"

# Nothing is asked for, nothing is announced; addresses are known and for ever.
SILENT = """
ip link set duct0 up && ip addr add 10.77.0.{own}/24 dev duct0 &&
ip neigh replace 10.77.0.{other} lladdr {mac} nud permanent dev duct0
"""

# To nobody at b: no answer comes. Octets behind what is counted are the shim's.
PKTGEN = """
cd /proc/net/pktgen && echo rem_device_all >kpktgend_0 && echo add_device duct0 >kpktgend_0
for word in 'clone_skb 0' 'pkt_size 60' 'dst 192.0.2.1' 'dst_mac {mac}'; do echo "$word" >duct0 || exit; done
"""

# pktgen itself waits until its last packet is freed; what it did not say is that all others are.
BURSTS = """
cd /proc/net/pktgen && echo 'delay {delay}' >duct0
for count in {counts}; do
    echo "count $count" >duct0 && echo start >pgctrl && grep -q '^Result: OK' duct0 || exit
    until [ $(cat {bql}) = 0 ]; do usleep 1000; done
done
"""

# Each card sleeps as soon as it has nothing to do, and tells of each burst at once: it takes nothing unasked, and no
# later interrupt brings what an earlier one has not.
SLEEPY = ("--busy-poll", "0", "--tx-usecs", "0")


def silent_pair(lab, *options, cpus=1):
    net = lab.ductnet(2, *options)
    a, b = guests = [lab.guest(name, [card], append="ipv6.disable=1", cpus=cpus) for name, card in zip("ab", net.cards)]
    for own, guest in enumerate(guests, 1):
        guest.ready().run(SILENT.format(own=own, other=3 - own, mac=net.cards[2 - own].mac))
    if cpus > 1:
        # Who sends and who reaps shall be two.
        a.run("irq=$(sed -n 's/^ *\\([0-9]*\\):.*duct0-event.*/\\1/p' /proc/interrupts) && "
              "echo 2 >/proc/irq/$irq/smp_affinity")
    a.run("modprobe -q pktgen;" + PKTGEN.format(mac=net.cards[1].mac))
    return SimpleNamespace(net=net, a=a, b=b)


def pktgen(pair, counts, delay=0, timeout=60):
    pair.a.run(BURSTS.format(counts=counts, delay=delay, bql=BQL), timeout=timeout)


def change(before, after, card, *counters):
    return sum(after.cards[card.path][name] - before.cards[card.path][name] for name in counters)


def statistics(guest, what):
    return int(guest.read(f"/sys/class/net/duct0/statistics/{what}_packets"))


def assert_nothing_is_missing(pair):
    """Whatever was sent since the card was started is in the books of both guests and of both cards."""
    for guest in pair.a, pair.b:
        guest.until(f"test $(cat {BQL}) = 0")
    state = pair.net.state()
    for guest, card in zip((pair.a, pair.b), pair.net.cards):
        books = state.cards[card.path]
        assert books["tx_packets"] == statistics(guest, "tx")
        guest.until(f"test $(cat /sys/class/net/duct0/statistics/rx_packets) = {books['rx_packets']}")
    a, b = (state.cards[card.path] for card in pair.net.cards)
    assert a["tx_packets"] == b["rx_packets"] + b["rx_drop"]
    assert b["tx_packets"] == a["rx_packets"] + a["rx_drop"]


def ping(pair, count, options):
    output = pair.a.run(f"ping -q -c {count} -W 10 {options} 10.77.0.2", timeout=90)
    assert re.search(rf"{count} packets transmitted, {count} received", output), output


@pytest.mark.parametrize("cpus", [1, 2])
def test_nothing_is_forgotten(lab, cpus):
    pair = silent_pair(lab, *SLEEPY, cpus=cpus)
    ping(pair, 100, "-i 0.02")
    for window in 1, 2, 3, 7:
        ping(pair, 1000, f"-f -l {window}")
    assert_nothing_is_missing(pair)
    # Each ends in another place of the ring, and of what the card is doing.
    for delay in 0, 10000, 100000:
        pktgen(pair, "$(seq 1 40)", delay)
    pktgen(pair, "$(seq 120 140) 1000 5000")
    assert_nothing_is_missing(pair)


def test_doorbells_are_few_under_load(lab):
    pair = silent_pair(lab)
    before = pair.net.state()
    pktgen(pair, 20000)
    after = pair.net.state()
    assert change(before, after, pair.net.cards[0], "tx_packets") == 20000
    doorbells = change(before, after, pair.net.cards[0], "tx_doorbells")
    assert doorbells < 2000
    ping(pair, 50, "-i 0.02")
    assert_nothing_is_missing(pair)
