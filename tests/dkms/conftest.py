# SPDX-License-Identifier: GPL-2.0-only
"""A Debian as its users have it, on a disk, in a guest with two duct cards: its own kernel, initramfs, udev, apt and
dkms. The disk is a copy that keeps what the tests do to it, from one boot to the next."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from ductvm import Lab  # noqa: E402  pylint: disable=wrong-import-position
from ductvm.paths import BUILD, TOP, script  # noqa: E402  pylint: disable=wrong-import-position

BOOT_TIMEOUT = 300
LIFE_TIMEOUT = 3600
BUILD_TIMEOUT = 900
# Whatever is of ours. /usr/lib/duct and /var/cache/duct are the tests' own, and so is /root.
FIND = ("find / -xdev \\( -path /usr/lib/duct -o -path /var/cache/duct -o -path /root \\) -prune -o -print | "
        "{ grep -E '[^A-Za-z]duct' || true; }")


def pytest_addoption(parser):
    parser.addoption("--debian", default="bookworm", choices=["bookworm", "trixie"],
                     help="the guest's Debian")


class Disk:
    """A copy of an image of scripts/dkms-root, with what a guest of ours needs in it."""

    def __init__(self, image, path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", image, path], check=True)
        self.debugfs("mkdir /usr/lib/duct")
        for name in "init", "agent", "shell":
            self.write(TOP / "scripts" / "guest" / name, f"/usr/lib/duct/{name}", 0o755)

    def debugfs(self, *requests):
        """Has e2fsprogs change the disk, which must not be in use."""
        result = subprocess.run(["/sbin/debugfs", "-w", "-f", "-", self.path], input="\n".join(requests), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
        return result.stdout

    def write(self, source, path, mode=0o644):
        self.debugfs(f"write {source} {path}", f"set_inode_field {path} mode 0100{mode:o}",
                     f"set_inode_field {path} uid 0", f"set_inode_field {path} gid 0")

    def read(self, path, to):
        self.debugfs(f"dump {path} {to}")
        assert to.stat().st_size, f"no {path} on the disk"
        return to


class System:
    """The installation, whether it runs or not."""

    def __init__(self, debian, lab):
        self.lab = lab
        self.net = lab.ductnet(2)
        self.directory = Path(lab.directory)
        self.disk = Disk(script("dkms-root", debian) / "image", BUILD / "dkms" / f"{debian}.image")
        self.guest = None
        self.boots = 0

    def put(self, *paths):
        """Files for /root, before the guest boots."""
        for path in paths:
            self.disk.write(path, f"/root/{path.name}")

    def put_sources(self):
        archive = self.directory / "duct.tar"
        subprocess.run(["tar", "-C", TOP, "-cf", archive, "--exclude=./build", "--exclude=./.git", "."], check=True)
        self.put(archive)

    def boot(self, release=None, append=""):
        """Starts the kernel of that release, or the only one there is; append is for its command line."""
        release = release or self.releases()[0]
        boot = [self.disk.read(f"/boot/{name}-{release}", self.directory / name) for name in ("vmlinuz", "initrd.img")]
        self.boots += 1
        self.guest = self.lab.guest(
            f"debian{self.boots}", self.net.cards, boot=boot, memory="1G", cpus=2, life=LIFE_TIMEOUT,
            append=f"root=/dev/vda rw init=/lib/duct/init {append}",
            qemu_args=["-drive", f"file={self.disk.path},format=raw,if=none,id=disk,cache=unsafe",
                       "-device", "virtio-blk-pci,drive=disk"])
        self.guest.ready(BOOT_TIMEOUT)
        return self.guest

    def releases(self):
        """The kernels on the disk of a system that does not run."""
        names = [line.split("/")[5] for line in self.disk.debugfs("ls -p /boot").splitlines() if line.startswith("/")]
        return [name.removeprefix("vmlinuz-") for name in names if name.startswith("vmlinuz-")]

    def reboot(self, release, append=""):
        self.lab.check()
        # Nothing is left to write when the machine is switched off.
        self.guest.run("sync; echo u >/proc/sysrq-trigger; until grep -q '/ ext[24] ro' /proc/mounts; do usleep 20000; done")
        self.lab.drop(self.guest)
        return self.boot(release, append)

    def run(self, command, timeout=120):
        return self.guest.run(f"export DEBIAN_FRONTEND=noninteractive; {command}", timeout)

    def release(self):
        return self.run("uname -r").strip()

    def dkms_status(self):
        """What dkms has of duct: a state for each kernel."""
        lines = re.findall(r"^duct/[^,:]+(?:, ([^,]+), [^:]+)?: (.*)$", self.run("dkms status"), re.MULTILINE)
        return dict(lines)

    def build_id_on_disk(self):
        """The identity the linker gave to the module that modprobe would load."""
        self.run("module=$(modinfo -n duct); case $module in *.xz) xz -dc $module;; *) cat $module;; esac >/tmp/duct.ko")
        return re.search(r"Build ID: ([0-9a-f]+)", self.run("readelf -n /tmp/duct.ko"))[1]

    def build_id_loaded(self):
        note = self.run("od -An -v -tx1 /sys/module/duct/notes/.note.gnu.build-id").split()
        return "".join(note[-20:])

    def ping(self):
        """From one card to the other, which is in a network namespace, since Linux talks to itself without a card."""
        return self.run("""
            ip netns list | grep -q peer || ip netns add peer
            [ ! -e /sys/class/net/duct1 ] || ip link set duct1 netns peer
            ip link set duct0 up
            ip -n peer link set duct1 up
            ip addr replace 10.77.0.1/24 dev duct0
            ip -n peer addr replace 10.77.0.2/24 dev duct1
            ping -c 5 -i 0.1 10.77.0.2""")


@pytest.fixture(scope="session")
def packages():
    """The packages that make deb has built."""
    paths = sorted((BUILD / "deb").glob("*.deb"))
    assert [path.name.split("_")[0] for path in paths] == ["duct-dkms", "duct-utils"], "make deb comes first"
    return paths


@pytest.fixture(scope="session")
def session_system(request, packages):
    with Lab() as lab:
        system = System(request.config.getoption("debian"), lab)
        system.put(*packages)
        system.put_sources()
        system.boot()
        yield system
    system.disk.path.unlink()


@pytest.fixture
def system(session_system):
    yield session_system
    session_system.lab.check()


@pytest.fixture
def installed(system):
    """The system with both packages."""
    if not system.guest.ok("dpkg -s duct-dkms duct-utils"):
        system.run("apt-get install -y /root/duct-*.deb", BUILD_TIMEOUT)
    return system


@pytest.fixture
def loaded(installed):
    """The same, with the driver at work."""
    installed.run("modprobe duct; udevadm settle")
    return installed


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that failed shows what its guest has to say."""
    report = (yield).get_result()
    if report.failed and call.when != "setup" and "system" in item.funcargs:
        report.sections.extend(item.funcargs["system"].lab.report())
