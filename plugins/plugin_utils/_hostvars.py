# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the inventory out of Ansible: one sweep, and only the variables that the fleet is made of are templated."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import Catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Fleet
from ansible_collections.playout.firewall.plugins.plugin_utils._inventory_reader import (
    CONNECTION_VARIABLES,
    NUMBERING_SUFFIXES,
    RawHost,
    is_fleet_variable,
    read_fleet,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._libraries import require
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problem, Problems

CATALOGUE_PATHS = "playout_catalog_paths"

# Options of the modules by the same names: they say how a policy is applied and may be set on a play or role.
OPTIONS = frozenset(f"playout_{name}" for name in ("enforcement", "backend", "confirm_timeout", "state"))

View = t.Mapping[str, t.Any]
HostVars = t.Mapping[str, View]
Template = t.Callable[[t.Any], t.Any]


@dataclass(frozen=True)
class Names:
    """The catalogue's names that decide which variables of which hosts are read."""

    roles: frozenset[str]
    numbered_products: frozenset[str]

    @classmethod
    def of(cls, catalogue: Catalogue) -> Names:
        """Take them from a catalogue."""
        numbered = (product.id for product in catalogue.products.values() if product.numbering)
        return cls(catalogue.role_ids, frozenset(numbered))

    def concern(self, variable: str) -> bool:
        """Whether the fleet is made of this variable; ``web_release`` is somebody else's without a product ``web``."""
        if variable.endswith(NUMBERING_SUFFIXES) and not variable.startswith("playout_"):
            return variable.rpartition("_")[0] in self.numbered_products
        return is_fleet_variable(variable)

    def resemble(self, variable: str) -> bool:
        """Whether a name looks as if it were meant for us: the reader warns of typing errors."""
        return variable.startswith(("playout_", *(f"{product}_" for product in self.numbered_products)))


@dataclass(frozen=True)
class Sweep:
    """What one look at all hosts gave."""

    catalogue: Catalogue
    names: Names
    hosts: t.Mapping[str, RawHost]
    problems: Problems

    def fleet(self) -> Fleet:
        """Make the fleet of it.

        :raises InventoryError: when the inventory is sliced or truncated.
        """
        return read_fleet(self.hosts, self.catalogue, self.problems)


def read(hostvars: HostVars) -> tuple[Fleet, Problems]:
    """Read the fleet that all hosts see.

    :raises CatalogueError: for catalogue files that cannot be used.
    :raises InventoryError: when the inventory is sliced or truncated.
    """
    found = sweep(hostvars)
    return found.fleet(), found.problems


def sweep(hostvars: HostVars) -> Sweep:
    """Look at every host once: each look makes Ansible merge all of a host's variables.

    :raises CatalogueError: for catalogue files that cannot be used.
    """
    require()
    problems = Problems()
    views = {str(name): hostvars[name] for name in hostvars}
    catalogue = load_catalogue(tuple(_catalogue_paths(views, problems)))
    names = Names.of(catalogue)
    hosts = {name: read_host(view, name, names, problems) for name, view in views.items()}
    return Sweep(catalogue, names, hosts, problems)


def read_host(view: View, name: str, names: Names, problems: Problems) -> RawHost:
    """Read one host's groups and templated variables; what cannot be templated is noted as a problem.

    Variables that only resemble ours are there without their values.
    """
    groups = [str(group) for group in view.get("group_names", ())]
    ours = bool(names.roles.intersection(groups)) or "playout_roles" in view or "playout_probe" in view
    variables: dict[str, t.Any] = {}
    for variable in map(str, view):
        if names.concern(variable):
            # Where a host is and what it runs is the business of others, unless it is one of ours.
            if ours or variable not in CONNECTION_VARIABLES:
                variables[variable] = _value(view, name, variable, problems)
        elif names.resemble(variable):
            variables[variable] = None
    return RawHost(groups, variables)


def fingerprint(host: RawHost) -> str:
    """Return a digest that changes when the host's part of the fleet does."""
    known = {name: value for name, value in host.variables.items() if value is not None}
    text = json.dumps([sorted(host.groups), known], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def not_of_the_fleet(raw: RawHost, names: Names, task_vars: View, template: Template) -> t.Iterator[Problem]:
    """Yield the variables that a host's task sees and the rest of the fleet does not.

    Set on a play, role or task they would silently count for nobody else.
    """
    host = str(task_vars["inventory_hostname"])
    for variable in map(str, task_vars):
        if variable in OPTIONS or variable in CONNECTION_VARIABLES or not names.concern(variable):
            continue
        seen = raw.variables.get(variable)
        try:
            own = _plain(template(task_vars[variable]))
        except Exception as error:
            yield Problem(host, variable, _untemplated(error))
            continue
        if own != seen:
            there = "not set" if seen is None else repr(seen)
            yield Problem(
                host,
                variable,
                f"is set on the play, role or task, where the rest of the fleet does not see it (there it is {there}): "
                "set it in the inventory or as an extra variable",
                own,
            )


def _catalogue_paths(views: t.Mapping[str, View], problems: Problems) -> dict[str, None]:
    """Return the files that any host names, relative to the inventory."""
    paths: dict[str, None] = {}
    for name, view in views.items():
        given = (_value(view, name, CATALOGUE_PATHS, problems) if CATALOGUE_PATHS in view else None) or []
        for path in [given] if isinstance(given, str) else given:
            if not Path(path).expanduser().is_absolute():
                path = str(Path(view.get("inventory_dir") or ".") / path)
            paths.setdefault(str(path))
    return paths


def _value(view: View, name: str, variable: str, problems: Problems) -> t.Any:
    try:
        return _plain(view[variable])
    except Exception as error:  # any plugin may be behind a template
        problems.error(name, variable, _untemplated(error))
        return None


def _untemplated(error: Exception) -> str:
    return f"cannot be templated: {' '.join(str(error).split())}"


def _plain(value: t.Any) -> t.Any:
    """Strip Ansible's tags: the core takes plain values, and lists as lists."""
    return json.loads(json.dumps(value, default=str))
