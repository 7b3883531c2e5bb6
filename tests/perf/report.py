# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/bench has measured, as tables: medians, ratios, and whether the targets are met. The measurements are a
dictionary as build/bench.json has it."""

import statistics

from figures import LOADS, SIDES, SIZES, WHATS, cost, count_medians, guest_medians, medians, nth, peers_of, ratio
from targets import targets

TITLES = {"reads": "MMIO reads", "writes": "MMIO writes"}
SCALING = {
    "cards, to one": [("64 octets", 2), ("64 octets, 4 cards", 4), ("64 octets, 8 cards", 8),
                      ("64 octets, 16 cards", 16)],
    "receivers, to all": [("64 octets", 1), ("64 octets to 3 cards", 3), ("64 octets to 7 cards", 7),
                          ("64 octets to 15 cards", 15)],
    "filters": [("64 octets", 1), ("64 octets, 8 filters", 8), ("64 octets, 32 filters", 32)],
}


class Table:
    """A title, a head, and rows of as many words."""

    def __init__(self, title, head, rows, note=""):
        self.title, self.head, self.rows, self.note = title, head, rows, note

    def text(self):
        lines = [self.head, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        shown = ["  ".join(word.rjust(width) if i else word.ljust(width)
                           for i, (word, width) in enumerate(zip(line, widths))).rstrip() for line in lines]
        return "\n".join([self.title, *shown, *([self.note] if self.note else [])])

    def markdown(self):
        lines = ["| " + " | ".join(line) + " |" for line in (self.head, *self.rows)]
        lines.insert(1, "|---|" + "--:|" * (len(self.head) - 1))
        return "\n".join([f"### {self.title}", "", *([self.note, ""] if self.note else []), *lines])


def number(value):
    """Three digits that count, more before the point. Counts of which some are subtracted may be below zero."""
    if value < 0.0005:
        return "<0.001" if value > 0 else "0"
    for digits, least in ((0, 100), (1, 10), (2, 1)):
        if abs(value) >= least:
            return f"{value:.{digits}f}"
    return f"{value:.3f}"


def guests_table(guests):
    found = guest_medians(guests)
    rows = []
    for name in next(iter(found.values())):
        row = {nic: values[name] for nic, values in found.items()}
        peers = peers_of(row)
        shown = number(ratio(row["duct"], peers.values(), name)) if "duct" in row and peers else ""
        rows.append([name, *(number(value) for value in row.values()), shown])
    return Table("Two guests", ["median", *found, "duct / best peer"], rows,
                 "TCP in Mbit/s; UDP (18 octets) and pktgen (64 octets) in 1000 packets a second that were received; "
                 "round trips in microseconds; CPU seconds of all processes together.")


def switches_table(bus, peers):
    rows = []
    for size in SIZES:
        ours = medians(bus[f"{size} octets"], "packets_per_s")
        others = {name: medians(sizes[str(size)], "packets_per_s") if str(size) in sizes else None
                  for name, sizes in peers.items()}
        there = [value for value in others.values() if value]
        memcpy = medians(bus[f"{size} octets"], "memcpy_per_s")
        rows.append([f"{size} octets", number(ours / 1e3),
                     *(number(value / 1e3) if value else "-" for value in others.values()),
                     number(ratio(ours, there)) if there else "", number(memcpy / 1e3),
                     number(medians(bus[f"{size} octets"], "of_memcpy"))])
    return Table("ductnet and other switches", ["1000 packets a second", "ductnet", *peers, "ductnet / best",
                                                "memcpy()", "ductnet / memcpy()"], rows)


def scaling_table(bus):
    """cost of the n-th: the mean of those that were added, in parts of what a packet costs with the first of the
    lines."""
    rows = []
    for kind, lines in SCALING.items():
        first, base = lines[0][1], cost(bus[lines[0][0]])
        for name, count in lines:
            now = cost(bus[name])
            added = "" if count == first else f"{nth(base, now, first, count):.1%}"
            rows.append([f"{count} {kind}", number(medians(bus[name], "packets_per_s") / 1e3), number(now),
                         number(now / base), added])
    return Table("More cards, receivers and filters", ["", "1000 packets a second", "ns of ductnet's CPU for each",
                                                       "to the first", "the n-th costs"], rows,
                 "Packets of 64 octets, counted where they arrive. The last column is the mean of those that were "
                 "added, in percent of what a packet costs in the first line.")


def counts_table(counts, stack):
    found = count_medians(counts)
    rows = []
    for load, side, what in ((load, side, what) for load in LOADS for side in SIDES for what in WHATS):
        name = f"{load}, {side}, {what}"
        row = {nic: values[name] for nic, values in found.items()}
        virtio = [value for nic, value in row.items() if nic.startswith("virtio")]
        shown = number(row["duct"] / min(virtio)) if "duct" in row and virtio and min(virtio) else ""
        rows.append([f"{load}, {side}: {TITLES.get(what, what)}", *(number(value) for value in row.values()), shown])
        if name.endswith("sent, writes"):
            rows.append([f"{load}, sent: packets per MMIO write",
                         *(number(1 / one) if one else "-" for one in row.values()), ""])
    note = ""
    if stack:
        note = f"Of the instructions for a raw packet that is sent {number(statistics.median(stack))} are the " \
               "stack's: so many it takes with a device that does nothing."
    return Table("For each packet", ["median", *found, "duct / best virtio"], rows, note)


def targets_table(results):
    rows = [[what, value, target, {True: "yes", False: "**no**", None: ""}[met]]
            for what, value, target, met in targets(results)]
    return Table("Targets", ["what", "measured", "target", "met"], rows)


def tables(results):
    """All that there is something for."""
    if results.get("bus"):
        if results.get("peers"):
            yield switches_table(results["bus"], results["peers"])
        yield scaling_table(results["bus"])
    if results.get("guests"):
        yield guests_table(results["guests"])
    if results.get("counts"):
        yield counts_table(results["counts"], results.get("stack"))
    found = targets_table(results)
    if found.rows:
        yield found


def markdown(results):
    about = results["about"]
    lines = [f"{about['date']}, `{about['command']}`, commit {about['commit']}, {about['rounds']} rounds, "
             f"{about['minutes']} minutes.", "",
             *(f"- {name}: {about[name]}" for name in ("processor", "host", "QEMU", "guests"))]
    if results["repeated"]:
        lines += ["", "Measured again, since the first attempt failed:", "",
                  *(f"- {one}" for one in results["repeated"])]
    order = list(tables(results))
    return "\n\n".join(["\n".join(lines), *(table.markdown() for table in order[-1:] + order[:-1])])
