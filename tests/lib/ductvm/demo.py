# SPDX-License-Identifier: GPL-2.0-only
"""make demo: two guests on one Ductnet, shown live."""

import os
import re
import sys
import time

from . import DuctnetError, GuestError, Lab
from .ether import group_filter

MIB = 64
GROUP, GROUP_MAC = "239.7.7.7", "01:00:5e:07:07:07"
PORT = 5001

COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ
BOLD, GREEN, RED, DIM, PLAIN = ("\033[1m", "\033[32m", "\033[31m", "\033[2m", "\033[0m") if COLOURS else [""] * 5


def heading(text):
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def show(text, indent="    "):
    for line in text.splitlines():
        if line.strip():
            print(indent + line.strip(), flush=True)


def prompt(guest, command):
    print(f"  {DIM}{guest.name}#{PLAIN} {command}", flush=True)


def run(guest, command, keep=""):
    """Shows a command and its output, or only the lines of it that match."""
    prompt(guest, command)
    output = guest.run(command)
    show("\n".join(line for line in output.splitlines() if re.search(keep, line)))
    return output


def claim(condition, otherwise):
    if not condition:
        raise GuestError(otherwise)


def boot(lab, net):
    heading("Two guests boot, each with a duct card")
    start = time.monotonic()
    guests = [lab.guest(name, [card]) for name, card in zip("ab", net.cards)]
    for guest in guests:
        guest.ready()
    show(f"{guests[0].run('uname -sr').strip()}, up after {time.monotonic() - start:.1f} s")
    return guests


def attach(guests):
    heading("The driver attaches")
    for guest in guests:
        prompt(guest, "dmesg | grep duct0")
        lines = [line for line in guest.dmesg().splitlines() if "duct0: " in line]
        show("\n".join(lines))
        claim(len(lines) == 3, f"{guest.name}: the driver has not attached")


def link(guests):
    heading("A normal Ethernet interface")
    for number, guest in enumerate(guests, 1):
        guest.ip4 = f"10.77.0.{number}"
        run(guest, f"ip link set duct0 up && ip addr add {guest.ip4}/24 dev duct0")
        output = run(guest, "ip -br link show duct0")
        claim("LOWER_UP" in output, f"{guest.name}: duct0 is not up")


def ping(guests, net):
    heading("Ping over IPv4, and over IPv6 with the addresses that came by themselves")
    for sender, receiver, card in ((*guests, net.cards[1]), (*guests[::-1], net.cards[0])):
        for address in receiver.ip4, f"{card.link_local}%duct0":
            if ":" in address:
                receiver.until("ip -6 addr show dev duct0 -tentative | grep -q fe80")
                sender.until("ip -6 addr show dev duct0 -tentative | grep -q fe80")
            output = run(sender, f"ping -c 3 -i 0.2 {address}", "^rtt|packets")
            claim(" 0% packet loss" in output, f"{sender.name}: packets were lost")


def show_filters(net, card):
    filters = net.card(card).filters
    show("the card's filters: " + "  ".join(f"{mask:08x}/{address:08x}" for mask, address in sorted(filters)))
    return filters


def multicast(guests, net):
    heading(f"Guest b joins {GROUP}, and its card lets the group in")
    a, b = guests
    wanted = group_filter(GROUP_MAC)
    claim(wanted not in show_filters(net, net.cards[1]), "the card lets in a group nobody joined")
    command = f"socat -u UDP4-RECV:{PORT},ip-add-membership={GROUP}:duct0 STDOUT"
    prompt(b, f"{command} &")
    job = b.start(command)
    net.await_state(lambda state: wanted in state.cards[net.cards[1].path].filters)
    show_filters(net, net.cards[1])
    run(a, f"echo hello, group | socat -u STDIN UDP4-DATAGRAM:{GROUP}:{PORT},ip-multicast-if={a.ip4}")
    job.wait_for("hello, group", 10)
    show("b has received: " + job.output().strip())
    job.kill()


def stations(guests):
    heading("Without Ethernet: /dev/duct0, and the stations on Ductnet")
    a = guests[0]
    claim("duct v2.1, hwaddr: " in run(a, "ductctl"), "ductctl does not know the card")
    claim(run(a, "ductclient -q").strip(), "the quote station has nothing to say")
    claim("hello, echo" in run(a, "echo hello, echo | ductclient -e"), "no echo")


def native(guests, net):
    heading("Without Ethernet: from one guest to the other")
    a, b = guests
    message = "hello from a, without Ethernet"
    prompt(b, "ductctl -r -t 10 &")
    job = b.start("ductctl -r -t 10")
    b.until("ls -l /proc/[0-9]*/fd | grep -q /dev/duct0")
    run(a, f"echo {message} | ductctl -s {net.cards[1].hwaddr:08x}")
    show("b has received: " + job.wait().strip())
    claim(message in job.output(), "b has received something else")


def transfer(guests):
    heading(f"{MIB} MiB over TCP, MTU 16368")
    a, b = guests
    for guest in guests:
        run(guest, "ip link set duct0 mtu 16368")
    a.run(f"dd if=/dev/urandom of=/tmp/sent bs=1M count={MIB} status=none")
    receive = f"socat -u -b 65536 TCP-LISTEN:{PORT} CREATE:/tmp/received"
    send = f"socat -u -b 65536 FILE:/tmp/sent TCP:{b.ip4}:{PORT}"
    prompt(b, f"{receive} &")
    receiver = b.start(receive)
    b.until(f"ss -Hltn sport = :{PORT} | grep -q .")
    prompt(a, send)
    start = time.monotonic()
    a.run(send)
    receiver.wait()
    seconds = time.monotonic() - start
    show(f"{seconds:.2f} s, {MIB * 8 * 1.048576 / seconds:.0f} Mbit/s")
    sums = [run(guest, f"sha256sum {path}").split()[0] for guest, path in ((a, "/tmp/sent"), (b, "/tmp/received"))]
    claim(sums[0] == sums[1], "the checksums differ")


def counters(guests):
    heading("The driver's own counters")
    output = run(guests[0], "ethtool -S duct0", r": [1-9]")
    claim("NIC statistics" in output, "ethtool -S has nothing to say")


def main():
    start = time.monotonic()
    try:
        with Lab(kernel=sys.argv[1] if len(sys.argv) > 1 else "6.1") as lab:
            heading("ductnet starts, with two cards on one bus")
            net = lab.ductnet(2)
            show("\n".join(line for line in net.lines if line.startswith("card")))
            guests = boot(lab, net)
            attach(guests)
            link(guests)
            ping(guests, net)
            multicast(guests, net)
            stations(guests)
            native(guests, net)
            transfer(guests)
            counters(guests)
            lab.check()
    except (DuctnetError, GuestError) as error:
        print(f"\n{RED}{BOLD}It did not work:{PLAIN} {error}", file=sys.stderr)
        return 1
    print(f"\n{GREEN}{BOLD}All of it worked{PLAIN}, in {time.monotonic() - start:.0f} s. "
          "To try more: make shell")
    return 0


if __name__ == "__main__":
    sys.exit(main())
