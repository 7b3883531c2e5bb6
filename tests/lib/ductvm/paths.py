# SPDX-License-Identifier: GPL-2.0-only
"""Where things are, and the scripts that make them."""

import ctypes
import os
import signal
import subprocess
from functools import cache
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("DUCT_BUILD", TOP / "build"))
DUCTNET = Path(os.environ.get("DUCTNET", BUILD / "bin" / "ductnet"))


@cache
def script(name, *args):
    """Runs one of scripts/, and returns what it prints: a path."""
    result = subprocess.run([TOP / "scripts" / name, *args], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, text=True, check=True)
    return Path(result.stdout.splitlines()[-1])


PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def end_with_parent():
    """For Popen's preexec_fn: the child must not outlive a test run that was killed."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
