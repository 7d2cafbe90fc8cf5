# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook as a person runs it beside the lab's hosts, and what it printed."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from playout_lab.running import RunningLab

PYTHON = "/usr/bin/python3"
# The inventory then needs no word about the lab: all hosts are reached like this.
LAB_CONNECTION = {"ANSIBLE_TRANSPORT": "playout.firewall.netns", "ANSIBLE_PYTHON_INTERPRETER": PYTHON}
# Connects to all targets at once and prints what became of each. Two seconds are two attempts of the kernel's.
REACH = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def reach(target):
    address, port = target.rsplit(":", 1)
    try:
        socket.create_connection((address, int(port)), 2).close()
        return "passed"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "filtered"
with ThreadPoolExecutor(20) as pool:
    print(*pool.map(reach, sys.argv[1:]))
"""


@dataclass(frozen=True)
class Run:
    """One run that has ended."""

    code: int
    output: str
    errors: str

    @property
    def text(self) -> str:
        """All that a person saw."""
        return self.output + self.errors

    @cached_property
    def recap(self) -> dict[str, dict[str, int]]:
        """Host -> word of the recap -> number; only the hosts that had a task."""
        found = re.findall(r"^(\S+) +: (ok=.*)$", self.output.rpartition("PLAY RECAP")[2], re.MULTILINE)
        return {
            host: {word: int(number) for word, number in re.findall(r"(\w+)=(\d+)", words)} for host, words in found
        }

    @property
    def changed(self) -> set[str]:
        """The hosts that changed, or would with ``--check``."""
        return {host for host, numbers in self.recap.items() if numbers["changed"]}

    @property
    def commands(self) -> Counter[str]:
        """How many commands each host was sent; needs ``-vvv``."""
        return Counter(re.findall(r"^<(\S+)> EXEC ", self.output, re.MULTILINE))

    def task(self, name: str) -> str:
        """What was printed for the tasks whose header has this text."""
        parts = re.split(r"^(?=TASK \[|PLAY )", self.output, flags=re.MULTILINE)
        return "".join(part.split("\n", 1)[1] for part in parts if part.startswith("TASK") and name in part)


@dataclass(frozen=True)
class Controller:
    """Runs playbooks. ``directory`` holds the inventories and books that tests write."""

    directory: Path
    lab: RunningLab | None = None

    def write(self, name: str, content: Any) -> Path:
        """Write a file, as YAML unless it is text."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        return path

    def play(self, book: Path | str, *options: str, inventory: Path | str, **environment: str) -> Run:
        """Run ``playout.firewall.NAME``, or a book of one's own by its path, whatever becomes of it."""
        if isinstance(book, str):
            book = f"playout.firewall.{book}"
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), str(book), *options]
        settings = {"ANSIBLE_HOME": str(self.directory / "ansible"), "ANSIBLE_NOCOLOR": "1", **environment}
        assert self.lab is not None
        done = self.lab.run(*command, env=settings, timeout=120, cwd=self.directory)
        return Run(done.returncode, done.stdout, done.stderr)

    def apply(self, *options: str, inventory: Path | str, **environment: str) -> Run:
        """Run ``apply``, which must succeed."""
        run = self.play("apply", *options, inventory=inventory, **environment)
        assert run.code == 0, run.text
        return run

    def shell(self, host: str, command: str) -> str:
        """Run a command on a host; it must succeed; what it printed."""
        assert self.lab is not None
        done = self.lab.exec(host, "sh", "-c", command)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def state(self, host: str) -> str:
        """Everything of a host that we may touch: its rules, and the files in /etc with their content."""
        return self.shell(host, "nft list ruleset; find /etc ! -type d -exec sha256sum {} + | sort -k 2")

    def reach(self, host: str, *targets: str) -> list[str]:
        """What a host finds at each ``address:port``: ``passed``, ``refused`` or ``filtered``."""
        assert self.lab is not None
        return self.lab.exec(host, PYTHON, "-c", REACH, *targets).stdout.split()
