# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a flow reaches its listener: through which gateways, translated or not, in which families; and if it can."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import FAMILIES, family, text
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Fleet, Host
from ansible_collections.playout.firewall.plugins.plugin_utils._flows import FlowGroup
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems, listing
from ansible_collections.playout.firewall.plugins.plugin_utils._publication import is_published
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import End, Group, Relation, Topology, View


@dataclass(frozen=True)
class Way:
    """``gateways``: those of the listener's site that the flow passes. ``direct``: it also comes, or may come, by
    the listener's own addresses without translation. ``closed``: the flow is not published and does not exist."""

    gateways: tuple[Host, ...] = ()
    families: frozenset[str] = frozenset(FAMILIES)
    direct: bool = True
    translated: bool = False
    closed: bool = False


class Ways:
    """Finds ways; what stands in a flow's way is noted as a problem."""

    def __init__(self, fleet: Fleet, topology: Topology, problems: Problems) -> None:
        self.fleet, self.topology, self.problems = fleet, topology, problems
        self._alone: dict[End, Group] = {}
        self._nameless: set[str] = set()

    def find(self, flow: FlowGroup) -> Way:
        """Return the way of a group of flows."""
        listener = flow.listener
        gateways = self.topology.gateways(listener.site)
        if not gateways:
            return Way()
        published = is_published(flow.service, listener.host, self.fleet.catalogue.services)
        if flow.relation is Relation.SAME:
            hairpins = tuple(host for host in gateways if host.gateway and host.gateway.hairpin and host.gateway.nat)
            return Way(hairpins, translated=True) if hairpins and published else Way()
        if flow.relation is Relation.ROUTED or not self.topology.translates(listener.site):
            return Way(gateways)
        if flow.relation is Relation.ANYWHERE:
            return Way(gateways, translated=True) if published else Way()
        return self._from_outside(flow, gateways, published)

    def families(self, flow: FlowGroup, way: Way, view: View) -> tuple[str, ...]:
        """Return the families that both sides have; an initiator that shares none is an error."""
        own = self._families_of(flow) & way.families
        found = tuple(name for name in FAMILIES if name in view.networks and name in own)
        what = (
            f"no address is of a family in which {flow.service.id} of {flow.listener.name} can be reached "
            f"({' or '.join(sorted(own)) or 'none'})"
        )
        for families, names in view.families.items():
            if not families & own and not ("ipv4" in own and view.unknown_outside):
                message = (
                    f"{what}; it has {' and '.join(sorted(families))}: write another address, here or at the listener"
                )
                self.problems.error(listing(names), "playout_addresses", message)
        if view.networks and not view.families and not found:
            names = listing([end.name for end in flow.initiators.ends])
            self.problems.error(flow.listener.name, "playout_networks", f"{what}: write networks of that family", names)
        return found

    def check(self, flow: FlowGroup, view: View, must_name: bool) -> None:
        """Note initiators and listeners that cannot see each other or, with ``must_name``, cannot be named."""
        listener = flow.listener
        for end in view.private:
            self._note_private(end, f"is private and would have to be seen by {listener.name} in {listener.site}")
        if self._is_open(flow) and self._from_elsewhere(flow).private:
            names = listing([end.name for end in flow.initiators.ends], most=3)
            self._note_private(listener, f"is private and would have to be reached by {names} from another site")
        if must_name:
            self._check_names(flow, view)

    def _is_open(self, flow: FlowGroup) -> bool:
        """Whether the flow comes from another, not routed, site and no gateway is there to translate."""
        return flow.relation is Relation.OUTSIDE and not self.topology.gateways(flow.listener.site)

    def _from_elsewhere(self, flow: FlowGroup) -> View:
        """Return the listener as the initiators see it; there is no gateway, so all of them see the same."""
        alone = self._alone.setdefault(flow.listener, Group((flow.listener,)))
        return self.topology.view(alone, flow.initiators.ends[0].site)

    def _families_of(self, flow: FlowGroup) -> frozenset[str]:
        """Return the families in which the listener can be reached; without addresses both are possible."""
        seen = self._from_elsewhere(flow).networks if self._is_open(flow) else {}
        return frozenset(seen or map(family, flow.listener.addresses)) or frozenset(FAMILIES)

    def _from_outside(self, flow: FlowGroup, gateways: tuple[Host, ...], published: bool) -> Way:
        """Return the way into a site that hides behind its gateways."""
        listener, service = flow.listener, flow.service
        names = listing([end.name for end in flow.initiators.ends], most=3)
        if not published:
            if service.mandatory:
                message = f"{service.id} is mandatory and used from another site, by {names}: add it to the list"
                self.problems.error(listener.name, "playout_publish", message)
            return Way(closed=True)
        if any(host.gateway and (host.gateway.inbound or not host.gateway.nat) for host in gateways):
            return Way(gateways, direct=False, translated=True)
        if "ipv6" in map(family, listener.addresses):
            return Way(gateways, frozenset({"ipv6"}), direct=False, translated=True)
        if service.mandatory:
            message = (
                f"nothing can be published here, but {names} need {service.id} of {listener.name} from another site"
            )
            self.problems.error(gateways[0].name, "playout_inbound", message, "false")
        return Way(closed=True)

    def _check_names(self, flow: FlowGroup, view: View) -> None:
        listener = flow.listener
        # Once a host: a hundred listeners that must name it are one thing to correct.
        new = [name for name in view.nameless if name not in self._nameless]
        self._nameless.update(new)
        for name in new:
            message = (
                f"is needed, or an address as ansible_host: {flow.service.id} of {listener.name} must name this host"
            )
            self.problems.error(name, "playout_addresses", message)
        for gateway in view.unknown_outside if "ipv4" in self._families_of(flow) else ():
            message = (
                f"is needed: {listener.name} must name the hosts of {gateway.site}, whose outside address is not "
                "known; write the addresses or networks by which they appear, or any"
            )
            self.problems.error(gateway.name, "playout_seen_as", message)

    def _note_private(self, end: End, what: str) -> None:
        message = (
            f"{what}: declare a playout_gateway for the site {end.site}, or playout_routed_sites on a gateway, "
            "or write the address that other sites see"
        )
        variable = "playout_addresses" if end.host else "playout_networks"
        self.problems.error(end.name, variable, message, ", ".join(map(text, end.addresses)))
