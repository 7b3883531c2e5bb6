# SPDX-License-Identifier: GPL-2.0-only
"""A virtual machine with duct cards, and commands run in it."""

import base64
import json
import os
import re
import shlex
import socket
import subprocess
import threading
import time
from pathlib import Path

from .kernlog import complaints
from .paths import end_with_parent, script

BOOT_TIMEOUT = 120
RUN_TIMEOUT = 25
LIFE_TIMEOUT = 1800
# What fits on a shell's command line, and in the buffers of a serial port.
PUT_CHUNK = 24 * 1024


class GuestError(Exception):
    pass


def accelerator():
    """KVM only where it is known to be real: /dev/kvm alone proves nothing."""
    if "DUCT_ACCEL" in os.environ:
        return os.environ["DUCT_ACCEL"]
    flags = re.findall(r"^flags\s*:.*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    if re.search(r"\b(vmx|svm)\b", "".join(flags[:1])) and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "kvm"
    return "tcg"


def processor():
    """TCG carries out rep movsb and rep stosb octet by octet. A guest's kernel copies and clears memory with them
    unless it believes them to be slow, and is then several times as fast."""
    return "max" if accelerator() == "kvm" else "max,erms=off,fsrm=off"


class Job:
    """A command running in a guest."""

    def __init__(self, guest, number, command):
        self.guest = guest
        self.number = number
        self.command = command
        self.status = None
        self.final = None

    def __str__(self):
        return f"{self.guest.name}# {self.command}"

    @property
    def done(self):
        return self.status is not None

    def output(self):
        """What it has said so far."""
        if self.done:
            return self.final
        return self.guest.run(f"cat /run/agent/{self.number}.out 2>/dev/null", check=False)

    def wait(self, timeout=RUN_TIMEOUT, check=True):
        with self.guest.changed:
            self.guest.changed.wait_for(lambda: self.done or self.guest.gone, timeout)
            done = self.done
        if not done:
            if self.guest.gone:
                raise GuestError(f"{self}\nthe guest is gone\n{self.guest.console()[-8000:]}")
            so_far = self.output() if self.guest.answers() else "(and the guest answers nothing else)"
            raise GuestError(f"{self}\nnot done after {timeout} s\n{so_far}")
        if check and self.status != 0:
            raise GuestError(f"{self}\nexit status {self.status}\n{self.final}")
        return self.final

    def wait_for(self, pattern, timeout=RUN_TIMEOUT):
        """Until its output matches."""
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.output(), re.MULTILINE):
            if self.done or time.monotonic() > deadline:
                raise GuestError(f"{self}\nnever said {pattern!r}\n{self.output()}")
        return self

    def kill(self, name="TERM"):
        """Signals the command and what it started, and returns its output."""
        if not self.done:
            self.guest.run(f"kill -{name} -$(cat /run/agent/{self.number}.pid)", check=False)
        return self.wait(check=False)


class Guest:
    """Starts at once; ready() waits for it. boot, a pair of paths, has it start another kernel and initramfs than
    those of scripts/."""

    def __init__(self, name, cards, directory, kernel="6.1", append="", memory="512M", cpus=1,
                 cpu=None, qemu_args=(), console=None, life=LIFE_TIMEOUT, fds=(), boot=None):
        self.name = name
        self.cards = list(cards)
        self.boot = boot or (script("kernel", kernel) / "vmlinuz", script("initramfs", kernel))
        self.changed = threading.Condition()
        self.gone = False
        self.agent_ready = False
        self.jobs = {}
        self.numbers = 0
        self.kernel_log = ""
        self.scanned = 0
        self.lock = threading.Lock()
        self.console_path = Path(directory) / f"{name}.console"
        self.channel, channel = socket.socketpair()
        self.monitor, monitor = socket.socketpair()
        command = self._command(append, memory, cpus, cpu, channel.fileno(), monitor.fileno(), console)
        self.stderr_path = Path(directory) / f"{name}.qemu"
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                [*command, *qemu_args], pass_fds=[channel.fileno(), monitor.fileno(), *fds], stderr=stderr,
                stdin=subprocess.DEVNULL if console is None else None,
                stdout=stderr if console is None else None,
                preexec_fn=end_with_parent)
        channel.close()
        monitor.close()
        self.watchdog = threading.Timer(life, self.process.kill)
        self.watchdog.daemon = True
        self.watchdog.start()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _command(self, append, memory, cpus, cpu, channel, monitor, console):
        kernel, initrd = self.boot
        words = f"console=ttyS0 loglevel=5 oops=panic panic=-1 unknown_nmi_panic log_buf_len=4M mitigations=off " \
                f"tsc=reliable no_timer_check iomem=relaxed guest.host={self.name} {append}"
        command = [
            script("qemu"), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-name", f"{self.name},debug-threads=on",
            "-M", "q35,memory-backend=ram", "-m", memory, "-smp", str(cpus),
            "-object", f"memory-backend-memfd,id=ram,size={memory},share=on",
            "-accel", "kvm" if accelerator() == "kvm" else "tcg,thread=multi", "-cpu", cpu or processor(),
            "-kernel", kernel, "-initrd", initrd,
            "-append", words.strip(),
        ]
        if console is None:
            command += ["-chardev", f"file,id=console,path={self.console_path}"]
        else:
            command += ["-chardev", f"{console},id=console,logfile={self.console_path}"]
        command += ["-serial", "chardev:console",
                    "-chardev", f"socket,id=channel,fd={channel}",
                    "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control"]
        command += ["-device", "pci-serial,chardev=channel,addr=1e"]
        for card in self.cards:
            device = {"driver": "vfio-user-pci", "socket": {"type": "unix", "path": str(card.path)}}
            command += ["-device", json.dumps(device)]
        return [str(word) for word in command]

    def _read(self):
        data = b""
        while True:
            try:
                more = self.channel.recv(1 << 16)
            except OSError:
                more = b""
            if not more:
                break
            *lines, data = (data + more).split(b"\n")
            for line in lines:
                self._answer(line.decode(errors="replace").strip())
        with self.changed:
            self.gone = True
            self.changed.notify_all()

    def _answer(self, line):
        with self.changed:
            if line == "ready":
                self.agent_ready = True
            else:
                answer = re.fullmatch(r"done (\d+) (\d+) ?(\S*)", line)
                if answer:
                    job = self.jobs.pop(int(answer[1]))
                    job.final = base64.b64decode(answer[3]).decode(errors="replace")
                    job.status = int(answer[2])
            self.changed.notify_all()

    def ready(self, timeout=BOOT_TIMEOUT):
        with self.changed:
            self.changed.wait_for(lambda: self.agent_ready or self.gone, timeout)
            if not self.agent_ready:
                raise GuestError(f"{self.name} did not come up\n{self.stderr_path.read_text()}\n"
                                 f"{self.console()[-8000:]}")
        return self

    def start(self, command):
        with self.lock:
            with self.changed:
                self.numbers += 1
                job = Job(self, self.numbers, command)
                self.jobs[job.number] = job
            code = base64.b64encode(command.encode()).decode()
            try:
                self.channel.sendall(f"{job.number} {code}\n".encode())
            except OSError:
                pass
        return job

    def run(self, command, timeout=RUN_TIMEOUT, check=True):
        """Runs a shell command, and returns its output; raises if it fails."""
        return self.start(command).wait(timeout, check)

    def ok(self, command, timeout=RUN_TIMEOUT):
        """Whether a shell command succeeds."""
        job = self.start(command)
        job.wait(timeout, check=False)
        return job.status == 0

    def until(self, command, timeout=RUN_TIMEOUT):
        """Repeats a shell command until it succeeds."""
        quoted = shlex.quote(command)
        try:
            return self.run(f"until sh -c {quoted} >/run/until 2>&1; do usleep 20000; done; cat /run/until",
                            timeout)
        except GuestError as error:
            raise GuestError(f"{error}\n{self.run('cat /run/until', check=False)}") from None

    def answers(self, timeout=20):
        """Whether it still does what it is told."""
        job = self.start("true")
        with self.changed:
            self.changed.wait_for(lambda: job.done or self.gone, timeout)
        return job.done

    def put(self, path, data, mode=0o644):
        """Writes a file in the guest."""
        if isinstance(data, str):
            data = data.encode()
        code = base64.b64encode(data).decode()
        path = shlex.quote(str(path))
        self.run(f": >{path}.b64")
        for i in range(0, len(code), PUT_CHUNK):
            self.run(f"printf %s {code[i:i + PUT_CHUNK]} >>{path}.b64")
        self.run(f"base64 -d {path}.b64 >{path} && rm {path}.b64 && chmod {mode:o} {path}")

    def read(self, path):
        return self.run(f"cat {shlex.quote(str(path))}").strip()

    def kill_jobs(self):
        """Ends every command that is still running."""
        for job in list(self.jobs.values()):
            job.kill()

    def dmesg(self):
        """The whole kernel log since boot."""
        self.kernel_log += self.run("dmesg -c")
        return self.kernel_log

    def mark_log(self):
        """The place in dmesg() where what comes next will be."""
        return len(self.dmesg())

    def autopsy(self):
        """Makes a guest that answers nothing any more say where it is: it panics, onto its console."""
        try:
            self.monitor.sendall(b'{"execute": "qmp_capabilities"} {"execute": "inject-nmi"}')
            self.process.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            pass

    def console(self):
        try:
            return self.console_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def new_complaints(self, forgiven=()):
        """What the kernel complained of since the last call."""
        if self.gone:
            log = self.console()
            return complaints(log, forgiven) or [f"{self.name} is gone", *log.splitlines()[-20:]]
        start, log = self.scanned, self.dmesg()
        self.scanned = len(log)
        return complaints(log[start:], forgiven)

    def stop(self):
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.channel.close()
        self.monitor.close()
        self.reader.join(10)
