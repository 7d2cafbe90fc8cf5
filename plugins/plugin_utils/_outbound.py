# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The initiators' side of a flow: hosts with ``playout_egress`` and gateways that rule what leaves their site."""

from __future__ import annotations

import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import FAMILIES, Texts, family
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Host
from ansible_collections.playout.firewall.plugins.plugin_utils._flows import FlowGroup
from ansible_collections.playout.firewall.plugins.plugin_utils._inbound import Builders, Target, static_lines, track
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import End, Group, Relation, Topology


class Outbound:
    """Writes flows into the policies of the initiators' side."""

    def __init__(self, topology: Topology, builders: Builders, problems: Problems) -> None:
        self.topology, self.builders, self.problems = topology, builders, problems
        self._ruled: dict[Group, tuple[tuple[End, ...], dict[str, Group]]] = {}

    def open(self, flow: FlowGroup, targets: t.Sequence[Target]) -> list[Host]:
        """Let a flow out of its initiators and their sites where that is ruled; return the enforcement points."""
        hosts, sites = self._ruled_in(flow.initiators)
        points: list[Host] = []
        for end in hosts:
            host = t.cast(Host, end.host)
            families = set(map(family, host.addresses)) or FAMILIES
            own_targets = [target for target in targets if target.family in families]
            self._let_out(flow, own_targets, host, "out", {})
            points.append(host)
        for site, group in sites.items() if flow.relation is not Relation.SAME else ():
            own = self.topology.view(group, site)
            for gateway in self._ruling_gateways(site):
                self._check_names(flow, own.nameless, gateway)
                self._let_out(flow, targets, gateway, "forward", own.networks)
                points += [gateway] if gateway.enforced else []
        return points

    def _let_out(
        self, flow: FlowGroup, targets: t.Sequence[Target], point: Host, direction: str, sources: t.Mapping[str, Texts]
    ) -> None:
        builder = self.builders[point]
        governs = point.egress
        static = static_lines(flow.lines, point, flow.listener)
        for target in targets:
            if direction == "forward" and target.family not in sources:
                continue
            if not target.addresses:
                message = (
                    f"is needed: {point.name} rules what leaves and must name the outside address of "
                    f"{flow.listener.name}, whose gateway has a dynamic one"
                )
                self.problems.error(flow.listener.name, "playout_public_address", message)
                continue
            source = sources.get(target.family, ())
            if target.line in static:
                protocol = target.line.protocol
                builder.allow(
                    direction, target.family, protocol, flow.service.id, target.ports, source, target.addresses
                )
                if governs and direction == "out":
                    builder.govern("out", protocol, target.ports)
                elif governs:
                    builder.govern_transit(target.family, protocol, target.ports, source, ("any",))
            track(builder, flow, [(target.line, target.ports)], target.addresses)

    def _check_names(self, flow: FlowGroup, nameless: t.Iterable[str], gateway: Host) -> None:
        for name in nameless:
            message = (
                f"is needed: the gateway {gateway.name} rules what leaves its site, "
                f"and {name} initiates {flow.service.id}"
            )
            self.problems.error(name, "playout_addresses", message)

    def _ruled_in(self, group: Group) -> tuple[tuple[End, ...], dict[str, Group]]:
        """Return the hosts of a group that rule what they send, and its members by site where a gateway does."""
        if group not in self._ruled:
            hosts = tuple(end for end in group.ends if end.host and end.host.egress and end.host.enforced)
            by_site: dict[str, list[End]] = {}
            for end in group.ends:
                if end.site is not None and self._ruling_gateways(end.site):
                    by_site.setdefault(end.site, []).append(end)
            self._ruled[group] = hosts, {site: Group(tuple(ends)) for site, ends in by_site.items()}
        return self._ruled[group]

    def _ruling_gateways(self, site: str) -> list[Host]:
        """Return the gateways of a site that rule what leaves it, or let nothing through unsaid."""
        return [
            host
            for host in self.topology.gateways(site)
            if host.gateway and (host.egress or host.gateway.transit == "deny")
        ]
