# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who talks to whom: the catalogue's pairings applied to the fleet. No firewall is thought of yet.

Flows that one listener sees alike stand together as one :class:`FlowGroup`, and listeners share groups of
initiators: the work follows the size of the fleet and not the number of pairs.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import is_single
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import Pairing, Service
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Fleet, Host, Party
from ansible_collections.playout.firewall.plugins.plugin_utils._initiators import Initiators
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems, listing
from ansible_collections.playout.firewall.plugins.plugin_utils._service_ports import (
    ServicePorts,
    is_used,
    service_ports,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import End, Group, Relation, Topology

OWN_ROLE = "site's own"

Lines = tuple[ServicePorts, ...]


@dataclass(frozen=True, eq=False)
class FlowGroup:
    """All flows of one service from initiators that the listener sees alike.

    ``pairing`` None: let in by ``playout_allow`` besides the plan. ``local``: the listener is the initiator.
    """

    service: Service
    pairing: Pairing | None
    role: str
    initiators: Group
    listener: End
    listener_role: str
    relation: Relation
    lines: Lines
    local: bool = False


@dataclass(frozen=True)
class Flows:
    """The flows, and what every host listens on by service, whether anybody uses it or not."""

    groups: list[FlowGroup] = field(default_factory=list)
    listening: dict[Host, dict[str, Lines]] = field(default_factory=dict)


def find_flows(fleet: Fleet, topology: Topology, problems: Problems) -> Flows:
    """Apply the catalogue to the fleet.

    A mandatory service that nobody initiates is noted as an error, an optional one as a warning.
    """
    finder = _Finder(fleet, Initiators(fleet, topology), problems)
    finder.find()
    return finder.flows


class _Finder:
    def __init__(self, fleet: Fleet, initiators: Initiators, problems: Problems) -> None:
        self.fleet, self.initiators, self.problems = fleet, initiators, problems
        self.flows = Flows()
        self.unused: dict[str, list[Host]] = {}
        self.heard: dict[str, set[Group]] = {}

    def find(self) -> None:
        listeners: dict[str, list[Host]] = {}
        for host in self.fleet.hosts.values():
            for role in sorted(host.listens_as):
                listeners.setdefault(role, []).append(host)
        for service in self.fleet.catalogue.services.values():
            for role in dict.fromkeys(role for pairing in service.pairings for role in pairing.listeners):
                for host in listeners.get(role, ()):
                    self._listen(service, host, role)
                self._listen_in_networks(service, role)
            self._report_unheard(service)
        for host in self.fleet.hosts.values():
            self._allow(host)
            self._warn_of_lonely_instances(host)
        self._report_unused()

    def _listen(self, service: Service, host: Host, role: str) -> None:
        """Plan one service of one host in one role as which it listens."""
        pairings = [
            pairing
            for pairing in service.pairings
            if role in pairing.listeners and (role in host.roles or not pairing.main_only)
        ]
        if not pairings or not self.fleet.uses(service, host, "listener"):
            return
        before = len(self.flows.groups)
        for pairing in pairings:
            for initiator_role in pairing.initiators:
                self._pair(service, pairing, initiator_role, host, role)
        new = self.flows.groups[before:]
        if not new and service.scope == "internal":
            return
        lines = tuple(dict.fromkeys(line for group in new for line in group.lines)) or self._lines(service, host)
        if lines:
            known = self.flows.listening.setdefault(host, {})
            known[service.id] = tuple(dict.fromkeys((*known.get(service.id, ()), *lines)))
            if not new and not self._is_deliberate(service, host, pairings):
                self.unused.setdefault(service.id, []).append(host)

    def _is_deliberate(self, service: Service, host: Host, pairings: t.Iterable[Pairing]) -> bool:
        """Whether the host's ``playout_networks`` say on purpose that nobody uses the service."""
        written = [name for pairing in pairings for name in pairing.initiators if name in host.networks]
        counted = self.fleet.uses(service, host, "sender")
        return bool(written) and (counted or not any(host.networks[name] for name in written))

    def _lines(self, service: Service, host: Host) -> Lines:
        """Return what a host listens on as its own instances, release and reading number it."""
        settings = host.settings_of(service.product)
        return service_ports(service, settings) if is_used(service, settings) else ()

    def _pair(self, service: Service, pairing: Pairing, role: str, host: Host, listener_role: str) -> None:
        """Add the flows from one role to one listener."""
        found = self.initiators.find(service, role, host, listener_role)
        listener = self.initiators.end(host)
        if found.local:
            own = self.initiators.group((listener,))
            self._add(service, pairing, role, own, listener, listener_role, Relation.SAME, local=True)
        for group in found.groups:
            for relation, part in self.initiators.parts(group, host.site):
                self._add(service, pairing, role, part, listener, listener_role, relation)

    def _add(
        self,
        service: Service,
        pairing: Pairing,
        role: str,
        group: Group,
        listener: End,
        listener_role: str,
        relation: Relation,
        local: bool = False,
    ) -> None:
        """Add one group of flows for each way in which its ports are numbered."""
        numbering = self.fleet.catalogue.numbering_of(service)
        parts: tuple[tuple[Lines, Group], ...]
        if numbering and role == numbering.role and listener_role != role:
            overrides = listener.host.overrides if listener.host else {}
            parts = tuple(
                (service_ports(service, settings.with_overrides(overrides)) if is_used(service, settings) else (), part)
                for settings, part in self.initiators.by_settings(group, service.product)
            )
        elif listener.host:
            parts = ((self._lines(service, listener.host), group),)
        else:
            parts = ((service_ports(service), group),)
        for lines, part in parts:
            if lines:
                self.heard.setdefault(service.id, set()).add(part)
                self.flows.groups.append(
                    FlowGroup(service, pairing, role, part, listener, listener_role, relation, lines, local)
                )

    def _listen_in_networks(self, service: Service, listener_role: str) -> None:
        """Add the flows to single addresses that the initiators name as listeners in ``playout_networks``."""
        feature = self.fleet.catalogue.feature_of(service)
        if feature and feature.declared_by == "listener" and not feature.default:
            return
        for pairing in service.pairings:
            for role in pairing.initiators if listener_role in pairing.listeners else ():
                for (party, site), ends in self._named(service, pairing, role, listener_role).items():
                    listener = self.initiators.party_end(party)
                    relation = self.initiators.topology.relation(site, party.site)
                    group = self.initiators.group(ends)
                    self._add(service, pairing, role, group, listener, listener_role, relation)

    def _named(
        self, service: Service, pairing: Pairing, role: str, listener_role: str
    ) -> dict[tuple[Party, str], list[End]]:
        """Return single addresses that hosts of a role name as listeners, each with the hosts of one site."""
        known = self.fleet.catalogue.roles.values()
        names = {listener_role, *(other.id for other in known if listener_role in other.listens_as)}
        found: dict[tuple[Party, str], list[End]] = {}
        for host in self.fleet.by_role.get(role, ()):
            parties = (
                party
                for name in sorted(host.networks.keys() & names)
                if name == listener_role or not pairing.main_only
                for party in host.networks[name]
            )
            if self.fleet.uses(service, host, "sender"):
                for party in dict.fromkeys(party for party in parties if is_single(party.network)):
                    found.setdefault((party, host.site), []).append(self.initiators.end(host))
        return found

    def _allow(self, host: Host) -> None:
        """Add what ``playout_allow`` lets in besides the plan."""
        listening = self.flows.listening.get(host, {})
        for service_id, networks in host.allow.items():
            if service_id not in listening:
                known = listing(sorted(listening), most=20) or "nothing"
                message = f"this host does not listen for {service_id}; it listens for {known}"
                self.problems.error(host.name, "playout_allow", message)
                continue
            group = self.initiators.group(self.initiators.party_ends(map(Party, networks)))
            if group.ends:
                service, end = self.fleet.catalogue.services[service_id], self.initiators.end(host)
                self.flows.groups.append(
                    FlowGroup(service, None, OWN_ROLE, group, end, OWN_ROLE, Relation.ANYWHERE, listening[service_id])
                )

    def _report_unused(self) -> None:
        """Note services that somebody listens for and nobody initiates."""
        for service_id, hosts in self.unused.items():
            service = self.fleet.catalogue.services[service_id]
            roles = list(dict.fromkeys(role for pairing in service.pairings for role in pairing.initiators))
            what = (
                f"no initiator of {service_id}: no host has the role {' or '.join(roles)} and shares a system with it"
            )
            way_out = (
                f"add one, or write its networks in playout_networks as {roles[0]}: [...], [] for deliberately nobody"
            )
            feature = self.fleet.catalogue.feature_of(service)
            if feature and feature.declared_by == "sender":
                way_out += f", with {feature.id} among this host's own playout_features"
            if service.mandatory:
                for host in hosts:
                    self.problems.error(host.name, "playout_networks", f"{what}; the service is mandatory: {way_out}")
            else:
                names = listing([host.name for host in hosts])
                self.problems.warn(f"{names}: {what}; nothing is opened for it: {way_out}")

    def _report_unheard(self, service: Service) -> None:
        """Note hosts that declare a function of sending to somebody who does not exist."""
        feature = self.fleet.catalogue.feature_of(service)
        if feature is None or feature.declared_by != "sender":
            return
        heard = {end.host for group in self.heard.get(service.id, ()) for end in group.ends}
        for pairing in service.pairings:
            role = " or ".join(pairing.listeners)
            senders = [
                host.name
                for initiator in pairing.initiators
                for host in self.fleet.by_role.get(initiator, ())
                if self.fleet.uses(service, host, "sender")
                and host not in heard
                and not any(listener in host.networks for listener in pairing.listeners)
            ]
            if senders:
                self.problems.warn(
                    f"{listing(senders)}: playout_features has {feature.id}, but no host has the role {role}: "
                    f"add one, or write its address as {pairing.listeners[0]}: [...] in playout_networks"
                )

    def _warn_of_lonely_instances(self, host: Host) -> None:
        for product_id, settings in host.settings.items():
            numbering = self.fleet.catalogue.products[product_id].numbering
            if numbering is None or numbering.internal_with is None or settings.instances == 1:
                continue
            others = self.initiators.hosts(numbering.internal_with, host.systems)
            if not others and not host.networks.get(numbering.internal_with):
                self.problems.warn(
                    f"{host.name}: {product_id}_instances is {settings.instances} and no {numbering.internal_with} "
                    "is in its system: clients will find the first instance only"
                )


def services_by_port(listening: t.Mapping[str, Lines]) -> t.Iterator[tuple[str, str, ServicePorts, ServicePorts]]:
    """Yield the pairs of a host's services that share ports."""
    lines = [(service, line) for service, found in listening.items() for line in found]
    for index, (service, line) in enumerate(lines):
        for other_service, other in lines[index + 1 :]:
            if other_service != service and other.protocol == line.protocol and other.ports & line.ports:
                yield service, other_service, line, other
