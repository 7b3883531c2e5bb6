# SPDX-License-Identifier: GPL-2.0-only
"""The card is told which groups the stack wants, and lets in nothing else."""

import pytest

from ductvm.ether import ALL, ALLMULTI, FILTERS, OWN_BROADCAST, PROMISC, group_filter

GROUP4 = ("239.7.7.7", "01:00:5e:07:07:07")
GROUP6 = ("ff02::7777", "33:33:00:00:77:77")
STRANGER = "02:dc:11:22:33:44"
PORT = 7001


def filters(pair, card, wanted=(), unwanted=(), timeout=10):
    """Waits until the card has these filters and not those, and returns all it has. The driver may
    tell the card a moment after the call that wants it has returned."""
    def right(now):
        return set(wanted) <= now and not set(unwanted) & now
    return pair.net.await_state(lambda state: right(state.cards[card.path].filters), timeout).cards[card.path].filters


def own_filters(card):
    return {(ALL, card.hwaddr), OWN_BROADCAST}


def join(guest, group):
    """A job that has joined a group, and prints what is sent to it."""
    if ":" in group:
        job = guest.start(f"socat -u UDP6-RECV:{PORT},ipv6-join-group=[{group}]:duct0 STDOUT")
    else:
        job = guest.start(f"socat -u UDP4-RECV:{PORT},ip-add-membership={group}:duct0 STDOUT")
    guest.until(f"ss -Hlun sport = :{PORT} | grep -q .; ip maddr show dev duct0 | grep -q {group}")
    return job


def send(guest, group, count=1):
    to = f"UDP6-DATAGRAM:[{group}%duct0]:{PORT}" if ":" in group else \
        f"UDP4-DATAGRAM:{group}:{PORT},ip-multicast-if={guest.ip4}"
    guest.run(f"for i in $(seq {count}); do echo hello $i | socat -u STDIN {to}; done")


def test_own_address_and_broadcast(pair):
    for card in pair.net.cards:
        filters(pair, card, own_filters(card), {ALLMULTI, PROMISC})


@pytest.mark.parametrize("group, mac", [GROUP4, GROUP6])
def test_received_only_when_joined(pair, group, mac):
    filters(pair, pair.card_b, unwanted={group_filter(mac)})
    job = join(pair.b, group)
    filters(pair, pair.card_b, {group_filter(mac)})
    send(pair.a, group)
    job.wait_for("hello 1")

    job.kill()
    filters(pair, pair.card_b, unwanted={group_filter(mac)})
    before = pair.net.state()
    send(pair.a, group, 20)
    after = pair.net.state()
    sent = after.cards[pair.card_a.path]["tx_packets"] - before.cards[pair.card_a.path]["tx_packets"]
    came = after.cards[pair.card_b.path]["rx_packets"] - before.cards[pair.card_b.path]["rx_packets"]
    unclaimed = after.bus["unclaimed"] - before.bus["unclaimed"]
    assert sent >= 20
    assert unclaimed >= 20, "the card let in packets of a group nobody joined"
    assert came <= sent - 20


def test_two_members_share_one_filter(pair):
    wanted = {group_filter(GROUP4[1])}
    first = join(pair.b, GROUP4[0])
    second = pair.b.start(f"socat -u UDP4-RECV:{PORT + 1},ip-add-membership={GROUP4[0]}:duct0 STDOUT")
    pair.b.until(f"ss -Hlun sport = :{PORT + 1} | grep -q .")
    filters(pair, pair.card_b, wanted)
    first.kill()
    assert wanted <= pair.net.card(pair.card_b).filters
    second.kill()
    filters(pair, pair.card_b, unwanted=wanted)


def groups(count):
    return [f"01:00:5e:11:{number >> 8:02x}:{number & 0xff:02x}" for number in range(count)]


def change_groups(guest, verb, macs):
    guest.run(f"for mac in {' '.join(macs)}; do ip maddr {verb} $mac dev duct0 || exit; done")


def test_more_groups_than_filters(pair):
    many = groups(FILTERS + 8)
    change_groups(pair.b, "add", many)
    now = filters(pair, pair.card_b, own_filters(pair.card_b) | {ALLMULTI})
    assert len(now) <= FILTERS
    job = join(pair.b, GROUP4[0])
    send(pair.a, GROUP4[0])
    job.wait_for("hello 1")
    job.kill()
    change_groups(pair.b, "del", many)
    now = filters(pair, pair.card_b, own_filters(pair.card_b), {ALLMULTI})
    assert not now & {group_filter(mac) for mac in many}


def test_as_many_groups_as_filters(pair):
    room = FILTERS - len(pair.net.card(pair.card_b).filters)
    many = groups(room)
    change_groups(pair.b, "add", many)
    now = filters(pair, pair.card_b, {group_filter(mac) for mac in many}, {ALLMULTI})
    assert len(now) == FILTERS
    change_groups(pair.b, "del", many)
    filters(pair, pair.card_b, unwanted={group_filter(mac) for mac in many})


def driver_counter(guest, name):
    return int(guest.run(f"ethtool -S duct0 | grep -w {name}").split()[-1])


def test_groups_that_do_not_fit_next_to_files_filters(pair):
    """The interface's wide filter stays where it is: nothing is tried that is known not to fit."""
    room = FILTERS - len(pair.net.card(pair.card_b).filters)
    held = {(ALL, 0x80001000 + i) for i in range(room - 2)}
    reader = pair.b.start("ductctl -r -t 60 " + " ".join(f"-m {mask:x}/{addr:x}" for mask, addr in held))
    filters(pair, pair.card_b, held)
    few, one_more = groups(5)[:4], groups(5)[4:]
    change_groups(pair.b, "add", few)
    filters(pair, pair.card_b, held | {ALLMULTI})

    overflows, commands = (driver_counter(pair.b, name) for name in ("filter_overflows", "commands"))
    change_groups(pair.b, "add", one_more)
    pair.b.until(f"test $(ethtool -S duct0 | grep -w filter_overflows | tr -dc 0-9) -gt {overflows}")
    assert driver_counter(pair.b, "commands") == commands

    reader.kill()
    filters(pair, pair.card_b, {ALLMULTI}, held)
    change_groups(pair.b, "del", few + one_more)
    filters(pair, pair.card_b, own_filters(pair.card_b), {ALLMULTI})


def test_groups_survive_down_and_up(pair):
    change_groups(pair.b, "add", [GROUP4[1]])
    pair.b.run("ip link set duct0 down; ip link set duct0 up")
    filters(pair, pair.card_b, own_filters(pair.card_b) | {group_filter(GROUP4[1])})
    change_groups(pair.b, "del", [GROUP4[1]])
    filters(pair, pair.card_b, unwanted={group_filter(GROUP4[1])})


def test_allmulti(pair):
    pair.b.run("ip link set duct0 allmulticast on")
    filters(pair, pair.card_b, own_filters(pair.card_b) | {ALLMULTI})
    pair.b.run("ip link set duct0 allmulticast off")
    filters(pair, pair.card_b, own_filters(pair.card_b), {ALLMULTI})


def watch(guest, options, expression):
    job = guest.start(f"tcpdump -n -l -c 1 {options} -i duct0 '{expression}'")
    return job.wait_for("listening on")


def send_to_stranger(guest):
    """Packets to a station that is not there."""
    guest.run(f"ip neigh replace 10.77.0.99 lladdr {STRANGER} nud permanent dev duct0")
    guest.run("ping -q -c 5 -i 0.01 -W 0.1 10.77.0.99", check=False)


def test_promiscuous(pair):
    expression = f"ether dst {STRANGER}"
    modest = watch(pair.b, "-p", expression)
    before = pair.net.card(pair.card_b)
    send_to_stranger(pair.a)
    after = pair.net.card(pair.card_b)
    assert after["rx_packets"] == before["rx_packets"], "the card let in another station's packets"
    assert not modest.done
    modest.kill("INT")

    curious = watch(pair.b, "", expression)
    filters(pair, pair.card_b, {PROMISC})
    send_to_stranger(pair.a)
    assert "10.77.0.1 > 10.77.0.99" in curious.wait()
    filters(pair, pair.card_b, own_filters(pair.card_b), {PROMISC})
