# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small fleets for tests: an inventory as a mapping of host to variables, and a plan as text that reads in one go."""

from __future__ import annotations

import typing as t
from itertools import groupby

from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import spell
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Fleet
from ansible_collections.playout.firewall.plugins.plugin_utils._inventory_reader import RawHost, read_fleet
from ansible_collections.playout.firewall.plugins.plugin_utils._plan import Plan, PlannedFlow
from ansible_collections.playout.firewall.plugins.plugin_utils._planner import make_plan
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import InventoryError, Problems

Hosts = t.Mapping[str, t.Mapping[str, t.Any]]

ALL = "all"
TABLES = ("flows", "rules", "forwards", "governed", "helpers", "policy")


def raw(hosts: Hosts) -> dict[str, RawHost]:
    """Make the reader's input: variables of a host, its groups under ``groups``; ``all`` holds everybody's."""
    everybody = hosts.get(ALL, {})
    return {
        name: RawHost(
            str(variables.get("groups", "")).split(),
            {key: value for key, value in {**everybody, **variables}.items() if key != "groups"},
        )
        for name, variables in hosts.items()
        if name != ALL
    }


def fleet_of(hosts: Hosts, problems: Problems | None = None) -> Fleet:
    """Read a fleet; without ``problems`` it must have none."""
    found = Problems() if problems is None else problems
    fleet = read_fleet(raw(hosts), load_catalogue(), found)
    if problems is None:
        found.raise_errors()
    return fleet


def plan_of(hosts: Hosts) -> Plan:
    """Plan a fleet."""
    problems = Problems()
    return make_plan(fleet_of(hosts, problems), problems)


def describe(hosts: Hosts, tables: t.Sequence[str] = ("flows", "rules", "forwards")) -> str:
    """Return what becomes of an inventory as text: every problem, or the tables of its plan and every warning."""
    try:
        plan = plan_of(hosts)
    except InventoryError as error:
        return "".join(f"error: {problem}\n" for problem in error.problems)
    lines = [line for table in TABLES if table in tables for line in _TABLES[table](plan)]
    return "".join(f"{line}\n" for line in [*lines, *(f"warning: {warning}" for warning in plan.warnings)])


def _flow_lines(plan: Plan) -> t.Iterator[str]:
    """Yield one line for all neighbouring flows that differ in their service only."""
    for head, rows in groupby(plan.flows, key=_flow_head):
        ports = [f"{row.flow.service.id} {_ports(row)}" for row in rows]
        yield f"{head}: {', '.join(ports)}"


def _flow_head(row: PlannedFlow) -> str:
    flow = row.flow
    names = ", ".join(end.name for end in flow.initiators.ends)
    if row.status == "local":
        return f"local {names}"
    sources = ", ".join(spell(row.sources))
    seen = f" as {sources}" if sources and sources != names else ""
    role = "" if flow.pairing else " (playout_allow)"
    if row.status != "planned":
        return f"{row.status} {names}{seen} -> {flow.listener.name}"
    at = ", ".join(dict.fromkeys(address for target in row.targets for address in target.addresses or ("dynamic",)))
    where = f" at {at}" if at and at != flow.listener.name else ""
    by = ", ".join(row.enforced_at) or "nowhere"
    return f"{names}{seen}{role} -> {flow.listener.name}{where} by {by}"


def _ports(row: PlannedFlow) -> str:
    outside = {str(target.ports) for target in row.targets} - {str(row.line.ports)}
    return f"{row.line.ports}/{row.line.protocol}" + "".join(f" outside {ports}" for ports in sorted(outside))


def _rule_lines(plan: Plan) -> t.Iterator[str]:
    for policy in plan.policies.values():
        for rule in policy.rules:
            yield (
                f"{policy.host} {rule.direction} {rule.family}: {_list(rule.sources)} -> {_list(rule.destinations)} "
                f"{_list(rule.ports)}/{rule.protocol}"
            ).replace("  ", " ")


def _forward_lines(plan: Plan) -> t.Iterator[str]:
    for policy in plan.policies.values():
        for forward in policy.forwards:
            outside = _list(forward.external_addresses) or "dynamic"
            yield (
                f"{policy.host} forwards {outside} {_list(forward.external_ports)}/{forward.protocol} "
                f"to {forward.to_address} {_list(forward.to_ports)} for {_list(forward.sources)}"
            )


def _governed_lines(plan: Plan) -> t.Iterator[str]:
    for policy in plan.policies.values():
        for name, by_protocol in (("in", policy.governed.inbound), ("out", policy.governed.outbound)):
            for protocol, ports in by_protocol.items():
                yield f"{policy.host} governs {name} {_list(ports)}/{protocol}"
        for transit in policy.governed.forward:
            yield (
                f"{policy.host} governs transit {transit.family}: {_list(transit.sources)} -> "
                f"{_list(transit.destinations)} {_list(transit.ports)}/{transit.protocol}"
            )


def _helper_lines(plan: Plan) -> t.Iterator[str]:
    for policy in plan.policies.values():
        for helper in policy.helpers:
            yield f"{policy.host} tracks {helper.name} {helper.port}/{helper.protocol} to {_list(helper.addresses)}"


def _policy_lines(plan: Plan) -> t.Iterator[str]:
    """Yield what stands beside the rules."""
    for policy in plan.policies.values():
        yield from (f"{policy.host} {line}" for line in _besides(policy))


def _besides(policy: Policy) -> t.Iterator[str]:
    yield f"is managed by {_list(policy.management.sources) or 'nobody'} at {_list(policy.management.ports)}"
    for keep in policy.keep:
        yield f"keeps {_list(keep.ports)}/{keep.protocol} for {_list(keep.sources)}"
    if policy.masquerade:
        yield "masquerades"
    if policy.gateway:
        hairpin = ", hairpin" if policy.gateway.hairpin else ""
        wan, lan = _list(policy.gateway.wan_interfaces), _list(policy.gateway.lan_interfaces)
        yield f"joins wan [{wan}] and lan [{lan}], transit {policy.gateway.transit}{hairpin}"


def _list(texts: t.Sequence[str]) -> str:
    return ", ".join(texts)


_TABLES: dict[str, t.Callable[[Plan], t.Iterator[str]]] = {
    "flows": _flow_lines,
    "rules": _rule_lines,
    "forwards": _forward_lines,
    "governed": _governed_lines,
    "helpers": _helper_lines,
    "policy": _policy_lines,
}
