# SPDX-License-Identifier: GPL-2.0-only
"""Frames that a packet socket leaves to be cut, as a virtual machine behind a bridge does: whatever is odd about them,
the right segments come out, cut by the driver or by the stack."""

import random
import struct
from types import SimpleNamespace

import pytest

from ductvm.ether import MTU_MAX
from test_tso import capture, captured, counters

PORT = 9
ACK_PSH_FIN = 0x19
SEQUENCE = 0xfffffff0
IDENT = 0xfffe


def total(data):
    """The sum that Internet checksums are made of."""
    value = sum(struct.unpack(f">{len(data) // 2}H", data[:len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    while value > 0xffff:
        value = (value & 0xffff) + (value >> 16)
    return value


def address(text):
    if "." in text:
        return bytes(map(int, text.split(".")))
    return bytes.fromhex("fd77" + 12 * "00") + int(text.split("::")[1]).to_bytes(2, "big")


def build(pair, size, version=4, tags=(), ip_options=b"", tcp_options=b"", extension=b""):
    """A frame with one large segment, its checksums left open."""
    data = random.Random(size).randbytes(size)
    head = bytes.fromhex((pair.card_b.mac + pair.card_a.mac).replace(":", ""))
    for tag in tags:
        head += struct.pack(">HH", *tag)
    words = 5 + len(tcp_options) // 4
    tcp = struct.pack(">HHIIBBHHH", 5555, PORT, SEQUENCE, 1, words << 4, ACK_PSH_FIN, 1000, 0, 0) + tcp_options
    if version == 4:
        source, target = address(pair.a.ip4), address(pair.b.ip4)
        head += b"\x08\x00" + struct.pack(">BBHHHBBH4s4s", 0x45 + len(ip_options) // 4, 0,
                                          (20 + len(ip_options) + len(tcp) + size) & 0xffff, IDENT, 0x4000, 64, 6, 0,
                                          source, target) + ip_options
    else:
        source, target = address(pair.a.ip6), address(pair.b.ip6)
        head += b"\x86\xdd" + struct.pack(">IHBB16s16s", 6 << 28, (len(extension) + len(tcp) + size) & 0xffff,
                                          60 if extension else 6, 64, source, target) + extension
    transport = len(head)
    pseudo = total(source + target + struct.pack(">HH", 6, len(tcp) + size))
    tcp = tcp[:16] + struct.pack(">H", pseudo) + tcp[18:]
    return SimpleNamespace(frame=head + tcp + data, data=data, transport=transport, head=head + tcp, version=version,
                           network=14 + 4 * len(tags), source=source, target=target)


def check(big, mss, frames):
    """Each segment is the frame's headers, with what has to differ, and the data in order."""
    hlen = len(big.head)
    count = -(-len(big.data) // mss)
    assert len(frames) == count
    for i, (length, frame) in enumerate(frames):
        assert length == len(frame)
        data = big.data[i * mss:(i + 1) * mss]
        assert frame[hlen:] == data
        ip, tcp = frame[big.network:big.transport], frame[big.transport:]
        if big.version == 4:
            assert struct.unpack_from(">HH", ip, 2) == (length - big.network, (IDENT + i) & 0xffff)
            assert total(ip) == 0xffff
        else:
            assert struct.unpack_from(">H", ip, 4)[0] == length - big.network - 40
        assert struct.unpack_from(">I", tcp, 4)[0] == (SEQUENCE + i * mss) & 0xffffffff
        assert tcp[13] == (ACK_PSH_FIN if i == count - 1 else 0x10)
        assert total(big.source + big.target + struct.pack(">HH", 6, len(tcp)) + tcp) == 0xffff
        # All else is as it was.
        for was, now, changed in ((big.head[:big.network], frame[:big.network], ()),
                                  (big.head[big.network:big.transport], ip,
                                   (2, 3, 4, 5, 10, 11) if big.version == 4 else (4, 5)),
                                  (big.head[big.transport:], tcp[:hlen - big.transport], (4, 5, 6, 7, 13, 16, 17))):
            assert all(old == new for j, (old, new) in enumerate(zip(was, now)) if j not in changed)


def exchange(pair, big, mss):
    """Sends it, and returns what b got and what the driver has counted."""
    pair.b.run("ethtool -K duct0 gro off")
    pair.a.put("/tmp/frame", big.frame)
    count = -(-len(big.data) // mss)
    tap = capture(pair.b, "duct0", count, f"ether src {pair.card_a.mac} and greater {len(big.head)} and "
                                          "not icmp and not icmp6 and not arp", length=17000)
    before = counters(pair.a)
    pair.a.run(f"/usr/lib/duct/tests/gso duct0 /tmp/frame {1 if big.version == 4 else 4} {mss} {big.transport}")
    tap.wait()
    after = counters(pair.a)
    return list(captured(pair.b)), {name: after[name] - before[name] for name in after}


TIMESTAMPS = b"\x01\x01\x08\x0a" + 8 * b"\x55"

DRIVER = {
    "IPv4": (10001, 1001, {}),
    "IPv6": (10001, 1001, {"version": 6}),
    "sixty-four": (64 * 100, 100, {}),
    "one-octet-more-than-a-segment": (1001, 1000, {}),
    "timestamps": (9999, 1448, {"tcp_options": TIMESTAMPS}),
    "all-options": (9999, 1333, {"ip_options": 40 * b"\x01", "tcp_options": 40 * b"\x01"}),
    "tag": (9999, 999, {"tags": [(0x8100, 7)]}),
    "tag-IPv6": (9999, 999, {"tags": [(0x8100, 7)], "version": 6}),
    "three-pieces": (60001, 8193, {}),
}

STACK = {
    "sixty-five": (64 * 100 + 1, 100, {}),
    "very-many": (10001, 51, {}),
    "extension-IPv6": (10001, 1001, {"version": 6, "extension": b"\x06\x00\x01\x04" + 4 * b"\x00"}),
    "many-extensions-IPv6": (10001, 1001, {"version": 6, "extension": b"\x06\x1c\x01\xe4" + 228 * b"\x00"}),
}


def mtu_max(pair):
    for guest in pair.both:
        guest.run(f"ip link set duct0 mtu {MTU_MAX}")


@pytest.mark.parametrize("name", DRIVER)
def test_cut_by_the_driver(pair, name):
    size, mss, options = DRIVER[name]
    mtu_max(pair)
    big = build(pair, size, **options)
    frames, counted = exchange(pair, big, mss)
    check(big, mss, frames)
    assert counted["tx_tso_packets"] == 1
    assert counted["tx_tso_segments"] == len(frames)


@pytest.mark.parametrize("name", STACK)
def test_cut_by_the_stack(pair, name):
    size, mss, options = STACK[name]
    mtu_max(pair)
    big = build(pair, size, **options)
    frames, counted = exchange(pair, big, mss)
    check(big, mss, frames)
    assert counted["tx_tso_packets"] == counted["tx_tso_bad"] == 0


def test_more_pieces_than_a_descriptor_has(pair):
    """How many there are is up to the kernel, and so is who cuts."""
    mtu_max(pair)
    big = build(pair, 60001)
    frames, counted = exchange(pair, big, 16001)
    check(big, 16001, frames)
    assert counted["tx_tso_bad"] == 0
