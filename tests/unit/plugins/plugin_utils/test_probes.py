# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is tried: every planned flow from its initiator, and what nobody planned wherever something guards it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._probes import MOST_NEIGHBOURS, Probe, probes_by_host
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import Hosts, plan_of

MAPS: dict[str, dict[str, Any]] = {
    "map1": {"groups": "viz_world_server", "playout_addresses": ["192.0.2.11", "2001:db8::11"]},
    "engine1": {"groups": "viz_world_client", "playout_addresses": ["192.0.2.31", "2001:db8::31"]},
    "engine2": {"groups": "viz_world_client", "playout_addresses": ["192.0.2.32"], "playout_probe": False},
}
TWO_SITES: dict[str, dict[str, Any]] = {
    "cms": {
        "groups": "cayin_cms",
        "playout_addresses": ["10.0.0.10"],
        "playout_site": "hq",
        "playout_features": [],
        "playout_forward_ports": {"cayin_content": 8080},
    },
    "gateway": {
        "groups": "playout_gateway",
        "playout_addresses": ["10.0.0.1"],
        "playout_site": "hq",
        "playout_wan_addresses": ["203.0.113.1"],
    },
    "smp": {
        "groups": "cayin_smp",
        "playout_addresses": ["203.0.113.20"],
        "playout_site": "outside",
        "playout_features": [],
        "playout_probe": True,
    },
    "stranger": {"playout_addresses": ["203.0.113.66"], "playout_site": "outside", "playout_probe": True},
}


def tried(hosts: Hosts, host: str, expected: str) -> list[str]:
    """What one host tries, as ``listener protocol address ports``."""
    probes: list[Probe] = probes_by_host(plan_of(hosts))[host]
    columns = ("listener", "protocol", "address", "ports")
    return sorted(
        " ".join(str(probe[column]) for column in columns) for probe in probes if probe["expected"] == expected
    )


def test_a_planned_flow_is_tried_in_every_family_that_both_ends_have() -> None:
    assert tried(MAPS, "engine1", "reachable") == ["map1 tcp 192.0.2.11 102", "map1 tcp 2001:db8::11 102"]


def test_governed_ports_that_are_not_for_a_host_must_stay_shut() -> None:
    assert tried(MAPS, "engine1", "blocked") == ["map1 tcp 192.0.2.11 103", "map1 tcp 2001:db8::11 103"]


def test_hosts_that_cannot_send_packets_have_nothing_to_try() -> None:
    assert "engine2" not in probes_by_host(plan_of(MAPS))


def test_what_a_gateway_translates_is_tried_outside_and_names_the_listener_with_its_own_port() -> None:
    probes = probes_by_host(plan_of(TWO_SITES))["smp"]
    [content] = [probe for probe in probes if probe["service"] == "cayin_content"]
    assert (content["listener"], content["address"], content["ports"], content["listener_port"]) == (
        *("cms", "203.0.113.1", "8080"),
        80,
    )


def test_a_stranger_without_a_role_tries_everything_that_is_published_and_must_reach_nothing() -> None:
    assert tried(TWO_SITES, "stranger", "reachable") == []
    assert tried(TWO_SITES, "stranger", "blocked") == ["cms tcp 203.0.113.1 20000-20001", "cms tcp 203.0.113.1 8080"]


@pytest.mark.parametrize("servers", [3, 3 * MOST_NEIGHBOURS])
def test_each_host_tries_a_bounded_number_of_neighbours_and_all_together_try_every_one(servers: int) -> None:
    hosts = {
        f"map{number:02}": {"groups": "viz_world_server", "playout_addresses": [f"10.0.1.{number}"]}
        for number in range(1, servers + 1)
    }
    hosts["engine"] = {"groups": "viz_world_client", "playout_addresses": ["10.0.0.1"]}
    probes = probes_by_host(plan_of(hosts))
    neighbours = {
        host: {probe["listener"] for probe in own if probe["expected"] == "blocked"} for host, own in probes.items()
    }
    assert max(map(len, neighbours.values())) <= MOST_NEIGHBOURS
    assert set().union(*neighbours.values()) == set(hosts) - {"engine"}
    assert all(host not in listeners for host, listeners in neighbours.items())
