# SPDX-License-Identifier: GPL-2.0-only
"""What does not depend on the machine's mood: what guests do for a packet, counted under three kinds of load."""

import re
import struct
import time

MODE_TIMEOUT = 60
WATCH_NOTHING, WATCH_ALL, WATCH_KNOWN = range(3)
PACKETS = 100000
BURST = 200
BURSTS = 30
MSS = 1448
SIDES = {"a": "sent", "b": "received"}
EVENTS = "kmalloc kmalloc_node kmem_cache_alloc kmem_cache_alloc_node mm_page_alloc"


class CountError(Exception):
    pass


class Counter:
    """Instructions and accesses to devices of a guest, by a plugin of QEMU (count.c)."""

    def __init__(self, directory, plugin):
        self.directory, self.plugin = directory, plugin

    def path(self, side):
        return f"{self.directory}/{side}.counts"

    def arguments(self, side):
        return ["-plugin", f"{self.plugin},counts={self.path(side)}"]

    def fields(self, side):
        with open(self.path(side), "rb") as file:
            return struct.unpack("6Q", file.read(48))

    def read(self, side):
        instructions, reads, writes = self.fields(side)[:3]
        return {"instructions": instructions, "reads": reads, "writes": writes}

    def watch(self, side, guest, mode):
        with open(self.path(side), "r+b") as file:
            file.seek(24)
            file.write(struct.pack("Q", mode))
        deadline = time.monotonic() + MODE_TIMEOUT
        while self.fields(side)[4] != mode:
            if time.monotonic() > deadline:
                raise CountError(f"{side}: QEMU's plugin does not come to mode {mode}")
            guest.run("true", timeout=MODE_TIMEOUT)


def count_interrupts(table, numbers):
    """Of /proc/interrupts of a guest with one processor: those of some numbers."""
    found = dict(re.findall(r"^ *(\d+): +(\d+) ", table, re.MULTILINE))
    try:
        return sum(int(found[number]) for number in numbers)
    except KeyError as error:
        raise CountError(f"no interrupt {error}:\n{table}") from None


def count_hits(histograms):
    """How many events of each kind there were, of the files named hist of several events."""
    hits = re.findall(r"^# trigger info: hist:.*?^Totals:\s+Hits: (\d+)", histograms, re.MULTILINE | re.DOTALL)
    if not hits:
        raise CountError(f"no histogram:\n{histograms[-2000:]}")
    return sum(map(int, hits))


def per_packet(before, after, packets):
    """The difference of two counts for each packet."""
    if packets <= 0:
        raise CountError(f"{packets} packets")
    return {name: (after[name] - before[name]) / packets for name in before}


class Counts:
    """Counts on a bench whose guests have the plugin."""

    loads = ("pktgen", "UDP", "TCP")

    def __init__(self, bench, counter):
        self.bench, self.counter = bench, counter

    def watch(self, mode):
        for side, guest in self.bench.guests.items():
            self.counter.watch(side, guest, mode)

    def of(self, nic):
        """{load: {"sent": {what: per packet}, "received": {...}}}"""
        self.bench.up(nic, 1500)
        self.watch(WATCH_ALL)
        for load in self.loads:
            self.run(nic, load, 5000)
        self.watch(WATCH_KNOWN)
        result = {}
        for load in self.loads:
            result[load] = self.count(nic, load)
            for side, got in self.allocations(nic, load).items():
                result[load][side]["allocations"] = got
        self.watch(WATCH_NOTHING)
        result["pktgen"]["sent"]["instructions"] = self.burst(nic)
        self.bench.down(nic)
        return result

    def burst(self, nic):
        """Instructions of the sender for a packet that the ring has room for: pktgen spins when it is full. What a
        burst of one packet takes is left out."""
        took = []
        for size in (1, 1 + BURST):
            self.bench.set_pktgen(nic, size)
            before, sent = self.counter.read("a"), self.snapshot(nic)["a"]["tx"]
            self.bench.guests["a"].run(f"for i in $(seq {BURSTS}); do echo start; done >/proc/net/pktgen/pgctrl",
                                       timeout=120)
            took.append(self.counter.read("a")["instructions"] - before["instructions"])
            sent = self.snapshot(nic)["a"]["tx"] - sent
            # IPv6 may say something as well.
            if not 0 <= sent - size * BURSTS < BURSTS / 3:
                raise CountError(f"{nic.name}: {sent} packets sent, not {size * BURSTS}")
        return (took[1] - took[0]) / (BURST * BURSTS)

    def run(self, nic, load, packets=PACKETS):
        """Returns the octets that TCP delivered."""
        if load == "pktgen":
            self.bench.set_pktgen(nic, packets)
            self.bench.guests["a"].run("echo start >/proc/net/pktgen/pgctrl", timeout=300)
        elif load == "UDP":
            self.bench.udp(nic)
        else:
            return self.bench.tcp(nic, False)[2]
        return 0

    def packets(self, nic, load, before, after, octets):
        """How many each side had. Those of TCP are counted in octets, since a card may cut up larger ones itself."""
        if load == "TCP":
            return {"a": octets / MSS, "b": octets / MSS}
        count = {side: after[side][what] - before[side][what] for side, what in (("a", "tx"), ("b", "rx"))}
        if min(count.values()) <= 0:
            raise CountError(f"{nic.name}, {load}: {count['a']} packets sent, {count['b']} received")
        return count

    def snapshot(self, nic):
        """What the guests themselves say."""
        said = {}
        for side, guest in self.bench.guests.items():
            dev = nic.dev[side]
            numbers = guest.run(f"d=$(readlink -f /sys/class/net/{dev}/device); "
                                "[ -d $d/msi_irqs ] || d=${d%/*}; ls $d/msi_irqs").split()
            tx, rx = guest.run(f"cd /sys/class/net/{dev}/statistics; cat tx_packets rx_packets").split()
            said[side] = {"interrupts": count_interrupts(guest.read("/proc/interrupts"), numbers),
                          "tx": int(tx), "rx": int(rx)}
            if not nic.device:
                doorbells = guest.run(f"ethtool -S {dev} | sed -n 's/ *tx_doorbells: //p'")
                said[side]["doorbells"] = int(doorbells)
        return said

    def count(self, nic, load):
        before = self.snapshot(nic)
        seen = {side: self.counter.read(side) for side in SIDES}
        octets = self.run(nic, load)
        seen_after = {side: self.counter.read(side) for side in SIDES}
        after = self.snapshot(nic)
        packets = self.packets(nic, load, before, after, octets)
        result = {}
        for side, name in SIDES.items():
            result[name] = per_packet({**seen[side], **before[side]}, {**seen_after[side], **after[side]},
                                      packets[side])
            result[name]["packets"] = packets[side]
        sent = result["sent"]
        if sent["writes"] < 0.9 * sent.get("doorbells", 0):
            raise CountError(f"{nic.name}, {load}: more doorbells than accesses to the card: {sent}")
        return result

    def allocations(self, nic, load):
        """In a run of its own, as counting them takes instructions."""
        events = f"cd /sys/kernel/tracing/events/kmem; for e in {EVENTS}; do [ -d $e ] || continue; "
        for guest in self.bench.guests.values():
            guest.run(f"{events} echo hist:keys=common_type >$e/trigger || exit; done")
        before = self.snapshot(nic)
        octets = self.run(nic, load)
        hits = {side: count_hits(guest.run(f"{events} cat $e/hist; done"))
                for side, guest in self.bench.guests.items()}
        after = self.snapshot(nic)
        for guest in self.bench.guests.values():
            guest.run(f"{events} echo '!hist:keys=common_type' >$e/trigger || exit; done")
        packets = self.packets(nic, load, before, after, octets)
        return {name: hits[side] / packets[side] for side, name in SIDES.items()}
