# SPDX-License-Identifier: GPL-2.0-only
"""Small packets, and packets of every size, both ways."""

import re

import pytest

from ductvm.ether import MTU_MAX


def loss(output):
    return re.search(r"(\d+) packets transmitted, (\d+) received.*?(\d+)% packet loss", output).groups()


def ping_all(sender, address, sizes, options=""):
    """One packet of each size. One, because after its last packet ping waits long only if no reply came at all."""
    output = sender.run("for size in " + " ".join(map(str, sizes)) + "; do "
                        f"ping -q -M do -c 1 -W 10 {options} -s $size {address} || echo LOST $size; done", timeout=90)
    assert "LOST" not in output and "wrong data" not in output
    assert output.count(" 0% packet loss") == len(sizes)


def test_ipv4(sender_receiver):
    sender, receiver = sender_receiver
    assert loss(sender.run(f"ping -c 10 -i 0.05 {receiver.ip4}")) == ("10", "10", "0")


def test_ipv6(sender_receiver):
    sender, receiver = sender_receiver
    assert loss(sender.run(f"ping -c 10 -i 0.05 {receiver.ip6}")) == ("10", "10", "0")


def test_ipv6_link_local_is_automatic(pair):
    for sender, card in ((pair.a, pair.card_b), (pair.b, pair.card_a)):
        output = sender.run(f"ping -c 5 -i 0.05 {card.link_local}%duct0")
        assert loss(output) == ("5", "5", "0")


def test_all_nodes_answer(pair):
    output = pair.a.run("ping -c 2 -i 0.2 ff02::1%duct0")
    assert f"from {pair.card_b.link_local}" in output


def test_every_size(sender_receiver):
    """Each of ping's packets has a pattern that ping compares with what comes back."""
    sender, receiver = sender_receiver
    sizes = [*range(0, 20), 63, 64, 65, 127, 128, 255, 256, 257, 1000, 1471, 1472]
    ping_all(sender, receiver.ip4, sizes, "-p 5aa50ff0")


def test_every_size_of_large_packets(sender_receiver):
    sender, receiver = sender_receiver
    for guest in sender_receiver:
        guest.run(f"ip link set duct0 mtu {MTU_MAX}")
    largest = MTU_MAX - 28
    sizes = [1473, 4000, 4053, 4054, 4055, 4095, 4096, 4097, 8000, 8192, 12288, largest - 1, largest]
    ping_all(sender, receiver.ip4, sizes)
    assert not sender.ok(f"ping -q -M do -c 1 -W 1 -s {largest + 1} {receiver.ip4}")


def test_card_takes_more_than_the_receivers_mtu(pair):
    """The receiver's MTU limits what it sends, not what it takes."""
    pair.a.run(f"ip link set duct0 mtu {MTU_MAX}")
    before = pair.net.card(pair.card_b)
    pair.a.run(f"ping -c 1 -M do -s 9000 {pair.b.ip4}")
    after = pair.net.card(pair.card_b)
    assert after["rx_jumbo"] == before["rx_jumbo"]


@pytest.mark.parametrize("size", [8, 1400])
def test_thousands_of_packets(pair, size):
    output = pair.a.run(f"ping -q -f -c 3000 -s {size} {pair.b.ip4}", timeout=120)
    assert loss(output) == ("3000", "3000", "0")


def test_nobody_answers_for_a_peer_that_is_down(pair):
    pair.b.run("ip link set duct0 down")
    assert not pair.a.ok(f"ping -q -c 2 -i 0.2 -W 1 {pair.b.ip4}")
    pair.b.run("ip link set duct0 up")
    pair.a.run(f"ping -q -c 2 -i 0.2 {pair.b.ip4}")
