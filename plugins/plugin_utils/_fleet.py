# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet: the inventory read once. Hosts, roles, addresses, systems, sites, gateways; plain and immutable."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from functools import cached_property

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import Network
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import GATEWAY_ROLE, Catalogue, Service
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortSet
from ansible_collections.playout.firewall.plugins.plugin_utils._service_ports import Settings

DEFAULT_SITE = "main"
DEFAULT_SYSTEM = "main"

ALL_SYSTEMS: t.Final = None


@dataclass(frozen=True)
class Party:
    """A network that is no inventory host. ``site`` None: seen everywhere as written."""

    network: Network
    site: str | None = None


@dataclass(frozen=True)
class Gateway:
    """What makes a host its site's firewall or router; the variables of the same names say more."""

    nat: bool = True
    wan_addresses: tuple[Network, ...] = ()
    wan_interfaces: tuple[str, ...] = ()
    lan_interfaces: tuple[str, ...] = ()
    seen_as: tuple[Network, ...] = ()
    routed_sites: frozenset[str] = frozenset()
    inbound: bool = True
    masquerade: bool = False
    hairpin: bool = False
    transit: str = "leave"


@dataclass(frozen=True)
class Keep:
    """Ports that ``default_deny`` leaves open."""

    protocol: str
    ports: PortSet
    sources: tuple[Network, ...]


@dataclass(frozen=True, eq=False)
class Host:
    """One inventory host that has a role. Two hosts are the same only when they are one."""

    name: str
    roles: frozenset[str]
    listens_as: frozenset[str] = frozenset()
    addresses: tuple[Network, ...] = ()
    systems: frozenset[str] | None = frozenset({DEFAULT_SYSTEM})
    site: str = DEFAULT_SITE
    platform: str = "linux"
    peers: t.Mapping[str, frozenset[str]] = field(default_factory=dict)
    networks: t.Mapping[str, tuple[Party, ...]] = field(default_factory=dict)
    features: frozenset[str] | None = None
    settings: t.Mapping[str, Settings] = field(default_factory=dict)
    overrides: t.Mapping[str, PortSet] = field(default_factory=dict)
    ftp_data: str | None = None
    allow: t.Mapping[str, tuple[Network, ...]] = field(default_factory=dict)
    publish: frozenset[str] | None = None
    public_address: Network | None = None
    forward_ports: t.Mapping[str, int] = field(default_factory=dict)
    egress: bool = False
    management: tuple[Network, ...] = ()
    management_port: int | None = None
    keep: tuple[Keep, ...] = ()
    enforcement: str = "scoped"
    probe: bool = False
    gateway: Gateway | None = None

    @property
    def enforced(self) -> bool:
        """Whether the host's own firewall is ruled."""
        return self.platform != "none"

    def shares_system(self, other: Host) -> bool:
        """Whether the two have a system in common."""
        return self.systems is ALL_SYSTEMS or other.systems is ALL_SYSTEMS or bool(self.systems & other.systems)

    def settings_of(self, product: str) -> Settings:
        """Return how a product's instances are set up here."""
        return self.settings.get(product) or Settings(overrides=self.overrides)


@dataclass(frozen=True)
class Fleet:
    """All hosts that have a role, by name, in the order of their names. ``strangers``: hosts without one that probe."""

    catalogue: Catalogue
    hosts: t.Mapping[str, Host]
    strangers: tuple[Host, ...] = ()

    @cached_property
    def by_role(self) -> dict[str, tuple[Host, ...]]:
        """Hosts by the roles they have, not those they stand in for."""
        found: dict[str, list[Host]] = {}
        for host in self.hosts.values():
            for role in host.roles:
                found.setdefault(role, []).append(host)
        return {role: tuple(hosts) for role, hosts in found.items()}

    @cached_property
    def gateways(self) -> dict[str, tuple[Host, ...]]:
        """Gateways by site."""
        found: dict[str, list[Host]] = {}
        for host in self.by_role.get(GATEWAY_ROLE, ()):
            found.setdefault(host.site, []).append(host)
        return {site: tuple(hosts) for site, hosts in found.items()}

    @cached_property
    def probers(self) -> tuple[Host, ...]:
        """Hosts from which probes can be sent."""
        return (*(host for host in self.hosts.values() if host.probe), *self.strangers)

    def uses(self, service: Service, host: Host, declared_by: str) -> bool:
        """Whether the service's feature is on, as far as this side (``listener`` or ``sender``) declares it."""
        feature = self.catalogue.feature_of(service)
        if feature is None or feature.declared_by not in (None, declared_by):
            return True
        if feature.default == "exists":
            return True
        if host.features is None:
            return bool(feature.default)
        return feature.id in host.features
