# SPDX-License-Identifier: GPL-2.0-only
"""Where things are, and the scripts that make them."""

import os
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
