# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of ports in the shapes that other people's modules and roles take."""

from __future__ import annotations

import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import (
    ANY,
    AddressError,
    Network,
    merge,
    parse_networks,
    spell,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import SCOPES
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PROTOCOLS, PortError, PortSet, collapse

SCOPE_CHOICES = (*SCOPES, "all")


class ShapeError(ValueError):
    """A list, scope or sources that cannot be used; the message gives the place, the value and what to write."""


def collapsed(items: t.Any) -> dict[str, list[str]]:
    """Merge ports of many spellings: ``{"tcp": ["80", "20000-29999"], "udp": [...]}``.

    :raises ShapeError: for what is no list of ports.
    """
    try:
        found = collapse(_listed(items))
        return {protocol: list(found.get(protocol, PortSet()).texts()) for protocol in PROTOCOLS}
    except PortError as error:
        raise ShapeError(str(error)) from error


def firewalld_ports(entries: t.Any, scope: t.Any = "external") -> list[str]:
    """Return ``["80/tcp", "20000-29999/tcp"]``, merged, of what :func:`_port_list.port_list` has returned.

    :raises ShapeError: for entries without a scope, and for an unknown scope.
    """
    return _with_protocol(collapse(_of_scope(entries, scope)))


def ufw_rules(entries: t.Any, sources: t.Any, scope: t.Any = "external") -> list[dict[str, str]]:
    """Return one set of arguments of ``community.general.ufw`` for each range of ports and each source.

    :raises ShapeError: also for sources that are missing or no networks.
    """
    chosen = _of_scope(entries, scope)
    addresses = spell(_sources(sources))
    return [
        {
            "rule": "allow",
            "proto": protocol,
            "to_port": text.replace("-", ":"),
            "from_ip": address,
            # Without our mark: these rules belong to whoever writes them, and no backend of ours may remove them.
            "comment": _services_at(chosen, protocol, PortSet.parse(text)),
        }
        for protocol, ports in collapse(chosen).items()
        for text in ports.texts()
        for address in addresses
    ]


def system_role(
    entries: t.Any, sources: t.Any, zone: t.Any = None, scope: t.Any = "external"
) -> list[dict[str, t.Any]]:
    """Return the list that the variable ``firewall`` of the role ``fedora.linux_system_roles.firewall`` takes.

    A plain port would be open to everybody in its zone, so that it is used for ``any`` only. Other sources are let in
    by rich rules, spelt as firewalld itself spells them, so that the role finds them again.

    :raises ShapeError: also for sources that are missing or no networks.
    """
    merged = collapse(_of_scope(entries, scope))
    allowed = _sources(sources)
    item: dict[str, t.Any] = {"state": "enabled", "permanent": True}
    if zone is not None:
        if not isinstance(zone, str) or not zone.strip():
            raise ShapeError(f"zone = {zone!r}: write the name of a firewalld zone")
        item["zone"] = str(zone.strip())
    if not merged or not allowed:
        return []
    if spell(allowed) == (ANY,):
        return [{"port": _with_protocol(merged), **item}]
    rules = [
        f'rule family="{family}" {_from(network)}port port="{text}" protocol="{protocol}" accept'
        for protocol, ports in merged.items()
        for text in ports.texts()
        for family, networks in allowed.items()
        for network in networks
    ]
    return [{"rich_rule": rules, **item}]


def _listed(value: t.Any) -> list[t.Any]:
    if isinstance(value, (str, bytes, t.Mapping)) or not isinstance(value, t.Iterable):
        raise ShapeError(f"a list of ports is needed, not {value!r}")
    return list(value)


def _of_scope(entries: t.Any, scope: t.Any) -> list[t.Mapping[str, t.Any]]:
    """Return the entries of a scope; each is checked whatever the scope, since a wrong one must not just be missing."""
    if scope not in SCOPE_CHOICES:
        raise ShapeError(f"scope = {scope!r}: write one of {', '.join(SCOPE_CHOICES)}")
    listed = _listed(entries)
    for index, entry in enumerate(listed):
        missing = {"service", "protocol", "ports", "scope"} - set(entry if isinstance(entry, t.Mapping) else ())
        if missing:
            raise ShapeError(
                f"[{index}]: {entry!r} is not an entry of cayin_ports, viz_world_ports or port_info: "
                f"it has no {', '.join(sorted(missing))}"
            )
        if entry["scope"] not in SCOPES:
            raise ShapeError(f"[{index}].scope: {entry['scope']!r} is not one of {', '.join(SCOPES)}")
        try:
            collapse([entry])
        except PortError as error:
            raise ShapeError(f"[{index}]: {error}") from error
    return [entry for entry in listed if scope in ("all", entry["scope"])]


def _sources(value: t.Any) -> dict[str, tuple[str, ...]]:
    """Read the sources: family -> networks. An empty list is deliberately nobody; a missing one is a mistake."""
    if value is None:
        raise ShapeError("sources: it is missing: write a list of networks, or 'any' to let everybody in")
    if not isinstance(value, (str, list, tuple)):
        raise ShapeError(f"sources = {value!r}: write a list of networks, or 'any' to let everybody in")
    entries = [value] if isinstance(value, str) else value
    networks: list[Network] = []
    for index, entry in enumerate(entries):
        try:
            networks += parse_networks(entry)
        except AddressError as error:
            raise ShapeError(f"sources[{index}]: {error}") from error
    return merge(networks)


def _with_protocol(merged: t.Mapping[str, PortSet]) -> list[str]:
    return [f"{text}/{protocol}" for protocol, ports in merged.items() for text in ports.texts()]


def _services_at(entries: t.Iterable[t.Mapping[str, t.Any]], protocol: str, ports: PortSet) -> str:
    names = (str(entry["service"]) for entry in entries if collapse([entry]).get(protocol, PortSet()) & ports)
    return ", ".join(dict.fromkeys(names))


def _from(network: str) -> str:
    return "" if network == ANY else f'source address="{network}" '
