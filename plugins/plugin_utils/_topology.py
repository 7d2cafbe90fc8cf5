# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites and gateways: by which address a party is seen depends on where one looks."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import (
    FAMILIES,
    Network,
    Texts,
    family,
    is_private,
    is_single,
    merge,
    text,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Fleet, Gateway, Host
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems


class Relation(Enum):
    """How an initiator's place relates to a listener's."""

    SAME = "same site"
    ROUTED = "routed site"
    OUTSIDE = "another site"
    ANYWHERE = "anywhere"


@dataclass(frozen=True, eq=False)
class End:
    """One end of a flow: an inventory host, or a network (``host`` None). ``site`` None: seen as written everywhere."""

    name: str
    addresses: tuple[Network, ...]
    site: str | None = None
    host: Host | None = None

    @cached_property
    def networks(self) -> dict[str, Texts]:
        """Family -> its own addresses as text: every flow to it and every gateway before it asks."""
        return merge(self.addresses)


@dataclass(frozen=True, eq=False)
class Group:
    """Initiators that are planned together. Shared between flows, so that their views are computed once."""

    ends: tuple[End, ...]

    @cached_property
    def members(self) -> frozenset[End]:
        """The ends as a set."""
        return frozenset(self.ends)


@dataclass(frozen=True)
class View:
    """A group as one site sees it.

    ``networks``: family -> merged addresses as text. ``families``: the families that a host has -> the hosts that
    have these. The rest says why members are not in ``networks``, at least not in IPv4: ``unknown_outside`` are the
    gateways whose outside address they would have.
    """

    networks: t.Mapping[str, Texts] = field(default_factory=dict)
    families: t.Mapping[frozenset[str], t.Sequence[str]] = field(default_factory=dict)
    nameless: tuple[str, ...] = ()
    private: tuple[End, ...] = ()
    unknown_outside: tuple[Host, ...] = ()


class Topology:
    """Answers who sees whom how. Views are cached: a group is merged once for each place that looks at it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._views: dict[tuple[Group, str | None], View] = {}

    def gateways(self, site: str | None) -> tuple[Host, ...]:
        """Return the site's gateways; a place without a site has none."""
        return self.fleet.gateways.get(site, ()) if site is not None else ()

    def relation(self, initiator_site: str | None, listener_site: str | None) -> Relation:
        """Return how an initiator's place relates to a listener's."""
        if initiator_site is None or listener_site is None:
            return Relation.ANYWHERE
        if initiator_site == listener_site:
            return Relation.SAME
        return Relation.ROUTED if self.sees_own(initiator_site, listener_site) else Relation.OUTSIDE

    def sees_own(self, viewer: str, site: str) -> bool:
        """Whether ``viewer`` sees the other site's own addresses.

        A site without a gateway translates nothing, so a route declared at the viewer's end serves both ways.
        """
        gateways = self.gateways(site)
        if gateways:
            return any(viewer in gateway.gateway.routed_sites for gateway in gateways if gateway.gateway)
        return any(site in gateway.gateway.routed_sites for gateway in self.gateways(viewer) if gateway.gateway)

    def translates(self, site: str | None) -> bool:
        """Whether the site hides behind a gateway in IPv4."""
        return any(gateway.gateway.nat for gateway in self.gateways(site) if gateway.gateway)

    def view(self, group: Group, viewer: str | None) -> View:
        """Return the group as a site sees it."""
        key = (group, viewer)
        if key not in self._views:
            self._views[key] = self._look(group, viewer)
        return self._views[key]

    def _look(self, group: Group, viewer: str | None) -> View:
        networks: list[Network] = []
        families: dict[frozenset[str], list[str]] = {}
        nameless, private, unknown = [], [], dict[Host, None]()
        for end in group.ends:
            seen, hidden_by = self.seen(end, viewer)
            unknown.update(dict.fromkeys(hidden_by))
            reachable = [network for network in seen if not self._is_unreachable(end, network, viewer)]
            networks += reachable
            if reachable and end.host:
                families.setdefault(frozenset(map(family, reachable)), []).append(end.name)
            elif seen and not reachable:
                private.append(end)
            elif not seen and not hidden_by:
                nameless.append(end.name)
        return View(merge(networks), families, tuple(nameless), tuple(private), tuple(unknown))

    def seen(self, end: End, viewer: str | None) -> tuple[tuple[Network, ...], tuple[Host, ...]]:
        """Return the addresses by which an initiator is seen, and the gateways that hide it behind unknown ones."""
        gateways = self.gateways(end.site)
        if not gateways or viewer == end.site or (viewer is not None and self.sees_own(viewer, t.cast(str, end.site))):
            return end.addresses, ()
        found: list[Network] = []
        unknown: list[Host] = []
        families = frozenset(map(family, end.addresses)) or FAMILIES
        one_to_one = self._one_to_one(end)
        for host in gateways:
            gateway = t.cast(Gateway, host.gateway)
            for name in families:
                hidden = name == "ipv4" and gateway.nat
                declared = one_to_one if hidden and one_to_one else _seen_as(gateway, name)
                if hidden and not declared:
                    unknown.append(host)
                found += declared or ([] if hidden else [own for own in end.addresses if family(own) == name])
        return tuple(found), tuple(unknown)

    def _one_to_one(self, end: End) -> list[Network]:
        """Return the outside address that is this host's alone in both directions, if it has one."""
        public = end.host.public_address if end.host else None
        gateways = [gateway.gateway for gateway in self.gateways(end.site) if gateway.gateway and gateway.gateway.nat]
        shared = any(public in gateway.wan_addresses or gateway.masquerade for gateway in gateways)
        return [] if public is None or shared else [public]

    def _is_unreachable(self, end: End, network: Network, viewer: str | None) -> bool:
        """Whether a private address would have to be seen by a site that has no route to it."""
        if end.site is None or viewer is None or self.relation(viewer, end.site) is not Relation.OUTSIDE:
            return False
        routed = any(not gateway.gateway.nat for gateway in self.gateways(end.site) if gateway.gateway)
        return not routed and is_private(network) and network in end.addresses


def _seen_as(gateway: Gateway, name: str) -> list[Network]:
    """Return what is declared of a family. IPv6 is not translated: a gateway's own address stands for nobody else."""
    return [
        network
        for network in gateway.seen_as
        if family(network) == name and (name == "ipv4" or network not in gateway.wan_addresses)
    ]


def check_addresses(fleet: Fleet, problems: Problems) -> None:
    """Note hosts that share an address where both can be seen, and hosts at a gateway's outside address."""
    outside = _outside_addresses(fleet)
    owners: dict[Network, dict[str, str]] = {}
    for host in fleet.hosts.values():
        for address in filter(is_single, host.addresses):
            if host.name not in outside.get(address, (host.name,)):
                _clash(problems, host.name, address, f"the outside address of the gateway {outside[address][0]}")
            owner = owners.setdefault(address, {}).setdefault(host.site, host.name)
            if owner != host.name:
                _clash(problems, host.name, address, f"also the address of {owner}, in the same site {host.site}")
    routed = _routed_sites(fleet)
    for address, by_site in owners.items():
        for site in sorted(by_site) if len(by_site) > 1 else ():
            for other in sorted(by_site.keys() & routed.get(site, set())):
                where = f"also the address of {by_site[other]} in {other}, a site routed to {site}"
                _clash(problems, by_site[site], address, where)


def _outside_addresses(fleet: Fleet) -> dict[Network, list[str]]:
    """Return outside address -> the names of its gateways, several where they take turns with it."""
    found: dict[Network, list[str]] = {}
    for hosts in fleet.gateways.values():
        for host in hosts:
            for address in host.gateway.wan_addresses if host.gateway else ():
                found.setdefault(address, []).append(host.name)
    return found


def _routed_sites(fleet: Fleet) -> dict[str, set[str]]:
    """Return site -> the sites to which a route joins it, declared at either end."""
    routed: dict[str, set[str]] = {}
    for site, hosts in fleet.gateways.items():
        for host in hosts:
            for other in host.gateway.routed_sites if host.gateway else ():
                routed.setdefault(site, set()).add(other)
                routed.setdefault(other, set()).add(site)
    return routed


def _clash(problems: Problems, host: str, address: Network, other: str) -> None:
    problems.error(host, "playout_addresses", f"is {other}: correct one of the two", text(address))
