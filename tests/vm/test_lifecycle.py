# SPDX-License-Identifier: GPL-2.0-only
"""Up, down, in and out, while packets fly."""

import re

import pytest

# Both ways, small and large packets, until it is killed; what it says does not matter.
NOISE = "while :; do ping -q -f -c 200 -s 1400 -W 1 {peer}; ping -q -f -c 200 -s 8 -W 1 {peer}; done >/dev/null 2>&1"


def noise(pair):
    return [guest.start(NOISE.format(peer=peer.ip4)) for guest, peer in (pair.both, pair.both[::-1])]


def quiet(jobs):
    for job in jobs:
        job.kill("KILL")


def counter(guest, name):
    return int(re.search(rf"^\s+{name}: (\d+)$", guest.run("ethtool -S duct0"), re.MULTILINE).group(1))


def assert_healthy(pair):
    pair.a.run(f"ping -q -c 3 -i 0.05 -W 10 {pair.b.ip4}")
    for guest, card in zip(pair.both, pair.net.cards):
        state = pair.net.card(card)
        assert state["flags"] == 0
        for fault in ("fatal_fltb", "fatal_fltr", "fatal_seq", "fatal_hwerr"):
            assert state[fault] == 0
        assert counter(guest, "command_timeouts") == 0
        assert counter(guest, "rx_bad_length") == 0


def test_up_and_down_50_times_under_traffic(pair):
    jobs = noise(pair)
    for _ in range(5):
        pair.b.run("""for i in $(seq 10); do
            ip link set duct0 down && ip link set duct0 up || exit
            ping -q -c 1 -W 10 10.77.0.1 || exit
        done""", timeout=120)
    quiet(jobs)
    pair.b.run("ip addr replace 10.77.0.2/24 dev duct0")
    assert_healthy(pair)


def test_module_out_and_in_under_traffic(pair):
    jobs = noise(pair)
    for _ in range(8):
        pair.b.run("rmmod duct && modprobe duct && ip link set duct0 up && ip addr add 10.77.0.2/24 dev duct0 && "
                   "ping -q -c 1 -W 10 10.77.0.1", timeout=60)
    quiet(jobs)
    assert_healthy(pair)


def test_counters_survive_down_and_up(pair):
    pair.a.run(f"ping -q -c 5 -i 0.02 -W 10 {pair.b.ip4}")
    before = int(pair.a.read("/sys/class/net/duct0/statistics/tx_packets"))
    pair.a.run("ip link set duct0 down; ip link set duct0 up")
    assert int(pair.a.read("/sys/class/net/duct0/statistics/tx_packets")) >= before >= 5


def test_address_changes_while_up(pair):
    """Another station's kind of address has a filter of its own; any other is flooded to."""
    for mac in ("02:dc:11:22:33:44", "52:54:00:12:34:56", pair.card_b.mac):
        pair.b.run(f"ip link set duct0 address {mac}")
        pair.a.run("ip neigh flush dev duct0")
        pair.a.run(f"ping -q -c 2 -i 0.05 -W 10 {pair.b.ip4}")


def test_mtu_changes_under_traffic(pair):
    jobs = noise(pair)
    for mtu in (68, 1280, 9000, 16368, 1500) * 3:
        pair.b.run(f"ip link set duct0 mtu {mtu}")
    quiet(jobs)
    assert_healthy(pair)


def test_suspend_and_resume(pair):
    """The devices' part of it, which pm_test stops at."""
    if not pair.b.ok("test -e /sys/power/pm_test && grep -q devices /sys/power/pm_test"):
        pytest.fail("this kernel can not suspend its devices for a test")
    pair.b.run("ip maddr add 01:00:5e:07:07:07 dev duct0")
    jobs = noise(pair)
    pair.b.run("echo devices >/sys/power/pm_test; echo freeze >/sys/power/state", timeout=60)
    quiet(jobs)
    assert_healthy(pair)
    wanted = {(0xffffffff, 0xde070707), (0xffffffff, pair.card_b.hwaddr), (0xffffffff, 0xffffffff)}
    assert wanted <= pair.net.card(pair.card_b).filters
    pair.b.run("ip maddr del 01:00:5e:07:07:07 dev duct0")


# Registers, docs/card.md: a write to each of these while the card is started is out of sequence.
TXSHIFT = 0x28
RXSHIFT = 0x38
FLAGS = 0x08


def poke(guest, offset, value):
    """A write to a register of the card from behind the driver's back."""
    guest.run("base=$(awk 'NR == 1 { print $1 }' /sys/class/net/duct0/device/resource); "
              f"busybox devmem $((base + {offset})) 32 {value}")


def assert_recovered(pair):
    # What a asked of b while that could not answer may still be about to fail.
    pair.a.until(f"ping -q -c 1 -W 1 {pair.b.ip4}")
    pair.a.run(f"ping -q -c 3 -i 0.05 -W 10 {pair.b.ip4}")


@pytest.mark.parametrize("register", [TXSHIFT, RXSHIFT])
def test_fatal_error_stops_the_interface_cleanly(pair, register):
    start = pair.b.mark_log()
    faults = counter(pair.b, "fatal_irqs")
    jobs = noise(pair)
    poke(pair.b, register, 4)
    pair.b.until("ip link show duct0 | grep -q NO-CARRIER")
    quiet(jobs)
    said = [line for line in pair.b.dmesg()[start:].splitlines() if "duct0: stopped" in line]
    assert len(said) == 1, said
    assert "operation out of sequence (SEQ), flags 0x4" in said[0]
    assert counter(pair.b, "fatal_irqs") == faults + 1
    assert not pair.b.ok(f"ping -q -c 1 -W 1 {pair.a.ip4}")

    pair.b.run("ip link set duct0 down; ip link set duct0 up; ip addr replace 10.77.0.2/24 dev duct0")
    assert_recovered(pair)


def test_module_out_after_a_fatal_error(pair):
    poke(pair.b, TXSHIFT, 4)
    pair.b.until("ip link show duct0 | grep -q NO-CARRIER")
    pair.b.run("rmmod duct; modprobe duct; ip link set duct0 up; ip addr add 10.77.0.2/24 dev duct0")
    assert_recovered(pair)


def test_reset_behind_the_drivers_back(pair):
    """The card forgets its rings: the next doorbell is out of sequence, and said to be."""
    start = pair.b.mark_log()
    poke(pair.b, FLAGS, 0x80000000)
    pair.b.ok(f"ping -q -c 1 -W 1 {pair.a.ip4}")
    pair.b.until("ip link show duct0 | grep -q NO-CARRIER")
    assert "duct0: stopped" in pair.b.dmesg()[start:]
    pair.b.run("ip link set duct0 down; ip link set duct0 up; ip addr replace 10.77.0.2/24 dev duct0")
    assert_recovered(pair)
