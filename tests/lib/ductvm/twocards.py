# SPDX-License-Identifier: GPL-2.0-only
"""One guest with two cards on one Ductnet, so that its programs can send from /dev/duct0 to /dev/duct1."""

import re
import struct

from .ether import ALL, OWN_BROADCAST, group_filter

PROGRAMS = "/usr/lib/duct/tests"

# Whatever a test has done: both cards there, up, and with nothing on them but what the kernel itself wants.
RESTORE = """
modprobe -q duct
ip -n far link set duct1 netns 1 2>/dev/null
ip -all netns del
ip link del br0 2>/dev/null
for dev in duct0 duct1; do
    [ -d /sys/class/net/$dev ] || echo 1 >/sys/bus/pci/rescan
    until [ -c /dev/$dev ] && [ -d /sys/class/net/$dev ]; do usleep 20000; done
    tc qdisc del dev $dev root 2>/dev/null
    [ "$(cat /sys/class/net/$dev/carrier 2>/dev/null)" = 1 ] || ip link set $dev down
    ip addr flush dev $dev
    ip link set $dev up mtu 1500 promisc off allmulticast off || exit
done
"""


class TwoCards:
    def __init__(self, guest, net):
        self.guest = guest
        self.net = net

    def card(self, dev):
        """The card of an interface, as ductnet knows it."""
        mac = self.guest.read(f"/sys/class/net/{dev}/address")
        return next(card for card in self.net.cards if card.mac == mac)

    def restore(self):
        self.guest.kill_jobs()
        self.guest.run(RESTORE, timeout=60)
        self.await_own_filters()
        users = self.guest.read("/sys/module/duct/refcnt")
        if users != "0":
            raise AssertionError(f"the module still has {users} users")

    @staticmethod
    def own_filters(card):
        """Its address, broadcast, and 224.0.0.1 that every interface is in."""
        return {(ALL, card.hwaddr), OWN_BROADCAST, group_filter("01:00:5e:00:00:01")}

    def await_own_filters(self):
        self.net.await_state(lambda state: all(state.cards[card.path].filters == self.own_filters(card)
                                               for card in self.net.cards))

    def await_filters(self, card, wanted=(), unwanted=()):
        """Until the card has these filters and not those."""
        def right(state):
            now = state.cards[card.path].filters
            return set(wanted) <= now and not set(unwanted) & now
        self.net.await_state(right)

    def counters(self, dev):
        """What ethtool -S says."""
        text = self.guest.run(f"ethtool -S {dev}")
        return {name: int(value) for name, value in re.findall(r"^\s+(\w+): (\d+)$", text, re.MULTILINE)}

    def run(self, command, **options):
        """One of the programs in tests/chardev."""
        return self.guest.run(f"{PROGRAMS}/{command}", **options)

    def start(self, command):
        return self.guest.start(f"{PROGRAMS}/{command}")

    def listen(self, dev, *filters):
        """A job that prints each packet a file of its own receives."""
        words = " ".join(f"{mask:x}/{address:x}" for mask, address in filters)
        return self.start(f"ductio listen /dev/{dev} {words}").wait_for("^ready")


class PagePools:
    """Watches page pools go: a pool that was destroyed is empty only when nobody has a page of it any more."""

    TRACE = "/sys/kernel/tracing"

    def __init__(self, guest):
        self.guest = guest
        guest.run(f"cd {self.TRACE} && echo >trace && echo 1 >events/page_pool/page_pool_release/enable")

    def in_flight(self):
        """Pages that are out, for each pool that was destroyed since."""
        text = self.guest.run(f"grep page_pool_release: {self.TRACE}/trace", check=False)
        pools = {}
        for pool, count in re.findall(r"page_pool=(\S+) inflight=(-?\d+)", text):
            pools[pool] = int(count)
        return pools

    def close(self):
        self.guest.run(f"echo 0 >{self.TRACE}/events/page_pool/page_pool_release/enable; echo >{self.TRACE}/trace")


def frames_of(capture):
    """The frames in a file of tcpdump's, without the time they came."""
    magic, = struct.unpack_from("<I", capture)
    assert magic in (0xa1b2c3d4, 0xa1b23c4d), hex(magic)
    place = 24
    while place < len(capture):
        length, whole = struct.unpack_from("<8xII", capture, place)
        assert length == whole, "cut off"
        yield capture[place + 16:place + 16 + length]
        place += 16 + length
