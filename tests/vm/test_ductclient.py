# SPDX-License-Identifier: GPL-2.0-only
"""ductclient, with the stations of ductnet, and with guest b in the place of one."""

import pytest

from ductvm.ether import ECHO
from ductvm.tools import DONE, FAILED, PACKET_MAX, TIMEOUT, Tool, counter, on_terminal, tool

NOBODY = "00012345"
LINES = [b"hello", b"", b" two  words ", b"\x00\x1b[2J\xff\r", b"gr\xc3\xbcn", b"hello"]


def lines_of(*lengths):
    return [bytes([ord("a") + number]) * length for number, length in enumerate(lengths)]


def answer(pair, payload):
    """Guest b sends to guest a."""
    assert tool(pair.b, f"ductctl -s {pair.card_a.hwaddr:x}", payload).status == DONE


def ask_b(pair, command, stdin=b""):
    """Guest a asks guest b, who has got the question now. A minute passes until it asks again."""
    station = Tool(pair.b, "ductctl -r").listening()
    client = Tool(pair.a, command.format(f"-a {pair.card_b.hwaddr:x} -t 60"), stdin)
    return client, station.result().out


def test_quote(pair):
    before = pair.net.state().stations["quote"]
    quotes = [tool(pair.a, "ductclient -q") for _ in range(3)]
    assert all((quote.status, quote.err) == (DONE, "") for quote in quotes)
    assert all(quote.out.count(b"\n") == 1 and quote.out.endswith(b"\n") and len(quote.out) > 10 for quote in quotes)
    assert len({quote.out for quote in quotes}) == 3
    after = pair.net.state().stations["quote"]
    assert after["received"] == before["received"] + 3


@pytest.mark.parametrize("lines, packets", [
    (LINES, len(LINES)),
    (lines_of(PACKET_MAX - 1, PACKET_MAX, 3), 3),
    (lines_of(PACKET_MAX + 1, 2 * PACKET_MAX, 5, 2 * PACKET_MAX + 77), 2 + 2 + 1 + 3),
    ([], 0)], ids=["lines", "longest", "in pieces", "nothing"])
def test_echo(pair, lines, packets):
    text = b"".join(line + b"\n" for line in lines)
    before = pair.net.state().stations["echo"]
    result = tool(pair.a, "ductclient -e", text)
    assert (result.status, result.out, result.err) == (DONE, text, "")
    after = pair.net.state().stations["echo"]
    assert after["received"] == before["received"] + packets


def test_echo_of_a_line_without_its_end(pair):
    result = tool(pair.a, "ductclient --echo", b"one\ntwo")
    assert (result.status, result.out) == (DONE, b"one\ntwo\n")


def test_echo_of_many_lines(pair):
    text = b"".join(b"line %d\n" % number for number in range(500))
    assert tool(pair.a, "ductclient -e", text, timeout=60).out == text


@pytest.mark.parametrize("option", ["-q", "-e"])
def test_nobody_answers(pair, option):
    before = counter(pair.a, "tx_native")
    result = tool(pair.a, f"ductclient {option} -a {NOBODY} -t 0.1 -r 4", b"one\ntwo\n")
    assert (result.status, result.out) == (TIMEOUT, b"")
    assert f"no reply from {NOBODY}, asked 5 times" in result.err
    assert counter(pair.a, "tx_native") == before + 5


def test_a_request_that_was_lost(pair):
    """The station overhears the first request and answers a later one."""
    deaf = Tool(pair.b, "ductctl -r").listening()
    before = counter(pair.a, "tx_native")
    client = Tool(pair.a, f"ductclient -e -a {pair.card_b.hwaddr:x} -t 0.5 -r 100", b"hello\n")
    assert deaf.result().out == b"hello"
    station = tool(pair.b, "ductctl -r -t 20")
    answer(pair, station.out)
    result = client.result()
    assert (result.status, result.out, result.err) == (DONE, b"hello\n", "")
    assert counter(pair.a, "tx_native") >= before + 2


def test_echo_of_something_else_is_no_reply(pair):
    client, asked = ask_b(pair, "ductclient -e {}", b"hello\n")
    assert asked == b"hello"
    for payload in (b"hellp", b"hell", b"hello!", b"", b"hello"):
        answer(pair, payload)
    result = client.result()
    assert (result.status, result.out, result.err) == (DONE, b"hello\n", "")


def test_a_reply_of_another_line_is_no_reply(pair):
    """As of a request that was repeated, and then answered twice."""
    client, asked = ask_b(pair, "ductclient -e {}", b"one\ntwo\n")
    assert asked == b"one"
    station = Tool(pair.b, "ductctl -r").listening()
    answer(pair, b"one")
    assert station.result().out == b"two"
    answer(pair, b"one")
    answer(pair, b"two")
    assert client.result().out == b"one\ntwo\n"


def test_another_station_gives_no_reply(pair):
    client, asked = ask_b(pair, "ductclient -q {}")
    assert asked == b""
    before = pair.net.state().cards[pair.card_a.path]["rx_packets"]
    assert tool(pair.a, f"ductctl -s {ECHO:x}", b"forged").status == DONE
    pair.net.await_state(lambda state: state.cards[pair.card_a.path]["rx_packets"] > before)
    answer(pair, b"real")
    result = client.result()
    assert (result.status, result.out) == (DONE, b"real\n")


@pytest.mark.parametrize("reply, out", [
    (b"", b"\n"), (b"one\n", b"one\n"), (b"x" * PACKET_MAX, b"x" * PACKET_MAX + b"\n"),
    (b"\x1b[2J\xff", b"\x1b[2J\xff\n")], ids=["empty", "with newline", "longest", "escapes"])
def test_any_reply_is_printed(pair, reply, out):
    client, _ = ask_b(pair, "ductclient -q {}")
    answer(pair, reply)
    result = client.result()
    assert (result.status, result.out, result.err) == (DONE, out, "")


def test_a_terminal_is_safe(pair):
    client, _ = ask_b(pair, on_terminal("ductclient -q {}"))
    answer(pair, b"\x1b[2J\x9b1m\r\x07")
    assert client.result().out == rb"\x1b[2J\x9b1m\x0d\x07" + b"\n"


def test_echo_on_a_terminal(pair):
    pair.a.put("/tmp/line", b"\x1b[1mhi\n")
    client, _ = ask_b(pair, on_terminal("ductclient -e {} </tmp/line"))
    answer(pair, b"\x1b[1mhi")
    assert client.result().out == rb"\x1b[1mhi" + b"\n"


@pytest.mark.parametrize("option", ["-q", "-e"])
def test_the_interface_is_down(pair, option):
    pair.a.run("ip link set duct0 down")
    result = tool(pair.a, f"ductclient {option}", b"hello\n")
    assert (result.status, result.out) == (FAILED, b"")
    assert "the interface duct0 is down; try: ip link set duct0 up" in result.err


def test_device(pair):
    for device in ("0", "duct0", "/dev/duct0"):
        assert tool(pair.a, f"ductclient -e -d {device}", b"hello\n").out == b"hello\n"


def test_output_that_can_not_be_written(pair):
    for option in ("-q", "-e"):
        result = tool(pair.a, f"sh -c 'ductclient {option} >/dev/full'", b"hello\n")
        assert result.status == FAILED
        assert "cannot write the output: No space left" in result.err
