# SPDX-License-Identifier: GPL-2.0-only
"""A running ductnet."""

import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

from .ether import link_local, mac_of
from .paths import DUCTNET, end_with_parent

START_TIMEOUT = 10
STOP_TIMEOUT = 10


class DuctnetError(Exception):
    pass


@dataclass
class Card:
    """A card to be: hwaddr and signal as ductnet's --card takes them."""
    path: str
    hwaddr: int
    signal: str = "burst"

    @property
    def mac(self):
        return mac_of(self.hwaddr)

    @property
    def link_local(self):
        return link_local(self.mac)


class Section(dict):
    """One card, station or bus of ductnet's state; numbers are numbers."""

    def __init__(self, kind, name):
        super().__init__()
        self.kind = kind
        self.name = name
        self.filters = set()


class State:
    """What SIGUSR1 makes ductnet print."""

    def __init__(self, lines):
        self.text = "\n".join(lines)
        self.cards = {}
        self.stations = {}
        self.bus = None
        section = None
        for line in lines:
            head = re.fullmatch(r"(card|station|bus): ?(.*)", line)
            field = re.fullmatch(r"  (\w+): (.*)", line)
            if head:
                section = Section(*head.groups())
                if section.kind == "card":
                    self.cards[section.name] = section
                elif section.kind == "station":
                    self.stations[section.name] = section
                else:
                    self.bus = section
            elif field and section is not None:
                name, value = field.groups()
                if name == "filter":
                    mask, address = value.split("/")
                    section.filters.add((int(mask, 16), int(address, 16)))
                elif name in ("address", "flags", "evflags"):
                    section[name] = int(value, 16)
                else:
                    section[name] = int(value) if value.isdecimal() else value


class Ductnet:
    def __init__(self, cards, *args, program=DUCTNET):
        self.cards = list(cards)
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        command = [str(program)]
        for card in self.cards:
            command += ["--card", f"{card.path},hwaddr={card.hwaddr:x},signal={card.signal}"]
        self.process = subprocess.Popen([*command, *map(str, args)], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True,
                                        preexec_fn=end_with_parent)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            self._await(lambda: "ready" in self.lines, START_TIMEOUT)
        except DuctnetError:
            self.process.kill()
            self.process.wait()
            raise

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _await(self, condition, timeout):
        with self.changed:
            self.changed.wait_for(lambda: condition() or self.ended, timeout)
            if not condition():
                what = "ended" if self.ended else "gives no answer"
                raise DuctnetError(f"ductnet {what}:\n" + "\n".join(self.lines[-50:]))

    def state(self):
        with self.changed:
            seen = len(self.lines)
        self.process.send_signal(signal.SIGUSR1)
        self._await(lambda: "end of state" in self.lines[seen:], STOP_TIMEOUT)
        with self.changed:
            end = self.lines.index("end of state", seen)
            return State(self.lines[seen:end])

    def await_state(self, condition, timeout=STOP_TIMEOUT):
        """Asks for the state until the condition holds for it."""
        deadline = time.monotonic() + timeout
        while True:
            state = self.state()
            if condition(state):
                return state
            if time.monotonic() > deadline:
                raise DuctnetError(f"not so within {timeout} s:\n{state.text}")
            time.sleep(0.02)

    def card(self, card):
        """The state of one card."""
        return self.state().cards[card.path]

    def stop(self):
        """Ends ductnet; raises if it did not end well."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = f"{self.process.wait()} (SIGTERM did not end it)"
        self.reader.join(STOP_TIMEOUT)
        if status != 0:
            raise DuctnetError(f"ductnet: exit status {status}\n" + "\n".join(self.lines[-80:]))
