# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's nftables chains that would drop what the plan lets through.

An accept of ours ends only our own base chain; a drop in any other on the same hook still drops the packet. So each
planned rule is walked through each of those chains. Only whole initiators count: an address banned out of a planned
network, or out of ``any``, is somebody's decision and no conflict.
"""

from __future__ import annotations

import bisect
import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.module_utils._intervals import Intervals, Region, union
from ansible_collections.playout.firewall.plugins.module_utils._nft_match import Condition, Reader, Subject
from ansible_collections.playout.firewall.plugins.module_utils._nftables import TABLES
from ansible_collections.playout.firewall.plugins.module_utils._policy import ANY, Policy, Rule
from ansible_collections.playout.firewall.plugins.module_utils._policy_check import port_range

_HOOKS = {"in": "input", "out": "output", "forward": "forward"}
_FAMILIES = {"inet": ("ipv4", "ipv6"), "ip": ("ipv4",), "ip6": ("ipv6",)}
_DROPS = ("drop", "reject", "queue")

Objects = t.Sequence[t.Mapping[str, t.Any]]


@dataclass(frozen=True)
class _Flow:
    """A planned rule as packets; the parts are its initiators and listeners as the plan names them."""

    subject: Subject
    region: Region
    sources: Intervals
    destinations: Intervals


class _Blocked(Exception):
    """A chain drops a planned flow; the message says how."""


class _Table:
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
    messages = []
    for table in _tables(objects, spared):
        for base in table.bases:
            message = _first_conflict(policy, table, base)
            if message:
                messages.append(message)
    return messages


def _first_conflict(policy: Policy, table: _Table, base: t.Mapping[str, t.Any]) -> str:
    for rule in policy.rules:
        if _HOOKS[rule.direction] != base["hook"] or rule.family not in _FAMILIES[table.family]:
            continue
        try:
            _Walk(table, _flow(rule)).base(base)
        except _Blocked as blocked:
            ports = ", ".join(rule.ports)
            return (
                f"table {table.family} {table.name}, chain {base['name']}: {blocked}, so that rule '{rule.id}' "
                f"({rule.family} {rule.protocol} {ports}) would not get through: nftables drops what any chain drops, "
                "whatever ours accepts. Accept it in that chain, remove the chain, or let the program that wrote it "
                "manage this host"
            )
    return ""


class _Walk:
    """One planned flow on its way through the chains of one table."""

    def __init__(self, table: _Table, flow: _Flow) -> None:
        self._table = table
        self._flow = flow
        self._reader = Reader(flow.subject, table.elements.get)

    def base(self, chain: t.Mapping[str, t.Any]) -> None:
        left = self._chain(chain["name"], [self._flow.region], None, 0)
        if left and chain.get("policy", "accept") == "drop":
            raise _Blocked("its policy is drop, and none of its rules surely accepts all of the flow")

    def _chain(self, name: str, regions: t.List[Region], doubt: t.Optional[Condition], depth: int) -> t.List[Region]:
        """Return the packets that come back out of a chain.

        :param doubt: the condition under which the chain is entered at all; None at its base.
        """
        returned: t.List[Region] = []
        if depth > 16:
            raise _Blocked(f"its jumps are too deep to follow (chain {name})")
        for rule in self._table.rules.get(name, ()):
            for condition, verdict, target in self._reader.rule(rule["expr"]):
                hit = [region for region in (region.meet(condition.region) for region in regions) if region]
                if not hit:
                    continue
                both = condition if doubt is None else condition.both(doubt)
                back: t.List[Region] = []
                if verdict in _DROPS:
                    self._drop(hit, both, rule, name)
                elif verdict in ("jump", "goto"):
                    back = self._chain(target, hit, both, depth + 1)
                if verdict in ("return", "goto"):
                    returned += back if verdict == "goto" else hit
                if condition.sure:
                    regions = [part for region in regions for part in region.without(condition.region)]
                    regions += back if verdict == "jump" else []
        return regions + returned

    def _drop(self, hit: t.List[Region], condition: Condition, rule: t.Mapping[str, t.Any], chain: str) -> None:
        where = f"rule {rule.get('handle')} of chain {chain}"
        if condition.narrow:
            return
        if condition.unknown:
            raise _Blocked(f"{where} drops on a condition that cannot be judged here")
        for region in hit:
            if _whole(self._flow.sources, region.sources) and _whole(self._flow.destinations, region.destinations):
                raise _Blocked(f"{where} drops it")


def _whole(parts: Intervals, hit: Intervals) -> bool:
    """Whether at least one part lies in the hit as a whole."""
    starts = [first for first, _last in hit]
    for first, last in parts:
        position = bisect.bisect_right(starts, first) - 1
        if position >= 0 and last <= hit[position][1]:
            return True
    return False


def _flow(rule: Rule) -> _Flow:
    subject = Subject(_HOOKS[rule.direction], rule.family, rule.protocol)
    sources = _parts(rule.sources, subject)
    destinations = _parts(rule.destinations, subject)
    ports = union(port_range(text) for text in rule.ports)
    return _Flow(subject, Region(union(sources), union(destinations), ports), sources, destinations)


def _parts(addresses: t.Sequence[str], subject: Subject) -> Intervals:
    """Return the addresses one by one; a side that is not named (the host itself) is everything."""
    if not addresses or ANY in addresses:
        return subject.addresses
    networks = [ipaddress.ip_network(address) for address in addresses]
    return tuple((int(network.network_address), int(network.broadcast_address)) for network in networks)


def _tables(objects: Objects, spared: t.Collection[t.Tuple[str, str]]) -> t.List[_Table]:
    tables: t.Dict[t.Tuple[str, str], _Table] = {}
    for entry in objects:
        kind, body = next(iter(entry.items()))
        family, name = body.get("family"), body.get("name" if kind == "table" else "table")
        if family not in _FAMILIES or name in TABLES or (family, name) in spared:
            continue
        table = tables.setdefault((family, name), _Table(family, name))
        if kind == "table":
            flags = body.get("flags", [])
            table.dormant = "dormant" in ([flags] if isinstance(flags, str) else flags)
        elif kind == "chain" and body.get("type") == "filter" and body.get("hook") in _HOOKS.values():
            table.bases.append(body)
        elif kind == "rule":
            table.rules.setdefault(body["chain"], []).append(body)
        elif kind in ("set", "map"):
            table.elements[body["name"]] = body.get("elem", [])
    return [table for table in tables.values() if not table.dormant]
