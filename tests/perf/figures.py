# SPDX-License-Identifier: GPL-2.0-only
"""Medians and ratios of what scripts/bench has measured, which is a dictionary as build/bench.json has it."""

import statistics

DUCTS = ("duct", "duct-sleep")
LOADS = ("raw", "UDP", "TCP")
SIDES = ("sent", "received")
WHATS = ("instructions", "reads", "writes", "interrupts", "allocations")
SIZES = (64, 1500, 16384)


def less_is_better(name):
    return "round trip" in name or "CPU" in name


def best(name, values):
    return min(values) if less_is_better(name) else max(values)


def ratio(ours, others, name=""):
    """What is ours to the best of the others."""
    return ours / best(name, others)


def medians(runs, field):
    """Of a list of dictionaries."""
    return statistics.median(run[field] for run in runs)


def guest_medians(guests):
    """{nic: {measurement: median}}"""
    return {nic: {name: statistics.median(values) for name, values in got.items()} for nic, got in guests.items()}


def peers_of(row):
    """The values of the other cards, of {nic: value}."""
    return {nic: value for nic, value in row.items() if nic not in DUCTS}


def cost(runs):
    """Nanoseconds of ductnet's CPU for a packet that arrives; time that others took from it does not count."""
    return statistics.median(1e9 * run["ductnet_cpu"] / run["packets_per_s"] for run in runs)


def nth(base, now, first, count):
    """What one more costs in parts of base, if count instead of first of them raise the cost from base to now."""
    return (now - base) / (count - first) / base


def count_medians(counts):
    """{nic: {"raw, sent, reads": median}}"""
    return {nic: {f"{load}, {side}, {what}": statistics.median(one[load][side][what] for one in rounds)
                  for load in LOADS for side in SIDES for what in WHATS}
            for nic, rounds in counts.items()}
