# SPDX-License-Identifier: GPL-2.0-only
"""More than two cards: in one guest, and on one bus."""


def address(guest, dev, ip):
    guest.run(f"ip link set {dev} up; ip addr add {ip} dev {dev}")


def test_two_cards_in_one_guest(lab):
    """Each in a network namespace of its own, or the guest would talk to itself without them."""
    net = lab.ductnet(2)
    guest = lab.guest("two", net.cards).ready()
    assert {guest.read(f"/sys/class/net/duct{i}/address") for i in (0, 1)} == {card.mac for card in net.cards}
    guest.run("ip netns add far; ip link set duct1 netns far")
    address(guest, "duct0", "10.78.0.1/24")
    guest.run("ip -n far link set duct1 up; ip -n far addr add 10.78.0.2/24 dev duct1")
    guest.run("ping -q -c 10 -i 0.05 -W 10 10.78.0.2")
    guest.run("ip netns exec far ping -q -c 10 -i 0.05 -W 10 10.78.0.1")
    sent = [net.card(card)["tx_packets"] for card in net.cards]
    assert min(sent) >= 20
    guest.run("rmmod duct; ! ls -d /sys/class/net/duct*; modprobe duct; ls -d /sys/class/net/duct0 /sys/class/net/duct1")


def test_four_guests_on_one_bus(lab):
    net = lab.ductnet(4)
    guests = [lab.guest(f"g{number}", [card]) for number, card in enumerate(net.cards, 1)]
    for number, guest in enumerate(guests, 1):
        guest.ready()
        address(guest, "duct0", f"10.79.0.{number}/24")
    jobs = [guest.start(f"for peer in {' '.join(str(peer) for peer in range(1, 5) if peer != number)}; do "
                        "ping -q -c 20 -i 0.02 -W 10 10.79.0.$peer >/dev/null || exit; done")
            for number, guest in enumerate(guests, 1)]
    for job in jobs:
        job.wait(120)
    others = [guest.run("ip -s link show duct0; ip neigh show dev duct0") for guest in guests]
    assert all("FAILED" not in text for text in others)

    # A broadcast goes to three; a packet between two goes to one.
    before = net.state()
    guests[0].run("ping -q -b -c 5 -i 0.02 -W 1 10.79.0.255", check=False)
    after = net.state()
    for card in net.cards[1:]:
        assert after.cards[card.path]["rx_packets"] - before.cards[card.path]["rx_packets"] >= 5
    before = net.state()
    guests[0].run("ping -q -f -c 500 -W 10 10.79.0.2", timeout=90)
    after = net.state()
    for card in net.cards[2:]:
        assert after.cards[card.path]["rx_packets"] - before.cards[card.path]["rx_packets"] < 100


def test_copy_count_is_one(pair):
    """Bytes copied on the bus are bytes delivered, each once."""
    pair.a.run(f"ping -q -f -c 300 -s 1400 {pair.b.ip4}")
    bus = pair.net.state().bus
    assert bus["delivered_bytes"] >= 2 * 300 * 1400
    assert bus["copied_bytes"] == bus["delivered_bytes"]
