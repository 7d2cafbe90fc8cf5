# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role of a product listens on, for people who have one machine in mind and no inventory."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.plugin_utils import _values
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import Catalogue, Pairing, Product, Service
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortError, PortSet
from ansible_collections.playout.firewall.plugins.plugin_utils._service_ports import (
    FTP_DATA,
    NUMBERINGS,
    ServicePorts,
    Settings,
    is_used,
    parse_overrides,
    service_ports,
)

Entry = dict[str, t.Any]


class PortListError(ValueError):
    """A question that has no answer; the message names the value and what is known."""


@dataclass(frozen=True)
class _Question:
    """What is asked, every value read. ``features``: None for those that are on by themselves."""

    role: str
    listens_as: frozenset[str]
    settings: Settings
    internal: bool
    features: tuple[str, ...] | None
    ftp_range: bool
    per_instance: bool


def port_list(
    catalogue: Catalogue,
    product: t.Any,
    role: t.Any,
    *,
    instances: t.Any = None,
    allocator: t.Any = None,
    release: t.Any = None,
    numbering: t.Any = None,
    features: t.Any = None,
    ftp_data: t.Any = None,
    overrides: t.Any = None,
    per_instance: t.Any = False,
) -> list[Entry]:
    """Return what a role of a product listens on, sorted by protocol, first port and service.

    ``role`` is a role's id, or its end: ``cms`` for ``cayin_cms``. None stands for what the catalogue says, and is the
    only value for what the product does not have (instances, features ...). Each entry is one line of ports of one
    service: ``{service, protocol, ports, initiators, scope, mandatory, direction, reading, purpose, source}``, and
    ``instance`` with ``per_instance``.

    :raises PortListError: for a value that is unknown, out of bounds or does not fit the product.
    """
    chosen = _product(catalogue, product)
    role_id = _role(chosen, role)
    given = {"instances": instances, "allocator": allocator, "release": release, "numbering": numbering}
    _refuse_unfitting(chosen, given, ftp_data)
    count = _instances(chosen, instances)
    question = _Question(
        role=role_id,
        listens_as=catalogue.listening_roles([role_id]),
        settings=Settings(
            instances=count,
            release=_release(chosen, release),
            numbering=_numbering(chosen, numbering),
            overrides=_overrides(catalogue, chosen, overrides),
        ),
        internal=_internal(chosen, role_id, allocator, count),
        features=_features(chosen, features),
        ftp_range=ftp_data is not None and _read("ftp_data", ftp_data, _values.choice(*FTP_DATA)) == "range",
        per_instance=_read("per_instance", per_instance, _values.flag),
    )
    return _answer(chosen, question)


def _answer(product: Product, question: _Question) -> list[Entry]:
    found: list[tuple[tuple[t.Any, ...], Entry]] = []
    for service in product.services.values():
        pairings = [pairing for pairing in service.pairings if _is_listener(pairing, question)]
        if not pairings or not _is_on(service, product, question):
            continue
        for line in service_ports(service, question.settings, question.per_instance):
            if line.ftp_data and not question.ftp_range:
                continue
            entry = _entry(service, line, pairings)
            if question.per_instance:
                entry["instance"] = line.instance
            found.append(((line.protocol, line.ports.ranges, service.id), entry))
    return [entry for _key, entry in sorted(found, key=lambda item: item[0])]


def _is_listener(pairing: Pairing, question: _Question) -> bool:
    return not ({question.role} if pairing.main_only else question.listens_as).isdisjoint(pairing.listeners)


def _is_on(service: Service, product: Product, question: _Question) -> bool:
    if not is_used(service, question.settings):
        return False
    if service.feature is None:
        return service.scope != "internal" or question.internal
    feature = product.features[service.feature]
    if feature.role == question.role:
        return True
    if question.features is None:
        return feature.default is True
    return feature.id in question.features


def _entry(service: Service, line: ServicePorts, pairings: t.Sequence[Pairing]) -> Entry:
    initiators = dict.fromkeys(role for pairing in pairings for role in pairing.initiators)
    sources = dict.fromkeys(str(pairing.source) for pairing in pairings)
    inferred = any(pairing.direction == "inferred" for pairing in pairings)
    return {
        "service": service.id,
        "protocol": line.protocol,
        "ports": str(line.ports),
        "initiators": list(initiators),
        "scope": service.scope,
        "mandatory": service.mandatory,
        "direction": "inferred" if inferred else "stated",
        "reading": service.reading,
        "purpose": service.purpose,
        "source": "; ".join(sources),
    }


def _product(catalogue: Catalogue, value: t.Any) -> Product:
    if not isinstance(value, str) or value not in catalogue.products:
        raise _unknown("product", value, "product of the catalogue", catalogue.products)
    return catalogue.products[value]


def _role(product: Product, value: t.Any) -> str:
    """Return the id of a role of the product, or of another product's role that this product's services listen as."""
    pairings = (pairing for service in product.services.values() for pairing in service.pairings)
    known = {role: role for role in (*product.roles, *(role for pairing in pairings for role in pairing.listeners))}
    known.update({role.removeprefix(f"{product.id}_"): role for role in known})
    if not isinstance(value, str) or value not in known:
        raise _unknown("role", value, f"role of {product.id}", dict.fromkeys(known.values()))
    return known[value]


def _refuse_unfitting(product: Product, given: t.Mapping[str, t.Any], ftp_data: t.Any) -> None:
    """Refuse what the product does not have rather than ignore it."""
    if product.numbering is None:
        for name, value in given.items():
            if value is not None:
                raise PortListError(f"{name} = {value!r}: {product.id} has no such setting")
    has_ftp = any(item.ftp_data for service in product.services.values() for item in service.ports)
    if ftp_data is not None and not has_ftp:
        raise PortListError(f"ftp_data = {ftp_data!r}: {product.id} has no such setting")


def _instances(product: Product, value: t.Any) -> int:
    if product.numbering is None or value is None:
        return 1
    return int(_read("instances", value, _values.number(1, product.numbering.maximum_instances)))


def _release(product: Product, value: t.Any) -> str | None:
    if product.numbering is None or value is None:
        return product.numbering.release if product.numbering else None
    return str(_read("release", value, _values.choice(*product.numbering.releases)))


def _numbering(product: Product, value: t.Any) -> str:
    if value is None:
        return (product.numbering and product.numbering.reading) or "union"
    return str(_read("numbering", value, _values.choice(*NUMBERINGS)))


def _internal(product: Product, role: str, value: t.Any, instances: int) -> bool:
    """Whether the internal services exist: always, unless the product has them only beside a certain role."""
    needed = product.numbering.internal_with if product.numbering else None
    if needed is None:
        return True
    wanted = instances > 1 if value is None else bool(_read("allocator", value, _values.flag))
    if role != needed:
        return wanted
    if value is not None and not wanted:
        raise PortListError(f"allocator = {value!r}: the role {role} is the allocator itself; leave it out")
    return True


def _features(product: Product, value: t.Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    names: tuple[str, ...] = _read("features", value, _values.names)
    for name in names:
        if name not in product.features:
            raise _unknown("features", name, f"feature of {product.id}", product.features)
    return names


def _overrides(catalogue: Catalogue, product: Product, value: t.Any) -> dict[str, PortSet]:
    if value is None:
        return {}
    for name in value if isinstance(value, t.Mapping) else ():
        if name not in product.services:
            raise _unknown("overrides", name, f"service of {product.id}", product.services)
    try:
        return parse_overrides(value, catalogue)
    except PortError as error:
        raise PortListError(f"overrides: {error}") from error


def _read(name: str, value: t.Any, parse: _values.Parse) -> t.Any:
    try:
        return parse(value)
    except _values.ValueProblem as problem:
        raise PortListError(f"{name} = {value!r}: {problem}") from problem


def _unknown(name: str, value: t.Any, kind: str, known: t.Iterable[str]) -> PortListError:
    return PortListError(f"{name}: {value!r} is not a {kind}; known are {', '.join(known) or 'none'}")
