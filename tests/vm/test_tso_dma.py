# SPDX-License-Identifier: GPL-2.0-only
"""What the driver maps of its segments it unmaps, also when bounce buffers run out in the middle of them."""

from types import SimpleNamespace

from ductvm.ether import MTU_MAX
from test_tso import Books, counters, csum_errors, stream

USED = "/sys/kernel/debug/swiotlb/io_tlb_used"
SIZE = "/sys/kernel/debug/swiotlb/io_tlb_nslabs"
# Bounce buffers come in slabs of 2 KiB. Few: what the receive ring takes, and half as much again.
FEW = 4096
LEFT = 200
PORT = 6000


def start(lab, configured, swiotlb):
    """Guests a and b; a has everything bounced."""
    net = lab.ductnet(2)
    both = [lab.guest("a", [net.cards[0]], append=f"swiotlb={swiotlb}"), lab.guest("b", [net.cards[1]])]
    for number, guest in enumerate(both, 1):
        guest.ready()
        if guest.name == "a":
            guest.run("ip link set duct0 down")
            assert guest.read(USED) == "0"
        configured(guest, number)
    return SimpleNamespace(net=net, both=both, a=both[0], b=both[1])


def hold(sender, receiver, left):
    """Leaves the receiver with packets that nobody reads, and so without their buffers, until few are left."""
    receiver.run("sysctl -q -w net.core.rmem_default=20000000")
    job = receiver.start(f"exec socat -u UDP-RECV:{PORT} STDOUT")
    receiver.until(f"ss -Hlun sport = :{PORT} | grep -q . && kill -STOP $(pidof socat)")
    sender.run("modprobe -q pktgen; echo rem_device_all >/proc/net/pktgen/kpktgend_0; "
               "echo add_device duct0 >/proc/net/pktgen/kpktgend_0")
    mac = receiver.read("/sys/class/net/duct0/address")
    for option in ("count 16", "pkt_size 1400", f"dst {receiver.ip4}", f"dst_mac {mac}", f"src_min {sender.ip4}",
                   f"src_max {sender.ip4}", f"udp_dst_min {PORT}", f"udp_dst_max {PORT}"):
        sender.run(f"echo {option} >/proc/net/pktgen/duct0")
    while int(receiver.read(USED)) < int(receiver.read(SIZE)) - left:
        sender.run("echo start >/proc/net/pktgen/pgctrl")
    return job


def test_bounce_buffers_come_back(lab, configured):
    pair = start(lab, configured, "force")
    idle = int(pair.a.read(USED))
    before = counters(pair.a)
    stream(pair.a, pair.b, pair.b.ip4)
    pair.a.until(f"[ $(cat {USED}) -le {idle} ]")
    assert counters(pair.a)["tx_tso_packets"] > before["tx_tso_packets"]
    stream(pair.b, pair.a, pair.a.ip4)
    pair.a.run("ip link set duct0 down")
    pair.a.until(f"[ $(cat {USED}) = 0 ]")


def test_bounce_buffers_that_end_in_the_middle(lab, configured):
    """The packet is dropped as a whole, nothing of it stays mapped, and TCP sends it again."""
    pair = start(lab, configured, f"{FEW},force")
    assert int(pair.a.read(SIZE)) == FEW
    job = hold(pair.b, pair.a, LEFT)
    held = int(pair.a.read(USED))
    for guest in pair.both:
        guest.run(f"ip link set duct0 mtu {MTU_MAX}")
    pair.a.run("echo 1000000 >/sys/class/net/duct0/queues/tx-0/byte_queue_limits/limit_min")
    errors = csum_errors(pair.b)
    before = counters(pair.a)
    books = Books(pair)
    stream(pair.a, pair.b, pair.b.ip4)
    books.check()
    after = counters(pair.a)
    assert after["tx_dma_error"] > before["tx_dma_error"]
    assert after["tx_tso_packets"] > before["tx_tso_packets"]
    assert csum_errors(pair.b) == errors
    pair.a.until(f"[ $(cat {USED}) -le {held} ]")
    pair.a.run("kill -KILL $(pidof socat)")
    job.wait(check=False)
    pair.a.run("ip link set duct0 down")
    pair.a.until(f"[ $(cat {USED}) = 0 ]")
    lab.check(forgiven=["swiotlb buffer is full"])
