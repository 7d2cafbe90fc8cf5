# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the inventory out of Ansible: one sweep, and only the variables that the fleet is made of are templated."""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import Catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Fleet
from ansible_collections.playout.firewall.plugins.plugin_utils._inventory_reader import (
    RawHost,
    is_fleet_variable,
    read_fleet,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._libraries import require
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems

CATALOGUE_PATHS = "playout_catalog_paths"

# Options of the modules by the same names: they say how a policy is applied and may be set on a play or role.
OPTIONS = frozenset(f"playout_{name}" for name in ("enforcement", "backend", "confirm_timeout", "state"))

HostVars = t.Mapping[str, t.Any]


def read(hostvars: HostVars) -> tuple[Fleet, Problems]:
    """Read the fleet that all hosts see.

    :raises CatalogueError: for catalogue files that cannot be used.
    :raises InventoryError: when the inventory is sliced or truncated.
    """
    require()
    problems = Problems()
    inventory = {str(name): read_host(hostvars, name, problems) for name in hostvars}
    return read_fleet(inventory, _catalogue(hostvars, inventory), problems), problems


def read_host(hostvars: HostVars, name: str, problems: Problems | None = None) -> RawHost:
    """Read one host's groups and templated variables; one that cannot be templated is noted as a problem."""
    view = hostvars[name]
    variables: dict[str, t.Any] = {}
    for variable in view:
        if is_fleet_variable(variable) or variable.startswith("playout_"):
            try:
                variables[str(variable)] = _plain(view[variable])
            except Exception as error:  # any plugin may be behind a template
                if problems is None:
                    raise
                problems.error(str(name), str(variable), f"cannot be templated: {' '.join(str(error).split())}")
    return RawHost([str(group) for group in view.get("group_names", ())], variables)


def fingerprint(host: RawHost) -> str:
    """Return a digest that changes when the host's part of the fleet does."""
    text = json.dumps([sorted(host.groups), host.variables], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def check_own_variables(host: RawHost, name: str, task_vars: t.Mapping[str, t.Any], template: t.Any) -> None:
    """Refuse variables that this host's task sees and the rest of the fleet does not.

    Set on a play, role or task they would silently count for nobody else.

    :raises ValueError: naming the variable.
    """
    for variable in task_vars:
        if (
            variable in OPTIONS
            or not variable.startswith(("playout_", "viz_world_"))
            or not is_fleet_variable(variable)
        ):
            continue
        own = _plain(template(task_vars[variable]))
        if own != host.variables.get(variable):
            raise ValueError(
                f"{name}: {variable} = {own!r} is set on the play, role or task, where the rest of the fleet does not "
                f"see it (for that it is {host.variables.get(variable)!r}): set it in the inventory or as an extra variable"
            )


def _catalogue(hostvars: HostVars, inventory: t.Mapping[str, RawHost]) -> Catalogue:
    """Load the catalogue with the files that any host names, relative to the inventory."""
    paths: dict[str, None] = {}
    for name, host in inventory.items():
        given = host.variables.get(CATALOGUE_PATHS) or []
        for path in [given] if isinstance(given, str) else given:
            if not Path(path).expanduser().is_absolute():
                path = str(Path(hostvars[name].get("inventory_dir") or ".") / path)
            paths.setdefault(str(path))
    return load_catalogue(tuple(paths))


def _plain(value: t.Any) -> t.Any:
    """Strip Ansible's tags: the core takes plain values, and lists as lists."""
    return json.loads(json.dumps(value, default=str))
