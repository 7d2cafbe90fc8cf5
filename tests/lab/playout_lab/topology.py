# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab file, read and checked: segments, hosts, interfaces, routes, listeners, FTP servers.

All problems of a file are reported together, each with host, field, value and what to write instead.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from .errors import LabError
from .managers import MANAGERS
from .ports import Ports, parse_ports, parse_range

Interface: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# A host's name becomes a host name and a socket's name; an interface's name is limited by the kernel.
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_INTERFACE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_HOST_FIELDS = {"interfaces", "routes", "forward", "masquerade", "listeners", "ftp", "firewall"}


@dataclass(frozen=True)
class Link:
    """One interface of a host, on one segment."""

    name: str
    segment: str
    addresses: tuple[Interface, ...]


@dataclass(frozen=True)
class Route:
    """A route by way of a neighbour."""

    to: Network
    via: Address


@dataclass(frozen=True)
class FtpServer:
    """A real FTP server. ``passive_address`` is what its 227 reply says, when that is not its own address."""

    port: int
    passive: tuple[int, int]
    user: str
    password: str
    passive_address: str | None


@dataclass(frozen=True)
class Host:
    """One host of the lab."""

    name: str
    links: tuple[Link, ...]
    routes: tuple[Route, ...]
    forward: bool
    masquerade: str | None
    listeners: Ports
    ftp: FtpServer | None
    firewall: str | None


@dataclass(frozen=True)
class Topology:
    """A lab."""

    segments: tuple[str, ...]
    hosts: tuple[Host, ...]


class _Reader:
    """Reads one lab file and collects what is wrong with it."""

    def __init__(self, data: Any) -> None:
        self.problems: list[str] = []
        self._segments: list[str] = []
        self._data = data

    def read(self) -> Topology:
        data = self._mapping("the file", self._data, {"segments", "hosts"})
        segments = data.get("segments")
        if not isinstance(segments, list) or not all(isinstance(name, str) for name in segments):
            self._problem("segments", segments, "write a list of names, such as [internet, office]")
            segments = []
        self._segments = segments
        hosts = data.get("hosts")
        if not isinstance(hosts, dict) or not hosts:
            self._problem("hosts", hosts, "write a mapping of host names")
            hosts = {}
        return Topology(tuple(segments), tuple(self._host(str(name), value) for name, value in hosts.items()))

    def _problem(self, where: str, value: Any, way_out: str) -> None:
        self.problems.append(f"{where}: {value!r}: {way_out}")

    def _mapping(self, where: str, value: Any, known: set[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._problem(where, value, f"write a mapping of {', '.join(sorted(known))}")
            return {}
        for field in sorted(set(map(str, value)) - known):
            self._problem(where, field, f"unknown; known are {', '.join(sorted(known))}")
        return value

    def _host(self, name: str, value: Any) -> Host:
        if not _HOST_NAME.fullmatch(name):
            self._problem("hosts", name, "use letters, digits, dots, dashes and underscores, at most 63")
        data = self._mapping(name, value, _HOST_FIELDS)
        interfaces = data.get("interfaces")
        if not isinstance(interfaces, dict):
            self._problem(f"{name}.interfaces", interfaces, "write a mapping of interface names")
            interfaces = {}
        links = tuple(self._link(f"{name}.interfaces", str(key), item) for key, item in interfaces.items())
        masquerade = data.get("masquerade")
        if masquerade is not None and masquerade not in interfaces:
            self._problem(f"{name}.masquerade", masquerade, f"name one of its interfaces: {', '.join(interfaces)}")
        forward = data.get("forward", False)
        if not isinstance(forward, bool):
            self._problem(f"{name}.forward", forward, "write true or false")
        firewall = data.get("firewall")
        if firewall is not None and firewall not in MANAGERS:
            self._problem(f"{name}.firewall", firewall, f"write one of: {', '.join(MANAGERS)}")
        return Host(
            name=name,
            links=links,
            routes=self._routes(name, data.get("routes", []), links),
            forward=forward is True,
            masquerade=masquerade,
            listeners=self._listeners(f"{name}.listeners", data.get("listeners", {})),
            ftp=self._ftp(f"{name}.ftp", data["ftp"]) if "ftp" in data else None,
            firewall=firewall,
        )

    def _link(self, where: str, name: str, value: Any) -> Link:
        if not _INTERFACE_NAME.fullmatch(name):
            self._problem(where, name, "an interface's name has at most 15 letters and digits")
        data = self._mapping(f"{where}.{name}", value, {"segment", "addresses"})
        segment = data.get("segment")
        if segment not in self._segments:
            self._problem(f"{where}.{name}.segment", segment, f"name one of: {', '.join(self._segments)}")
        addresses = []
        for text in data.get("addresses", []):
            try:
                addresses.append(ipaddress.ip_interface(text))
            except ValueError:
                self._problem(f"{where}.{name}.addresses", text, "write an address with its prefix, 192.0.2.1/24")
        return Link(name, str(segment), tuple(addresses))

    def _routes(self, host: str, value: Any, links: tuple[Link, ...]) -> tuple[Route, ...]:
        routes = []
        for text in value if isinstance(value, list) else [value]:
            way_out = "write 'default via 192.0.2.1' or '198.51.100.0/24 via 192.0.2.1'"
            match str(text).split():
                case [to, "via", via]:
                    try:
                        gateway = ipaddress.ip_address(via)
                        everything = "0.0.0.0/0" if gateway.version == 4 else "::/0"
                        network = ipaddress.ip_network(everything if to == "default" else to)
                    except ValueError as error:
                        self._problem(f"{host}.routes", text, f"{error}; {way_out}")
                        continue
                    if not any(gateway in address.network for link in links for address in link.addresses):
                        self._problem(f"{host}.routes", text, f"{via} is on none of its interfaces' networks")
                    routes.append(Route(network, gateway))
                case _:
                    self._problem(f"{host}.routes", text, way_out)
        return tuple(routes)

    def _listeners(self, where: str, value: Any) -> Ports:
        try:
            return parse_ports(value)
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return Ports((), ())

    def _ftp(self, where: str, value: Any) -> FtpServer | None:
        data = self._mapping(where, value, {"port", "passive", "user", "password", "passive_address"})
        try:
            return FtpServer(
                port=parse_range(data.get("port", 21))[0],
                passive=parse_range(data.get("passive", "20001-29999")),
                user=str(data.get("user", "playout")),
                password=str(data.get("password", "playout")),
                passive_address=data.get("passive_address"),
            )
        except ValueError as error:
            self.problems.append(f"{where}: {error}")
            return None


def parse_topology(data: Any, origin: str) -> Topology:
    """The lab described by ``data``, the content of a lab file; ``origin`` names that file in errors."""
    reader = _Reader(data)
    topology = reader.read()
    if reader.problems:
        raise LabError("\n".join(f"{origin}: {problem}" for problem in reader.problems))
    return topology


def load_topology(path: Path) -> Topology:
    """The lab described by the YAML file ``path``."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"{path}: {getattr(error, 'strerror', error)}") from error
    return parse_topology(data, str(path))
