# SPDX-License-Identifier: GPL-2.0-only
"""Guests for the tests. Two of them, a and b, are shared by all tests that do not break them for good;
whatever a test does to them, the next one gets them as they were."""

import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from ductvm import GuestError, Lab, TwoCards  # noqa: E402  pylint: disable=wrong-import-position

BASELINE = """
modprobe -q duct
ip link set {dev} up mtu 1500 promisc off allmulticast off || exit
sysctl -q -w net.ipv6.conf.{dev}.accept_dad=0
ip addr replace 10.77.0.{number}/24 dev {dev}
ip addr replace fd77::{number}/64 dev {dev} nodad
ip neigh flush dev {dev}
while ip -6 addr show dev {dev} tentative | grep -q .; do usleep 20000; done
"""


def pytest_addoption(parser):
    parser.addoption("--kernel", default="6.1", choices=["6.1", "6.12", "7.3", "debug"],
                     help="the guests' kernel")
    parser.addoption("--append", default="", help="more for the guests' kernel command line")
    parser.addoption("--signal", default="burst", choices=["burst", "each", "latched"],
                     help="how the cards signal events")
    parser.addoption("--stress", type=int, default=60, metavar="SECONDS",
                     help="how long each stress test of the character device goes on")


def pytest_configure():
    # A time limit ends with SIGTERM: what was started has to be put away then too.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated"))


def pytest_report_header(config):
    option = config.getoption
    return f"guests: Linux {option('kernel')}, signal={option('signal')} {option('append')}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that failed shows what its guests and its ductnet have to say."""
    report = (yield).get_result()
    if report.failed and call.when != "setup":
        for lab in Labs.all:
            for title, text in lab.report():
                report.sections.append((title, text))


class Labs:
    """Every lab that is open."""
    all = []

    @classmethod
    def open(cls, request):
        option = request.config.getoption
        lab = Lab(kernel=option("kernel"), append=option("append"), signal=option("signal"))
        cls.all.append(lab)
        return lab

    @classmethod
    def close(cls, lab):
        cls.all.remove(lab)
        lab.close()


@pytest.fixture(scope="session")
def shared_lab(request):
    lab = Labs.open(request)
    yield lab
    Labs.close(lab)


@pytest.fixture
def lab(request):
    """For tests that need guests of their own."""
    lab = Labs.open(request)
    yield lab
    lab.check()
    Labs.close(lab)


def configure(guest, number, dev="duct0"):
    guest.number = number
    guest.ip4 = f"10.77.0.{number}"
    guest.ip6 = f"fd77::{number}"
    guest.run(BASELINE.format(dev=dev, number=number))


@pytest.fixture(scope="session")
def configured():
    """Gives a guest its addresses: configured(guest, number)."""
    return configure


@pytest.fixture
def pair(shared_lab):
    """Guests a and b, their cards, and the ductnet between them: up, MTU 1500, 10.77.0.1 and .2."""
    if not shared_lab.ductnets:
        shared_lab.ductnet(2)
    net = shared_lab.ductnets[0]
    if len(shared_lab.guests) != 2 or not all(guest.answers() for guest in shared_lab.guests):
        for guest in list(shared_lab.guests):
            shared_lab.drop(guest)
        for name, card in zip("ab", net.cards):
            shared_lab.guest(name, [card])
    a, b = shared_lab.guests
    for number, guest in enumerate((a, b), 1):
        guest.ready()
        guest.kill_jobs()
        try:
            configure(guest, number)
        except GuestError as error:
            pytest.fail(f"{guest.name} cannot be brought back to how it was: {error}")
    yield SimpleNamespace(a=a, b=b, net=net, card_a=net.cards[0], card_b=net.cards[1], both=(a, b),
                          lab=shared_lab)
    shared_lab.check()


@pytest.fixture(params=["a to b", "b to a"])
def sender_receiver(request, pair):
    return pair.both if request.param == "a to b" else pair.both[::-1]


@pytest.fixture(scope="session")
def cards_lab(request):
    lab = Labs.open(request)
    yield lab
    Labs.close(lab)


@pytest.fixture
def cards(cards_lab):
    """One guest with duct0 and duct1, both up, on one Ductnet where nobody else is. A test must leave nothing behind:
    no open file, no filter, no complaint."""
    if not cards_lab.ductnets:
        cards_lab.ductnet(2)
    net = cards_lab.ductnets[0]
    if not cards_lab.guests:
        # IPv6 joins groups and sends to them at times of its own.
        cards_lab.guest("cards", net.cards, append="ipv6.disable=1").ready()
        TwoCards(cards_lab.guests[0], net).restore()
    two = TwoCards(cards_lab.guests[0], net)
    yield two
    try:
        two.restore()
    except Exception:
        for title, text in cards_lab.report():
            print(f"--- {title}\n{text}")
        cards_lab.drop(two.guest)
        raise
    cards_lab.check()
