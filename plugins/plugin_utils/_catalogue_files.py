# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads catalogue files: ours and a site's own, with the same checks."""

from __future__ import annotations

import typing as t
from functools import lru_cache
from pathlib import Path

import yaml
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import (
    DIRECTIONS,
    GATEWAY_ROLE,
    PLATFORMS,
    READINGS,
    SCOPES,
    Catalogue,
    Document,
    Feature,
    Numbering,
    Pairing,
    PortItem,
    Product,
    Role,
    Service,
    Source,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import FIRST, LAST, PROTOCOLS
from ansible_collections.playout.firewall.plugins.plugin_utils._schema import Field, Report, check

OWN_FILES = tuple(Path(__file__).with_name(name) for name in ("cayin.yml", "viz_world.yml"))

_PORTS = {
    "protocol": Field("text", True, PROTOCOLS),
    "port": Field("number"),
    "first": Field("number"),
    "last": Field("number"),
    "base": Field("number"),
    "from_instance": Field("number"),
    "instance": Field("number"),
    "helper": Field("text", choices=("ftp",)),
    "ftp_data": Field("flag"),
}
_FLOWS = {
    "initiators": Field("texts", True),
    "listeners": Field("texts", True),
    "main_only": Field("flag"),
    "direction": Field("text", True, DIRECTIONS),
    "source": Field("mapping", True, schema={"document": Field("text", True), "place": Field("text", True)}),
}
_SERVICE = {
    "purpose": Field("text", True),
    "scope": Field("text", choices=SCOPES),
    "mandatory": Field("flag"),
    "feature": Field("text"),
    "reading": Field("text", choices=READINGS),
    "releases": Field("texts"),
    "port_of": Field("text"),
    "published_with": Field("text"),
    "ports": Field("mappings", True, schema=_PORTS),
    "flows": Field("mappings", True, schema=_FLOWS),
}
_ROLE = {
    "title": Field("text", True),
    "platform": Field("text", choices=PLATFORMS),
    "party": Field("flag"),
    "listens_as": Field("texts"),
}
_FEATURE = {
    "declared_by": Field("text", choices=("listener", "sender")),
    "default": Field("word", True),
    "role": Field("text"),
}
_DOCUMENT = {"title": Field("text", True), "edition": Field("text", True), "url": Field("text")}
_NUMBERING = {
    "role": Field("text", True),
    "maximum_instances": Field("number", True),
    "releases": Field("texts"),
    "release": Field("text"),
    "reading": Field("text", choices=READINGS),
    "internal_with": Field("text"),
}


def _named(schema: dict[str, Field]) -> dict[str, Field]:
    return {"*": Field("mapping", schema=schema)}


_FILE = {
    "product": Field("text", True),
    "title": Field("text", True),
    "documents": Field("mapping", True, schema=_named(_DOCUMENT)),
    "roles": Field("mapping", True, schema=_named(_ROLE)),
    "features": Field("mapping", schema=_named(_FEATURE)),
    "numbering": Field("mapping", schema=_NUMBERING),
    "services": Field("mapping", True, schema=_named(_SERVICE)),
}


class CatalogueError(ValueError):
    """Catalogue files that cannot be used; the message lists every fault with file, service and field."""

    def __init__(self, faults: t.Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("the catalogue cannot be used:\n" + "\n".join(f"- {fault}" for fault in faults))


@lru_cache(maxsize=8)
def load_catalogue(more_paths: tuple[str, ...] = ()) -> Catalogue:
    """Load our catalogue files and a site's own (``playout_catalog_paths``).

    :raises CatalogueError: with every fault of every file.
    """
    faults: list[str] = []
    products: dict[str, Product] = {}
    for path in (*OWN_FILES, *(Path(name).expanduser() for name in more_paths)):
        product = _load_product(path, faults)
        if product is None:
            continue
        if product.id in products:
            faults.append(f"{path}: product: '{product.id}' is already defined in {products[product.id].file}")
            continue
        products[product.id] = product
    _check_references(products, faults)
    if faults:
        raise CatalogueError(faults)
    return Catalogue(products)


class _StrictLoader(yaml.SafeLoader):
    """A YAML loader that takes a repeated key for the mistake it is."""

    def construct_mapping(self, node: t.Any, deep: bool = False) -> dict[t.Any, t.Any]:
        keys = [key.value for key, _value in node.value]
        repeated = next((key for key in keys if keys.count(key) > 1), None)
        if repeated is not None:
            raise yaml.constructor.ConstructorError(None, None, f"'{repeated}' occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _load_product(path: Path, faults: list[str]) -> Product | None:
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        faults.append(f"{path}: {' '.join(str(error).split())}")
        return None

    def report(where: str, message: str) -> None:
        faults.append(f"{path}: {where}: {message}" if where else f"{path}: {message}")

    before = len(faults)
    check(data, _FILE, "", report)
    if len(faults) == before:
        _check_services(data, report)
    return _product(data, str(path)) if len(faults) == before else None


def _check_services(data: t.Mapping[str, t.Any], report: Report) -> None:
    """Check what a schema of fields alone cannot say."""
    for name, feature in data.get("features", {}).items():
        _check_feature(feature, f"features.{name}", report)
    for name, service in data["services"].items():
        _check_service(service, data, f"services.{name}", report)


def _check_feature(feature: t.Mapping[str, t.Any], where: str, report: Report) -> None:
    exists = feature["default"] == "exists"
    if not exists and not isinstance(feature["default"], bool):
        report(f"{where}.default", f"{feature['default']!r} is not one of true, false, exists")
    if exists != ("role" in feature):
        report(f"{where}.role", "is needed with 'default: exists', and only there")
    if exists == ("declared_by" in feature):
        report(f"{where}.declared_by", "is needed unless 'default: exists'")


def _check_service(service: t.Mapping[str, t.Any], data: t.Mapping[str, t.Any], where: str, report: Report) -> None:
    features, numbering = data.get("features", {}), data.get("numbering", {})
    if service.get("feature") and service["feature"] not in features:
        report(f"{where}.feature", f"'{service['feature']}' is not a feature of this file")
    if service.get("feature") and service.get("mandatory"):
        report(f"{where}.mandatory", "a service that a feature switches on cannot be mandatory")
    for release in service.get("releases", []):
        if release not in numbering.get("releases", []):
            report(f"{where}.releases", f"'{release}' is not one of numbering.releases")
    for index, item in enumerate(service["ports"]):
        _check_ports(item, numbering, f"{where}.ports[{index}]", report)
    for index, flow in enumerate(service["flows"]):
        document = flow["source"]["document"]
        if document not in data["documents"]:
            known = ", ".join(data["documents"]) or "none"
            report(f"{where}.flows[{index}].source.document", f"'{document}' is not in documents ({known})")


def _check_ports(item: t.Mapping[str, t.Any], numbering: t.Mapping[str, t.Any], where: str, report: Report) -> None:
    spellings = ({"port"}, {"first", "last"}, {"base", "from_instance"})
    given = set(item) & set().union(*spellings)
    if given not in spellings:
        report(where, "write either port, or first and last, or base and from_instance")
        return
    for name in sorted(given - {"from_instance"}):
        if not FIRST <= item[name] <= LAST:
            report(f"{where}.{name}", f"{item[name]} is not a port: ports go from {FIRST} to {LAST}")
    if "first" in item and item["first"] >= item["last"]:
        report(f"{where}.last", f"{item['last']} does not come after first, {item['first']}")
    if "base" in item:
        _check_numbered(item, numbering, where, report)
    for name, needed in (("ftp_data", "first"), ("helper", "port")):
        if item.get(name) and needed not in item:
            report(f"{where}.{name}", f"goes with '{needed}' only")


def _check_numbered(item: t.Mapping[str, t.Any], numbering: t.Mapping[str, t.Any], where: str, report: Report) -> None:
    if not numbering:
        report(f"{where}.base", "a port for each instance needs 'numbering' in the file")
    elif item["base"] + numbering["maximum_instances"] - 1 > LAST:
        report(f"{where}.base", f"the last of {numbering['maximum_instances']} instances would be above {LAST}")
    if item["from_instance"] < 1:
        report(f"{where}.from_instance", f"{item['from_instance']} is not an instance: they count from 1")


def _check_references(products: t.Mapping[str, Product], faults: list[str]) -> None:
    """Check what reaches across files: ids that two files claim, roles, and services that refer to each other."""
    roles: dict[str, str] = {GATEWAY_ROLE: "the collection itself"}
    services: dict[str, str] = {}
    for product in products.values():
        for kind, ids, seen in (("roles", product.roles, roles), ("services", product.services, services)):
            for name in ids:
                if seen.setdefault(name, product.file) != product.file:
                    faults.append(f"{product.file}: {kind}.{name}: is already defined in {seen[name]}")
    for product in products.values():
        for where, name in _role_references(product):
            if name not in roles or name == GATEWAY_ROLE:
                faults.append(f"{product.file}: {where}: '{name}' is not a role of any catalogue file")
        for where, name in _service_references(product):
            if name not in product.services:
                faults.append(f"{product.file}: {where}: '{name}' is not a service of this file")


def _service_references(product: Product) -> t.Iterator[tuple[str, str]]:
    for service in product.services.values():
        if service.port_of:
            yield f"services.{service.id}.port_of", service.port_of
        if service.published_with:
            yield f"services.{service.id}.published_with", service.published_with


def _role_references(product: Product) -> t.Iterator[tuple[str, str]]:
    for role in product.roles.values():
        yield from ((f"roles.{role.id}.listens_as", name) for name in role.listens_as)
    for feature in product.features.values():
        if feature.role:
            yield f"features.{feature.id}.role", feature.role
    if product.numbering:
        yield "numbering.role", product.numbering.role
        if product.numbering.internal_with:
            yield "numbering.internal_with", product.numbering.internal_with
    for service in product.services.values():
        for index, pairing in enumerate(service.pairings):
            where = f"services.{service.id}.flows[{index}]"
            yield from ((f"{where}.initiators", name) for name in pairing.initiators)
            yield from ((f"{where}.listeners", name) for name in pairing.listeners)


def _product(data: t.Mapping[str, t.Any], path: str) -> Product:
    product = data["product"]
    documents = {name: Document(id=name, **entry) for name, entry in data["documents"].items()}
    numbering = data.get("numbering")
    return Product(
        id=product,
        title=data["title"],
        file=path,
        roles={name: Role(id=name, product=product, **_tuples(entry)) for name, entry in data["roles"].items()},
        features={name: Feature(id=name, **entry) for name, entry in data.get("features", {}).items()},
        services={name: _service(name, product, entry, documents) for name, entry in data["services"].items()},
        numbering=Numbering(**_tuples(numbering)) if numbering else None,
    )


def _service(name: str, product: str, entry: t.Mapping[str, t.Any], documents: t.Mapping[str, Document]) -> Service:
    pairings = tuple(
        Pairing(**{**_tuples(flow), "source": Source(documents[flow["source"]["document"]], flow["source"]["place"])})
        for flow in entry["flows"]
    )
    rest = {key: value for key, value in _tuples(entry).items() if key not in ("ports", "flows")}
    return Service(id=name, product=product, ports=tuple(map(_port_item, entry["ports"])), pairings=pairings, **rest)


def _port_item(item: t.Mapping[str, t.Any]) -> PortItem:
    first = item.get("port") or item.get("first") or item["base"]
    rest = {key: value for key, value in item.items() if key not in ("port", "first", "last", "base")}
    return PortItem(first=first, last=item.get("last", first), **rest)


def _tuples(entry: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
