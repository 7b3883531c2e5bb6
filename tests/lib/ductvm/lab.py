# SPDX-License-Identifier: GPL-2.0-only
"""Ductnets and guests that belong together, and their end."""

import shutil
import tempfile

from .ductnet import Card, Ductnet, DuctnetError
from .guest import Guest, GuestError


class Lab:
    """A context: what was started in it has ended after it."""

    def __init__(self, kernel="6.1", append="", signal="burst"):
        self.kernel = kernel
        self.append = append
        self.signal = signal
        self.directory = tempfile.mkdtemp(prefix="duct-", dir="/tmp")
        self.ductnets = []
        self.guests = []
        self.hwaddr = 0x34565ca0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def card(self, **options):
        self.hwaddr += 1
        options.setdefault("hwaddr", self.hwaddr)
        options.setdefault("signal", self.signal)
        return Card(f"{self.directory}/card{self.hwaddr & 0xff}", **options)

    def ductnet(self, cards, *args):
        """One bus; cards is a number or a list of cards."""
        if isinstance(cards, int):
            cards = [self.card() for _ in range(cards)]
        ductnet = Ductnet(cards, *args)
        self.ductnets.append(ductnet)
        return ductnet

    def guest(self, name, cards, append="", **options):
        """A guest that has begun to boot."""
        options.setdefault("kernel", self.kernel)
        guest = Guest(name, cards, self.directory, append=f"{self.append} {append}".strip(), **options)
        self.guests.append(guest)
        return guest

    def check(self, forgiven=()):
        """Raises if a kernel has complained of anything since the last time."""
        bad = []
        for guest in self.guests:
            bad += [f"{guest.name}: {line}" for line in guest.new_complaints(forgiven)]
        if bad:
            raise GuestError("the kernel complains:\n" + "\n".join(bad))

    def report(self):
        """What there is to say about a failure, as pairs of title and text."""
        for guest in self.guests:
            if guest.answers():
                yield f"kernel log of {guest.name}", "\n".join(guest.dmesg().splitlines()[-60:])
            else:
                guest.autopsy()
                yield f"console of {guest.name}", "\n".join(guest.console().splitlines()[-120:])
        for ductnet in self.ductnets:
            try:
                ductnet.state()
            except DuctnetError:
                pass
            yield "ductnet", "\n".join(ductnet.lines[-200:])

    def drop(self, guest):
        guest.stop()
        self.guests.remove(guest)

    def close(self):
        try:
            for guest in self.guests:
                guest.stop()
            failed = []
            for ductnet in self.ductnets:
                try:
                    ductnet.stop()
                except DuctnetError as error:
                    failed.append(error)
            if failed:
                raise failed[0]
        finally:
            self.guests.clear()
            self.ductnets.clear()
            shutil.rmtree(self.directory, ignore_errors=True)
