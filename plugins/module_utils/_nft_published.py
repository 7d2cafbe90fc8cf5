# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that somebody else translates before they reach this host: published containers above all.

Such packets pass through the forward chains and never reach the host's own input, where a policy of the host rules.
That is their owner's decision and stays as it is, but it must not go unsaid.
"""

from __future__ import annotations

import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._intervals import Intervals, intersect, union
from ansible_collections.playout.firewall.plugins.module_utils._nftables import TABLES
from ansible_collections.playout.firewall.plugins.module_utils._policy import PROTOCOLS, Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import merge_ports

_FAMILIES = {"ip": ("ipv4",), "ip6": ("ipv6",), "inet": ("ipv4", "ipv6")}
_TRANSLATIONS = ("dnat", "redirect")
_MARK = "playout"
_TARGETS = ("DNAT", "REDIRECT")

Objects = t.Sequence[t.Mapping[str, t.Any]]


def warnings(policy: Policy, enforcement: str, objects: Objects) -> t.List[str]:
    """Return what a user has to know of ports that are translated before the policy of this host is asked.

    :param objects: the elements of ``nft -j list ruleset``.
    """
    told = []
    for protocol, ports in published(objects).items():
        governed = intersect(ports, merge_ports(policy.governed.inbound.get(protocol, ())))
        if governed:
            told.append(
                f"{policy.host}: {protocol} {_text(governed)} is forwarded by NAT rules of somebody else, a container "
                "engine perhaps, before it reaches this host: the plan for it is not enforced here. Publish it at "
                "another port, or limit it there"
            )
        elif enforcement == "default_deny":
            told.append(
                f"{policy.host}: {protocol} {_text(ports)} stays open, because NAT rules of somebody else, a container "
                "engine perhaps, forward it: default_deny is about what reaches the host itself"
            )
    return told


def published(objects: Objects) -> t.Dict[str, Intervals]:
    """Return by protocol the ports that foreign chains translate when they come in; whole addresses are left out."""
    found: t.Dict[str, t.List[t.Tuple[int, int]]] = {}
    tables = _translating_tables(objects)
    for rule in [entry["rule"] for entry in objects if "rule" in entry]:
        # What is ours in a table of others has our name.
        foreign = _MARK not in rule["chain"].lower() and (rule["family"], rule["table"]) in tables
        if foreign and any(map(_translates, rule["expr"])):
            for protocol in PROTOCOLS:
                found.setdefault(protocol, []).extend(_ports(rule, protocol))
    return {protocol: union(ports) for protocol, ports in sorted(found.items()) if ports}


def _translating_tables(objects: Objects) -> t.Set[t.Tuple[str, str]]:
    chains = [entry["chain"] for entry in objects if "chain" in entry]
    return {
        (chain["family"], chain["table"])
        for chain in chains
        if (chain.get("type"), chain.get("hook")) == ("nat", "prerouting")
        and chain["family"] in _FAMILIES
        and chain["table"] not in TABLES
    }


def _translates(expression: t.Mapping[str, t.Any]) -> bool:
    target = expression.get("xt") or {}
    return any(name in expression for name in _TRANSLATIONS) or target.get("name") in _TARGETS


def _ports(rule: t.Mapping[str, t.Any], protocol: str) -> Intervals:
    """Return the ports that a rule names; what it does not name is a whole address, which is no port of this host."""
    # Late, as few hosts have such rules and every run would have to compile it.
    from ansible_collections.playout.firewall.plugins.module_utils._nft_match import PORTS, Condition, Reader, Subject

    for family in _FAMILIES[rule["family"]]:
        reader = Reader(Subject("input", family, protocol), lambda _name: None)
        condition = Condition(Subject("input", family, protocol).everything())
        for expression in rule["expr"]:
            if "match" in expression and not _is_loopback(expression["match"]):
                condition = condition.both(reader.match(expression["match"]))
            elif "match" in expression:
                return ()
        if condition.region and condition.region.ports != PORTS:
            return condition.region.ports
    return ()


def _is_loopback(match: t.Mapping[str, t.Any]) -> bool:
    right = match["right"]
    address = right["prefix"].get("addr") if isinstance(right, dict) and "prefix" in right else right
    return match["op"] == "==" and isinstance(address, str) and (address.startswith("127.") or address == "::1")


def _text(ports: Intervals) -> str:
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ports)
