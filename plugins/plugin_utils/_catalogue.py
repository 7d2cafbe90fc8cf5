# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: what each product's roles listen on, who initiates, when, and which document says so."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from functools import cached_property

SCOPES = ("external", "internal")
DIRECTIONS = ("stated", "inferred")
READINGS = ("formula", "example", "union")
PLATFORMS = ("linux", "windows", "routeros", "fortios", "vyos", "none")
# Those to which this version can write; the others are planned only.
BACKED_PLATFORMS = ("linux",)
GATEWAY_ROLE = "playout_gateway"


@dataclass(frozen=True)
class Document:
    """A source document."""

    id: str
    title: str
    edition: str
    url: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a statement stands."""

    document: Document
    place: str

    def __str__(self) -> str:
        return f"{self.document.title} ({self.document.edition}), {self.place}"


@dataclass(frozen=True)
class Role:
    """What a host can be. ``party``: only ruled where a platform is set; ``platform``: the default there."""

    id: str
    product: str
    title: str
    platform: str | None = None
    party: bool = False
    listens_as: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feature:
    """An optional function. ``default`` is on, off, or ``exists``: on wherever ``role`` exists."""

    id: str
    default: bool | t.Literal["exists"]
    declared_by: str | None = None
    role: str | None = None


@dataclass(frozen=True)
class PortItem:
    """One line of a service's ports: a port, a range, or a port for each instance from ``from_instance`` on.

    Instance i listens at ``first + i - 1`` where ``from_instance`` is set.
    """

    protocol: str
    first: int
    last: int
    from_instance: int | None = None
    instance: int | None = None
    helper: str | None = None
    ftp_data: bool = False

    @property
    def is_range(self) -> bool:
        """Whether the vendor states a range of ports."""
        return self.first != self.last


@dataclass(frozen=True)
class Pairing:
    """Which roles initiate towards which roles, and how we know. ``main_only``: not towards a role's stand-ins."""

    initiators: tuple[str, ...]
    listeners: tuple[str, ...]
    direction: str
    source: Source
    main_only: bool = False


@dataclass(frozen=True)
class Service:
    """What a role listens for."""

    id: str
    product: str
    purpose: str
    ports: tuple[PortItem, ...]
    pairings: tuple[Pairing, ...]
    scope: str = "external"
    mandatory: bool = False
    feature: str | None = None
    reading: str | None = None
    releases: tuple[str, ...] = ()
    port_of: str | None = None
    published_with: str | None = None


@dataclass(frozen=True)
class Numbering:
    """How a product numbers the ports of several instances on one machine of ``role``.

    ``internal_with``: the role without which the internal services do not exist.
    """

    role: str
    maximum_instances: int
    releases: tuple[str, ...] = ()
    release: str | None = None
    reading: str | None = None
    internal_with: str | None = None


@dataclass(frozen=True)
class Product:
    """One catalogue file."""

    id: str
    title: str
    file: str
    roles: t.Mapping[str, Role]
    features: t.Mapping[str, Feature]
    services: t.Mapping[str, Service]
    numbering: Numbering | None = None


@dataclass(frozen=True)
class Catalogue:
    """All products together. Role and service ids are unique in it; features belong to their product."""

    products: t.Mapping[str, Product] = field(default_factory=dict)

    @cached_property
    def roles(self) -> dict[str, Role]:
        """Every role by id."""
        return {role.id: role for product in self.products.values() for role in product.roles.values()}

    @cached_property
    def services(self) -> dict[str, Service]:
        """Every service by id."""
        return {service.id: service for product in self.products.values() for service in product.services.values()}

    @cached_property
    def feature_ids(self) -> frozenset[str]:
        """Every feature id of any product."""
        return frozenset(feature for product in self.products.values() for feature in product.features)

    @cached_property
    def role_ids(self) -> frozenset[str]:
        """Every role that a host can have, gateways included."""
        return frozenset(self.roles) | {GATEWAY_ROLE}

    def listening_roles(self, roles: t.Iterable[str]) -> frozenset[str]:
        """Return the roles as which a host of these roles listens, its own and those it stands in for."""
        known = [self.roles[role] for role in roles if role in self.roles]
        return frozenset(name for role in known for name in (role.id, *role.listens_as))

    def feature_of(self, service: Service) -> Feature | None:
        """Return the feature that switches the service on, or None where it is always there."""
        return self.products[service.product].features[service.feature] if service.feature else None

    def numbering_of(self, service: Service) -> Numbering | None:
        """Return how the service's product numbers its ports, or None."""
        return self.products[service.product].numbering

    def port_group(self, service_id: str) -> str:
        """Return the service whose port this one shares, or itself."""
        return self.services[service_id].port_of or service_id
