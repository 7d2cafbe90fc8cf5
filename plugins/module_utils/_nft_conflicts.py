# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's nftables chains that would drop what the plan lets through.

An accept of ours ends only our own base chain; a drop in any other on the same hook still drops the packet. So each
planned rule is walked through each of those chains.
"""

from __future__ import annotations

import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._nftables import TABLES
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy

HOOKS = {"in": "input", "out": "output", "forward": "forward"}
FAMILIES = {"inet": ("ipv4", "ipv6"), "ip": ("ipv4",), "ip6": ("ipv6",)}

Objects = t.Sequence[t.Mapping[str, t.Any]]


class Table:
    """One foreign table: its chains, rules and sets."""

    def __init__(self, family: str, name: str) -> None:
        self.family = family
        self.name = name
        self.dormant = False
        self.bases: t.List[t.Mapping[str, t.Any]] = []
        self.rules: t.Dict[str, t.List[t.Mapping[str, t.Any]]] = {}
        self.elements: t.Dict[str, t.List[t.Any]] = {}


def conflicts(policy: Policy, objects: Objects, spared: t.Collection[t.Tuple[str, str]] = ()) -> t.List[str]:
    """Return one message for each foreign base chain that would drop a planned flow, naming table, chain and rule.

    :param objects: the elements of ``nft -j list ruleset``.
    :param spared: the tables, by family and name, in which our own rules come before what would drop.
    """
    bases = [(table, base) for table in _tables(objects, spared) for base in table.bases]
    if not bases:
        return []
    # Late: most hosts have no such chains, and compiling this at every run would cost them more than all that they do.
    from ansible_collections.playout.firewall.plugins.module_utils._nft_walk import conflict

    return [message for message in (conflict(policy, table, base) for table, base in bases) if message]


def _tables(objects: Objects, spared: t.Collection[t.Tuple[str, str]]) -> t.List[Table]:
    tables: t.Dict[t.Tuple[str, str], Table] = {}
    for entry in objects:
        kind, body = next(iter(entry.items()))
        family, name = body.get("family"), body.get("name" if kind == "table" else "table")
        if family not in FAMILIES or name in TABLES or (family, name) in spared:
            continue
        table = tables.setdefault((family, name), Table(family, name))
        if kind == "table":
            flags = body.get("flags", [])
            table.dormant = "dormant" in ([flags] if isinstance(flags, str) else flags)
        elif kind == "chain" and body.get("type") == "filter" and body.get("hook") in HOOKS.values():
            table.bases.append(body)
        elif kind == "rule":
            table.rules.setdefault(body["chain"], []).append(body)
        elif kind in ("set", "map"):
            table.elements[body["name"]] = body.get("elem", [])
    return [table for table in tables.values() if not table.dormant]
