# SPDX-License-Identifier: GPL-2.0-only
"""Packets of up to 256 octets are copied out of the receive ring, and longer ones taken with their pages: both
arrive as they were sent."""

import pytest

BORDER = 256
# What is in a packet besides what ping sends: the shim, Ethernet, IP, ICMP.
IPV4, IPV6 = 2 + 14 + 20 + 8, 2 + 14 + 40 + 8
PATTERN = "000102030405060708090a0b0c0d0e0f"


@pytest.mark.parametrize("version", [4, 6])
def test_ping(sender_receiver, version):
    sender, receiver = sender_receiver
    address, overhead = (receiver.ip4, IPV4) if version == 4 else (receiver.ip6, IPV6)
    for size in range(BORDER - 2, BORDER + 3):
        output = sender.run(f"ping -q -c 20 -i 0.002 -W 10 -p {PATTERN} -s {size - overhead} {address}")
        assert "20 received, 0% packet loss" in output and "wrong data" not in output
