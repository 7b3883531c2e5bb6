# SPDX-License-Identifier: GPL-2.0-only
"""TCP that the driver cuts into segments: what arrives is what was sent, and every packet on the wire is right."""

import re
import shlex
import struct
import time
from types import SimpleNamespace

import pytest

from ductvm.ether import MTU_MAX
from ductvm.pktgen import pktgen, send_pktgen
from test_tcp import MIB, make_data, receive, send

SHIM = 2
LENGTH = MIB << 20


def counters(guest, dev="duct0"):
    """What the driver counts: ethtool -S and the packets and octets of ip -s link."""
    text = guest.run(f"ethtool -S {dev}; cd /sys/class/net/{dev}/statistics; "
                     "for name in [rt]x_packets [rt]x_bytes; do echo \"  $name: $(cat $name)\"; done")
    return {name: int(value) for name, value in re.findall(r"^\s+(\w+): (\d+)$", text, re.MULTILINE)}


def protocol(guest):
    """The kernel's counters of IPv4, TCP and UDP; those of TCP are for IPv6 too."""
    lines = guest.read("/proc/net/snmp").splitlines()
    return {f"{names.split()[0][:-1]}{name}": int(value) for names, values in zip(lines[::2], lines[1::2])
            for name, value in zip(names.split()[1:], values.split()[1:])}


def csum_errors(guest):
    return protocol(guest)["TcpInCsumErrors"]


class Books:
    """What two drivers and their cards have counted since this was opened."""

    def __init__(self, pair):
        self.pair = pair
        self.before = self.read()
        # Nothing may come between the reading of one side and of another.
        while self.packets(again := self.read()) != self.packets(self.before):
            self.before = again
        self.unclaimed_before = self.unclaimed

    def read(self):
        drivers = [counters(guest) for guest in self.pair.both]
        state = self.pair.net.state()
        self.unclaimed = state.bus["unclaimed"]
        return [(driver, state.cards[card.path]) for driver, card in zip(drivers, self.pair.net.cards)]

    @staticmethod
    def packets(sides):
        return [side[name] for both in sides for side in both for name in ("tx_packets", "rx_packets")]

    def since(self):
        """Two of them: what a driver has counted, and what its card."""
        return [SimpleNamespace(driver={name: now[0][name] - value for name, value in was[0].items()},
                                card={name: now[1][name] - value for name, value in was[1].items()
                                      if isinstance(value, int)})
                for was, now in zip(self.before, self.read())]

    def check(self, stopped=False):
        """What a driver says it sent its card has sent, what a card has received its driver has; and all that was
        sent has come, or its loss is counted. What is on its way is so in a moment."""
        deadline = time.monotonic() + 20
        while True:
            sides = self.since()
            told = [[side.driver["tx_packets"], side.driver["tx_bytes"] + SHIM * side.driver["tx_packets"],
                     side.driver["rx_packets"] + side.driver["rx_flushed"],
                     side.driver["rx_bytes"] + SHIM * side.driver["rx_packets"]] for side in sides]
            true = [[side.card["tx_packets"], side.card["tx_bytes"], side.card["rx_packets"],
                     side.card["rx_bytes"] if not side.driver["rx_flushed"] else mine[3]]
                    for side, mine in zip(sides, told)]
            lost = sum(side.card["rx_drop"] for side in sides) + self.unclaimed - self.unclaimed_before
            # A card whose interface is down loses what comes, and counts nothing.
            if told == true and (sum(one[0] for one in true) == sum(one[2] for one in true) + lost or stopped):
                return sides
            assert time.monotonic() < deadline, f"drivers {told}, cards {true}, lost {lost}"


def stream(sender, receiver, address):
    """Sends the data through one TCP connection, and sees that it arrives."""
    checksum = make_data(sender)
    job = receive(receiver)
    send(sender, address).wait(60)
    assert job.wait(60).split()[0] == checksum


def addresses(guest):
    return {"IPv4": guest.ip4, "IPv6": f"[{guest.ip6}]"}


@pytest.fixture(autouse=True)
def features(pair):
    """As after loading: segmentation on."""
    yield
    for guest in pair.both:
        guest.run("ethtool -K duct0 tx on sg on tso on gso on gro on", check=False)


def test_on_by_default_and_switched_by_ethtool(pair):
    for off in ("tso off", "tx off", "sg off"):
        assert pair.a.ok("ethtool -k duct0 | grep -q '^tcp-segmentation-offload: on'")
        assert pair.a.ok("ethtool -k duct0 | grep -q 'tx-tcp6-segmentation: on'")
        pair.a.run(f"ethtool -K duct0 {off}")
        assert pair.a.ok("ethtool -k duct0 | grep -q '^tcp-segmentation-offload: off'")
        pair.a.run("ethtool -K duct0 tx on sg on tso on")


# The odd one has segments that begin and end, and pieces of them that meet, at odd octets.
@pytest.mark.parametrize("mtu", [1500, 1501, MTU_MAX])
@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
@pytest.mark.parametrize("feature", ["tso on", "tso off", "tx off", "sg off"])
def test_streams_arrive_and_are_counted(pair, feature, family, mtu):
    for guest in pair.both:
        guest.run(f"ip link set duct0 mtu {mtu}; ethtool -K duct0 {feature}")
    errors = csum_errors(pair.b)
    books = Books(pair)
    stream(pair.a, pair.b, addresses(pair.b)[family])
    sent, received = books.check()
    assert csum_errors(pair.b) == errors
    assert sent.driver["tx_packets"] >= LENGTH // mtu
    if feature == "tso on":
        assert sent.driver["tx_tso_packets"] > 0
        assert sent.driver["tx_tso_segments"] >= 2 * sent.driver["tx_tso_packets"]
        assert sent.driver["tx_tso_segments"] * mtu > LENGTH / 2
    else:
        assert sent.driver["tx_tso_packets"] == sent.driver["tx_tso_segments"] == 0
    for side in (sent, received):
        assert side.driver["tx_csum_fail"] == side.driver["tx_tso_bad"] == side.driver["tx_dma_error"] == 0


def capture(guest, dev, count, condition, length=128):
    """The next packets, or their beginnings, as tcpdump writes them into a file."""
    return guest.start(f"tcpdump -i {dev} -n -p -s {length} -B 8192 -U --immediate-mode -c {count} -w /tmp/capture '{condition}' 2>&1"
                       ).wait_for("listening on")


def captured(guest):
    """Ethernet frames of a capture, as pairs of their length on the wire and their first octets."""
    data = bytes.fromhex(guest.run("hexdump -v -e '1/1 \"%02x\"' /tmp/capture"))
    offset = 24
    while offset < len(data):
        kept, length = struct.unpack_from("<II", data, offset + 8)
        offset += 16 + kept
        yield length, data[offset - kept:offset]


def parse(length, frame):
    """A TCP segment in an Ethernet frame."""
    ip = 14
    if frame[12:14] == b"\x81\x00":
        ip += 4
    if frame[ip] >> 4 == 4:
        words = struct.unpack_from(">10H", frame, ip)
        assert frame[ip] == 0x45 and length == ip + words[1]
        total = sum(words)
        assert total % 0xffff == 0 and total > 0
        ident = words[2]
        tcp = ip + 20
    else:
        assert frame[ip + 6] == 6 and length == ip + 40 + struct.unpack_from(">H", frame, ip + 4)[0]
        ident = None
        tcp = ip + 40
    sequence = struct.unpack_from(">I", frame, tcp + 4)[0]
    return SimpleNamespace(ip_length=length - ip, ident=ident, sequence=sequence, flags=frame[tcp + 13],
                           size=length - tcp - (frame[tcp + 12] >> 4) * 4)


FIN, PSH = 0x01, 0x08


@pytest.mark.parametrize("mtu", [1500, 576, 4000])
@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_every_header_on_the_wire(pair, family, mtu):
    """Lengths, the header's checksum, sequence numbers without a gap, IPv4 identifiers one after the other, and PSH and
    FIN only where the sender put them: behind the data."""
    if (family, mtu) == ("IPv6", 576):
        mtu = 1280
    size = 100001
    for guest in pair.both:
        guest.run(f"ip link set duct0 mtu {mtu}; ethtool -K duct0 gro off")
    pair.a.run(f"head -c {size} /dev/urandom >/tmp/short")
    expected = pair.a.run("sha256sum </tmp/short").split()[0]
    job = receive(pair.b)
    tap = capture(pair.b, "duct0", 10000, "tcp dst port 5001 and greater 100")
    before = counters(pair.a)
    pair.a.run(f"socat -u -b {size} FILE:/tmp/short TCP:{addresses(pair.b)[family]}:5001")
    assert job.wait().split()[0] == expected
    tap.kill()
    after = counters(pair.a)
    segments = [parse(*frame) for frame in captured(pair.b)]
    segments = [segment for segment in segments if segment.size]
    assert after["tx_tso_segments"] - before["tx_tso_segments"] > size / mtu / 2
    assert max(segment.ip_length for segment in segments) == mtu
    assert sum(segment.size for segment in segments) >= size

    position = segments[0].sequence
    for one, next_one in zip(segments, segments[1:]):
        # What was lost comes again, and out of its order: none of that is likely in so little data.
        assert one.sequence == position
        position = (position + one.size) & 0xffffffff
        if family == "IPv4":
            assert (next_one.ident - one.ident) & 0xffff == 1
        if one.ip_length == mtu and next_one.ip_length == mtu:
            assert not one.flags & FIN
    full = [segment for segment in segments if segment.ip_length == mtu]
    assert sum(bool(segment.flags & PSH) for segment in full) < len(full) / 2


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_vlan(pair, family):
    """The tag is in the frame when the driver cuts it."""
    for guest in pair.both:
        guest.run(f"ip link add link duct0 name tagged type vlan id 77; ip link set tagged up; "
                  f"ip addr add 10.80.0.{guest.number}/24 dev tagged; ip addr add fd80::{guest.number}/64 dev tagged nodad")
    assert pair.a.ok("ethtool -k tagged | grep -q '^tcp-segmentation-offload: on'")
    errors = csum_errors(pair.b)
    before = counters(pair.a)
    stream(pair.a, pair.b, {"IPv4": "10.80.0.2", "IPv6": "[fd80::2]"}[family])
    after = counters(pair.a)
    for guest in pair.both:
        guest.run("ip link del tagged")
    assert (after["tx_tso_segments"] - before["tx_tso_segments"]) * 1500 > LENGTH / 2
    assert csum_errors(pair.b) == errors


def test_vlan_in_vlan(pair):
    for guest in pair.both:
        guest.run(f"ip link add link duct0 name outer type vlan proto 802.1ad id 5; ip link set outer up; "
                  f"ip link add link outer name inner type vlan id 6; ip link set inner up; "
                  f"ip addr add 10.81.0.{guest.number}/24 dev inner")
    errors = csum_errors(pair.b)
    stream(pair.a, pair.b, "10.81.0.2")
    for guest in pair.both:
        guest.run("ip link del outer")
    assert csum_errors(pair.b) == errors


def test_vlan_whose_segments_do_not_fit(pair):
    """The stack cuts these, and each is counted as the frame it is."""
    for guest in pair.both:
        guest.run(f"ip link set duct0 mtu {MTU_MAX}; ip link add link duct0 name tagged type vlan id 77; "
                  f"ip link set tagged up; ip addr add 10.80.0.{guest.number}/24 dev tagged")
    before = counters(pair.a)
    job = receive(pair.b)
    sender = pair.a.start("head -c 200000 /dev/zero | timeout 30 socat -u -b 65536 STDIN TCP:10.80.0.2:5001")
    pair.a.until(f"[ $(ethtool -S duct0 | awk '/tx_too_long/ {{ print $2 }}') -gt {before['tx_too_long'] + 2} ]")
    sender.kill("KILL")
    job.kill("KILL")
    after = counters(pair.a)
    for guest in pair.both:
        guest.run("ip link del tagged")
    assert after["tx_tso_bad"] == before["tx_tso_bad"]


@pytest.mark.parametrize("mtu", [1500, MTU_MAX])
def test_data_that_changes_on_its_way(pair, mtu):
    """A file that is written to while sendfile() sends it: what the card reads has the checksum it goes with."""
    for guest in pair.both:
        guest.run(f"ip link set duct0 mtu {mtu}")
    make_data(pair.a)
    server = pair.b.start("iperf3 -s -1 --forceflush").wait_for("listening")
    errors = csum_errors(pair.b)
    writer = pair.a.start("while :; do dd if=/dev/urandom of=/tmp/changing bs=64k count=16 conv=notrunc 2>/dev/null; done")
    pair.a.until("[ $(stat -c %s /tmp/changing) -ge 1048576 ]")
    pair.a.run(f"iperf3 -Z -F /tmp/changing -c {pair.b.ip4} -t 5 -b 400M", timeout=60)
    server.wait()
    writer.kill("KILL")
    assert csum_errors(pair.b) == errors


def test_many_small_pieces(pair):
    """Streams that one program writes to in turn share its pages, in small pieces: of a large segment more than a
    descriptor has. The stack cuts those."""
    for guest in pair.both:
        guest.run("ip link set duct0 mtu 4000")
    server = pair.b.start("iperf3 -s -1 --forceflush").wait_for("listening")
    errors = csum_errors(pair.b)
    before = counters(pair.a)
    pair.a.run(f"iperf3 -c {pair.b.ip4} -P 4 -l 701 -t 3", timeout=60)
    server.wait()
    after = counters(pair.a)
    assert after["tx_linearized"] > before["tx_linearized"]
    assert after["tx_tso_bad"] == before["tx_tso_bad"]
    assert csum_errors(pair.b) == errors


def test_switched_under_traffic(pair):
    """What was made for a driver that segments, and waits, still goes."""
    make_data(pair.a)
    checksum = pair.a.run("for i in 1 2 3 4; do cat /tmp/data; done | sha256sum").split()[0]
    errors = csum_errors(pair.b)
    before = counters(pair.a)
    job = receive(pair.b)
    sender = pair.a.start("for i in 1 2 3 4; do cat /tmp/data; done | "
                          f"timeout 60 socat -u -b 65536 STDIN TCP:{pair.b.ip4}:5001")
    switching = pair.a.start("while :; do for feature in tso tx sg gso; do ethtool -K duct0 $feature off; "
                             "ethtool -K duct0 tx on sg on gso on tso on; done; done")
    sender.wait(60)
    assert job.wait(60).split()[0] == checksum
    switching.kill("KILL")
    after = counters(pair.a)
    assert csum_errors(pair.b) == errors
    assert after["tx_tso_bad"] == before["tx_tso_bad"]
    assert after["tx_csum_fail"] == before["tx_csum_fail"]


def test_down_and_up_under_traffic(pair):
    """In the ring there are skbs of which a part is sent, and each is freed once. What is flushed is not sent."""
    make_data(pair.a)
    checksum = pair.a.run("for i in 1 2 3 4; do cat /tmp/data; done | sha256sum").split()[0]
    before = counters(pair.a)
    books = Books(pair)
    job = receive(pair.b)
    sender = pair.a.start("for i in 1 2 3 4; do cat /tmp/data; done | "
                          f"timeout 300 socat -u -b 65536 STDIN TCP:{pair.b.ip4}:5001")
    # TCP waits twice as long after each loss in a row, and on a busy machine there are some.
    for _ in range(4):
        pair.a.until(f"[ $(cat /sys/class/net/duct0/statistics/tx_packets) -gt {counters(pair.a)['tx_packets'] + 200} ]",
                     timeout=120)
        pair.a.run("ip link set duct0 down; ip link set duct0 up")
    sender.wait(180)
    assert job.wait(60).split()[0] == checksum
    books.check(stopped=True)
    assert counters(pair.a)["tx_tso_segments"] > before["tx_tso_segments"]


def test_veth_behind_a_bridge(pair):
    """A bridge's port gets what another port's sender left to be cut."""
    pair.a.run("ip netns add inner; ip link add out type veth peer name eth0 netns inner; "
               "ip link add br0 type bridge; ip addr flush dev duct0; ip link set duct0 master br0; "
               "ip link set out master br0; ip link set out up; ip link set br0 up; "
               "ip -n inner link set eth0 up; ip -n inner addr add 10.77.0.50/24 dev eth0")
    pair.b.until("ping -q -c 1 -W 1 10.77.0.50", timeout=30)
    checksum = make_data(pair.a)
    errors = csum_errors(pair.b)
    before = counters(pair.a)
    job = receive(pair.b)
    pair.a.run(f"ip netns exec inner socat -u -b 65536 FILE:/tmp/data TCP:{pair.b.ip4}:5001", timeout=60)
    assert job.wait(60).split()[0] == checksum
    after = counters(pair.a)
    pair.a.run("ip link del br0; ip link del out; ip netns del inner")
    assert (after["tx_tso_segments"] - before["tx_tso_segments"]) * 1500 > LENGTH / 2
    assert csum_errors(pair.b) == errors


def test_macvlan(pair):
    pair.a.run("ip netns add inner; ip link add link duct0 name mv0 netns inner type macvlan mode bridge; "
               "ip -n inner link set mv0 up; ip -n inner addr add 10.77.0.51/24 dev mv0")
    checksum = make_data(pair.a)
    before = counters(pair.a)
    job = receive(pair.b)
    pair.a.run(f"ip netns exec inner socat -u -b 65536 FILE:/tmp/data TCP:{pair.b.ip4}:5001", timeout=60)
    assert job.wait(60).split()[0] == checksum
    after = counters(pair.a)
    pair.a.run("ip netns del inner")
    assert (after["tx_tso_segments"] - before["tx_tso_segments"]) * 1500 > LENGTH / 2


def test_router(pair):
    """b forwards what its receive side has merged, from one address of a to another."""
    pair.b.run("sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 "
               "net.ipv4.conf.duct0.send_redirects=0; ip addr add 10.82.0.2/24 dev duct0")
    pair.a.run("ip netns add far; ip link add link duct0 name mv0 netns far type macvlan mode bridge; "
               "ip -n far link set mv0 up; ip -n far addr add 10.82.0.1/24 dev mv0; "
               "ip -n far route add 10.77.0.0/24 via 10.82.0.2; ip route add 10.82.0.0/24 via 10.77.0.2")
    checksum = make_data(pair.a)
    before = counters(pair.b)
    listener = shlex.quote("timeout 60 socat -u -b 65536 TCP4-LISTEN:5001,reuseaddr STDOUT | sha256sum")
    job = pair.a.start(f"ip netns exec far sh -c {listener}")
    pair.a.until("ip netns exec far ss -Hltn sport = :5001 | grep -q .")
    send(pair.a, "10.82.0.1").wait(60)
    assert job.wait(60).split()[0] == checksum
    after = counters(pair.b)
    pair.a.run("ip route del 10.82.0.0/24; ip netns del far")
    pair.b.run("ip addr del 10.82.0.2/24 dev duct0; sysctl -q -w net.ipv4.ip_forward=0")
    assert after["tx_tso_segments"] - before["tx_tso_segments"] > 100
    assert after["tx_tso_bad"] == before["tx_tso_bad"]


def test_pktgen_leaves_the_checksum_to_the_driver(pair):
    """It asks for no features: what it leaves open the driver has to fill in itself."""
    count = 1000
    before = protocol(pair.b)
    with pktgen(pair.a):
        send_pktgen(pair.a, f"count {count}", "pkt_size 101", "delay 100000", "flag UDPCSUM", f"dst {pair.b.ip4}",
                    f"src_min {pair.a.ip4}", f"src_max {pair.a.ip4}", f"dst_mac {pair.card_b.mac}")
    after = protocol(pair.b)
    assert after["UdpInCsumErrors"] == before["UdpInCsumErrors"]
    assert after["UdpNoPorts"] - before["UdpNoPorts"] > count / 2
