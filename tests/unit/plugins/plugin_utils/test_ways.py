# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways: through which gateways a flow reaches its listener, translated or not, in which families."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._flows import FlowGroup, find_flows
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import Relation, Topology
from ansible_collections.playout.firewall.plugins.plugin_utils._ways import Way, Ways
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import Hosts, fleet_of


def ways_of(hosts: Hosts, service: str) -> tuple[Ways, Topology, list[FlowGroup], Problems]:
    """Find the flows of one service, and what finds their ways."""
    fleet, problems = fleet_of(hosts), Problems()
    topology = Topology(fleet)
    flows = [flow for flow in find_flows(fleet, topology, problems).groups if flow.service.id == service]
    return Ways(fleet, topology, problems), topology, flows, problems


def listener(**gateway: t.Any) -> dict[str, dict[str, t.Any]]:
    """A CMS behind a gateway, and players wherever one can be."""
    networks = {"cayin_smp": ["192.0.2.0/24"]}
    return {
        "cms": {
            "groups": "cayin_cms",
            "playout_site": "hq",
            "playout_addresses": ["10.1.0.1", "2001:db8::1"],
            "playout_networks": networks,
        },
        "gateway": {
            "groups": "playout_gateway",
            "playout_site": "hq",
            "playout_wan_addresses": ["203.0.113.1"],
            "playout_wan_interfaces": ["wan"],
            "playout_lan_interfaces": ["lan"],
            "playout_routed_sites": ["vpn"],
            **{f"playout_{name}": value for name, value in gateway.items()},
        },
        "smp_hq": {"groups": "cayin_smp", "playout_site": "hq", "playout_addresses": ["10.1.0.2"]},
        "smp_vpn": {"groups": "cayin_smp", "playout_site": "vpn", "playout_addresses": ["10.2.0.2"]},
        "smp_open": {"groups": "cayin_smp", "playout_site": "open", "playout_addresses": ["198.51.100.7"]},
    }


def way_of(hosts: Hosts, relation: Relation) -> Way:
    """Return the way of the content flow from one kind of place."""
    ways, _topology, flows, _problems = ways_of(hosts, "cayin_content")
    (found,) = {ways.find(flow) for flow in flows if flow.relation is relation}
    return found


@pytest.mark.parametrize(
    ("gateway", "relation", "passes", "direct", "translated"),
    [
        ({}, Relation.SAME, False, True, False),
        ({"hairpin": True}, Relation.SAME, True, True, True),
        ({"hairpin": True, "nat": False}, Relation.SAME, False, True, False),
        ({}, Relation.ROUTED, True, True, False),
        ({}, Relation.OUTSIDE, True, False, True),
        ({}, Relation.ANYWHERE, True, True, True),
        ({"nat": False}, Relation.OUTSIDE, True, True, False),
        ({"nat": False}, Relation.ANYWHERE, True, True, False),
    ],
)
def test_a_way(gateway: dict[str, t.Any], relation: Relation, passes: bool, direct: bool, translated: bool) -> None:
    way = way_of(listener(**gateway), relation)
    assert [host.name for host in way.gateways] == (["gateway"] if passes else [])
    assert (way.direct, way.translated, way.closed) == (direct, translated, False)


def test_where_nothing_can_be_published_only_ipv6_passes() -> None:
    way = way_of(listener(inbound=False), Relation.OUTSIDE)
    assert (way.families, way.closed) == ({"ipv6"}, False)


def test_an_unpublished_service_is_closed_from_outside_and_open_directly_from_anywhere() -> None:
    hosts = listener()
    hosts["cms"]["playout_publish"] = []
    ways, _topology, flows, problems = ways_of(hosts, "cayin_content")
    found = {flow.relation: ways.find(flow) for flow in flows}
    assert found[Relation.OUTSIDE].closed
    assert found[Relation.ANYWHERE] == Way()
    assert not found[Relation.ROUTED].closed
    assert [(problem.host, problem.variable) for problem in problems.errors] == [("cms", "playout_publish")]


def test_a_network_of_a_family_that_the_listener_lacks_is_an_error_only_where_it_is_the_only_one() -> None:
    hosts = {
        "server": {
            "groups": "viz_world_server",
            "playout_addresses": ["10.0.0.1"],
            "playout_networks": {"viz_world_client": ["2001:db8::/64", "192.0.2.0/24"], "viz_world_config": ["::/0"]},
        }
    }
    for service, families, errors in (("viz_client", ("ipv4",), 0), ("viz_config", (), 1)):
        ways, topology, (flow,), problems = ways_of(hosts, service)
        assert ways.families(flow, ways.find(flow), topology.view(flow.initiators, "main")) == families
        assert [problem.variable for problem in problems.errors] == ["playout_networks"] * errors
