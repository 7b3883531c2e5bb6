# SPDX-License-Identifier: GPL-2.0-only
"""What people put on top of an Ethernet interface, and native packets beside it."""

import re

from ductvm.ether import ECHO, MTU_MAX, NATIVE_TYPE, QUOTE, mac_of
from ductvm.pktgen import pktgen, send_pktgen


def counters(guest):
    text = guest.run("ethtool -S duct0")
    return {name: int(value) for name, value in re.findall(r"^\s+(\w+): (\d+)$", text, re.MULTILINE)}


def test_vlan(pair):
    for guest in pair.both:
        guest.run(f"ip link add link duct0 name tagged type vlan id 77; ip link set tagged up; "
                  f"ip addr add 10.80.0.{guest.number}/24 dev tagged")
    pair.a.run("ping -q -c 3 -i 0.05 -W 10 -s 1472 -M do 10.80.0.2")
    for guest in pair.both:
        guest.run("ip link del tagged")


def test_vlan_frame_that_does_not_fit_is_counted(pair):
    pair.a.run(f"ip link set duct0 mtu {MTU_MAX}; ip link add link duct0 name tagged type vlan id 77; "
               "ip link set tagged up; ip addr add 10.80.0.1/24 dev tagged; "
               "ip neigh add 10.80.0.2 lladdr 02:dc:00:00:00:02 dev tagged")
    before = counters(pair.a)["tx_too_long"]
    pair.a.run(f"ping -q -c 1 -W 1 -s {MTU_MAX - 28} 10.80.0.2", check=False)
    assert counters(pair.a)["tx_too_long"] == before + 1
    pair.a.run("ip link del tagged")


def test_bridge(pair):
    """A station behind a bridge has a foreign address, and is reached by flooding."""
    pair.b.run("ip netns add inner; ip link add out type veth peer name eth0 netns inner; "
               "ip link add br0 type bridge; ip addr flush dev duct0; ip link set duct0 master br0; "
               "ip link set out master br0; ip link set out up; ip link set br0 up; "
               "ip -n inner link set eth0 up; ip -n inner addr add 10.77.0.50/24 dev eth0")
    pair.a.until("ping -q -c 1 -W 1 10.77.0.50", timeout=30)
    pair.b.run("ip netns exec inner ping -q -c 3 -i 0.05 -W 10 10.77.0.1")
    pair.b.run("ip link del br0; ip link del out; ip netns del inner")


def test_macvlan(pair):
    pair.b.run("ip netns add inner; ip link add link duct0 name mv0 netns inner type macvlan mode bridge; "
               "ip -n inner link set mv0 up; ip -n inner addr add 10.77.0.51/24 dev mv0")
    pair.a.run("ping -q -c 3 -i 0.05 -W 10 10.77.0.51")
    pair.b.run("ip netns del inner")


def native(guest, destination, source, payload, padding=b""):
    """Sends a native packet and returns the one that answers."""
    macs = bytes.fromhex((mac_of(destination) + mac_of(source)).replace(":", ""))
    frame = macs + NATIVE_TYPE.to_bytes(2, "big") + len(payload).to_bytes(2, "big") + payload + padding
    guest.put("/tmp/frame", frame)
    watch = guest.start(f"tcpdump --immediate-mode -l -n -c 1 -x -i duct0 'ether src {mac_of(destination)} and "
                        f"ether proto {NATIVE_TYPE}' 2>&1").wait_for("listening on")
    guest.run("socat -u OPEN:/tmp/frame INTERFACE:duct0")
    lines = watch.wait(20).splitlines()
    data = "".join(line.split(":", 1)[1].replace(" ", "") for line in lines if re.match(r"\s+0x", line))
    return bytes.fromhex(data)


def test_native_packet_is_echoed_without_padding(pair):
    before = counters(pair.a)
    answer = native(pair.a, ECHO, pair.card_a.hwaddr, b"hello", b"padding")
    assert answer == (5).to_bytes(2, "big") + b"hello"
    after = counters(pair.a)
    assert after["tx_native"] == before["tx_native"] + 1
    assert after["rx_native"] == before["rx_native"] + 1


def test_quote_of_the_day(pair):
    answer = native(pair.a, QUOTE, pair.card_a.hwaddr, b"")
    assert int.from_bytes(answer[:2], "big") == len(answer) - 2 > 0


def test_native_frame_that_promises_too_much_is_refused(pair):
    before = counters(pair.a)["tx_native_bad"]
    frame = bytes.fromhex((mac_of(ECHO) + mac_of(pair.card_a.hwaddr)).replace(":", "")) + \
        NATIVE_TYPE.to_bytes(2, "big") + (100).to_bytes(2, "big") + b"short"
    pair.a.put("/tmp/frame", frame)
    pair.a.run("socat -u OPEN:/tmp/frame INTERFACE:duct0", check=False)
    assert counters(pair.a)["tx_native_bad"] == before + 1


def test_hot_path_reads_no_register(pair, request):
    """On a card that signals without EVFLAGS being read; the others are read once a poll."""
    before = [pair.net.card(card) for card in pair.net.cards]
    pair.a.run(f"ping -q -f -c 2000 {pair.b.ip4}", timeout=90)
    after = [pair.net.card(card) for card in pair.net.cards]
    for was, now in zip(before, after):
        reads = now["reg_reads"] - was["reg_reads"]
        if request.config.getoption("--signal") == "latched":
            assert reads > 100
        else:
            assert reads < 100


def test_pktgen_that_sends_one_frame_many_times(pair):
    """The driver changes what it sends, so that it must not be given the same frame twice: pktgen has to see that."""
    with pktgen(pair.a):
        assert not pair.a.ok("echo clone_skb 100 >/proc/net/pktgen/duct0")
        before = pair.net.state()
        send_pktgen(pair.a, "count 2000", "pkt_size 64", f"dst {pair.b.ip4}", f"dst_mac {pair.card_b.mac}")
    after = pair.net.state()
    was, now = (state.cards[pair.card_a.path] for state in (before, after))
    assert 2000 <= now["tx_packets"] - was["tx_packets"] < 2100
    assert 2000 * 66 <= now["tx_bytes"] - was["tx_bytes"] < 2100 * 80
