# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second planner, as naive as can be: it looks at every pair of hosts and at every single port.

Written from the documents and the inventory's rules, not from the planner, and sharing no code with it. It knows
single addresses only, one of IPv4 and perhaps one of IPv6 for each host, and no hairpin.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

Ports = t.Callable[[int], t.Iterable[int]]


def fixed(*ports: int) -> Ports:
    """Ports that do not depend on instances."""
    return lambda _n: ports


def numbered(first: int, last: int) -> Ports:
    """Ports first .. last + n."""
    return lambda n: range(first, last + n + 1)


class Service(t.NamedTuple):
    """One row of the documents' tables. ``sender``: the feature is declared there and not by the listener."""

    id: str
    initiators: str
    listeners: str
    protocol: str
    ports: Ports
    feature: str = ""
    sender: bool = False
    readings: str = "union formula example"
    releases: str = "17.0 22.0 23.0"
    mandatory: bool = False
    main_only: bool = False


CAYIN = (
    Service("cayin_content", "cayin_smp", "cayin_cms", "tcp", fixed(80), mandatory=True),
    Service("cayin_web", "cayin_operator", "cayin_cms", "tcp", fixed(80), "web"),
    Service("cayin_web_player", "cayin_operator", "cayin_smp", "tcp", fixed(80), "web"),
    Service("cayin_https", "cayin_smp cayin_operator", "cayin_cms", "tcp", fixed(443), "https"),
    Service("cayin_https", "cayin_operator", "cayin_smp", "tcp", fixed(443), "https"),
    Service("cayin_registration", "cayin_smp", "cayin_cms", "tcp", fixed(20000), mandatory=True),
    Service("cayin_supermonitor", "cayin_supermonitor", "cayin_cms", "tcp", fixed(20000), "supermonitor"),
    Service("cayin_cms_pro", "cayin_smp", "cayin_cms", "tcp", fixed(20001), mandatory=True),
    Service("cayin_smb", "cayin_operator", "cayin_cms cayin_smp", "tcp", fixed(139), "smb"),
    Service("cayin_rtb", "cayin_cms", "cayin_smp", "udp", numbered(8100, 8226 - 1), "rtb"),
    Service("cayin_mail", "cayin_cms", "playout_mail_server", "tcp", fixed(25), "mail", sender=True),
    Service("cayin_remote_log", "cayin_cms cayin_smp", "cayin_superreporter", "tcp", fixed(35000), "remote_log", True),
    Service("cayin_syslog", "cayin_cms cayin_smp", "playout_log_server", "udp", fixed(514), "syslog", sender=True),
    Service("cayin_backup", "cayin_cms", "cayin_backup_server", "tcp", fixed(22, 30001)),
    Service("cayin_backup", "cayin_backup_server", "cayin_cms", "tcp", fixed(22, 30001), main_only=True),
    Service("cayin_site", "cayin_site_server", "cayin_cms", "tcp", fixed(22, 40001), main_only=True),
)
HTTP = "22.0 23.0"
ALLOCATOR, SERVER, CLIENT, CONFIG = (f"viz_world_{name}" for name in ("allocator", "server", "client", "config"))
VIZ_WORLD = (
    Service("viz_client", CLIENT, SERVER, "tcp", fixed(102), mandatory=True),
    Service("viz_client_instances", CLIENT, SERVER, "tcp", numbered(10101, 10099), mandatory=True),
    Service("viz_config", CONFIG, SERVER, "tcp", fixed(103)),
    Service("viz_allocator", CLIENT, ALLOCATOR, "tcp", fixed(10100), mandatory=True),
    Service("viz_udp_server", ALLOCATOR, SERVER, "udp", fixed(10100), readings="union formula", mandatory=True),
    Service(
        "viz_udp_allocator", SERVER, ALLOCATOR, "udp", numbered(10200, 10199), readings="union formula", mandatory=True
    ),
    Service(
        "viz_http", ALLOCATOR, SERVER, "tcp", numbered(10300, 10299), "", False, "union formula", HTTP, mandatory=True
    ),
    Service(
        "viz_udp_allocator_example", SERVER, ALLOCATOR, "udp", fixed(10100), readings="union example", mandatory=True
    ),
    Service(
        "viz_udp_server_example",
        ALLOCATOR,
        SERVER,
        "udp",
        numbered(10200, 10199),
        readings="union example",
        mandatory=True,
    ),
    Service(
        "viz_http_example", ALLOCATOR, SERVER, "tcp", numbered(10301, 10300), "", False, "union example", HTTP, True
    ),
    Service("viz_http_allocator", SERVER, ALLOCATOR, "tcp", numbered(10300, 10299), "", False, "union", HTTP, True),
)
SERVICES = CAYIN + VIZ_WORLD
DEFAULT_FEATURES = ("web", "supermonitor")
STAND_INS = {"cayin_backup_server": "cayin_cms", "cayin_site_server": "cayin_cms"}
PARTIES = ("cayin_operator", "playout_mail_server", "playout_log_server")


@dataclass
class Machine:
    """A host, or with ``party`` a network of a role. ``addresses``: family -> the one address."""

    name: str
    role: str
    addresses: dict[str, str]
    site: str | None
    system: str | None = None
    features: tuple[str, ...] | None = None
    publish: tuple[str, ...] | None = None
    public: str | None = None
    instances: int = 1
    numbering: str = "union"
    release: str = "23.0"
    egress: bool = False
    peers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    networks: dict[str, list[Machine]] = field(default_factory=dict)
    allow: dict[str, list[Machine]] = field(default_factory=dict)
    forward_ports: dict[str, int] = field(default_factory=dict)
    party: bool = False


@dataclass
class Router:
    """A gateway."""

    name: str
    site: str
    nat: bool
    wan: str
    egress: bool = False


@dataclass
class World:
    """A fleet. ``routed``: pairs of sites that see each other's own addresses."""

    machines: list[Machine]
    routers: list[Router]
    routed: set[frozenset[str]]


Point = tuple[str, ...]


@dataclass
class Truth:
    """What must be: host -> the single points that its rules and forwards let through, and every flow."""

    inbound: dict[str, set[Point]] = field(default_factory=dict)
    transit: dict[str, set[Point]] = field(default_factory=dict)
    outbound: dict[str, set[Point]] = field(default_factory=dict)
    translated: dict[str, set[Point]] = field(default_factory=dict)
    flows: set[Point] = field(default_factory=set)


def evaluate(world: World) -> Truth:
    """Look at every pair."""
    truth = Truth()
    for listener in world.machines:
        for service in SERVICES:
            for initiator in (machine for machine in world.machines if machine is not listener):
                if _shares_system(initiator, listener) and _are_peers(initiator, listener, service):
                    _pair(world, truth, service, initiator, listener)
            for role in service.initiators.split():
                for party in listener.networks.get(role, []):
                    _pair(world, truth, service, party, listener)
            if _listens(service, listener) and _is_on(service, None, listener):
                for party in listener.allow.get(service.id, []):
                    ports = list(_ports(service, listener, listener))
                    if ports:
                        _open(world, truth, service, party, listener, ports)
    return truth


def _shares_system(one: Machine, other: Machine) -> bool:
    return one.system is None or other.system is None or one.system == other.system


def _listens(service: Service, listener: Machine) -> bool:
    roles = service.listeners.split()
    return listener.role in roles or (not service.main_only and STAND_INS.get(listener.role) in roles)


def _are_peers(initiator: Machine, listener: Machine, service: Service) -> bool:
    used = [initiator.peers.get(role) for role in service.listeners.split() if _plays(listener, role)]
    users = listener.peers.get(initiator.role)
    return all(names is None or listener.name in names for names in used) and (users is None or initiator.name in users)


def _plays(machine: Machine, role: str) -> bool:
    return role in (machine.role, STAND_INS.get(machine.role))


def _is_on(service: Service, initiator: Machine | None, listener: Machine) -> bool:
    if not service.feature:
        return True
    who = initiator if service.sender else listener
    if who is None:
        return True
    if who.party:
        who = listener
    return service.feature in (DEFAULT_FEATURES if who.features is None else who.features)


def _ports(service: Service, initiator: Machine, listener: Machine) -> t.Iterable[int]:
    """The server of the two says how ports are numbered."""
    server = next((machine for machine in (listener, initiator) if machine.role == SERVER), None)
    if server is None:
        return service.ports(1)
    if server.numbering not in service.readings.split() or server.release not in service.releases.split():
        return ()
    return service.ports(server.instances)


def _pair(world: World, truth: Truth, service: Service, initiator: Machine, listener: Machine) -> None:
    if initiator.role not in service.initiators.split() or not _listens(service, listener):
        return
    ports = list(_ports(service, initiator, listener))
    if ports and _is_on(service, initiator, listener):
        _open(world, truth, service, initiator, listener, ports)


def _open(
    world: World, truth: Truth, service: Service, initiator: Machine, listener: Machine, ports: list[int]
) -> None:
    published = service.mandatory if listener.publish is None else service.id in listener.publish
    hidden = _is_hidden(world, initiator, listener)
    closed = hidden and not published and initiator.site is not None
    truth.flows.add((service.id, initiator.name, listener.name, "not published" if closed else "planned"))
    if closed:
        return
    for family in initiator.addresses.keys() & listener.addresses.keys():
        translate = hidden and family == "ipv4"
        reached = _Reach(service, listener, family, ports)
        for source in _seen(world, initiator, listener.site, family):
            _let_in(truth, reached, source)
            if published or not translate:
                _pass_gateways(world, truth, reached, source, initiator.site, translate)
        inside = (listener.addresses[family], None)
        outside = [(listener.public or router.wan, listener.forward_ports.get(service.id)) for router in world.routers]
        here = [at for at, router in zip(outside, world.routers, strict=True) if router.site == listener.site]
        reached.at += here if translate and published else []
        reached.at += [] if translate and initiator.site is not None else [inside]
        _let_out(world, truth, initiator, listener, reached)


def _is_hidden(world: World, initiator: Machine, listener: Machine) -> bool:
    """Whether a translating gateway stands between the two."""
    here, there = listener.site, initiator.site
    routed = there is not None and frozenset({str(here), there}) in world.routed
    return here != there and not routed and any(router.nat for router in world.routers if router.site == here)


def _let_in(truth: Truth, reached: _Reach, source: str) -> None:
    for port in reached.ports:
        _add(truth.inbound, reached.listener.name, (source, reached.family, reached.service.protocol, str(port)))


def _pass_gateways(
    world: World, truth: Truth, reached: _Reach, source: str, there: str | None, translate: bool
) -> None:
    listener, protocol = reached.listener, reached.service.protocol
    inside = listener.addresses[reached.family]
    for router in world.routers:
        if router.site == listener.site != there:
            for port in reached.ports:
                _add(truth.transit, router.name, (source, inside, reached.family, protocol, str(port)))
                external = str(listener.forward_ports.get(reached.service.id, port))
                if translate:
                    point = (listener.public or router.wan, external, inside, str(port), protocol)
                    _add(truth.translated, router.name, point)


@dataclass
class _Reach:
    """Where a listener is found: addresses, each with the outside port where that is another one."""

    service: Service
    listener: Machine
    family: str
    ports: list[int]
    at: list[tuple[str, int | None]] = field(default_factory=list)


def _let_out(world: World, truth: Truth, initiator: Machine, listener: Machine, reached: _Reach) -> None:
    for target, external in reached.at:
        for port in reached.ports:
            point = (target, reached.family, reached.service.protocol, str(external or port))
            if initiator.egress:
                _add(truth.outbound, initiator.name, point)
            for router in world.routers:
                if router.egress and router.site == initiator.site != listener.site:
                    _add(truth.transit, router.name, (initiator.addresses[reached.family], *point))


def _seen(world: World, initiator: Machine, viewer: str | None, family: str) -> list[str]:
    """The addresses by which somebody is seen from another site."""
    own = [initiator.addresses[family]]
    site = initiator.site
    if site is None or site == viewer or (viewer is not None and frozenset({site, viewer}) in world.routed):
        return own
    gateways = [router for router in world.routers if router.site == site]
    if family == "ipv6" or not any(router.nat for router in gateways):
        return own
    return [initiator.public] if initiator.public else [router.wan for router in gateways]


def _add(points: dict[str, set[Point]], host: str, point: Point) -> None:
    points.setdefault(host, set()).add(point)
