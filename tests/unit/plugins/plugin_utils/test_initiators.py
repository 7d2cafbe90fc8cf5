# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Initiators: found in groups that listeners share."""

from __future__ import annotations

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import parse_network, parse_networks
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Party
from ansible_collections.playout.firewall.plugins.plugin_utils._initiators import Found, Initiators
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import Relation, Topology
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import Hosts, fleet_of

FLEET: Hosts = {
    "cms1": {"groups": "cayin_cms", "playout_addresses": ["10.0.0.1"]},
    "cms2": {"groups": "cayin_cms", "playout_addresses": ["10.0.0.2"]},
    "smp1": {"groups": "cayin_smp", "playout_addresses": ["10.0.0.11"]},
    "smp2": {"groups": "cayin_smp", "playout_addresses": ["10.0.0.12"], "playout_peers": {"cayin_cms": ["cms2"]}},
}


def initiators(hosts: Hosts) -> Initiators:
    """Make the finder."""
    fleet = fleet_of(hosts)
    return Initiators(fleet, Topology(fleet))


def find(finder: Initiators, listener: str, service: str = "cayin_content", role: str = "cayin_smp") -> Found:
    """Find the initiators of one listener."""
    fleet = finder.fleet
    listener_role = fleet.catalogue.services[service].pairings[0].listeners[0]
    return finder.find(fleet.catalogue.services[service], role, fleet.hosts[listener], listener_role)


def names(found: Found) -> list[list[str]]:
    """Return the names of each group."""
    return [[end.name for end in group.ends] for group in found.groups]


def test_those_free_to_use_any_listener_are_one_group_that_listeners_share() -> None:
    finder = initiators(FLEET)
    one, other = find(finder, "cms1"), find(finder, "cms2")
    assert names(one) == [["smp1"]]
    assert names(other) == [["smp1"], ["smp2"]]
    assert one.groups[0] is other.groups[0]


def test_a_listener_is_no_member_of_its_own_group() -> None:
    both = {**FLEET, "cms1": {**FLEET["cms1"], "groups": "cayin_cms cayin_smp"}}
    found = find(initiators(both), "cms1")
    assert found.local
    assert names(found) == [["smp1"]]


def test_nobody_is_found_where_nobody_is() -> None:
    found = find(initiators(FLEET), "cms1", "cayin_web", "cayin_operator")
    assert not found.local
    assert not found.groups


def test_everything_of_both_families_is_one_end() -> None:
    finder = initiators(FLEET)
    ends = finder.party_ends([*map(Party, parse_networks("any")), Party(parse_network("10.0.0.0/8"))])
    assert [(end.name, len(end.addresses)) for end in ends] == [("10.0.0.0/8", 1), ("any", 2)]
    (half,) = finder.party_ends([Party(parse_network("0.0.0.0/0"))])
    assert len(half.addresses) == 1


def test_groups_are_split_by_place_and_by_settings() -> None:
    hosts = {
        "server1": {"groups": "viz_world_server", "playout_site": "a", "viz_world_instances": 2},
        "server2": {"groups": "viz_world_server", "playout_site": "b"},
        "server3": {"groups": "viz_world_server", "playout_site": "b"},
    }
    finder = initiators(hosts)
    group = finder.group(map(finder.end, finder.fleet.hosts.values()))
    parts = {relation: names(Found((part,))) for relation, part in finder.parts(group, "a")}
    assert parts == {Relation.SAME: [["server1"]], Relation.OUTSIDE: [["server2", "server3"]]}
    settings = [(one.instances, names(Found((part,)))) for one, part in finder.by_settings(group, "viz_world")]
    assert settings == [(2, [["server1"]]), (1, [["server2", "server3"]])]


def test_hosts_of_several_systems_are_found_once_in_the_order_of_their_names() -> None:
    hosts = {
        "b": {"groups": "cayin_smp", "playout_system": ["x", "y"]},
        "a": {"groups": "cayin_smp", "playout_system": "y"},
        "c": {"groups": "cayin_smp", "playout_system": "z"},
    }
    finder = initiators(hosts)
    assert [host.name for host in finder.hosts("cayin_smp", frozenset({"x", "y"}))] == ["a", "b"]
    assert [host.name for host in finder.hosts("cayin_smp", None)] == ["a", "b", "c"]
