# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner against a naive one that looks at every pair and port, on random small fleets."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.plugin_utils._plan import Plan
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import Hosts, plan_of
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.oracle import (
    DEFAULT_FEATURES,
    PARTIES,
    SERVICES,
    Machine,
    Point,
    Router,
    World,
    evaluate,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SITES = ("a", "b", "c")
SYSTEMS = ("one", "two")
ROLES = tuple(
    dict.fromkeys(role for service in SERVICES for role in (*service.initiators.split(), *service.listeners.split()))
)
# Fewer roles make more pairs.
BUSY_ROLES = ("cayin_cms", "cayin_smp", "cayin_operator")
VIZ_WORLD_ROLES = tuple(role for role in ROLES if role.startswith("viz_world_"))
SINGLE_PORT = ("cayin_content", "cayin_registration", "viz_client")
OPTIONAL = tuple(dict.fromkeys(service.id for service in SERVICES if not service.mandatory))
MANDATORY = tuple(dict.fromkeys(service.id for service in SERVICES if service.mandatory))
FEATURES = tuple(dict.fromkeys(service.feature for service in SERVICES if service.feature))


@st.composite
def routers(draw: st.DrawFn) -> list[Router]:
    """Sites without a gateway, with one, or with two; each site translates or routes."""
    found = []
    for index, site in enumerate(SITES):
        nat = draw(st.booleans())
        for number in range(draw(st.integers(0, 2))):
            name, wan = f"gateway_{site}{number}", f"203.0.113.{10 * index + number + 1}"
            found.append(Router(name, site, nat, wan, draw(st.booleans())))
    return found


@st.composite
def parties(draw: st.DrawFn, number: int) -> dict[str, list[Machine]]:
    """Networks for some roles, with a site or without; every role is named, so that nobody is deliberate."""
    found: dict[str, list[Machine]] = {role: [] for role in ROLES}
    for index, role in enumerate(draw(st.lists(st.sampled_from(ROLES), max_size=2, unique=True))):
        site = draw(st.sampled_from([None, *SITES]))
        network = f"198.18.{number}.{4 * index}/30"
        found[role].append(Machine(network, role, {"ipv4": network}, site, party=True))
    return found


@st.composite
def machines(draw: st.DrawFn, number: int, hidden: dict[str, bool], roles: tuple[str, ...]) -> Machine:
    """Any host; its address is private where its site translates, and its outside address its own."""
    site = draw(st.sampled_from(SITES))
    role = draw(st.sampled_from(roles))
    private = hidden.get(site, False)
    addresses = {"ipv4": f"10.0.{SITES.index(site)}.{number + 1}" if private else f"198.51.100.{number + 1}"}
    if draw(st.booleans()):
        addresses["ipv6"] = f"2001:db8:{SITES.index(site) + 1}::{number + 1}"
    known = [service.id for service in SERVICES if service.id in OPTIONAL]
    allow = draw(st.lists(st.sampled_from(("cayin_content", "viz_client")), max_size=1))
    listened = {
        "cayin_content": ("cayin_cms", "cayin_backup_server", "cayin_site_server"),
        "viz_client": ("viz_world_server",),
    }
    return Machine(
        name=f"host{number}",
        role=role,
        addresses=addresses,
        site=site,
        system=None if role in PARTIES else draw(st.sampled_from(SYSTEMS)),
        features=draw(st.none() | st.lists(st.sampled_from(FEATURES), max_size=4, unique=True).map(tuple)),
        publish=draw(st.none() | st.lists(st.sampled_from(known), max_size=3).map(lambda more: (*MANDATORY, *more))),
        public=f"203.0.113.{100 + number}" if private else None,
        instances=draw(st.integers(1, 3)),
        numbering=draw(st.sampled_from(("union", "formula", "example"))),
        release=draw(st.sampled_from(("17.0", "22.0", "23.0"))),
        egress=draw(st.booleans()),
        networks=draw(parties(number)),
        allow={
            name: [Machine("192.0.2.4/30", "", {"ipv4": "192.0.2.4/30"}, None, party=True)]
            for name in allow
            if role in listened[name]
        },
        forward_ports={name: 50000 + index for index, name in enumerate(SINGLE_PORT)} if draw(st.booleans()) else {},
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A small fleet that has no problem."""
    gateways = draw(routers())
    hidden = {router.site: router.nat for router in gateways}
    roles = draw(st.sampled_from((BUSY_ROLES, VIZ_WORLD_ROLES, ROLES)))
    hosts = [draw(machines(number, hidden, roles)) for number in range(draw(st.integers(2, 6)))]
    # Networks may only be in sites that hosts are in.
    present = {machine.site for machine in hosts} | set(hidden)
    for machine in hosts:
        for found in machine.networks.values():
            found[:] = [party for party in found if party.site is None or party.site in present]
    for machine in hosts:
        alike = [other for other in hosts if other.role == "cayin_cms" and other.system == machine.system]
        if machine.role == "cayin_smp" and alike and draw(st.booleans()):
            machine.peers = {"cayin_cms": (alike[0].name,)}
    ends = sorted(hidden)
    pairs = [frozenset({one, other}) for one in ends for other in ends if one < other]
    return World(hosts, gateways, set(draw(st.lists(st.sampled_from(pairs), unique=True))) if pairs else set())


def inventory(world: World) -> dict[str, dict[str, t.Any]]:
    """Write a world as an inventory."""
    hosts: dict[str, dict[str, t.Any]] = {"all": {"playout_management": ["192.0.2.200"]}}
    for router in world.routers:
        others = {site for pair in world.routed if router.site in pair for site in pair} - {router.site}
        hosts[router.name] = {
            "groups": "playout_gateway",
            "playout_site": router.site,
            "playout_nat": router.nat,
            "playout_wan_addresses": [router.wan],
            "playout_routed_sites": sorted(others),
            "playout_egress": router.egress,
        }
    for machine in world.machines:
        variables = {
            "groups": machine.role,
            "playout_addresses": list(machine.addresses.values()),
            "playout_site": machine.site,
            "playout_system": machine.system,
            "playout_platform": "linux",
            "playout_features": None if machine.features is None else list(machine.features),
            "playout_publish": None if machine.publish is None else list(machine.publish),
            "playout_public_address": machine.public,
            "playout_forward_ports": machine.forward_ports,
            "viz_world_instances": machine.instances,
            "viz_world_numbering": machine.numbering,
            "viz_world_release": machine.release,
            "playout_egress": machine.egress,
            "playout_peers": {role: list(names) for role, names in machine.peers.items()},
            "playout_networks": {role: [_party(party) for party in found] for role, found in machine.networks.items()},
            "playout_allow": {name: [party.name for party in found] for name, found in machine.allow.items()},
        }
        hosts[machine.name] = {name: value for name, value in variables.items() if value is not None}
    return hosts


def _party(party: Machine) -> t.Any:
    return party.name if party.site is None else {"network": party.name, "site": party.site}


def single(texts: t.Iterable[str]) -> t.Iterator[str]:
    """Yield every single address of some networks."""
    for text in texts:
        yield from (str(address) for address in ipaddress.ip_network(text))


def numbers(texts: t.Iterable[str]) -> t.Iterator[str]:
    """Yield every single port."""
    for text in texts:
        first, _dash, last = text.partition("-")
        yield from map(str, range(int(first), int(last or first) + 1))


def spread(points: t.Iterable[Point], *places: int) -> set[Point]:
    """Replace networks at these places of points by their single addresses."""
    found = set(points)
    for place in places:
        found = {(*point[:place], one, *point[place + 1 :]) for point in found for one in single([point[place]])}
    return found


def let_through(policy: Policy, direction: str) -> set[Point]:
    """Return the single points of a policy's rules of one direction."""
    return {
        (*ends, rule.family, rule.protocol, port)
        for rule in policy.rules
        if rule.direction == direction
        for ends in _ends(rule.sources, rule.destinations)
        for port in numbers(rule.ports)
    }


def _ends(sources: t.Sequence[str], destinations: t.Sequence[str]) -> t.Iterator[Point]:
    for source in single(sources) if sources else (None,):
        for destination in single(destinations) if destinations else (None,):
            yield tuple(end for end in (source, destination) if end is not None)


def translated(policy: Policy) -> set[Point]:
    """Return the single translations of a policy: outside address and port, inside address and port, protocol."""
    return {
        (outside, external, forward.to_address, port, forward.protocol)
        for forward in policy.forwards
        for outside in forward.external_addresses
        for external, port in zip(numbers(forward.external_ports), numbers(forward.to_ports), strict=True)
    }


def listed(plan: Plan) -> set[Point]:
    """Return service, initiator, listener and what became of it for every flow."""
    return {
        (row.flow.service.id, end.name, row.flow.listener.name, row.status)
        for row in plan.flows
        for end in row.flow.initiators.ends
    }


def shuffled(hosts: Hosts, names: t.Sequence[str]) -> Hosts:
    """Return the same inventory in another order."""
    return {"all": hosts["all"], **{name: hosts[name] for name in names}}


@settings(max_examples=300)
@given(worlds())
def test_every_enforcement_point_lets_through_exactly_what_planned_flows_bring_there(world: World) -> None:
    plan, truth = plan_of(inventory(world)), evaluate(world)
    assert listed(plan) == truth.flows
    for name, policy in plan.policies.items():
        assert let_through(policy, "in") == spread(truth.inbound.get(name, ()), 0)
        assert let_through(policy, "out") == truth.outbound.get(name, set())
        assert let_through(policy, "forward") == spread(truth.transit.get(name, ()), 0, 1)
        assert translated(policy) == truth.translated.get(name, set())


@settings(max_examples=100)
@given(worlds())
def test_whatever_is_let_in_is_governed_and_so_is_what_a_host_listens_on_unused(world: World) -> None:
    plan = plan_of(inventory(world))
    for machine in world.machines:
        policy = plan.policies[machine.name]
        governed = {(protocol, port) for protocol, texts in policy.governed.inbound.items() for port in numbers(texts)}
        assert {(point[-2], point[-1]) for point in let_through(policy, "in")} <= governed
        if machine.role == "cayin_smp":
            features = DEFAULT_FEATURES if machine.features is None else machine.features
            assert (("tcp", "80") in governed) == ("web" in features)
        if machine.role == "viz_world_server":
            assert {("tcp", "102"), ("tcp", "103")} <= governed
            assert (("tcp", "10101") in governed) == (machine.instances > 1)


@settings(max_examples=100)
@given(worlds(), st.data())
def test_planning_does_not_depend_on_the_order_of_the_inventory(world: World, data: st.DataObject) -> None:
    hosts = inventory(world)
    order = data.draw(st.permutations([name for name in hosts if name != "all"]))
    assert plan_of(hosts).to_dict() == plan_of(shuffled(hosts, order)).to_dict()


@settings(max_examples=100)
@given(worlds())
def test_every_policy_can_be_written_and_read_by_a_backend(world: World) -> None:
    for policy in plan_of(inventory(world)).policies.values():
        assert Policy.from_dict(policy.to_dict()) == policy
