# SPDX-License-Identifier: GPL-2.0-only
"""Runs ductctl and ductclient in a guest, with standard output and standard error apart."""

import base64
import itertools
import re
from dataclasses import dataclass

from .guest import RUN_TIMEOUT

DONE, FAILED, USAGE, TIMEOUT = range(4)
PACKET_MAX = 16384

numbers = itertools.count()


@dataclass
class Result:
    status: int
    out: bytes
    err: str


class Tool:
    """A command that runs in a guest. stdin: None leaves it to the command."""

    def __init__(self, guest, command, stdin=b""):
        self.guest = guest
        self.base = f"/tmp/tool.{next(numbers)}"
        if stdin is not None:
            guest.put(f"{self.base}.in", stdin)
            command = f"{command} <{self.base}.in"
        self.job = guest.start(f"{command} >{self.base}.out 2>{self.base}.err")

    def listening(self):
        """Waits until it has the device open: what comes from then on it gets."""
        self.guest.until(f"for fds in $(ls -d /proc/[0-9]*/fd); do "
                         f"ls -l $fds | grep -q {self.base}.err && ls -l $fds | grep -q /dev/duct && exit 0; "
                         "done; exit 1")
        return self

    def stderr(self, pattern):
        """Waits until it has said this."""
        self.guest.until(f"grep -qE '{pattern}' {self.base}.err")
        return self

    def result(self, timeout=RUN_TIMEOUT):
        self.job.wait(timeout, check=False)
        out, err = self.guest.run(f"base64 -w 0 {self.base}.out; echo; base64 -w 0 {self.base}.err; rm {self.base}.*",
                                  timeout).split("\n")
        return Result(self.job.status, base64.b64decode(out), base64.b64decode(err).decode())


def tool(guest, command, stdin=b"", timeout=RUN_TIMEOUT):
    return Tool(guest, command, stdin).result(timeout)


def on_terminal(command):
    """The same command, with a terminal as its standard output; what it shows there goes to the caller's."""
    return f"socat -u SYSTEM:'{command}',pty,rawer STDOUT"


def using_device(guest, name):
    """Waits until a program of this name has the device open."""
    guest.until(f"for pid in $(pidof {name}); do ls -l /proc/$pid/fd | grep -q /dev/duct && exit 0; done; exit 1")


def counter(guest, name):
    """One counter of ethtool -S."""
    text = guest.run("ethtool -S duct0")
    return int(re.search(rf"^\s+{name}: (\d+)$", text, re.MULTILINE)[1])
