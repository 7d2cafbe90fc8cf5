# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one of somebody else's base chains drops a planned flow, on whatever way through the chains it calls.

Only whole initiators count: an address banned out of a planned network, or out of ``any``, is somebody's decision and
no conflict.
"""

from __future__ import annotations

import bisect
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._intervals import Intervals, Region, union
from ansible_collections.playout.firewall.plugins.module_utils._nft_conflicts import FAMILIES, HOOKS, Table
from ansible_collections.playout.firewall.plugins.module_utils._nft_match import Condition, Reader, Subject
from ansible_collections.playout.firewall.plugins.module_utils._policy import ANY, Policy, Rule
from ansible_collections.playout.firewall.plugins.module_utils._policy_check import address_range, port_range

_DROPS = ("drop", "reject", "queue")


class _Flow(t.NamedTuple):
    """A planned rule as packets; the parts are its initiators and listeners as the plan names them."""

    subject: Subject
    region: Region
    sources: Intervals
    destinations: Intervals


class _Blocked(Exception):
    """A chain drops a planned flow; the message says how."""


def conflict(policy: Policy, table: Table, base: t.Mapping[str, t.Any]) -> str:
    """Return what is dropped and what to do about it, naming table, chain and rule; empty where nothing is."""
    for rule in policy.rules:
        if HOOKS[rule.direction] != base["hook"] or rule.family not in FAMILIES[table.family]:
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

    def __init__(self, table: Table, flow: _Flow) -> None:
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
    subject = Subject(HOOKS[rule.direction], rule.family, rule.protocol)
    sources = _parts(rule.sources, subject)
    destinations = _parts(rule.destinations, subject)
    ports = union(port_range(text) for text in rule.ports)
    return _Flow(subject, Region(union(sources), union(destinations), ports), sources, destinations)


def _parts(addresses: t.Sequence[str], subject: Subject) -> Intervals:
    """Return the addresses one by one; a side that is not named (the host itself) is everything."""
    if not addresses or ANY in addresses:
        return subject.addresses
    return tuple(map(address_range, addresses))
