# SPDX-License-Identifier: GPL-2.0-only
"""make shell: a guest on the terminal, and a second one to talk to."""

import signal
import sys
import termios

from . import DuctnetError, GuestError, Lab

DAY = 24 * 60 * 60
WELCOME = """
You are root in guest a, 10.77.0.1. On the same Ductnet, guest b is 10.77.0.2 and answers. Try

  ip -d addr show duct0            ethtool -i duct0;  ethtool -S duct0
  ping 10.77.0.2                   ping {link_local}%duct0
  iperf3 -c 10.77.0.2              ip link set duct0 mtu 16368
  tcpdump -n -i duct0 &            dmesg | grep duct

exit leaves, and ends both guests.

"""


def configure(guest, number):
    guest.run(f"ip link set duct0 up && ip addr add 10.77.0.{number}/24 dev duct0")


def main():
    kernel = sys.argv[1] if len(sys.argv) > 1 else "6.1"
    if not sys.stdin.isatty():
        print("shell: needs a terminal", file=sys.stderr)
        return 1
    settings = termios.tcgetattr(sys.stdin)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Lab(kernel=kernel) as lab:
            net = lab.ductnet(2)
            print("Two guests boot ...", flush=True)
            a = lab.guest("a", [net.cards[0]], append="guest.shell loglevel=3", console="stdio,signal=off",
                          life=DAY)
            b = lab.guest("b", [net.cards[1]], life=DAY)
            for number, guest in enumerate((a, b), 1):
                configure(guest.ready(), number)
            b.start("iperf3 -s")
            a.put("/run/welcome", WELCOME.format(link_local=net.cards[1].link_local))
            a.run("mv /run/welcome /run/shell")
            a.process.wait()
    except (DuctnetError, GuestError) as error:
        print(f"shell: {error}", file=sys.stderr)
        return 1
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
