# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to try so that a plan is proven: every planned flow, and a set of unplanned ones that must not get through.

A probe is ``{listener, service, protocol, address, ports, listener_port, expected}``: ``listener`` is the inventory
host behind the address, or None for a network; ``service`` is None for a probe that no flow plans; ``ports`` is one
port or one range as text; ``listener_port`` is the listener's own port where a gateway translates it to another.
"""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import (
    ANY,
    Network,
    Texts,
    family,
    is_single,
    parse_network,
    text,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Gateway, Host
from ansible_collections.playout.firewall.plugins.plugin_utils._plan import Plan, PlannedFlow
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortSet, union
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import End, Group, Relation, Topology

# How many neighbours and gateways one host tries to reach unplanned: enough to meet every kind of port where the
# fleet is small, and proportional to the fleet where it is large.
MOST_NEIGHBOURS = 12
MOST_GATEWAYS = 4

Probe = dict[str, t.Any]
T = t.TypeVar("T")


def probes_by_host(plan: Plan) -> dict[str, list[Probe]]:
    """Return for every host that can run probes (``playout_probe``) what it has to try."""
    probes: dict[str, list[Probe]] = {host.name: [] for host in plan.fleet.probers}
    for row in plan.flows:
        if row.status == "planned":
            for end in row.flow.initiators.ends:
                if end.host is not None and end.name in probes:
                    probes[end.name] += _planned(row, end)
    unplanned = _Unplanned(plan)
    for index, host in enumerate(plan.fleet.probers):
        probes[host.name] += unplanned.probes(host, index)
    return probes


def _planned(row: PlannedFlow, end: End) -> t.Iterator[Probe]:
    families = set(map(family, end.addresses))
    own = row.line.ports
    for target in row.targets:
        if target.family in families or not families:
            listener_port = own.ranges[0][0] if target.ports != own else None
            listener = row.flow.listener.name if row.flow.listener.host else None
            for address, ports in itertools.product(target.addresses, target.ports.texts()):
                yield _probe(
                    listener, address, row.line.protocol, ports, "reachable", row.flow.service.id, listener_port
                )


def _probe(
    listener: str | None,
    address: str,
    protocol: str,
    ports: str,
    expected: str,
    service: str | None = None,
    listener_port: int | None = None,
) -> Probe:
    return {
        "listener": listener,
        "service": service,
        "protocol": protocol,
        "address": address,
        "ports": ports,
        "listener_port": listener_port,
        "expected": expected,
    }


class _Unplanned:
    """Finds ports that are guarded and shut for a host."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.topology = plan, Topology(plan.fleet)
        self.listeners: dict[str, list[Host]] = {}
        for host in plan.fleet.hosts.values():
            if host.enforced and plan.policies[host.name].governed.inbound:
                self.listeners.setdefault(host.site, []).append(host)
        self.gateways = [host for hosts in plan.fleet.gateways.values() for host in hosts if host.enforced]
        self.by_address = {
            (host.site, text(address)): host.name for host in plan.fleet.hosts.values() for address in host.addresses
        }
        # By identity: the plan shares its lists, and hashing a long one costs as much as reading it.
        self._matchers: dict[int, _Matcher] = {}

    def probes(self, host: Host, index: int) -> t.Iterator[Probe]:
        """Yield what a host must not reach; where it begins differs, so that hosts together meet everything."""
        for listener in _some(self.listeners.get(host.site, []), index, MOST_NEIGHBOURS):
            if listener is not host:
                yield from self._at_listener(host, listener)
        for gateway in _some(self.gateways, index, MOST_GATEWAYS):
            if gateway.site != host.site:
                yield from self._at_gateway(host, gateway)

    def _at_listener(self, host: Host, listener: Host) -> t.Iterator[Probe]:
        """Yield the ports that a listener's own firewall keeps shut for a neighbour."""
        policy = self.plan.policies[listener.name]
        for address in filter(is_single, listener.addresses):
            name = family(address)
            own = [network for network in host.addresses if family(network) == name]
            for protocol, ports in policy.governed.inbound.items() if own else ():
                shut = _ports(ports) - self._opened(policy, ("in", name, protocol), own, None)
                for part in (shut - _unguarded(policy, listener)).texts():
                    yield _probe(listener.name, text(address), protocol, part, "blocked")

    def _at_gateway(self, host: Host, gateway: Host) -> t.Iterator[Probe]:
        """Yield the ports that a gateway keeps shut for a host of another site."""
        group = Group((End(host.name, host.addresses, host.site, host),))
        networks = self.topology.view(group, gateway.site).networks
        seen = [parse_network(entry) for entries in networks.values() for entry in entries if entry != ANY]
        policy = self.plan.policies[gateway.name]
        routed = self.topology.relation(host.site, gateway.site) is Relation.ROUTED
        if not routed:
            yield from self._at_forwards(policy, gateway, seen)
        families = {family(network) for network in seen}
        if not routed and t.cast(Gateway, gateway.gateway).nat:
            families.discard("ipv4")
        yield from self._in_transit(policy, gateway, seen, families)

    def _at_forwards(self, policy: Policy, gateway: Host, seen: list[Network]) -> t.Iterator[Probe]:
        """Yield the outside ports that a gateway translates and lets others through to."""
        for forward in policy.forwards if seen else ():
            to = _ports(forward.to_ports)
            shut = to - self._opened(policy, ("forward", "ipv4", forward.protocol), seen, forward.to_address)
            moved = forward.external_ports != forward.to_ports
            outside = forward.external_ports if moved and shut else shut.texts()
            listener = self.by_address.get((gateway.site, forward.to_address))
            for address, part in itertools.product(forward.external_addresses, outside):
                own_port = to.ranges[0][0] if moved else None
                yield _probe(listener, address, forward.protocol, part, "blocked", listener_port=own_port)

    def _in_transit(self, policy: Policy, gateway: Host, seen: list[Network], families: set[str]) -> t.Iterator[Probe]:
        """Yield the listeners' own ports that a gateway governs and lets others through to."""
        for transit in policy.governed.forward:
            if transit.sources != (ANY,) or transit.family not in families:
                continue
            for address in transit.destinations:
                opened = self._opened(policy, ("forward", transit.family, transit.protocol), seen, address)
                for part in (_ports(transit.ports) - opened - _unguarded(policy, gateway)).texts():
                    listener = self.by_address.get((gateway.site, address))
                    yield _probe(listener, address, transit.protocol, part, "blocked")

    def _opened(
        self, policy: Policy, kind: tuple[str, str, str], sources: t.Iterable[Network], destination: str | None
    ) -> PortSet:
        """Return the ports that any of these sources may use."""
        wanted = [network for network in sources if family(network) == kind[1]]
        return union(
            _ports(rule.ports)
            for rule in policy.rules
            if (rule.direction, rule.family, rule.protocol) == kind
            and (destination is None or self._matcher(rule.destinations).meets(parse_network(destination)))
            and any(self._matcher(rule.sources).meets(network) for network in wanted)
        )

    def _matcher(self, networks: Texts) -> _Matcher:
        return self._matchers.get(id(networks)) or self._matchers.setdefault(id(networks), _Matcher(networks))


class _Matcher:
    """Tells whether a network meets any of a list, in one look for single addresses."""

    def __init__(self, networks: Texts) -> None:
        self.everything = ANY in networks
        parsed = [parse_network(entry) for entry in networks if entry != ANY]
        self.singles = frozenset(map(text, filter(is_single, parsed)))
        self.wide = [network for network in parsed if not is_single(network)]

    def meets(self, network: Network) -> bool:
        """Whether the network and the list have an address in common."""
        if self.everything or text(network) in self.singles or any(network in wide for wide in self.wide):
            return True
        return not is_single(network) and any(
            parse_network(entry) in network for entry in (*self.singles, *map(text, self.wide))
        )


def _unguarded(policy: Policy, host: Host) -> PortSet:
    """Return the ports that ``scoped`` never narrows."""
    return _ports(policy.management.ports) if host.enforcement == "scoped" else PortSet()


def _ports(texts: t.Iterable[str]) -> PortSet:
    return union(map(PortSet.parse, texts))


def _some(values: list[T], index: int, most: int) -> list[T]:
    """Return a few of the values, beginning at another place for each index.

    It looks at no others: every host asks, and a site may have thousands.
    """
    if len(values) <= most:
        return values
    return [values[(index * most + step) % len(values)] for step in range(most)]
