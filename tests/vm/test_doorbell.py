# SPDX-License-Identifier: GPL-2.0-only
"""The driver leaves doorbells out while the card is at work. That none is missing is what tests/unit/test_doorbell.c
shows, for each order of the steps; here they are few, and all packets are accounted for."""

from ductvm.pktgen import pktgen, send_pktgen

COUNT = 20000
# Nothing is asked for, nothing is announced; addresses are known and for ever.
SILENT = """
ip link set duct0 up && ip addr add 10.77.0.{own}/24 dev duct0 &&
ip neigh replace 10.77.0.{other} lladdr {mac} nud permanent dev duct0
"""


def test_doorbells_are_few_under_load(lab):
    net = lab.ductnet(2)
    a, b = guests = [lab.guest(name, [card], append="ipv6.disable=1") for name, card in zip("ab", net.cards)]
    for own, guest in enumerate(guests, 1):
        guest.ready().run(SILENT.format(own=own, other=3 - own, mac=net.cards[2 - own].mac))
    before = net.state().cards[net.cards[0].path]
    with pktgen(a):
        # To nobody at b: no answer comes.
        send_pktgen(a, f"count {COUNT}", "clone_skb 0", "pkt_size 60", "dst 192.0.2.1", f"dst_mac {net.cards[1].mac}")
    state = net.state()
    after, receiver = (state.cards[card.path] for card in net.cards)
    assert after["tx_packets"] - before["tx_packets"] == COUNT
    assert after["tx_doorbells"] - before["tx_doorbells"] < COUNT / 10
    b.until(f"test $(cat /sys/class/net/duct0/statistics/rx_packets) = {receiver['rx_packets']}")
    assert after["tx_packets"] == receiver["rx_packets"] + receiver["rx_drop"]
