# SPDX-License-Identifier: GPL-2.0-only
"""Streams arrive whole."""

import json

import pytest

from ductvm.ether import MTU_MAX

MIB = 16
PORT = 5001


def make_data(guest):
    """Random octets, made once; returns their checksum."""
    return guest.run(f"cd /tmp && [ -e data ] || dd if=/dev/urandom of=data bs=1M count={MIB} status=none; sha256sum <data").split()[0]


def receive(guest, port=PORT):
    """A job that takes one stream, and says what its checksum is."""
    job = guest.start(f"timeout 300 socat -u -b 65536 TCP6-LISTEN:{port},ipv6only=0,reuseaddr STDOUT | sha256sum")
    guest.until(f"ss -Hltn sport = :{port} | grep -q .")
    return job


def send(guest, address, port=PORT):
    return guest.start(f"timeout 60 socat -u -b 65536 FILE:/tmp/data TCP:{address}:{port}")


@pytest.mark.parametrize("mtu", [1500, MTU_MAX])
def test_checksum(sender_receiver, mtu):
    sender, receiver = sender_receiver
    for guest in sender_receiver:
        guest.run(f"ip link set duct0 mtu {mtu}")
    checksum = make_data(sender)
    job = receive(receiver)
    send(sender, receiver.ip4).wait()
    assert job.wait().split()[0] == checksum


def test_checksum_over_ipv6(sender_receiver):
    sender, receiver = sender_receiver
    checksum = make_data(sender)
    job = receive(receiver)
    send(sender, f"[{receiver.ip6}]").wait()
    assert job.wait().split()[0] == checksum


def test_both_ways_at_once(pair):
    checksums = [make_data(guest) for guest in pair.both]
    jobs = [receive(guest) for guest in pair.both]
    sends = [send(pair.a, pair.b.ip4), send(pair.b, pair.a.ip4)]
    for job in sends:
        job.wait()
    assert [job.wait().split()[0] for job in jobs] == checksums[::-1]


def test_mtus_that_differ(pair):
    """Path MTU is the smaller side's; the larger side still takes and sends all."""
    pair.a.run(f"ip link set duct0 mtu {MTU_MAX}")
    for sender, receiver in (pair.both, pair.both[::-1]):
        checksum = make_data(sender)
        job = receive(receiver)
        send(sender, receiver.ip4).wait()
        assert job.wait().split()[0] == checksum


def test_many_streams(pair):
    server = pair.b.start("iperf3 -s -1 --forceflush")
    server.wait_for("listening")
    result = json.loads(pair.a.run(f"iperf3 -J -c {pair.b.ip4} -P 8 -t 3 --bidir", timeout=90))
    server.wait()
    assert result["end"]["sum_received"]["bytes"] > 0
    assert result["end"]["sum_received_bidir_reverse"]["bytes"] > 0


def test_one_copy_a_receiver(pair):
    """What the bus has copied is what it has delivered, and what the cards have received."""
    checksum = make_data(pair.a)
    before = pair.net.state()
    job = receive(pair.b)
    send(pair.a, pair.b.ip4).wait()
    assert job.wait().split()[0] == checksum
    after = pair.net.state()
    delivered = after.bus["delivered_bytes"] - before.bus["delivered_bytes"]
    assert delivered > MIB << 20
    assert after.bus["copied_bytes"] - before.bus["copied_bytes"] == delivered
    assert delivered == sum(after.cards[card.path]["rx_bytes"] - before.cards[card.path]["rx_bytes"]
                            for card in pair.net.cards)
