# SPDX-License-Identifier: GPL-2.0-only
"""Guests on Ductnet: what the VM tests, the demo and the shell are made of."""

from .ductnet import Card, Ductnet, DuctnetError
from .guest import Guest, GuestError, Job
from .kernlog import complaints
from .lab import Lab
from .twocards import TwoCards

__all__ = ["Card", "Ductnet", "DuctnetError", "Guest", "GuestError", "Job", "Lab", "TwoCards", "complaints"]
