# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects what one enforcement point lets through and merges it into few and exact rules.

A rule is a box of sources, destinations and ports. Two boxes merge only where they differ in one of the three, so
that the merged rule lets through exactly what the two did.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._policy import (
    Forward,
    Governed,
    Helper,
    Keep,
    Management,
    Policy,
    Rule,
    Transit,
)
from ansible_collections.playout.firewall.plugins.module_utils._policy import Gateway as GatewayPolicy
from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import Texts, merge, merge_texts, spell
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Gateway, Host
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PROTOCOLS, PortSet, union

MANAGEMENT_PORTS = (22, 3389, 5985, 5986)

_LONGEST_COMMENT = 100
_UNFIT_FOR_IDS = re.compile(r"[^A-Za-z0-9_.-]")
_DIMENSIONS = ("sources", "ports", "destinations")


class _Box(t.NamedTuple):
    """Sources, destinations and ports of one kind of traffic, and the services that need them."""

    kind: tuple[str, str, str]
    sources: Texts
    destinations: Texts
    ports: PortSet
    services: frozenset[str]


class PolicyBuilder:
    """The policy of one host, in the making."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._boxes: dict[_Box, None] = {}
        self._forwards: dict[tuple[str, Texts, str, PortSet | None, PortSet | None], _Translation] = {}
        self._helpers: dict[tuple[str, str, int], set[Texts]] = {}
        self._governed: dict[str, list[tuple[str, PortSet]]] = {"in": [], "out": []}
        self._transit: dict[_Box, None] = {}

    def allow(
        self,
        direction: str,
        family: str,
        protocol: str,
        service: str,
        ports: PortSet,
        sources: Texts = (),
        destinations: Texts = (),
    ) -> None:
        """Let traffic of one service through."""
        box = _Box((direction, family, protocol), sources, destinations, ports, frozenset({service}))
        self._boxes.setdefault(box)

    def forward(
        self,
        protocol: str,
        service: str,
        external_addresses: Texts,
        external_ports: PortSet,
        to: tuple[str, str, PortSet],
        sources: Texts,
    ) -> None:
        """Translate ports of an outside address to a listener: ``to`` is its name, address and ports (IPv4)."""
        name, address, ports = to
        same = external_ports == ports
        key = (protocol, external_addresses, address, None if same else external_ports, None if same else ports)
        found = self._forwards.setdefault(key, _Translation(name))
        found.services.add(service)
        found.ports.append(external_ports)
        found.sources.add(sources)

    def helper(self, name: str, protocol: str, port: int, addresses: Texts) -> None:
        """Track control connections to these addresses."""
        self._helpers.setdefault((name, protocol, port), set()).add(addresses)

    def govern(self, direction: str, protocol: str, ports: PortSet) -> None:
        """Drop what no rule lets through, towards (in) or from (out) the host itself."""
        self._governed[direction].append((protocol, ports))

    def govern_transit(self, family: str, protocol: str, ports: PortSet, sources: Texts, destinations: Texts) -> None:
        """Drop transit that no rule lets through."""
        self._transit.setdefault(_Box(("forward", family, protocol), sources, destinations, ports, frozenset()))

    def management_ports(self) -> PortSet:
        """Return the ports by which the host is managed."""
        return PortSet.of(*((port, port) for port in (*MANAGEMENT_PORTS, self.host.management_port or 22)))

    def touched_ports(self) -> PortSet:
        """Return every TCP port that a rule or a governed port names, except what only leaves the host."""
        named = [box.ports for box in (*self._boxes, *self._transit) if box.kind[2] == "tcp" and box.kind[0] != "out"]
        return union([*named, *(ports for protocol, ports in self._governed["in"] if protocol == "tcp")])

    def build(self) -> Policy:
        """Return the finished policy."""
        return Policy(
            host=self.host.name,
            rules=tuple(self._rules()),
            forwards=tuple(self._translations()),
            helpers=tuple(
                Helper(name, protocol, port, tuple(sorted({entry for part in parts for entry in part})))
                for (name, protocol, port), parts in sorted(self._helpers.items())
            ),
            governed=Governed(
                inbound=_by_protocol(self._governed["in"]),
                outbound=_by_protocol(self._governed["out"]),
                forward=tuple(
                    Transit(box.kind[1], box.kind[2], box.ports.texts(), box.sources, box.destinations)
                    for box in _merged(self._transit)
                ),
            ),
            masquerade=self.host.gateway is not None and self.host.gateway.masquerade,
            management=Management(self.management_ports().texts(), _sources(self.host.management)),
            keep=tuple(Keep(item.protocol, item.ports.texts(), _sources(item.sources)) for item in self.host.keep),
            gateway=_gateway(self.host.gateway),
        )

    def _rules(self) -> t.Iterator[Rule]:
        ids: dict[str, int] = {}
        for box in _merged(self._boxes):
            services = tuple(sorted(box.services))
            rule_id = _numbered("-".join((*box.kind, services[0])), ids)
            yield Rule(
                rule_id, services, *box.kind, box.ports.texts(), box.sources, box.destinations, _comment(services)
            )

    def _translations(self) -> t.Iterator[Forward]:
        ids: dict[str, int] = {}
        for (protocol, addresses, to_address, external, ports), found in sorted(
            self._forwards.items(), key=lambda item: (item[0][:2], union(item[1].ports).ranges, item[0][2])
        ):
            same = union(found.ports)
            services = tuple(sorted(found.services))
            yield Forward(
                id=_numbered(f"dnat-ipv4-{protocol}-{_UNFIT_FOR_IDS.sub('_', found.listener)}", ids),
                services=services,
                family="ipv4",
                protocol=protocol,
                external_addresses=addresses,
                external_ports=(external or same).texts(),
                to_address=to_address,
                to_ports=(ports or same).texts(),
                sources=merge_texts("ipv4", frozenset(found.sources)),
                comment=_comment(services),
            )


class _Translation:
    """What one forward is made of."""

    def __init__(self, listener: str) -> None:
        self.listener = listener
        self.services: set[str] = set()
        self.ports: list[PortSet] = []
        self.sources: set[Texts] = set()


def _merged(boxes: t.Iterable[_Box]) -> list[_Box]:
    """Merge boxes along sources, then ports, then destinations, and sort them."""
    merged = list(boxes)
    for dimension in _DIMENSIONS:
        alike: dict[t.Any, list[_Box]] = {}
        for box in merged:
            rest = (box.kind, *(getattr(box, name) for name in _DIMENSIONS if name != dimension))
            alike.setdefault(rest, []).append(box)
        merged = [_union(found, dimension) for found in alike.values()]
    return sorted(merged, key=lambda box: (box.kind, box.ports.ranges, box.sources, box.destinations))


def _union(boxes: list[_Box], dimension: str) -> _Box:
    first = boxes[0]
    services = frozenset(service for box in boxes for service in box.services)
    if dimension == "ports":
        return first._replace(ports=union(box.ports for box in boxes), services=services)
    whole = merge_texts(first.kind[1], frozenset(getattr(box, dimension) for box in boxes))
    if dimension == "sources":
        return first._replace(sources=whole, services=services)
    return first._replace(destinations=whole, services=services)


def _gateway(gateway: Gateway | None) -> GatewayPolicy | None:
    if gateway is None:
        return None
    return GatewayPolicy(gateway.wan_interfaces, gateway.lan_interfaces, gateway.transit, gateway.hairpin)


def _by_protocol(found: t.Iterable[tuple[str, PortSet]]) -> dict[str, Texts]:
    sets: dict[str, list[PortSet]] = {protocol: [] for protocol in PROTOCOLS}
    for protocol, ports in found:
        sets[protocol].append(ports)
    return {protocol: union(parts).texts() for protocol, parts in sets.items() if parts}


def _sources(networks: t.Iterable[t.Any]) -> Texts:
    return spell(merge(networks))


def _numbered(name: str, ids: dict[str, int]) -> str:
    ids[name] = ids.get(name, 0) + 1
    return name if ids[name] == 1 else f"{name}-{ids[name]}"


def _comment(services: Texts) -> str:
    text = ", ".join(services)
    return text if len(text) <= _LONGEST_COMMENT else text[: _LONGEST_COMMENT - 3] + "..."
