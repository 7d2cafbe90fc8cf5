# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the fleet to the plan: every enforcement point on a flow's way lets through exactly what arrives there."""

from __future__ import annotations

from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Fleet
from ansible_collections.playout.firewall.plugins.plugin_utils._flows import FlowGroup, find_flows
from ansible_collections.playout.firewall.plugins.plugin_utils._governing import (
    SharedPorts,
    check_management,
    check_platforms,
    govern,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._inbound import Inbound, ftp_data, static_lines
from ansible_collections.playout.firewall.plugins.plugin_utils._outbound import Outbound
from ansible_collections.playout.firewall.plugins.plugin_utils._plan import Plan, PlannedFlow
from ansible_collections.playout.firewall.plugins.plugin_utils._policy_builder import PolicyBuilder
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import Topology, check_addresses
from ansible_collections.playout.firewall.plugins.plugin_utils._ways import Ways


def make_plan(fleet: Fleet, problems: Problems) -> Plan:
    """Plan the whole fleet.

    :raises InventoryError: with every problem of the inventory, those noted while it was read included.
    """
    topology = Topology(fleet)
    check_addresses(fleet, problems)
    flows = find_flows(fleet, topology, problems)
    planner = _Planner(fleet, topology, problems)
    planned = [found for flow in flows.groups for found in planner.plan(flow)]
    govern(flows, topology, planner.builders)
    check_management(planner.builders, problems)
    check_platforms(planner.builders, problems)
    planner.inbound.publications.report_collisions()
    planner.shared_ports.warn(flows, problems)
    problems.raise_errors()
    policies = {host.name: builder.build() for host, builder in planner.builders.items()}
    return Plan(fleet, tuple(planned), policies, tuple(problems.warnings))


class _Planner:
    def __init__(self, fleet: Fleet, topology: Topology, problems: Problems) -> None:
        self.topology = topology
        self.builders = {
            host: PolicyBuilder(host) for host in fleet.hosts.values() if host.enforced or host.gateway is not None
        }
        self.ways = Ways(fleet, topology, problems)
        self.inbound = Inbound(fleet, self.builders, problems)
        self.outbound = Outbound(topology, self.builders, problems)
        self.shared_ports = SharedPorts()

    def plan(self, flow: FlowGroup) -> list[PlannedFlow]:
        """Write a group of flows into every policy on its way; return it as a row for each line of ports."""
        if flow.local:
            return [PlannedFlow(flow, line, "local") for line in flow.lines if not line.ftp_data]
        way, view = self.ways.find(flow), self.topology.view(flow.initiators, flow.listener.site)
        if way.closed:
            lines = [line for line in flow.lines if not line.ftp_data]
            return [PlannedFlow(flow, line, "not published", view.networks) for line in lines]
        listener = flow.listener.host
        enforced = listener is not None and listener.enforced
        self.ways.check(flow, view, must_name=enforced or bool(way.gateways))
        families = self.ways.families(flow, way, view)
        self.shared_ports.note(flow, view)
        if enforced:
            self.inbound.open_listener(flow, way, view, families)
        targets, passed = self.inbound.open_gateways(flow, way, view, families)
        points = [host for host in (listener, *passed) if host is not None and host.enforced]
        points += self.outbound.open(flow, targets)
        sources = {name: view.networks[name] for name in families}
        rows = []
        for line in flow.lines:
            opening = [point for point in points if line in static_lines([line], point, flow.listener)]
            by_range = not points and ftp_data(None, flow.listener) == "range"
            if opening or by_range or not line.ftp_data:
                names = tuple(dict.fromkeys(point.name for point in opening))
                found = tuple(target for target in targets if target.line == line)
                rows.append(PlannedFlow(flow, line, "planned", sources, found, names))
        return rows
