# SPDX-License-Identifier: GPL-2.0-only
"""ductctl, between two guests."""

import json
import random

from ductvm.ether import ALL, ECHO
from ductvm.tools import DONE, FAILED, PACKET_MAX, TIMEOUT, USAGE, Tool, counter, on_terminal, tool, using_device

GROUP = 0x80abcd00
GROUP_MASK = 0xffffff00
ESCAPES = b"\x1b]0;owned\x07\x1b[2Jred\rgreen\x9b31m\xc2\x9bm\x7f\x00 end"
ESCAPES_SHOWN = rb"\x1b]0;owned\x07\x1b[2Jred\x0dgreen\x9b31m\xc2\x9bm\x7f\x00 end"


def octets(count):
    """Every value is there, if there is room for it."""
    some = bytes(range(256)) * (count // 256 + 1)
    return bytes(random.Random(count).sample(some, count))


def send(guest, to, payload):
    result = tool(guest, f"ductctl -s {to:x}", payload)
    assert (result.status, result.out, result.err) == (DONE, b"", "")


def receive(guest, options=""):
    return Tool(guest, f"ductctl -r {options}").listening()


def filters(pair):
    return pair.net.card(pair.card_b).filters


def test_info(pair):
    for options in ("", "-i", "-d 0", "-d duct0", "-i -d /dev/duct0", "--info --device=duct0"):
        result = tool(pair.a, f"ductctl {options}")
        assert result.out.decode() == f"/dev/duct0: duct v2.1, hwaddr: {pair.card_a.hwaddr:08x}\n"
        assert (result.status, result.err) == (DONE, "")


def test_info_with_the_interface_down(pair):
    pair.a.run("ip link set duct0 down")
    assert tool(pair.a, "ductctl").out.endswith(b"hwaddr: %08x\n" % pair.card_a.hwaddr)


def test_info_in_json(pair):
    assert json.loads(tool(pair.a, "ductctl -j").out) == {
        "device": "/dev/duct0", "interface": "duct0", "major": 2, "minor": 1, "hwaddr": f"{pair.card_a.hwaddr:08x}"}


def test_a_packet_goes_from_one_to_the_other(sender_receiver, pair):
    sender, receiver = sender_receiver
    card = pair.card_b if receiver is pair.b else pair.card_a
    for size in (0, 1, 4097, PACKET_MAX):
        waiting = receive(receiver)
        send(sender, card.hwaddr, octets(size))
        result = waiting.result()
        assert (result.status, result.out, result.err) == (DONE, octets(size), "")


def test_more_than_a_packet_is_refused(pair):
    before = counter(pair.a, "tx_native")
    for size in (PACKET_MAX + 1, 5 * PACKET_MAX):
        result = tool(pair.a, f"head -c {size} /dev/zero | ductctl -s {pair.card_b.hwaddr:x}", stdin=None)
        assert (result.status, result.out) == (FAILED, b"")
        assert "more than 16384 octets on standard input; nothing was sent" in result.err
    assert counter(pair.a, "tx_native") == before


def test_input_that_can_not_be_read(pair):
    before = counter(pair.a, "tx_native")
    for stdin in ("<&-", "</"):
        result = tool(pair.a, f"sh -c 'ductctl -s 1 {stdin}'")
        assert result.status == FAILED
        assert "cannot read standard input; nothing was sent" in result.err
    assert counter(pair.a, "tx_native") == before


def test_the_time_is_up(pair):
    for seconds in ("0.2", "0", ".05"):
        result = tool(pair.b, f"ductctl -r -t {seconds}")
        assert (result.status, result.out) == (TIMEOUT, b"")
        assert "received 0 of 1 packets" in result.err


def test_the_time_is_up_after_some_packets(pair):
    """The echo station sends one, so that all of it is in one script, and done long before the time is up."""
    pair.b.put("/tmp/some", f"""
ductctl -r -n 2 -t 15 >/tmp/two 2>/tmp/two.err & two=$!
ductctl -r -n 0 -t 15 >/tmp/any 2>/tmp/any.err & any=$!
for pid in $two $any; do
    until ls -l /proc/$pid/fd 2>/dev/null | grep -q /dev/duct; do usleep 20000; done
done
printf one | ductctl -s {ECHO:x}
wait $two; echo $?
wait $any; echo $?
""")
    assert pair.b.run("sh /tmp/some", timeout=60).split() == [str(TIMEOUT), str(DONE)]
    assert pair.b.run("cat /tmp/two; echo; cat /tmp/any; echo; cat /tmp/two.err; cat /tmp/any.err").splitlines() == [
        "one", "one", "ductctl: /dev/duct0: the time is up: received 1 of 2 packets"]


def test_several_packets(pair):
    waiting = receive(pair.b, "-n 3")
    for payload in (b"one\n", b"", b"\0two"):
        send(pair.a, pair.card_b.hwaddr, payload)
    result = waiting.result()
    assert (result.status, result.out, result.err) == (DONE, b"one\n\0two", "")


def test_json(pair):
    payloads = ["hello\n".encode(), b"", ESCAPES, 'grün "\\ \x1b\u009b\u202e'.encode(), octets(PACKET_MAX)]
    waiting = receive(pair.b, f"-j -n {len(payloads)}")
    for payload in payloads:
        send(pair.a, pair.card_b.hwaddr, payload)
    result = waiting.result()
    assert (result.status, result.err) == (DONE, "")
    packets = [json.loads(line) for line in result.out.decode().splitlines()]
    assert packets == [{
        "source": f"{pair.card_a.hwaddr:08x}", "destination": f"{pair.card_b.hwaddr:08x}",
        "length": len(payload), "payload": payload.hex(), "text": text(payload)} for payload in payloads]
    assert all(octet >= 0x20 and octet != 0x7f for octet in result.out.replace(b"\n", b""))
    assert "\u009b" not in result.out.decode()
    assert "\u202e" not in result.out.decode()


def text(payload):
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def test_a_group(pair):
    group = (GROUP_MASK, GROUP)
    assert group not in filters(pair)
    waiting = receive(pair.b, f"-j -n 2 -m {GROUP_MASK:x}/0x{GROUP:X} -m ffffffff/{GROUP - 1:x}")
    pair.net.await_state(lambda state: {group, (ALL, GROUP - 1)} <= state.cards[pair.card_b.path].filters)
    for address in (GROUP + 0x100, GROUP + 0x77, GROUP - 2, GROUP - 1):
        send(pair.a, address, b"to %08x" % address)
    result = waiting.result()
    assert result.status == DONE
    assert [json.loads(line)["text"] for line in result.out.splitlines()] == \
        [f"to {GROUP + 0x77:08x}", f"to {GROUP - 1:08x}"]
    pair.net.await_state(lambda state: not {group, (ALL, GROUP - 1)} & state.cards[pair.card_b.path].filters)


def test_a_group_of_another_program(pair):
    """The card takes its packets, and they are for that one alone."""
    member = receive(pair.b, f"-m ffffffff/{GROUP:x}")
    pair.net.await_state(lambda state: (ALL, GROUP) in state.cards[pair.card_b.path].filters)
    other = receive(pair.b)
    send(pair.a, GROUP, b"group")
    assert member.result().out == b"group"
    send(pair.a, pair.card_b.hwaddr, b"own")
    assert other.result().out == b"own"


def test_more_groups_than_a_card_holds(pair):
    before = filters(pair)
    options = " ".join(f"-m ffffffff/{GROUP + number:x}" for number in range(32))
    result = tool(pair.b, f"ductctl -r -t 10 {options}")
    assert (result.status, result.out) == (FAILED, b"")
    assert "cannot join a group: the card has no room for another group" in result.err
    pair.net.await_state(lambda state: state.cards[pair.card_b.path].filters == before)


def test_two_receive_the_same_packet(pair):
    waiting = [receive(pair.b), receive(pair.b)]
    send(pair.a, pair.card_b.hwaddr, b"both")
    assert [one.result().out for one in waiting] == [b"both", b"both"]


def test_a_terminal_is_safe(pair):
    payloads = (b"hello", b"two\nlines\n", b"", ESCAPES)
    waiting = Tool(pair.b, on_terminal(f"ductctl -r -n {len(payloads)}"))
    using_device(pair.b, "ductctl")
    for payload in payloads:
        send(pair.a, pair.card_b.hwaddr, payload)
    assert waiting.result().out == b"hello\ntwo\nlines\n\n" + ESCAPES_SHOWN + b"\n"


def test_a_file_gets_the_octets(pair):
    waiting = receive(pair.b)
    send(pair.a, pair.card_b.hwaddr, ESCAPES)
    assert waiting.result().out == ESCAPES


def test_sending_with_the_interface_down(pair):
    pair.a.run("ip link set duct0 down")
    result = tool(pair.a, f"ductctl -s {pair.card_b.hwaddr:x}", b"hello")
    assert (result.status, result.out) == (FAILED, b"")
    assert "the interface duct0 is down; try: ip link set duct0 up" in result.err


def test_an_interface_with_another_name(pair):
    pair.a.run("ip link set duct0 down; ip link set duct0 name wire")
    try:
        result = tool(pair.a, f"ductctl -s {pair.card_b.hwaddr:x}", b"hello")
        info = json.loads(tool(pair.a, "ductctl -j").out)
    finally:
        pair.a.run("ip link set wire name duct0")
    assert "the interface wire is down; try: ip link set wire up" in result.err
    assert info["interface"] == "wire"


def test_receiving_with_the_interface_down(pair):
    pair.b.run("ip link set duct0 down")
    waiting = receive(pair.b).stderr("interface duct0 is down.*ip link set duct0 up")
    pair.b.run("ip link set duct0 up")
    send(pair.a, pair.card_b.hwaddr, b"hello")
    result = waiting.result()
    assert (result.status, result.out) == (DONE, b"hello")


def test_somebody_who_may_not(pair):
    for options in ("", "-r", "-s 1"):
        result = tool(pair.a, f"su -s /bin/sh tcpdump -c 'ductctl {options}'")
        assert (result.status, result.out) == (FAILED, b"")
        assert "/dev/duct0: cannot open: permission denied" in result.err


def test_the_card_goes_away(pair):
    device = pair.b.run("basename $(readlink -f /sys/class/net/duct0/device)").strip()
    waiting = receive(pair.b)
    pair.b.run(f"echo {device} >/sys/bus/pci/drivers/duct/unbind")
    try:
        result = waiting.result()
        gone = tool(pair.b, "ductctl")
    finally:
        pair.b.run(f"echo {device} >/sys/bus/pci/drivers/duct/bind")
    assert (result.status, result.out) == (FAILED, b"")
    assert "the card or its driver is gone" in result.err
    assert gone.status == FAILED
    assert "/dev/duct0: cannot open: no such device" in gone.err


def test_output_that_can_not_be_written(pair):
    for where, why in ((">/dev/full", "No space left"), (">&-", "Bad file descriptor")):
        result = tool(pair.a, f"sh -c 'ductctl {where}'")
        assert result.status == FAILED
        assert f"cannot write the output: {why}" in result.err


def test_a_reader_that_has_gone(pair):
    pair.b.run("rm -f /tmp/closed")
    waiting = Tool(pair.b, "sh -c '{ ductctl -r; echo $? >&2; } | { exec <&-; : >/tmp/closed; }'")
    pair.b.until("test -e /tmp/closed")
    using_device(pair.b, "ductctl")
    send(pair.a, pair.card_b.hwaddr, b"hello")
    result = waiting.result()
    assert "cannot write the output: Broken pipe" in result.err
    assert result.err.endswith(f"\n{FAILED}\n")


def test_without_standard_output_nothing_is_sent(pair):
    """The device must not become standard output."""
    before = counter(pair.b, "tx_native")
    waiting = Tool(pair.b, "sh -c 'ductctl -r -j >&-'").listening()
    send(pair.a, pair.card_b.hwaddr, bytes(100))
    assert waiting.result().status == FAILED
    assert counter(pair.b, "tx_native") == before


def test_addresses_are_strict(pair):
    before = counter(pair.a, "tx_native")
    for address in ("", "0x", "xyz", "123456789", "-1", "1 ", "0x0x1"):
        result = tool(pair.a, f"ductctl -s '{address}'", b"hello")
        assert (result.status, result.out) == (USAGE, b"")
        assert "not an address of 1 to 8 hexadecimal digits" in result.err
    assert counter(pair.a, "tx_native") == before
