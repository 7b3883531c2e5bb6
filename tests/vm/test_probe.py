# SPDX-License-Identifier: GPL-2.0-only
"""The driver finds the card, and what the system then sees of it."""

import re

import pytest

from ductvm.ether import MTU_MAX


def test_attach_lines(pair):
    pair.a.run("modprobe -r duct")
    start = pair.a.mark_log()
    pair.a.run("modprobe duct")
    lines = [line for line in pair.a.dmesg()[start:].splitlines() if "duct" in line]
    expected = [rf"duct v2\.1, hwaddr {pair.card_a.hwaddr:08x}$",
                r"vector 0 \(events\): irq \d+$",
                r"vector 1 \(fatal\): irq \d+$"]
    assert len(lines) == len(expected), lines
    for line, pattern in zip(lines, expected):
        assert re.search(pattern, line)


def test_name_stays_under_udev(pair):
    pair.a.run("modprobe -r duct; modprobe duct; udevadm settle")
    assert "duct0" in pair.a.run("ls /sys/class/net").split()
    properties = pair.a.run("udevadm info -q property /sys/class/net/duct0")
    assert "ID_NET_DRIVER=duct" in properties
    assert "ID_NET_LINK_FILE=" in properties, "udev's rules for names did not run"
    assert "ID_NET_NAME=duct0" in properties


def test_udev_loads_the_driver_by_its_alias(pair):
    pair.a.run("modprobe -r duct; ! ls /sys/class/net/duct0 2>/dev/null")
    pair.a.run("udevadm trigger --action=add --subsystem-match=pci; udevadm settle")
    assert pair.a.ok("test -d /sys/class/net/duct0")


def test_mac_address(pair):
    for guest, card in zip(pair.both, pair.net.cards):
        assert guest.read("/sys/class/net/duct0/address") == card.mac


def test_is_an_ethernet_device(pair):
    assert pair.a.read("/sys/class/net/duct0/type") == "1"
    assert pair.a.read("/sys/class/net/duct0/addr_len") == "6"


def test_ethtool_driver(pair):
    info = dict(line.split(": ", 1) for line in pair.a.run("ethtool -i duct0").splitlines()
                if ": " in line)
    assert info["driver"] == "duct"
    assert info["firmware-version"] == "2.1"
    assert re.fullmatch(r"0000:00:\w\w\.0", info["bus-info"])
    assert pair.a.ok(f"test -d /sys/bus/pci/devices/{info['bus-info']}/net/duct0")


def test_two_message_vectors(pair):
    vectors = pair.a.run("ls /sys/class/net/duct0/device/msi_irqs").split()
    assert len(vectors) == 2
    interrupts = pair.a.read("/proc/interrupts")
    for vector in vectors:
        assert re.search(rf"^ *{vector}:.*duct", interrupts, re.MULTILINE)


def test_link(pair):
    assert "Link detected: yes" in pair.a.run("ethtool duct0")
    pair.a.run("ip link set duct0 down")
    assert "Link detected: no" in pair.a.run("ethtool duct0")


def test_software_timestamps(pair):
    assert "software-transmit" in pair.a.run("ethtool -T duct0")


def test_mtu_range(pair):
    for mtu in (68, MTU_MAX):
        pair.a.run(f"ip link set duct0 mtu {mtu}")
        assert pair.a.read("/sys/class/net/duct0/mtu") == str(mtu)
    for mtu in (67, MTU_MAX + 1):
        assert not pair.a.ok(f"ip link set duct0 mtu {mtu}")


def test_card_is_stopped_while_down(pair):
    assert pair.net.card(pair.card_a)["started"] == "yes"
    pair.a.run("ip link set duct0 down")
    assert pair.net.card(pair.card_a)["started"] == "no"
    pair.a.run("ip link set duct0 up")
    assert pair.net.card(pair.card_a)["started"] == "yes"


@pytest.mark.parametrize("way", ["unbind", "hotplug"])
def test_device_goes_and_comes(pair, way):
    path = pair.a.run("readlink -f /sys/class/net/duct0/device").strip()
    slot = path.rsplit("/", 1)[1]
    if way == "unbind":
        pair.a.run(f"cd /sys/bus/pci/drivers/duct && echo {slot} >unbind && "
                   f"! ls /sys/class/net/duct0 2>/dev/null && echo {slot} >bind")
    else:
        pair.a.run(f"echo 1 >{path}/remove; ! ls /sys/class/net/duct0 2>/dev/null && "
                   "echo 1 >/sys/bus/pci/rescan")
    pair.a.until("test -d /sys/class/net/duct0")
    pair.a.run("ip link set duct0 up; ip addr replace 10.77.0.1/24 dev duct0")
    pair.a.run(f"ping -c 3 -i 0.05 {pair.b.ip4}")
