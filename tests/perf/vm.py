# SPDX-License-Identifier: GPL-2.0-only
"""Two guests that have every network card there is to compare, and what is measured with each in turn."""

import ctypes
import fcntl
import json
import os
import struct
import subprocess

from netns import Namespace

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
PORT = 5201
UDP_SIZE = 18
MODULES = "virtio_net igb vmxnet3 e1000e pktgen"
LOST_MAX = 0.01
SAMPLES_MIN = 50


class MeasurementError(Exception):
    """What was measured cannot be right."""


class Nic:
    """A kind of card with what is behind it; guests "a" and "b" have one each."""

    def __init__(self, number, name, device, mtu, backend=None):
        self.number, self.name, self.device, self.mtu = number, name, device, mtu
        self.backend = backend
        self.macs = {side: f"52:54:00:00:{number:02x}:0{1 + (side == 'b')}" for side in "ab"}
        self.dev = {}

    def address(self, side):
        return f"10.{100 + self.number}.0.{1 + (side == 'b')}"

    def arguments(self, side, directory, taps):
        if not self.backend:
            return []
        path = f"{directory}/{self.name}"
        other = "b" if side == "a" else "a"
        net = f"n{self.number}"
        if self.backend == "stream":
            end = "server=on" if side == "a" else "server=off,reconnect-ms=50"
            netdev = f"stream,id={net},{end},addr.type=unix,addr.path={path}"
        elif self.backend == "dgram":
            netdev = f"dgram,id={net},local.type=unix,local.path={path}-{side}," \
                     f"remote.type=unix,remote.path={path}-{other}"
        else:
            netdev = f"tap,id={net},fd={taps[side]}"
        return ["-netdev", netdev, "-device", f"{self.device},netdev={net},mac={self.macs[side]},romfile="]


def nics():
    """Each with the MTU that TCP is fastest with. duct-sleep is duct without ductnet's polling."""
    return [
        Nic(0, "duct", None, 16368),
        Nic(1, "virtio-stream", "virtio-net-pci", 32000, "stream"),
        Nic(2, "virtio-dgram", "virtio-net-pci", 32000, "dgram"),
        Nic(3, "virtio-tap", "virtio-net-pci", 9000, "tap"),
        Nic(4, "igb", "igb", 9000, "stream"),
        Nic(5, "vmxnet3", "vmxnet3", 9000, "stream"),
        Nic(6, "e1000e", "e1000e", 9000, "stream"),
        Nic(7, "duct-sleep", None, 16368),
    ]


class Taps:
    """A context: a bridge with two taps in a network namespace of its own; fds is {"a": fd, "b": fd}."""

    def __init__(self):
        self.net = Namespace("taps")
        self.fds = {}

    def __enter__(self):
        self.net.__enter__()
        self.net.link("add", "br0", "mtu", "9000", "type", "bridge")
        self.net.link("set", "br0", "up")
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", encoding="ascii") as home, open(self.net.path, encoding="ascii") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                for side in "ab":
                    self.fds[side] = os.open("/dev/net/tun", os.O_RDWR)
                    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
                    fcntl.ioctl(self.fds[side], TUNSETIFF, struct.pack("16sH22x", f"tap{side}".encode(), flags))
            finally:
                libc.setns(home.fileno(), CLONE_NEWNET)
        for side in "ab":
            self.net.link("set", f"tap{side}", "mtu", "9000", "master", "br0", "up")
        return self

    def __exit__(self, *args):
        for fd in self.fds.values():
            os.close(fd)
        self.net.__exit__(*args)


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def parse_iperf(said):
    """Bits a second and octets that were received, of what iperf3 -J prints."""
    try:
        got = json.loads(said)["end"]["sum_received"]
        rate, octets = got["bits_per_second"], got["bytes"]
    except (ValueError, KeyError, TypeError):
        raise MeasurementError(f"iperf3 says:\n{said[-2000:]}") from None
    if rate <= 0 or octets <= 0:
        raise MeasurementError("iperf3 received nothing")
    return rate, octets


def parse_rate(said):
    """Packets a second, of a line that has packets and nanoseconds."""
    try:
        count, took = map(int, said.strip().split("\n")[-1].split())
    except ValueError:
        raise MeasurementError(f"neither packets nor a time: {said!r}") from None
    if count <= 0 or took <= 0:
        raise MeasurementError(f"{count} packets in {took} ns")
    return count / (took / 1e9), count


def parse_round_trips(said):
    """Median and 99th percentile in microseconds, of what load ping prints."""
    try:
        count, median, worst, lost = map(int, said.split())
    except ValueError:
        raise MeasurementError(f"no round trips: {said!r}") from None
    if count < SAMPLES_MIN or lost > count * LOST_MAX:
        raise MeasurementError(f"{count} round trips, and {lost} packets lost")
    return median / 1000, worst / 1000


class Bench:
    """Guests a and b, their processors and programs; one card of each kind at a time is up."""

    def __init__(self, lab, seconds, taps, cpu, qemu_args=lambda side: []):
        self.seconds = seconds
        self.lab = lab
        self.nics = nics()
        nets = [lab.ductnet(2), lab.ductnet(2, "--busy-poll", "0")]
        self.guests = {}
        for number, side in enumerate("ab"):
            cards = [net.cards[number] for net in nets]
            arguments = [word for nic in self.nics for word in nic.arguments(side, lab.directory, taps.fds)]
            self.guests[side] = lab.guest(side, cards, qemu_args=[*arguments, *qemu_args(side)],
                                          fds=taps.fds.values(), memory="1G", cpu=cpu, life=4 * 3600)
            for nic in self.nics:
                if not nic.device:
                    nic.macs[side] = cards[nic.name == "duct-sleep"].mac
        self.pids = [net.process.pid for net in nets] + [guest.process.pid for guest in self.guests.values()]

    def prepare(self, program):
        """program is what load.c was built to. Each guest has a CPU of its own, if there are two."""
        usable = sorted(os.sched_getaffinity(0))
        for number, (side, guest) in enumerate(self.guests.items()):
            guest.ready()
            cpu = usable[number % len(usable)]
            subprocess.run(["taskset", "-apc", str(cpu), str(guest.process.pid)], check=True,
                           stdout=subprocess.DEVNULL)
            guest.run(f"for m in {MODULES}; do modprobe $m; done; udevadm settle", timeout=60)
            guest.put("/usr/bin/load", program, mode=0o755)
            by_mac = {link["address"]: link["ifname"] for link in json.loads(guest.run("ip -j link"))}
            for nic in self.nics:
                nic.dev[side] = by_mac[nic.macs[side]]

    def chosen(self, only):
        """Those of the cards that are named, or all."""
        return [nic for nic in self.nics if not only or nic.name in only]

    def segments(self, nic):
        """Whether the card cuts up what TCP sends (TSO)."""
        return "tcp-segmentation-offload: on" in self.guests["a"].run(f"ethtool -k {nic.dev['a']}")

    def up(self, nic, mtu):
        for side, guest in self.guests.items():
            dev = nic.dev[side]
            guest.run(f"ip link set {dev} mtu {mtu} up && ip addr replace {nic.address(side)}/24 dev {dev}")
        for side, guest in self.guests.items():
            other = nic.address("b" if side == "a" else "a")
            guest.until(f"ping -q -c 1 -W 2 {other}")

    def down(self, nic):
        for side, guest in self.guests.items():
            guest.run(f"ip addr flush dev {nic.dev[side]}; ip link set {nic.dev[side]} down")

    def recover(self, nic):
        """After a measurement that failed: nothing runs any more that belonged to it."""
        for guest in self.guests.values():
            guest.kill_jobs()
        self.down(nic)

    def run_tcp(self, nic, options):
        """What iperf3 says, and CPU seconds of all processes."""
        a, b = self.guests["a"], self.guests["b"]
        server = b.start(f"iperf3 -s -1 -p {PORT} --forceflush").wait_for("Server listening")
        before = cpu_seconds(self.pids)
        said = a.run(f"iperf3 -J -c {nic.address('b')} -p {PORT} {options}", timeout=self.seconds + 30)
        used = cpu_seconds(self.pids) - before
        server.wait()
        return said, used

    def tcp(self, nic, reverse):
        """Mbit/s, CPU seconds of all processes for a GiB, and octets."""
        said, used = self.run_tcp(nic, f"-t {self.seconds} {'-R' if reverse else ''}")
        rate, octets = parse_iperf(said)
        return rate / 1e6, used / (octets / 2 ** 30), octets

    def run_udp(self, nic, ms):
        """What the receiver says, and CPU seconds of all processes."""
        a, b = self.guests["a"], self.guests["b"]
        receiver = b.start(f"exec load recv {PORT}").wait_for("ready")
        before = cpu_seconds(self.pids)
        a.run(f"load send {nic.address('b')} {PORT} {UDP_SIZE} {ms}", timeout=self.seconds + 30)
        used = cpu_seconds(self.pids) - before
        return receiver.kill(), used

    def udp(self, nic):
        """Packets of 18 octets a second that a program received; CPU seconds for a million."""
        said, used = self.run_udp(nic, self.seconds * 1000)
        rate, count = parse_rate(said)
        return rate, used / (count / 1e6)

    def run_raw(self, nic, ms):
        """Sends frames that no program in the other guest gets."""
        self.send_raw(nic.dev["a"], nic.macs["b"], ms)

    def send_raw(self, device, mac, ms):
        self.guests["a"].run(f"load raw {device} {mac} {ms}", timeout=self.seconds + 30)

    def set_pktgen(self, nic):
        """Packets, until it is killed, that no program in the other guest gets: the address is not its own."""
        dev = nic.dev["a"]
        self.guests["a"].run(f"""
            cd /proc/net/pktgen; echo rem_device_all >kpktgend_0; echo add_device {dev} >kpktgend_0
            for word in 'count 0' 'clone_skb 0' 'pkt_size 60' 'delay 0' 'dst 192.0.2.1' 'dst_mac {nic.macs['b']}'; do
                echo "$word" >{dev}
            done""")

    def pktgen(self, nic):
        """Packets of 64 octets a second that the other guest's driver received."""
        a, b = self.guests["a"], self.guests["b"]
        self.set_pktgen(nic)
        sender = a.start("exec sh -c 'echo start >/proc/net/pktgen/pgctrl'")
        said = b.run(f"load rate /sys/class/net/{nic.dev['b']}/statistics/rx_packets {self.seconds * 1000}",
                     timeout=self.seconds + 30)
        sender.kill()
        return parse_rate(said)[0]

    def round_trip(self, nic, busy):
        """Median and 99th percentile, microseconds."""
        a, b = self.guests["a"], self.guests["b"]
        pong = b.start(f"exec load pong {PORT} {busy}").wait_for("ready")
        said = a.run(f"load ping {nic.address('b')} {PORT} {self.seconds * 500} {busy}", timeout=self.seconds + 30)
        pong.kill()
        return parse_round_trips(said)
