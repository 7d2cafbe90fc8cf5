# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab from Python: what tests use.

with running(Path("lab.yml")) as lab:
    lab.listen({"cms": {"tcp": ["80"]}})
    print(lab.exec("player", "sh", "-c", "cat < /dev/null").stdout)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import life, machine, ports, registry
from .errors import LabError

PROGRAM = Path(__file__).parents[1] / "lab.py"


@dataclass(frozen=True)
class RunningLab:
    """A lab while it stands. Commands' output is text; a timeout (seconds) ends them and raises."""

    directory: Path

    @property
    def hosts(self) -> list[str]:
        """The names of its hosts."""
        return registry.names(self.directory)

    def exec(self, host: str, *command: str, timeout: float = 30, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in a host; ``options`` are those of subprocess.run, ``env`` adds to the environment."""
        argv = registry.command_in(self.directory, host, command)
        environment = {**os.environ, **options.pop("env", {}), life.VARIABLE: str(self.directory)}
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, env=environment, timeout=timeout, **options
        )

    def run(self, *command: str, timeout: float = 120, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command beside the hosts, where ansible-playbook is at home: in no host, able to enter all of them."""
        return self.exec(registry.CONTROLLER, *command, timeout=timeout, **options)

    def listen(self, listeners: Mapping[str, Any]) -> None:
        """Have the named hosts listen on ``{"tcp": [...], "udp": [...]}`` and nothing of before."""
        ports.check_listeners(listeners, "listen")
        for name, value in listeners.items():
            registry.ask(self.directory, name, {"listen": value})

    def firewall(self, host: str, action: str) -> None:
        """``start``, ``stop`` or ``restart`` the manager of a host's firewall, as systemctl would."""
        registry.ask(self.directory, host, {"firewall": action})


@contextlib.contextmanager
def running(file: Path) -> Iterator[RunningLab]:
    """Build the lab of a lab file for as long as the context lasts; LabError tells why it cannot be built."""
    machine.find_programs()
    directory = Path(tempfile.mkdtemp(prefix="playout-lab-", dir="/tmp"))
    # cat ends with our end of its pipe, so the lab cannot outlive the test run; its echo tells that the lab stands.
    argv = [sys.executable, str(PROGRAM), "run", "--directory", str(directory), str(file), "--", "cat"]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write("ready\n")
                process.stdin.flush()
            if process.stdout.readline() != "ready\n":
                process.wait()
                errors.seek(0)
                raise LabError(errors.read().strip().removeprefix("lab: "))
            yield RunningLab(directory)
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
            shutil.rmtree(directory, ignore_errors=True)
