# SPDX-License-Identifier: GPL-2.0-only
"""Two guests that have every network card there is to compare, and what is measured with each in turn."""

import ctypes
import fcntl
import json
import os
import struct
import subprocess

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454ca
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
PORT = 5201
UDP_SIZE = 18
MODULES = "virtio_net igb vmxnet3 e1000e pktgen"


class Nic:
    """A kind of card with what is behind it; guests "a" and "b" have one each."""

    def __init__(self, number, name, device, mtu, backend=None):
        self.number, self.name, self.device, self.mtu = number, name, device, mtu
        self.backend = backend
        self.dev = {}

    def mac(self, side):
        return f"52:54:00:00:{self.number:02x}:0{1 + (side == 'b')}"

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
        return ["-netdev", netdev, "-device", f"{self.device},netdev={net},mac={self.mac(side)}"]


def nics():
    return [
        Nic(0, "duct", None, 16368),
        Nic(1, "virtio-stream", "virtio-net-pci", 9000, "stream"),
        Nic(2, "virtio-dgram", "virtio-net-pci", 9000, "dgram"),
        Nic(3, "virtio-tap", "virtio-net-pci", 9000, "tap"),
        Nic(4, "igb", "igb", 9000, "stream"),
        Nic(5, "vmxnet3", "vmxnet3", 9000, "stream"),
        Nic(6, "e1000e", "e1000e", 9000, "stream"),
    ]


def chosen(bench, only):
    """Those of the bench's cards that are named, or all."""
    return [nic for nic in bench.nics if not only or nic.name in only.split(",")]


class Counter:
    """What guests do, counted by a plugin of QEMU (count.c)."""

    def __init__(self, directory, plugin, io):
        self.directory, self.plugin, self.io = directory, plugin, io

    def path(self, side):
        return f"{self.directory}/{side}.counts"

    def arguments(self, side):
        return ["-plugin", f"{self.plugin},counts={self.path(side)}" + (",io=on" if self.io else "")]

    def read(self, side):
        """Instructions, reads and writes of devices' memory."""
        with open(self.path(side), "rb") as file:
            return struct.unpack("3Q", file.read(24))


class Taps:
    """A bridge with two taps in a network namespace of its own; {"a": fd, "b": fd}."""

    def __init__(self):
        self.name = f"duct-{os.getpid()}"
        self.fds = {}
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "add", "br0", "mtu", "9000", "type", "bridge")
        ip("-n", self.name, "link", "set", "br0", "up")
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", encoding="ascii") as home, \
                open(f"/run/netns/{self.name}", encoding="ascii") as there:
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
            ip("-n", self.name, "link", "set", f"tap{side}", "mtu", "9000", "master", "br0", "up")

    def close(self):
        for fd in self.fds.values():
            os.close(fd)
        ip("netns", "del", self.name)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class Bench:
    """Guests a and b, their processors and programs; one card of each kind at a time is up."""

    def __init__(self, lab, seconds, taps, counter=None):
        self.seconds = seconds
        self.counter = counter
        self.nics = nics()
        self.net = lab.ductnet(2)
        self.guests = {}
        for side, card in zip("ab", self.net.cards):
            arguments = [word for nic in self.nics for word in nic.arguments(side, lab.directory, taps.fds)]
            if counter:
                arguments += counter.arguments(side)
            self.guests[side] = lab.guest(side, [card], qemu_args=arguments, fds=taps.fds.values(),
                                          memory="1G", life=4 * 3600)
        self.pids = [self.net.process.pid] + [guest.process.pid for guest in self.guests.values()]

    def prepare(self, program):
        for cpu, (side, guest) in enumerate(self.guests.items()):
            guest.ready()
            subprocess.run(["taskset", "-apc", str(cpu % os.cpu_count()), str(guest.process.pid)],
                           check=True, stdout=subprocess.DEVNULL)
            guest.run(f"for m in {MODULES}; do modprobe $m; done; udevadm settle")
            guest.put("/usr/bin/udp", program, mode=0o755)
            links = json.loads(guest.run("ip -j link"))
            by_mac = {link["address"]: link["ifname"] for link in links}
            for nic in self.nics:
                nic.dev[side] = "duct0" if nic.name == "duct" else by_mac[nic.mac(side)]

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

    def tcp(self, nic, reverse):
        """Mbit/s, and CPU seconds of all processes for a GiB."""
        a, b = self.guests["a"], self.guests["b"]
        server = b.start(f"iperf3 -s -1 -p {PORT} --forceflush").wait_for("Server listening")
        before = cpu_seconds(self.pids)
        said = a.run(f"iperf3 -J -c {nic.address('b')} -p {PORT} -t {self.seconds} {'-R' if reverse else ''}",
                     timeout=self.seconds + 30)
        used = cpu_seconds(self.pids) - before
        server.wait()
        got = json.loads(said)["end"]["sum_received"]
        return got["bits_per_second"] / 1e6, used / (got["bytes"] / 2 ** 30)

    def udp(self, nic):
        """Packets of 18 octets a second that a program received; CPU seconds for a million."""
        a, b = self.guests["a"], self.guests["b"]
        receiver = b.start(f"exec udp recv {PORT}").wait_for("ready")
        before = cpu_seconds(self.pids)
        a.run(f"udp send {nic.address('b')} {PORT} {UDP_SIZE} {self.seconds * 1000}", timeout=self.seconds + 30)
        used = cpu_seconds(self.pids) - before
        count, took = map(int, receiver.kill().split("\n")[1].split())
        return count / (took / 1e9), used / (count / 1e6)

    def set_pktgen(self, nic, count, delay):
        """Packets that no program in the other guest gets: the address is not its own."""
        mac = self.guests["b"].read(f"/sys/class/net/{nic.dev['b']}/address")
        dev = nic.dev["a"]
        self.guests["a"].run(f"""
            cd /proc/net/pktgen; echo rem_device_all >kpktgend_0; echo add_device {dev} >kpktgend_0
            for word in 'count {count}' 'clone_skb 0' 'pkt_size 60' 'delay {delay}' 'dst 192.0.2.1' 'dst_mac {mac}'; do
                echo "$word" >{dev}
            done""")

    def packets(self, nic, side, what):
        return int(self.guests[side].read(f"/sys/class/net/{nic.dev[side]}/statistics/{what}_packets"))

    def pktgen(self, nic):
        """Packets of 64 octets a second that the other guest's driver received."""
        a, b = self.guests["a"], self.guests["b"]
        self.set_pktgen(nic, 0, 0)
        before = self.packets(nic, "b", "rx")
        start = float(b.read("/proc/uptime").split()[0])
        a.run(f"timeout -s INT {self.seconds} sh -c 'echo start >/proc/net/pktgen/pgctrl'; true",
              timeout=self.seconds + 30)
        count = self.packets(nic, "b", "rx") - before
        return count / (float(b.read("/proc/uptime").split()[0]) - start)

    def counts(self, nic, io, packets=50000):
        """Per packet: instructions of the sender and of the receiver, or the sender's accesses to devices."""
        self.up(nic, 1500)
        self.set_pktgen(nic, packets, 0)
        before = {side: self.counter.read(side) for side in "ab"}
        sent, received = self.packets(nic, "a", "tx"), self.packets(nic, "b", "rx")
        self.guests["a"].run("echo start >/proc/net/pktgen/pgctrl", timeout=300)
        after = {side: self.counter.read(side) for side in "ab"}
        sent, received = self.packets(nic, "a", "tx") - sent, self.packets(nic, "b", "rx") - received
        self.down(nic)
        did = {side: [new - old for new, old in zip(after[side], before[side])] for side in "ab"}
        if io:
            return {"reads": did["a"][1] / sent, "writes": did["a"][2] / sent}
        return {"sent": did["a"][0] / sent, "received": did["b"][0] / received}

    def round_trip(self, nic, busy):
        """Median and 99th percentile, microseconds."""
        a, b = self.guests["a"], self.guests["b"]
        pong = b.start(f"exec udp pong {PORT} {busy}").wait_for("ready")
        said = a.run(f"udp ping {nic.address('b')} {PORT} {self.seconds * 500} {busy}", timeout=self.seconds + 30)
        pong.kill()
        _, median, worst = map(int, said.split())
        return median / 1000, worst / 1000
