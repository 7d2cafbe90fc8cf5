# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible hands to plugins, played: hostvars that count who looks, and a run's own directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible import constants

# Templates nothing but a text that cannot be.
UNDEFINED = "{{ undefined }}"


def template(value: Any) -> Any:
    """Return the value as it is; ``UNDEFINED`` cannot be templated."""
    if value == UNDEFINED:
        raise ValueError("'undefined' is undefined")
    return value


TEMPLAR = SimpleNamespace(template=template)


class View(Mapping[str, Any]):
    """One host's variables, templated when somebody looks."""

    def __init__(self, variables: dict[str, Any], looks: Counter[str]) -> None:
        self.variables, self.looks = variables, looks

    def __getitem__(self, key: str) -> Any:
        value = self.variables[key]
        self.looks[key] += 1
        return template(value)

    def __contains__(self, key: object) -> bool:
        return key in self.variables

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)


class Hostvars(dict[str, dict[str, Any]]):
    """Host -> variables; ``views`` counts who was looked at, ``looks`` which variables were templated."""

    def __init__(self, hosts: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__({name: dict(variables) for name, variables in hosts.items()})
        self.views: Counter[str] = Counter()
        self.looks: Counter[str] = Counter()

    def __getitem__(self, host: str) -> Any:
        self.views[host] += 1
        return View(super().__getitem__(host), self.looks)

    def task_vars(self, host: str, **own: Any) -> dict[str, Any]:
        """What a task of this host sees: its variables and those of its play."""
        return {**super().__getitem__(host), **own, "inventory_hostname": host, "hostvars": self}


def maps(**more: Mapping[str, Any]) -> Hostvars:
    """A map server, a client that is let in, a host of somebody else's, and variables added by host name."""
    hosts: dict[str, dict[str, Any]] = {
        "map1": {"group_names": ["viz_world_server"], "ansible_host": "192.0.2.11"},
        "engine1": {"group_names": ["viz_world_client"], "ansible_host": "192.0.2.31"},
        "database": {"group_names": [], "ansible_host": "192.0.2.99"},
    }
    for name, variables in more.items():
        hosts[name] = {**hosts.get(name, {}), **variables}
    return Hostvars(hosts)


def begin_run(monkeypatch: Any, directory: Path) -> None:
    """Give the plan store a directory of its own, as each run of Ansible has."""
    directory.mkdir(exist_ok=True)
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(directory))
