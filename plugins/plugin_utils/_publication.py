# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outside of a translating gateway: at which address and port a listener is published, and who claims what."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import Network, Texts, family, is_single, text
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import Service
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Fleet, Gateway, Host
from ansible_collections.playout.firewall.plugins.plugin_utils._flows import FlowGroup
from ansible_collections.playout.firewall.plugins.plugin_utils._policy_builder import MANAGEMENT_PORTS, PolicyBuilder
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import LAST, PortSet, union
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems
from ansible_collections.playout.firewall.plugins.plugin_utils._service_ports import ServicePorts
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import End

# Where an address that arrives by DHCP stands in a claim.
DYNAMIC: Texts = ()


def is_published(service: Service, host: Host | None, services: t.Mapping[str, Service]) -> bool:
    """Whether other sites may reach the service through a translating gateway; by default the mandatory ones."""
    ids = {service.id, service.published_with}
    if host is not None and host.publish is not None:
        return bool(ids & host.publish)
    return any(services[name].mandatory for name in ids if name)


@dataclass(frozen=True)
class Claim:
    """One listener's wish for ports of an outside address."""

    ports: PortSet
    listener: str
    to_address: str
    to_ports: PortSet
    service: str


@dataclass
class Publications:
    """Finds outside addresses and ports, and notes who claims what so that collisions are found at the end."""

    fleet: Fleet
    problems: Problems
    claims: dict[tuple[str, Texts, str], dict[Claim, None]] = field(default_factory=dict)

    def addresses(self, gateway_host: Host, listener: End) -> Texts | None:
        """Return the outside addresses of a listener at one gateway, or None where that gateway does not have it.

        Empty: the gateway's address is dynamic.
        """
        gateway = t.cast(Gateway, gateway_host.gateway)
        wan = [address for address in gateway.wan_addresses if family(address) == "ipv4"]
        public = listener.host.public_address if listener.host else None
        if public is not None:
            return (text(public),) if public in wan or not self._belongs_elsewhere(public, gateway_host) else None
        if len(wan) > 1:
            choices = ", ".join(map(text, wan))
            message = (
                f"is needed: the gateway {gateway_host.name} has several outside addresses; write one of {choices}"
            )
            self.problems.error(listener.name, "playout_public_address", message)
            return None
        if not wan and not gateway.wan_interfaces:
            message = f"or playout_wan_addresses is needed to publish {listener.name}"
            self.problems.error(gateway_host.name, "playout_wan_interfaces", message)
            return None
        return tuple(map(text, wan))

    def ports(self, service: Service, line: ServicePorts, listener: End) -> PortSet | None:
        """Return the outside ports of one line of a service's ports, or None when the wish cannot be met."""
        wish = listener.host.forward_ports.get(service.id) if listener.host else None
        if wish is None or line.ftp_data:
            return line.ports
        if len(line.ports) == 1 and sum(not item.ftp_data for item in service.ports) == 1:
            return PortSet.parse(wish)
        message = (
            f"{service.id} has the ports {line.ports}, which the product tells its clients itself and cannot move "
            "outside: give this host its own playout_public_address instead"
        )
        self.problems.error(listener.name, "playout_forward_ports", message, {service.id: wish})
        return None

    def claim(self, builder: PolicyBuilder, flow: FlowGroup, outside: tuple[Texts, str], claim: Claim) -> None:
        """Note a claim of ports at ``outside``, addresses and protocol.

        A claim of the gateway's own management port is an error at once.
        """
        addresses, protocol = outside
        gateway = t.cast(Gateway, builder.host.gateway)
        gateways_own = addresses == DYNAMIC or any(text(own) in addresses for own in gateway.wan_addresses)
        taken = claim.ports & builder.management_ports()
        if protocol == "tcp" and gateways_own and taken:
            message = (
                f"{flow.service.id} would take port {taken} of the gateway {builder.host.name}, by which that is "
                f"managed: write another outside port, such as {{{flow.service.id}: {_next_free(taken, taken)}}}"
            )
            self.problems.error(flow.listener.name, "playout_forward_ports", message)
        self.claims.setdefault((builder.host.name, addresses, protocol), {}).setdefault(claim)

    def report_collisions(self) -> None:
        """Note every claim that meets another listener's, with an assignment that would work."""
        reported: set[tuple[str, str, Texts]] = set()
        for (gateway, addresses, protocol), claims in self.claims.items():
            taken = union(claim.ports for claim in claims)
            kept: list[Claim] = []
            for claim in sorted(claims, key=lambda claim: (claim.ports.ranges, claim.listener, claim.service)):
                kept = [known for known in kept if known.ports.ranges[-1][1] >= claim.ports.ranges[0][0]]
                other = next((known for known in kept if _collide(known, claim)), None)
                if other is None:
                    kept.append(claim)
                    continue
                free = _next_free(taken, claim.ports)
                if free:
                    taken = taken | free
                # An HA pair claims everything twice; once is enough to be told.
                if (claim.listener, claim.service, addresses) not in reported:
                    reported.add((claim.listener, claim.service, addresses))
                    self._report(gateway, addresses, protocol, claim, other, free)

    def _report(
        self, gateway: str, addresses: Texts, protocol: str, claim: Claim, other: Claim, free: PortSet | None
    ) -> None:
        where = ", ".join(addresses) or "the dynamic address"
        way_out = (
            f"write playout_forward_ports: {{{claim.service}: {free}}} on {claim.listener}, or give it its own"
            if free
            else f"a range cannot move; give {claim.listener} its own"
        )
        message = (
            f"{claim.service} of {claim.listener} and {other.service} of {other.listener} both claim port "
            f"{claim.ports & other.ports}/{protocol} of {where} at {gateway}: {way_out} playout_public_address"
        )
        self.problems.error(claim.listener, "playout_forward_ports", message)

    def _belongs_elsewhere(self, public: Network, gateway: Host) -> bool:
        """Whether another gateway of the site has the address; one that none has is routed to all of them."""
        others = (other.gateway for other in self.fleet.gateways[gateway.site] if other.gateway)
        return any(public in other.wan_addresses for other in others)


def target_address(listener: End, problems: Problems, gateway: Host) -> str | None:
    """Return the inside address to which a gateway translates: the listener's first of IPv4."""
    first = next((address for address in listener.addresses if family(address) == "ipv4"), None)
    if first is None:
        message = f"an IPv4 address is needed: the gateway {gateway.name} publishes this host"
        problems.error(listener.name, "playout_addresses", message)
        return None
    if not is_single(first):
        message = f"is a network; the gateway {gateway.name} publishes this host and needs its single address"
        problems.error(listener.name, "playout_addresses", message, text(first))
        return None
    return text(first)


def _collide(one: Claim, other: Claim) -> bool:
    if not one.ports & other.ports:
        return False
    same_target = one.to_address == other.to_address
    identical = (one.ports == one.to_ports and other.ports == other.to_ports) or (
        (one.ports, one.to_ports) == (other.ports, other.to_ports)
    )
    return not (same_target and identical)


def _next_free(taken: PortSet, wanted: PortSet) -> PortSet | None:
    """Propose an outside port for a single one: the next free above it, 8000 further for a well-known one."""
    if len(wanted) != 1:
        return None
    port = wanted.ranges[0][0]
    start = port + 8000 if port < 1024 else port + 1
    free = PortSet.of((1024, LAST)) - taken - PortSet.of(*((port, port) for port in MANAGEMENT_PORTS))
    above = free - PortSet.of((1, min(start, LAST) - 1))
    return PortSet.parse((above or free).ranges[0][0]) if free else None
