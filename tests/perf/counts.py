# SPDX-License-Identifier: GPL-2.0-only
"""What does not depend on the machine's mood: what guests do for a packet, counted under three kinds of load."""

import re
import struct
import time

MODE_TIMEOUT = 60
WATCH_NOTHING, WATCH_ALL, WATCH_KNOWN = range(3)
MSS = 1448
SIDES = {"a": ("sent", "tx"), "b": ("received", "rx")}
EVENTS = "kmalloc kmalloc_node kmem_cache_alloc kmem_cache_alloc_node mm_page_alloc"


# Interrupts' numbers, packets, doorbells of a duct card, and the table of interrupts.
SNAPSHOT = """
    d=$(readlink -f /sys/class/net/{dev}/device); [ -d $d/msi_irqs ] || d=${{d%/*}}
    echo irqs: $(ls $d/msi_irqs)
    for w in tx rx; do echo $w: $(cat /sys/class/net/{dev}/statistics/${{w}}_packets); done
    ethtool -S {dev} | sed -n 's/ *tx_doorbells: /doorbells: /p'
    cat /proc/interrupts"""


# A device that does nothing, with the queue that others have.
DUMMY = "dummy9"
MAKE_DUMMY = f"""
    ip link show {DUMMY} >/dev/null 2>&1 || {{ modprobe dummy numdummies=0 && ip link add {DUMMY} type dummy; }}
    ip link set {DUMMY} up && tc qdisc replace dev {DUMMY} root fq_codel"""


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


def parse_snapshot(said):
    """What SNAPSHOT says, in a guest with one processor."""
    words = dict(re.findall(r"^(irqs|tx|rx|doorbells): (.*)$", said, re.MULTILINE))
    table = dict(re.findall(r"^ *(\d+): +(\d+) ", said, re.MULTILINE))
    try:
        # What the driver allocated and did not request is not in the table.
        counted = [int(table[one]) for one in words.pop("irqs").split() if one in table]
        if not counted:
            raise CountError(f"no interrupts:\n{said}")
        interrupts = sum(counted)
        return {"interrupts": interrupts, **{name: int(value) for name, value in words.items()}}
    except (KeyError, ValueError) as error:
        raise CountError(f"no {error}:\n{said}") from None


def count_hits(histograms):
    """How many events of each kind there were, of the files named hist of several events."""
    hits = re.findall(r"^# trigger info: hist:.*?^Totals:\s+Hits: (\d+)", histograms, re.MULTILINE | re.DOTALL)
    if not hits:
        raise CountError(f"no histogram:\n{histograms[-2000:]}")
    return sum(map(int, hits))


def per_packet(loaded, idle, packets):
    """What each packet took: the difference between a run with load and one without any."""
    if packets <= 0:
        raise CountError(f"{packets} packets")
    result = {name: (loaded[name] - idle[name]) / packets for name in loaded}
    if result.get("instructions", 1) <= 0:
        raise CountError(f"without load there is more to do: {idle}, {loaded}")
    return result


def difference(after, before):
    return {name: after[name] - before[name] for name in after}


class Counts:
    """Counts on a bench whose guests have the plugin."""

    loads = ("raw", "UDP", "TCP")

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
            self.run(nic, load, True)
        self.watch(WATCH_KNOWN)
        result = {}
        for load in self.loads:
            result[load] = self.count(nic, load, self.observe)
            for name, got in self.count(nic, load, self.observe_allocations).items():
                result[load][name]["allocations"] = got["allocations"]
            sent = result[load]["sent"]
            if sent["writes"] < 0.9 * sent.get("doorbells", 0):
                raise CountError(f"{nic.name}, {load}: more doorbells than accesses to the card: {sent}")
        self.watch(WATCH_NOTHING)
        self.bench.down(nic)
        return result

    def stack(self):
        """Instructions for a raw packet that is sent, without those of any card."""
        self.bench.guests["a"].run(MAKE_DUMMY)
        self.send_to_dummy(self.bench.seconds * 1000)
        idle, loaded = self.send_to_dummy(0), self.send_to_dummy(self.bench.seconds * 1000)
        return per_packet(loaded, idle, loaded["packets"] - idle["packets"])["instructions"]

    def send_to_dummy(self, ms):
        guest = self.bench.guests["a"]
        packets = f"/sys/class/net/{DUMMY}/statistics/tx_packets"
        before = {"packets": int(guest.read(packets)), **self.counter.read("a")}
        self.bench.send_raw(DUMMY, "02:00:00:00:00:01", ms)
        after = {**self.counter.read("a"), "packets": int(guest.read(packets))}
        return difference(after, before)

    def count(self, nic, load, observe):
        """Both sides, for each packet. What the commands take without any load is left out."""
        idle, _ = observe(nic, load, False)
        loaded, octets = observe(nic, load, True)
        result = {}
        for side, (name, counter) in SIDES.items():
            # A card may cut up larger packets of TCP itself, so that only octets tell how many there were.
            packets = octets / MSS if load == "TCP" else loaded[side][counter] - idle[side][counter]
            result[name] = per_packet(loaded[side], idle[side], packets)
            result[name]["packets"] = packets
        return result

    def run(self, nic, load, loaded):
        """The same commands in any case. Returns the octets that TCP delivered."""
        ms = self.bench.seconds * 1000 if loaded else 0
        if load == "raw":
            self.bench.run_raw(nic, ms)
        elif load == "UDP":
            self.bench.run_udp(nic, ms)
        elif loaded:
            return self.bench.tcp(nic, False)[2]
        else:
            self.bench.run_tcp(nic, "-n 1K -l 1K")
        return 0

    def snapshot(self, nic):
        """What the guests themselves say."""
        said = {}
        for side, guest in self.bench.guests.items():
            said[side] = parse_snapshot(guest.run(SNAPSHOT.format(dev=nic.dev[side])))
            if not nic.device and "doorbells" not in said[side]:
                raise CountError(f"{nic.name} has no tx_doorbells")
        return said

    def observe(self, nic, load, loaded):
        """What each side did, {"a": {what: how often}, "b": {...}}, and the octets of TCP."""
        before = self.snapshot(nic)
        seen = {side: self.counter.read(side) for side in SIDES}
        octets = self.run(nic, load, loaded)
        seen_after = {side: self.counter.read(side) for side in SIDES}
        after = self.snapshot(nic)
        return {side: difference({**seen_after[side], **after[side]}, {**seen[side], **before[side]})
                for side in SIDES}, octets

    def observe_allocations(self, nic, load, loaded):
        """In a run of its own, as counting them takes instructions."""
        events = f"cd /sys/kernel/tracing/events/kmem; for e in {EVENTS}; do [ -d $e ] || continue; "
        before = self.snapshot(nic)
        for guest in self.bench.guests.values():
            guest.run(f"{events} echo hist:keys=common_type >$e/trigger || exit; done")
        octets = self.run(nic, load, loaded)
        hits = {side: count_hits(guest.run(f"{events} cat $e/hist; done"))
                for side, guest in self.bench.guests.items()}
        for guest in self.bench.guests.values():
            guest.run(f"{events} echo '!hist:keys=common_type' >$e/trigger || exit; done")
        after = self.snapshot(nic)
        return {side: {**difference(after[side], before[side]), "allocations": hits[side]} for side in SIDES}, octets
