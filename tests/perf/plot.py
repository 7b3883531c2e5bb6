# SPDX-License-Identifier: GPL-2.0-only
"""A picture of what scripts/bench has measured, by gnuplot: the same results give the same file."""

import subprocess

from figures import SIZES, best, count_medians, guest_medians, less_is_better, medians, peers_of, ratio

WIDTH, ROW, GAP = 960, 24, 110
OURS, OTHERS, LINES = "#1f5fa8", "#b9bec4", "#888888"
SKIPPED = ("p99", "CPU")


class Panel:
    """Horizontal bars from above: (label, value, is it ours, what stands behind the bar)."""

    def __init__(self, title, bars, line=None, log=False):
        self.title, self.bars, self.line, self.log = title, bars, line, log

    @property
    def height(self):
        return ROW * len(self.bars) + GAP

    def data(self, name):
        rows = [f"{len(self.bars) - i} {value:.6g} {int(ours)} {quote(label)} {quote(text)}"
                for i, (label, value, ours, text) in enumerate(self.bars)]
        return [f"${name} << END", *rows, "END"]

    def commands(self, name, top, total):
        values = [value for _, value, _, _ in self.bars]
        low, high = (min(values) / 4, max(values) * 30) if self.log else (0, max(values) * 1.55)
        end = top + self.height
        return [
            f"set tmargin at screen {1 - (top + 40) / total:.4f}",
            f"set bmargin at screen {1 - (end - 40) / total:.4f}",
            f"set label 2 {quote(self.title)} at graph 0, graph 1 left offset 0,1.2 font ',15'",
            "unset arrow",
            *([f"set arrow from {self.line},0.4 to {self.line},{len(self.bars) + 0.6} nohead front lc rgb '{LINES}'"]
              if self.line else []),
            "set logscale x" if self.log else "unset logscale x",
            f"plot [{low:.6g}:{high:.6g}] [0.4:{len(self.bars) + 0.6}] \\",
            f"  ${name} using (0):1:({low:.6g}):2:($1-0.36):($1+0.36)"
            f":($3 > 0 ? {rgb(OURS)} : {rgb(OTHERS)}):ytic(4) \\",
            "    with boxxyerror fs solid 1 noborder lc rgb variable notitle, \\",
            f"  ${name} using 2:1:5 with labels left offset 0.6,0 notitle",
        ]


def quote(text):
    return '"' + text.replace('"', "'") + '"'


def rgb(color):
    return f"0x{color[1:]}"


def guests_panel(guests):
    """More than 1 is faster, whatever is measured."""
    found = guest_medians(guests)
    bars = []
    for name in found["duct"]:
        if any(word in name for word in SKIPPED):
            continue
        peers = {nic: values[name] for nic, values in peers_of(found).items()}
        chosen = best(name, peers.values())
        nic = next(nic for nic, value in peers.items() if value == chosen)
        ours = found["duct"][name]
        times = ratio(ours, [chosen])
        times = 1 / times if less_is_better(name) else times
        unit = "us" if less_is_better(name) else "Mbit/s" if name.startswith("TCP") else "thousand/s"
        bars.append((name, times, True, f"{times:.2f}   ({ours:.0f} {unit}; {nic} {chosen:.0f})"))
    return Panel("Two guests: how many times as fast as the best other card (right of the line: faster)", bars, 1)


def switches_panel(bus, peers):
    bars = []
    for size in SIZES:
        row = {"ductnet": medians(bus[f"{size} octets"], "packets_per_s")}
        row.update({name: medians(sizes[str(size)], "packets_per_s")
                    for name, sizes in peers.items() if str(size) in sizes})
        row["memcpy()"] = medians(bus[f"{size} octets"], "memcpy_per_s")
        bars += [(f"{name}, {size} octets", value / 1e6, name == "ductnet",
                  f"{value / 1e6:.2f}   ({value * size / 1e9:.1f} GB/s)") for name, value in row.items()]
    return Panel("ductnet alone and other switches: million packets a second (logarithmic)", bars, log=True)


def counts_panel(counts):
    bars = []
    for load, side in (("raw", "sent"), ("raw", "received"), ("UDP", "sent"), ("UDP", "received")):
        for nic, values in count_medians(counts).items():
            value = values[f"{load}, {side}, instructions"]
            bars.append((f"{load}, {side}: {nic}", value, nic == "duct", f"{value:.0f}"))
    return Panel("Instructions of the guest for a packet (fewer are better)", bars)


def draw(results, path):
    """Writes an SVG of results."""
    about = results["about"]
    panels = [guests_panel(results["guests"]), switches_panel(results["bus"], results["peers"]),
              counts_panel(results["counts"])]
    head = 50
    total = head + sum(panel.height for panel in panels)
    where = f"{about['date']}, {about['processor']}, {about['QEMU'].partition(' (')[0]}, {about['rounds']} rounds, " \
            f"commit {about['commit']}"
    script = [
        f"set terminal svg size {WIDTH},{total} noenhanced font 'sans-serif,12' background '#ffffff'",
        f"set output {quote(str(path))}",
        *(line for number, panel in enumerate(panels) for line in panel.data(f"d{number}")),
        "set multiplot",
        f"set label 1 {quote(where)} at screen 0.02,{1 - 24 / total:.4f} left font ',12'",
        "set lmargin at screen 0.27", "set rmargin at screen 0.97", "set border 1", "set tics nomirror out",
        "set ytics scale 0", "set grid xtics lc rgb '#e4e6e8'",
    ]
    top = head
    for number, panel in enumerate(panels):
        script += panel.commands(f"d{number}", top, total)
        script.append("unset label 1")
        top += panel.height
    script.append("unset multiplot")
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)
