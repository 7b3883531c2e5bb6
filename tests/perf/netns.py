# SPDX-License-Identifier: GPL-2.0-only
"""A network namespace of the benchmark's own, so that the machine's network is left alone."""

import os
import subprocess


class Namespace:
    """A context. Its name is this process's, and purpose tells two of them apart."""

    def __init__(self, purpose):
        self.name = f"duct-{purpose}-{os.getpid()}"

    def __enter__(self):
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    @property
    def path(self):
        return f"/run/netns/{self.name}"

    def command(self, *words):
        """What runs these words in it."""
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words):
        return subprocess.run(self.command(*words), check=True, capture_output=True, text=True).stdout

    def link(self, *words):
        subprocess.run(["ip", "-n", self.name, "link", *words], check=True)

    def write(self, path, text):
        """A file of /proc or /sys, as it is in there."""
        self.run("sh", "-c", 'echo "$1" >"$2"', "sh", text, path)
