# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue as Markdown tables: what ``docs/services.md`` shows is made here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import Document, PortItem, Product, Service
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_markdown import escape
from ansible_collections.playout.firewall.plugins.plugin_utils._port_list import port_list
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortSet, union

_NUMBERINGS = ("formula", "example", "union")


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(columns)]
    lines.append(["---"] * len(lines[0]))
    lines += [list(row) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _product(name: str) -> Product:
    return load_catalogue().products[name]


def services(_source: Path, name: str) -> str:
    """One row for each service and each statement on who connects to whom."""
    rows = [
        (
            f"`{service.id}`<br>{escape(service.purpose)}",
            f"{' '.join(map(_code, pairing.initiators))} → {' '.join(map(_code, pairing.listeners))}",
            _ports(service),
            _when(service),
            pairing.direction,
            escape(f"{pairing.source.document.id}: {pairing.source.place}"),
        )
        for service in _product(name).services.values()
        for pairing in service.pairings
    ]
    return _table(("Service", "Who → whom", "Ports", "There", "Direction", "Source"), rows)


def _code(role: str) -> str:
    return f"`{role}`"


def _ports(service: Service) -> str:
    return "<br>".join(map(_item, service.ports))


def _item(item: PortItem) -> str:
    protocol = item.protocol.upper()
    if item.from_instance:
        last = f"{item.first - 1}+n" if item.first % 100 == 1 else f"{item.first}+n-1"
        return f"{protocol} {item.first + item.from_instance - 1} … {last}"
    if item.is_range:
        return f"{protocol} {item.first}-{item.last}" + (", with `range` only" if item.ftp_data else "")
    return f"{protocol} {item.first}"


def _when(service: Service) -> str:
    if service.mandatory:
        reading = f", reading `{service.reading}`" if service.reading else ""
        return f"always{reading}"
    if service.feature:
        feature = load_catalogue().products[service.product].features[service.feature]
        if feature.default == "exists":
            return f"where a {_code(feature.role or '')} exists"
        return f"`{service.feature}`"
    return "where somebody initiates it"


def features(_source: Path, name: str) -> str:
    """Which functions can be switched on, by whom."""
    product = _product(name)
    rows = []
    for feature in product.features.values():
        used = [service for service in product.services.values() if service.feature == feature.id]
        pairings = [pairing for service in used for pairing in service.pairings]
        sides = [pairing.initiators if feature.declared_by == "sender" else pairing.listeners for pairing in pairings]
        roles = dict.fromkeys(role for side in sides for role in side)
        default = f"where a {_code(feature.role or '')} exists" if feature.default == "exists" else _on(feature.default)
        declared = ", ".join(map(_code, roles)) if feature.declared_by else "nobody: it is there or not"
        rows.append((_code(feature.id), default, declared, ", ".join(_code(service.id) for service in used)))
    return _table(("Feature", "Default", "Declared at", "Services"), rows)


def _on(default: object) -> str:
    return "on" if default else "off"


def documents(_source: Path, name: str) -> str:
    """What the products' sources are called here."""
    rows = [
        (_code(found.id), escape(found.title), escape(found.edition), f"<{found.url}>" if found.url else "")
        for found in _documents(_product(name))
    ]
    return _table(("Name here", "Title", "Edition", "Address"), rows)


def _documents(product: Product) -> list[Document]:
    found = {pairing.source.document for service in product.services.values() for pairing in service.pairings}
    return sorted(found, key=lambda document: document.id)


def readings(_source: Path, instances: str) -> str:
    """What is open for so many Viz World instances, in each reading of the guide."""
    rows = []
    for role in ("viz_world_server", "viz_world_allocator"):
        for protocol in ("tcp", "udp"):
            cells = [_opened(role, protocol, int(instances), numbering) for numbering in _NUMBERINGS]
            rows.append((_code(role), protocol.upper(), *cells))
    return _table(("Listener", "", *(f"`{numbering}`" for numbering in _NUMBERINGS)), rows)


def _opened(role: str, protocol: str, instances: int, numbering: str) -> str:
    entries = port_list(load_catalogue(), "viz_world", role, instances=instances, allocator=True, numbering=numbering)
    return str(union(PortSet.parse(entry["ports"]) for entry in entries if entry["protocol"] == protocol)) or "none"


KINDS = {"services": services, "features": features, "documents": documents, "readings": readings}
