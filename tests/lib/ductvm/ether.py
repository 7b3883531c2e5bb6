# SPDX-License-Identifier: GPL-2.0-only
"""The rules of docs/ethernet.md, once more and on purpose: the tests must not share the driver's mistakes."""

ALL = 0xffffffff
OWN_BROADCAST = (ALL, ALL)
ALLMULTI = (0x80000000, 0x80000000)
PROMISC = (0, 0)
FILTERS = 32
MTU_MAX = 16368
NATIVE_TYPE = 0x88b5
ECHO = 0x0000ec60
QUOTE = 0x0000beef


def mac_of(address):
    """The MAC address of a station."""
    return ":".join(f"{octet:02x}" for octet in b"\x02\xdc" + address.to_bytes(4, "big"))


def group_filter(mac):
    """The filter that lets a group's packets in."""
    tail = bytes.fromhex(mac.replace(":", ""))[2:]
    return (ALL, int.from_bytes(tail, "big") | 0x80000000)


def link_local(mac):
    """The IPv6 address the kernel makes of a MAC address."""
    octets = bytes.fromhex(mac.replace(":", ""))
    tail = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return "fe80::" + ":".join(f"{int.from_bytes(tail[i:i + 2], 'big'):x}" for i in range(0, 8, 2))
