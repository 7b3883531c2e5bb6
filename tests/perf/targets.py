# SPDX-License-Identifier: GPL-2.0-only
"""What is wanted, and what was measured of it."""

import statistics

from figures import DUCTS, LOADS, SIDES, best, cost, count_medians, guest_medians, medians, nth, peers_of, ratio

MTUS = ("1500", "best MTU")
DIRECTIONS = {"": "", " back": ", the other way"}


def at_least(what, value, least):
    return what, f"{value:.2f}", f"at least {least}", value >= least


def at_most(what, value, most):
    return what, f"{value:.2f}", f"at most {most}", value <= most


def of_tcp(found, segments):
    """At each card's best setting, and at MTU 1500 against those that cut up segments and those that do not."""
    for back, way in DIRECTIONS.items():
        row = {nic: max(values[f"TCP {mtu}{back}"] for mtu in MTUS) for nic, values in found.items()}
        yield at_least(f"TCP, each card's best MTU{way}: to the best peer",
                       ratio(row["duct"], peers_of(row).values()), 1.5)
        row = {nic: values[f"TCP 1500{back}"] for nic, values in found.items()}
        for does, title, least in ((False, "without", 1), (True, "with", 0.8)):
            some = [value for nic, value in peers_of(row).items() if segments[nic] == does]
            if some:
                yield at_least(f"TCP, MTU 1500{way}: to the best peer {title} segmentation offload",
                               ratio(row["duct"], some), least)


def of_guests(found, segments):
    yield from of_tcp(found, segments)
    for name, least in (("pktgen", 1.5), ("UDP", 1.2)):
        row = {nic: values[name] for nic, values in found.items()}
        yield at_least(f"{name}, packets received: to the best peer", ratio(row["duct"], peers_of(row).values()), least)
    name = "round trip"
    row = {nic: best(name, (values[name], values[f"{name}, busy poll"])) for nic, values in found.items()}
    ours = best(name, [row[nic] for nic in DUCTS if nic in row])
    yield at_most(f"{name}, with or without polling: to the best peer", ratio(ours, peers_of(row).values(), name), 0.75)


def of_counts(found, stack):
    duct = found["duct"]
    virtio = [values for nic, values in found.items() if nic.startswith("virtio")]
    for load in ("raw", "UDP") if virtio else ():
        for side in SIDES:
            name = f"{load}, {side}, instructions"
            yield at_most(f"{load}, instructions for a packet {side}: to virtio-net's",
                          duct[name] / min(values[name] for values in virtio), 0.8)
    if virtio and stack:
        stack = statistics.median(stack)
        name = "raw, sent, instructions"
        yield at_most("raw, instructions for a packet sent, without the stack's: to virtio-net's",
                      (duct[name] - stack) / (min(values[name] for values in virtio) - stack), 0.8)
    reads = max(duct[f"{load}, {side}, reads"] for load in LOADS for side in SIDES)
    yield "MMIO reads for a packet, the most of all loads", f"{reads:.5f}", "0 (below 0.001)", reads < 0.001
    writes = max(duct[f"{load}, {side}, writes"] for load in LOADS for side in SIDES)
    yield at_most("MMIO writes for a packet, the most of all loads", writes, 0.1)


def of_bus(bus):
    yield at_least("ductnet alone, 64 octets: million packets a second on one core",
                   medians(bus["64 octets"], "packets_per_s") / 1e6, 2)
    yield at_least("ductnet alone, 16384 octets: to memcpy()", medians(bus["16384 octets"], "of_memcpy"), 0.5)
    base, all_cards = cost(bus["64 octets"]), cost(bus["64 octets, 16 cards"])
    added = 100 * nth(base, all_cards, 2, 16)
    yield ("ductnet alone: the 16th card, in percent of a packet's cost with two",
           f"{added:.2f} (all 14 more together: {100 * (all_cards / base - 1):.0f})", "at most 10", added <= 10)


def targets(results):
    """Each is what, what was measured, what is wanted, and whether it is so."""
    found = guest_medians(results.get("guests", {}))
    if "duct" in found and peers_of(found):
        yield from of_guests(found, results["segments"])
    found = count_medians(results.get("counts", {}))
    if "duct" in found:
        yield from of_counts(found, results.get("stack"))
    if results.get("bus"):
        yield from of_bus(results["bus"])
