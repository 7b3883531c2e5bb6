# SPDX-License-Identifier: GPL-2.0-only
"""What Debian has besides ductnet to connect two stations on one machine, each at its best: a Linux bridge, vde_switch,
and testpmd of DPDK. Two stations are played on one CPU, and the switch has another one, if there are two."""

import json
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from ductvm.paths import end_with_parent
from netns import Namespace

START_TIMEOUT = 20
JUMBO = 16384
VDE_LARGEST = 1518
FCS = 4
TESTPMD = "--no-huge -m 512 --single-file-segments --no-pci --no-telemetry --log-level=5"
TESTPMD_RUN = "-i --nb-cores=1 --total-num-mbufs=8192"


class PeerError(Exception):
    pass


def cpus():
    """For the stations, and for the switch."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[1 % len(usable)]


def on_cpu(cpu, *words):
    return ["taskset", "-c", str(cpu), *map(str, words)]


def process_cpu(pid):
    """Seconds it has run so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def play(command):
    """Runs peer.c, which prints one line of JSON."""
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if run.returncode:
        raise PeerError(f"{' '.join(map(str, command))}: exit status {run.returncode}\n{run.stderr}")
    result = json.loads(run.stdout)
    if result["packets_per_s"] <= 0:
        raise PeerError(f"{' '.join(map(str, command))}: nothing arrived")
    return result


class Bridge:
    """Two pairs of veths. The interface that frames enter the bridge by passes them on to the other CPU (RPS), so that
    the sender's only has its own system calls to do; that is twice as fast as one CPU for all."""

    name = "bridge"
    sizes = (64, 1500, 16384)

    def __init__(self, program):
        self.program = program
        self.net = Namespace("bridge")

    def __enter__(self):
        self.net.__enter__()
        mtu = str(JUMBO - 14)
        self.net.link("add", "br0", "type", "bridge")
        for i in "01":
            self.net.link("add", f"station{i}", "mtu", mtu, "type", "veth", "peer", "name", f"port{i}", "mtu", mtu)
            self.net.link("set", f"port{i}", "master", "br0", "up")
            self.net.link("set", f"station{i}", "up")
        self.net.link("set", "br0", "mtu", mtu, "up")
        self.net.write("/sys/class/net/port0/queues/rx-0/rps_cpus", f"{1 << cpus()[1]:x}")
        deadline = time.monotonic() + START_TIMEOUT
        while "forwarding" not in self.net.run("bridge", "link", "show", "dev", "port1"):
            if time.monotonic() > deadline:
                raise PeerError("the bridge does not forward")
        return self

    def __exit__(self, *args):
        self.net.__exit__(*args)

    def measure(self, size, seconds):
        stations = on_cpu(cpus()[0], self.program, "packet", "station0", "station1", size, int(seconds * 1000))
        return play(self.net.command(*stations))


class Vde:
    """vde_switch takes no frame longer than 1518 octets."""

    name = "vde_switch"
    sizes = (64, 1500)

    def __init__(self, program):
        self.program = program
        self.directory = None
        self.process = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="duct-vde-")
        # It ends with its standard input.
        self.process = subprocess.Popen(on_cpu(cpus()[1], "vde_switch", "-s", f"{self.directory}/ctl"),
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=end_with_parent)
        deadline = time.monotonic() + START_TIMEOUT
        while not Path(self.directory, "ctl", "ctl").exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise PeerError("vde_switch does not start")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def measure(self, size, seconds):
        before = process_cpu(self.process.pid)
        result = play(on_cpu(cpus()[0], self.program, "vde", f"{self.directory}/ctl", size, int(seconds * 1000)))
        result["switch_cpu"] = (process_cpu(self.process.pid) - before) / seconds
        return result


class Testpmd:
    """One testpmd, driven by its command line."""

    prompt = "testpmd> "

    def __init__(self, cpu, prefix, devices, arguments):
        # Otherwise it says things when a buffer is full.
        command = on_cpu(cpu, "stdbuf", "-oL", "dpdk-testpmd", *TESTPMD.split(), f"--file-prefix={prefix}",
                         "--lcores", f"0@{cpu},1@{cpu}", *(f"--vdev={device}" for device in devices), "--",
                         *TESTPMD_RUN.split(), *arguments)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, preexec_fn=end_with_parent)
        self.said = ""
        self._await_prompt()

    def _await_prompt(self):
        start, deadline = len(self.said), time.monotonic() + START_TIMEOUT
        while self.prompt not in self.said[start:]:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                raise PeerError(f"testpmd gives no answer:\n{self.said[-4000:]}")
            self.said += data.decode(errors="replace")
        return self.said[start:]

    def say(self, command):
        """Gives it a command, and returns what it answers."""
        try:
            self.process.stdin.write(f"{command}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(f"testpmd has ended:\n{self.said[-4000:]}") from None
        return self._await_prompt()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def received(statistics):
    """Packets and octets that all ports have received, of what "show port stats all" prints."""
    found = re.findall(r"RX-packets: (\d+) .*?RX-bytes: +(\d+)", statistics)
    if len(found) != 2:
        raise PeerError(f"statistics of two ports:\n{statistics}")
    return sum(int(packets) for packets, _ in found), sum(int(octets) for _, octets in found)


class Dpdk:
    """One testpmd forwards between two ports, and the other one plays both stations: each sends as much as it can and
    receives what the other has sent, so that what is counted are both directions together."""

    sizes = (64, 1500, 16384)

    def __init__(self, kind):
        self.kind = kind
        self.name = f"testpmd {kind}"
        self.directory = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="duct-dpdk-")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def devices(self, size):
        """Of the one that forwards, and of the stations."""
        if self.kind == "vhost-user":
            return ([f"net_vhost{i},iface={self.directory}/{i},queues=1" for i in "01"],
                    [f"net_virtio_user{i},path={self.directory}/{i},queues=1,queue_size=256" for i in "01"])
        common = f"socket={self.directory}/memif,socket-abstract=no,rsize=8,bsize={max(2048, size + 256)}"
        return ([f"net_memif{i},role=server,id={i},{common}" for i in "01"],
                [f"net_memif{i},role=client,id={i},{common}" for i in "01"])

    def measure(self, size, seconds):
        switch_devices, station_devices = self.devices(size)
        buffers = f"--mbuf-size={size + 2176}"
        running = []
        try:
            switch = Testpmd(cpus()[1], f"duct-switch-{os.getpid()}", switch_devices,
                             [buffers, "--forward-mode=io"])
            running.append(switch)
            switch.say("start")
            stations = Testpmd(cpus()[0], f"duct-stations-{os.getpid()}", station_devices,
                               [buffers, "--forward-mode=flowgen", f"--txpkts={size + FCS}"])
            running.append(stations)
            stations.say("start")
            return self.count(switch, stations, size, seconds)
        finally:
            for one in reversed(running):
                one.stop()
            for path in Path(self.directory).iterdir():
                path.unlink()

    def count(self, switch, stations, size, seconds):
        deadline = time.monotonic() + START_TIMEOUT
        while received(stations.say("show port stats all"))[0] < 10000:
            if time.monotonic() > deadline:
                raise PeerError(f"{self.name}: nothing arrives:\n{stations.said[-4000:]}")
        stations.say("clear port stats all")
        start, cpu = time.monotonic(), process_cpu(switch.process.pid)
        time.sleep(seconds)
        packets, octets = received(stations.say("show port stats all"))
        took = time.monotonic() - start
        # Both are read while packets arrive, one after the other.
        if abs(octets / packets / size - 1) > 0.01:
            raise PeerError(f"{self.name}: {packets} packets have {octets} octets")
        return {"size": size, "packets_per_s": packets / took, "bytes_per_s": octets / took,
                "switch_cpu": (process_cpu(switch.process.pid) - cpu) / took}


def peers(program):
    """All of them; program is peer.c's."""
    return [Bridge(program), Vde(program), Dpdk("vhost-user"), Dpdk("memif")]
