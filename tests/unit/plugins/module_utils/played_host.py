# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose backends are played and write what they are told into a diary, for the tests of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.playout.firewall.plugins.module_utils._backend import (
    BackendError,
    Change,
    Machine,
    OtherBackend,
    Undo,
)
from ansible_collections.playout.firewall.plugins.module_utils._command import Result, run
from ansible_collections.playout.firewall.plugins.module_utils._engine import Wish, Work, plan_work
from ansible_collections.playout.firewall.plugins.module_utils._persist import Loader, Persistence
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options


class Diary:
    """What was done, in order; the shell writes into it as well."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def note(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(f"{text}\n")

    @property
    def entries(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()


class Played:
    """A backend that would make this change, and fails where it is told to."""

    def __init__(self, name: str, diary: Diary, change: Change, absent: Change | None = None, *failing: str) -> None:
        self.name = name
        self.diary = diary
        self.change = change
        self.absent = absent or Change(True)
        self.failing = failing

    def compare(self, _policy: Policy, options: Options) -> Change:
        self.diary.note(f"compare {self.name} {options.enforcement}")
        return self.change

    def compare_absent(self) -> Change:
        self.diary.note(f"compare absent {self.name}")
        return self.absent

    def undo(self) -> Undo:
        self._step("undo computed of")
        ends = "1" if "going back" in self.failing else "0"
        text = f"echo 'undo {self.name}' >>{self.diary.path}; echo {self.name} is stuck >&2; exit {ends}"
        return Undo(["/bin/sh"], text)

    def apply(self, change: Change) -> None:
        self._step("apply")
        change.warnings.extend(change.plan or ())

    def store(self, change: Change) -> None:
        self._step("store")
        change.warnings.extend(change.plan or ())

    def _step(self, name: str) -> None:
        self.diary.note(f"{name} {self.name}")
        if name in self.failing:
            raise BackendError(f"{self.name} refused to {name}")


class Host:
    """A directory as a host's root, and the backends that it has."""

    def __init__(self, root: Path, diary: Diary) -> None:
        self.root = root
        self.diary = diary
        self.backends: dict[str, Played] = {}
        for path in ("lib/systemd/systemd", "etc/keep", "run/keep"):
            (root / path).parent.mkdir(parents=True)
            (root / path).touch()

    def machine(self, *objects: dict[str, Any]) -> Machine:
        return Machine(self._run, objects, str(self.root))

    def _run(self, arguments: Sequence[str], text: str) -> Result:
        """Only the shell is there."""
        return run(arguments, text) if arguments[0] == "sh" else Result(127)

    def backend(self, name: str, change: Change, *failing: str, absent: Change | None = None) -> Played:
        self.backends[name] = Played(name, self.diary, change, absent, *failing)
        return self.backends[name]

    def work(self, *names: str, loader: Loader | None = None) -> Work:
        """Return the work of these backends, the first of which may have something for the boot."""
        parts = [(self.backends[name], self.backends[name].change) for name in names]
        return Work(names[0], parts, Persistence(self._run, str(self.root)).compare(loader))

    def plan(self, machine: Machine, wish: Wish) -> Work:
        """Plan with these backends alone."""
        return plan_work(machine, wish, self._open)

    def _open(self, name: str, _machine: Machine) -> Played:
        if name not in self.backends:
            raise OtherBackend(name)
        return self.backends[name]

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in (self.root / "etc").rglob("*") if path.is_file()}
