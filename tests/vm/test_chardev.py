# SPDX-License-Identifier: GPL-2.0-only
"""/dev/ductN: every case of the programs in tests/chardev, each a test of its own."""

import re

import pytest

from ductvm.paths import TOP
from ductvm.twocards import PROGRAMS

# The program ends itself after 60 s.
CASE_TIMEOUT = 90


def cases():
    for source in sorted((TOP / "tests" / "chardev").glob("test_*.c")):
        for case in re.findall(r"^\tcmocka_unit_test\w*\((\w+)", source.read_text(), re.MULTILINE):
            yield pytest.param(source.stem, case, id=f"{source.stem.removeprefix('test_')}-{case}")


@pytest.mark.parametrize("program, case", cases())
def test_case(cards, program, case):
    cards.guest.run(f"{PROGRAMS}/{program} {case}", timeout=CASE_TIMEOUT)
