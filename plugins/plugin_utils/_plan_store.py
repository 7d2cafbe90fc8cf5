# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan for a whole run: computed once by whoever needs it first, read by all others in their own small part.

Ansible's workers are processes that share the run's private temporary directory. The plan lies there; a lock makes
the others wait for the first. Each host's policy is a file of its own, so that a host reads its part and no more.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import pickle
import shutil
import typing as t
from contextlib import contextmanager
from pathlib import Path

from ansible import constants  # type: ignore[import-untyped]  # glue: the only file here that knows Ansible
from ansible_collections.playout.firewall.plugins.plugin_utils import _hostvars
from ansible_collections.playout.firewall.plugins.plugin_utils._inventory_reader import RawHost
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problem, Problems

# Late elsewhere: each host's task runs in a process of its own, in which Ansible compiles anew whatever is imported.
if t.TYPE_CHECKING:
    from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Fleet
    from ansible_collections.playout.firewall.plugins.plugin_utils._plan import Plan

TaskVars = t.Mapping[str, t.Any]


class NoPolicyError(ValueError):
    """The host has no policy of its own; the message says why."""


class KnownFailure(ValueError):
    """The plan has failed before in this run, where all reasons were given."""


def policy_for(templar: t.Any, task_vars: TaskVars, host: str) -> dict[str, t.Any]:
    """Return the policy of one host, of the whole fleet's plan, in the shape of ``Policy.to_dict``.

    :raises InventoryError: with every problem of the inventory, the first time; then with a reference to it.
    :raises NoPolicyError: when the host is no enforcement point.
    :raises ValueError: when the task sees variables of the fleet that the rest of the fleet does not.
    """
    store = _Store(templar, task_vars)
    with store.locked():
        store.check_failure()
        part = store.part(host)
        if part is None or not store.is_current(host, part):
            store.renew()
            part = store.part(host)
    if part is None:
        raise NoPolicyError(f"'{host}' is no host of the inventory")
    if part["policy"] is None:
        raise NoPolicyError(
            f"{host} is no enforcement point: it has no role, or its platform is none; "
            "put it into a group named like a role, or set playout_platform"
        )
    return dict(part["policy"])


def probes_for(templar: t.Any, task_vars: TaskVars, host: str) -> list[dict[str, t.Any]]:
    """Return what one host has to try so that the plan is proven from there.

    :raises InventoryError: with every problem of the inventory, the first time; then with a reference to it.
    """
    store = _Store(templar, task_vars)
    with store.locked():
        store.check_failure()
        store.write_probes()
    return store.probes(host)


def renew_plan(templar: t.Any, task_vars: TaskVars) -> Plan:
    """Compute the plan anew and replace what the run has so far.

    :raises InventoryError: with every problem of the inventory.
    """
    store = _Store(templar, task_vars)
    with store.locked():
        return store.renew()


def current_fleet(templar: t.Any, task_vars: TaskVars) -> Fleet:
    """Return the run's fleet. It needs no plan: what stands on a host can be removed from an inventory with problems.

    :raises InventoryError: when the inventory is sliced or truncated.
    """
    store = _Store(templar, task_vars)
    with store.locked():
        plan = store.plan()
    return plan.fleet if plan else _hostvars.read(store.hostvars)[0]


class _Store:
    def __init__(self, templar: t.Any, task_vars: TaskVars) -> None:
        if "hostvars" not in task_vars:
            raise ValueError("Ansible knows no hosts before a run's first play: begin with a play on all hosts")
        self.template, self.task_vars = templar.template, task_vars
        self.hostvars: t.Mapping[str, t.Any] = task_vars["hostvars"]
        self.directory = Path(constants.DEFAULT_LOCAL_TMP) / "playout-firewall"
        self.directory.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def locked(self) -> t.Iterator[None]:
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def plan(self) -> Plan | None:
        path = self.directory / "plan"
        if not path.is_file():
            return None
        # The directory is this run's own and private: nobody else can have written the pickle.
        return t.cast("Plan", pickle.loads(path.read_bytes()))

    def renew(self) -> Plan:
        """Plan and write; a failure is remembered, so that not every host of a run repeats its reasons."""
        from ansible_collections.playout.firewall.plugins.plugin_utils._planner import make_plan

        failure = self.directory / "failure"
        try:
            found = _hostvars.sweep(self.hostvars)
            for problem in self._not_of_the_fleet(found.hosts, found.names):
                found.problems.error(problem.host, problem.variable, problem.message, problem.value)
            plan = make_plan(found.fleet(), found.problems)
        except ValueError:
            failure.touch()
            raise
        failure.unlink(missing_ok=True)
        self._write(plan, found)
        return plan

    def is_current(self, host: str, part: dict[str, t.Any]) -> bool:
        """Whether a host's part was made of the variables that it has now.

        :raises ValueError: when the task sees variables of the fleet that the rest of the fleet does not.
        """
        names, problems = pickle.loads((self.directory / "names").read_bytes()), Problems()
        raw = _hostvars.read_host(self.hostvars[host], host, names, problems)
        problems.raise_errors()
        if found := list(self._not_of_the_fleet({host: raw}, names)):
            raise ValueError("; ".join(map(str, found)))
        return bool(part["fingerprint"] == _hostvars.fingerprint(raw))

    def _not_of_the_fleet(self, hosts: t.Mapping[str, RawHost], names: _hostvars.Names) -> t.Iterator[Problem]:
        raw = hosts.get(str(self.task_vars.get("inventory_hostname")))
        if raw is not None:
            yield from _hostvars.not_of_the_fleet(raw, names, self.task_vars, self.template)

    def check_failure(self) -> None:
        if (self.directory / "failure").exists():
            raise KnownFailure(
                "the fleet could not be planned; the first host or task of this run that failed says why"
            )

    def part(self, host: str) -> dict[str, t.Any] | None:
        return t.cast("dict[str, t.Any] | None", _read(self._path("policies", host)))

    def probes(self, host: str) -> list[dict[str, t.Any]]:
        return t.cast("list[dict[str, t.Any]]", _read(self._path("probes", host)) or [])

    def write_probes(self) -> None:
        """Write what each host has to try, unless it is there already; all or nothing."""
        directory = self.directory / "probes"
        if directory.is_dir():
            return
        from ansible_collections.playout.firewall.plugins.plugin_utils._probes import probes_by_host

        plan = self.plan() or self.renew()
        new = self._new_directory()
        for host, probes in probes_by_host(plan).items():
            self._path(new.name, host).write_text(json.dumps(probes))
        new.rename(directory)

    def _write(self, plan: Plan, found: _hostvars.Sweep) -> None:
        for kind in ("policies", "probes"):
            shutil.rmtree(self.directory / kind, ignore_errors=True)
        (self.directory / "plan").write_bytes(pickle.dumps(plan))
        (self.directory / "names").write_bytes(pickle.dumps(found.names))
        new = self._new_directory()
        for name, raw in found.hosts.items():
            policy = plan.policies.get(name)
            part = {"fingerprint": _hostvars.fingerprint(raw), "policy": policy.to_dict() if policy else None}
            self._path(new.name, name).write_text(json.dumps(part))
        new.rename(self.directory / "policies")

    def _new_directory(self) -> Path:
        """Return an empty directory, to be renamed when all is in it: a worker may be killed half way."""
        new = self.directory / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        return new

    def _path(self, kind: str, host: str) -> Path:
        return self.directory / kind / hashlib.sha256(host.encode()).hexdigest()


def _read(path: Path) -> t.Any:
    return json.loads(path.read_text()) if path.is_file() else None
