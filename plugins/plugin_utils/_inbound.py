# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listener's side of a flow: its own firewall and the gateways of its site."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import Texts, merge, merge_texts
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Fleet, Gateway, Host
from ansible_collections.playout.firewall.plugins.plugin_utils._flows import FlowGroup
from ansible_collections.playout.firewall.plugins.plugin_utils._policy_builder import PolicyBuilder
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortSet
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems
from ansible_collections.playout.firewall.plugins.plugin_utils._publication import (
    Claim,
    Publications,
    target_address,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._service_ports import ServicePorts
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import End, Relation, View
from ansible_collections.playout.firewall.plugins.plugin_utils._ways import Way

Builders = t.Mapping[Host, PolicyBuilder]


@dataclass(frozen=True)
class Target:
    """Where initiators find one line of a service's ports. No addresses: at the gateway's dynamic address."""

    family: str
    addresses: Texts
    ports: PortSet
    line: ServicePorts


def ftp_data(point: Host | None, listener: End) -> str:
    """Return how passive FTP data connections are opened at an enforcement point: its own way, else the listener's."""
    return (point.ftp_data if point else None) or (listener.host.ftp_data if listener.host else None) or "helper"


def static_lines(lines: t.Iterable[ServicePorts], point: Host, listener: End) -> list[ServicePorts]:
    """Return the lines of ports that an enforcement point opens by static rules."""
    return [line for line in lines if not line.ftp_data or ftp_data(point, listener) == "range"]


def track(builder: PolicyBuilder, flow: FlowGroup, lines: t.Iterable[tuple[ServicePorts, PortSet]], to: Texts) -> None:
    """Have control connections to these addresses tracked where data connections are opened by a helper."""
    for line, ports in lines:
        if line.helper and ftp_data(builder.host, flow.listener) == "helper":
            builder.helper(line.helper, line.protocol, ports.ranges[0][0], to)


class Inbound:
    """Writes flows into the policies of the listener's side."""

    def __init__(self, fleet: Fleet, builders: Builders, problems: Problems) -> None:
        self.fleet, self.builders, self.problems = fleet, builders, problems
        self.publications = Publications(fleet, problems)

    def open_listener(self, flow: FlowGroup, way: Way, view: View, families: tuple[str, ...]) -> None:
        """Let a flow in at the listener itself."""
        host = t.cast(Host, flow.listener.host)
        builder = self.builders[host]
        for name in families:
            sources = view.networks[name]
            if flow.relation is Relation.SAME and way.translated and name == "ipv4":
                sources = merge_texts(name, frozenset({sources, *self._hairpin_sources(way)}))
            for line in static_lines(flow.lines, host, flow.listener):
                builder.allow("in", name, line.protocol, flow.service.id, line.ports, sources)
        own = tuple(address for part in flow.listener.networks.values() for address in part)
        track(builder, flow, ((line, line.ports) for line in flow.lines), own)

    def open_gateways(
        self, flow: FlowGroup, way: Way, view: View, families: tuple[str, ...]
    ) -> tuple[list[Target], list[Host]]:
        """Let a flow through the gateways of the listener's site.

        Return where its initiators find the listener, and the gateways by which they do.
        """
        inside = flow.listener.networks
        targets: dict[Target, None] = {}
        # Where nobody has to name the initiators their families need not be known.
        for name in families or inside:
            if name in inside and (way.direct or not way.translated):
                targets.update(dict.fromkeys(Target(name, inside[name], line.ports, line) for line in flow.lines))
        passed: dict[Host, None] = {}
        for name in families:
            for host in way.gateways:
                found = self._open(flow, host, way, name, view.networks[name])
                targets.update(dict.fromkeys(found))
                passed.update(dict.fromkeys([host] if found else []))
        return list(targets), list(passed)

    def _hairpin_sources(self, way: Way) -> t.Iterator[Texts]:
        """Yield the inside addresses by which a gateway's neighbours appear when they take the outside address."""
        for host in way.gateways:
            own = merge(host.addresses).get("ipv4")
            if own is None:
                message = "is needed: with playout_hairpin the site sees this gateway's inside address"
                self.problems.error(host.name, "playout_addresses", message)
            else:
                yield own

    def _open(self, flow: FlowGroup, host: Host, way: Way, name: str, sources: Texts) -> list[Target]:
        """Let one family of a flow through one gateway."""
        gateway = t.cast(Gateway, host.gateway)
        inside = flow.listener.networks.get(name)
        if inside is None:
            message = f"is needed: {flow.service.id} of this host passes the gateway {host.name}"
            self.problems.error(flow.listener.name, "playout_addresses", message)
            return []
        if way.translated and gateway.nat and name == "ipv4":
            return self._publish(flow, host, sources) if gateway.inbound else []
        if flow.relation is Relation.SAME:
            return []
        self._pass(flow, host, name, sources, inside)
        return [Target(name, inside, line.ports, line) for line in flow.lines]

    def _pass(self, flow: FlowGroup, host: Host, name: str, sources: Texts, inside: Texts) -> None:
        """Let a flow through to the listener's own addresses; what is for the gateway itself does not pass it."""
        if host is flow.listener.host:
            return
        builder = self.builders[host]
        for line in static_lines(flow.lines, host, flow.listener):
            builder.allow("forward", name, line.protocol, flow.service.id, line.ports, sources, inside)
        track(builder, flow, ((line, line.ports) for line in flow.lines), inside)

    def _publish(self, flow: FlowGroup, host: Host, sources: Texts) -> list[Target]:
        """Translate a flow and let it through."""
        listener, service, builder = flow.listener, flow.service, self.builders[host]
        address = target_address(listener, self.problems, host)
        external = self.publications.addresses(host, listener)
        if address is None or external is None:
            return []
        self._pass(flow, host, "ipv4", sources, (address,))
        static = static_lines(flow.lines, host, listener)
        targets = []
        for line in flow.lines:
            ports = self.publications.ports(service, line, listener)
            if ports is None:
                continue
            # Data connections that a helper opens here have the same ports outside, where others may open a range.
            targets.append(Target("ipv4", external, ports, line))
            if line in static:
                claim = Claim(ports, listener.name, address, line.ports, service.id)
                self.publications.claim(builder, flow, (external, line.protocol), claim)
                builder.forward(
                    line.protocol, service.id, external, ports, (listener.name, address, line.ports), sources
                )
        return targets
