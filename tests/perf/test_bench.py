# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/bench reads and reckons: wrong input is an error, and never a number."""

import json
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE)]
# pylint: disable=wrong-import-position
import counts  # noqa: E402
import figures  # noqa: E402
import peers  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import targets  # noqa: E402
import vm  # noqa: E402


def iperf(**received):
    return json.dumps({"end": {"sum_received": received}})


def test_iperf():
    assert vm.parse_iperf(iperf(bits_per_second=8e6, bytes=1000000)) == (8e6, 1000000)


@pytest.mark.parametrize("said", [
    "", "iperf3: error - unable to connect to server", '{"error": "control socket has closed"}',
    '{"end": {}, "error": "no"}', iperf(bits_per_second=0, bytes=0), iperf(bits_per_second=5)])
def test_iperf_that_failed(said):
    with pytest.raises(vm.MeasurementError):
        vm.parse_iperf(said)


def test_rate():
    assert vm.parse_rate("ready\n3000 1500000000\n") == (2000, 3000)


@pytest.mark.parametrize("said", ["", "ready\n", "ready\n0 0\n", "ready\n1 0\n", "0 1000000\n", "load: no file\n"])
def test_rate_that_failed(said):
    with pytest.raises(vm.MeasurementError):
        vm.parse_rate(said)


def test_round_trips():
    assert vm.parse_round_trips("1000 250000 900500 2\n") == (250, 900.5)


@pytest.mark.parametrize("said", ["", "load: no answer", "49 1000 2000 0", "1000 250000 900500 11", "1000 250000"])
def test_round_trips_that_failed(said):
    with pytest.raises(vm.MeasurementError):
        vm.parse_round_trips(said)


PORT = "  RX-packets: {}   RX-missed: 0          RX-bytes:  {}\n  RX-errors: 0\n"


def test_statistics_of_testpmd():
    assert peers.received(PORT.format(10, 640) + PORT.format(7, 448)) == (17, 1088)


@pytest.mark.parametrize("said", ["", PORT.format(10, 640), "testpmd> "])
def test_statistics_that_are_missing(said):
    with pytest.raises(peers.PeerError):
        peers.received(said)


TABLE = "           CPU0\n  4:         50   IO-APIC  4-edge  ttyS0\n 30:       1200  PCI-MSIX  0-edge  eth0-rx\n" \
        " 31:         34  PCI-MSIX  1-edge  eth0-tx\nNMI:          9  Non-maskable interrupts\n"


def test_snapshot():
    assert counts.parse_snapshot(f"irqs: 30 31\ntx: 5\nrx: 6\n{TABLE}") == {"interrupts": 1234, "tx": 5, "rx": 6}
    assert counts.parse_snapshot(f"irqs: 4\ntx: 5\nrx: 6\ndoorbells: 3\n{TABLE}")["doorbells"] == 3


@pytest.mark.parametrize("said", [TABLE, f"irqs: 32\ntx: 5\nrx: 6\n{TABLE}", f"irqs: 30\ntx: \nrx: 6\n{TABLE}"])
def test_snapshot_that_is_incomplete(said):
    with pytest.raises(counts.CountError):
        counts.parse_snapshot(said)


HISTOGRAM = "# event histogram\n#\n# trigger info: hist:keys=common_type:vals=hitcount:sort=hitcount [active]\n#\n\n" \
            "{{ common_type: 500 }} hitcount: {0}\n\nTotals:\n    Hits: {0}\n    Entries: 1\n    Dropped: 0\n"


def test_histograms():
    assert counts.count_hits(HISTOGRAM.format(40) + HISTOGRAM.format(2)) == 42
    with pytest.raises(counts.CountError):
        counts.count_hits("cat: hist: no such file")


def test_per_packet():
    assert counts.per_packet({"instructions": 5000, "reads": 1}, {"instructions": 1000, "reads": 1}, 2) \
        == {"instructions": 2000, "reads": 0}
    with pytest.raises(counts.CountError):
        counts.per_packet({"instructions": 5000}, {"instructions": 1000}, 0)
    with pytest.raises(counts.CountError):
        counts.per_packet({"instructions": 1000}, {"instructions": 5000}, 10)


def test_ratio():
    assert figures.ratio(300, [100, 200], "pktgen") == 1.5
    assert figures.ratio(300, [100, 200], "round trip, p99") == 3
    assert figures.ratio(30, [60, 40], "TCP 1500, CPU s/GiB") == 0.75


def test_what_one_more_costs():
    runs = [{"ductnet_cpu": cpu, "packets_per_s": 1e6} for cpu in (0.5, 9, 0.4)]
    assert figures.cost(runs) == 500
    assert figures.nth(100, 240, 2, 16) == pytest.approx(0.1)


def test_numbers():
    shown = {0: "0", -0.0001: "0", 0.0001: "<0.001", 0.0306: "0.031", 1.234: "1.23", 12.34: "12.3", 1234.5: "1234"}
    assert {value: report.number(value) for value in shown} == shown


def guest(rate, trip, polled):
    names = {f"TCP {mtu}{back}": rate for mtu in targets.MTUS for back in targets.DIRECTIONS}
    names["TCP best MTU back"] = 200
    return {name: [value] for name, value in
            {**names, "UDP": rate, "pktgen": rate, "round trip": trip, "round trip, busy poll": polled}.items()}


def packet(instructions, writes):
    one = {"instructions": instructions, "reads": 0.00001, "writes": writes, "interrupts": 0.1, "allocations": 2}
    found = {load: {side: one for side in figures.SIDES} for load in figures.LOADS}
    found["UDP"]["sent"] = {**one, "writes": writes / 10}
    return found


def bus(per_packet_ns, of_memcpy):
    return [{"packets_per_s": 1e9 / per_packet_ns, "ductnet_cpu": 1, "bytes_per_s": 1, "memcpy_per_s": 1e7,
             "of_memcpy": of_memcpy}]


@pytest.fixture(name="results")
def fixture_results():
    lines = {name for lines in report.SCALING.values() for name, _ in lines}
    lines |= {f"{size} octets" for size in figures.SIZES}
    return {
        "about": {"date": "2026-01-02", "command": "scripts/bench", "commit": "abc", "rounds": 1, "minutes": 3,
                  "processor": "one", "host": "two", "QEMU": "three", "guests": "four"},
        "repeated": ["igb, round 2: iperf3 says"],
        "guests": {"duct": guest(160, 90, 80), "duct-sleep": guest(150, 95, 60), "igb": guest(100, 100, 110),
                   "virtio-stream": guest(90, 120, 130)},
        "segments": {"duct": True, "duct-sleep": True, "igb": True, "virtio-stream": False},
        "stack": [590, 600, 900],
        "counts": {"duct": [packet(700, 0.2)], "virtio-stream": [packet(1000, 0.1)]},
        "bus": {name: bus(240 if "16 cards" in name else 100, 0.4) for name in lines},
        "peers": {"bridge": {"64": [{"packets_per_s": 2e7}]}},
    }


def test_targets(results):
    found = {what: (value, met) for what, value, _, met in targets.targets(results)}
    assert found["TCP, each card's best MTU: to the best peer"] == ("1.60", True)
    assert found["TCP, each card's best MTU, the other way: to the best peer"] == ("1.00", False)
    assert found["TCP, MTU 1500, the other way: to the best peer with segmentation offload"] == ("1.60", True)
    assert found["TCP, MTU 1500: to the best peer without segmentation offload"] == ("1.78", True)
    assert found["TCP, MTU 1500: to the best peer with segmentation offload"] == ("1.60", True)
    assert found["round trip, with or without polling: to the best peer"] == ("0.60", True)
    assert found["UDP, instructions for a packet sent: to virtio-net's"] == ("0.70", True)
    assert found["raw, instructions for a packet sent, without the stack's: to virtio-net's"] == ("0.25", True)
    assert found["MMIO reads for a packet, the most of all loads"] == ("0.00001", True)
    assert found["MMIO writes for a packet, the most of all loads"] == ("0.20", False)
    assert found["ductnet alone, 64 octets: million packets a second on one core"] == ("10.00", True)
    assert found["ductnet alone, 16384 octets: to memcpy()"] == ("0.40", False)
    value, met = found["ductnet alone: the 16th card, in percent of a packet's cost with two"]
    assert met and value.startswith("10.00 (all 14 more together: 140)")


def test_targets_that_are_not_met(results):
    results["guests"]["igb"] = guest(201, 75, 75)
    results["guests"]["virtio-stream"]["TCP 1500 back"] = [230]
    found = {what: met for what, _, _, met in targets.targets(results)}
    assert not found["TCP, MTU 1500, the other way: to the best peer without segmentation offload"]
    assert not found["TCP, MTU 1500: to the best peer with segmentation offload"]
    assert not found["pktgen, packets received: to the best peer"]
    assert not found["round trip, with or without polling: to the best peer"]


def test_report(results):
    said = report.markdown(results)
    assert "`scripts/bench`, commit abc, 1 rounds" in said
    assert "- igb, round 2: iperf3 says" in said
    assert "| UDP | 160 | 150 | 100 | 90.0 | 1.60 |" in said
    assert "| 64 octets | 10000 | 20000 | 0.500 | 10000 | 0.400 |" in said
    assert "600 are the stack's" in said
    assert said.index("### Targets") < said.index("### Two guests")


def test_picture_is_told_what_was_measured(results):
    panel = plot.guests_panel(results["guests"])
    assert ("UDP", 1.6, True, "1.60   (160 thousand/s; igb 100)") in panel.bars
    name, times, _, _ = next(bar for bar in panel.bars if bar[0] == "round trip, busy poll")
    assert (name, round(times, 3)) == ("round trip, busy poll", 1.375)
