# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topology: who sees whom by which address."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import text
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import (
    End,
    Group,
    Relation,
    Topology,
    check_addresses,
)
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import fleet_of

PLACES = {
    "cms": {"groups": "cayin_cms", "playout_site": "hq", "playout_addresses": ["10.1.0.10", "2001:db8:1::10"]},
    "hq_gw": {
        "groups": "playout_gateway",
        "playout_site": "hq",
        "playout_wan_addresses": ["203.0.113.1"],
        "playout_routed_sites": ["vpn"],
    },
    "vpn_smp": {"groups": "cayin_smp", "playout_site": "vpn", "playout_addresses": ["10.2.0.1"]},
    "open_smp": {"groups": "cayin_smp", "playout_site": "open", "playout_addresses": ["198.51.100.7"]},
    "shop_smp": {"groups": "cayin_smp", "playout_site": "shop", "playout_addresses": ["10.1.0.10"]},
    "shop_gw": {"groups": "playout_gateway", "playout_site": "shop", "playout_wan_interfaces": ["wan"]},
    "mixed_smp": {"groups": "cayin_smp", "playout_site": "mixed", "playout_addresses": ["10.4.0.1"]},
    "mixed_gw1": {"groups": "playout_gateway", "playout_site": "mixed", "playout_wan_addresses": ["203.0.113.4"]},
    "mixed_gw2": {"groups": "playout_gateway", "playout_site": "mixed", "playout_nat": False},
}
FLEET = fleet_of(PLACES)
TOPOLOGY = Topology(FLEET)


def end(name: str) -> End:
    """Return a host as an end of a flow."""
    host = FLEET.hosts[name]
    return End(name, host.addresses, host.site, host)


@pytest.mark.parametrize(
    ("initiator", "listener", "relation"),
    [
        ("hq", "hq", Relation.SAME),
        ("vpn", "hq", Relation.ROUTED),
        ("hq", "vpn", Relation.ROUTED),  # without a gateway nothing is translated there
        ("open", "hq", Relation.OUTSIDE),
        ("shop", "open", Relation.OUTSIDE),
        (None, "hq", Relation.ANYWHERE),
        ("hq", None, Relation.ANYWHERE),
    ],
)
def test_how_places_relate(initiator: str | None, listener: str | None, relation: Relation) -> None:
    assert TOPOLOGY.relation(initiator, listener) is relation


@pytest.mark.parametrize(
    ("name", "viewer", "addresses", "unknown"),
    [
        ("cms", "hq", ["10.1.0.10", "2001:db8:1::10"], []),
        ("cms", "vpn", ["10.1.0.10", "2001:db8:1::10"], []),
        ("cms", "open", ["2001:db8:1::10", "203.0.113.1"], []),
        ("cms", None, ["2001:db8:1::10", "203.0.113.1"], []),
        ("open_smp", "hq", ["198.51.100.7"], []),
        ("shop_smp", "shop", ["10.1.0.10"], []),
        ("shop_smp", "hq", [], ["shop_gw"]),
        ("mixed_smp", "hq", ["10.4.0.1", "203.0.113.4"], []),
    ],
)
def test_an_initiator_is_seen_by_what_the_viewer_can_see(
    name: str, viewer: str | None, addresses: list[str], unknown: list[str]
) -> None:
    seen, hidden_by = TOPOLOGY.seen(end(name), viewer)
    assert sorted(map(text, seen)) == addresses
    assert [host.name for host in hidden_by] == unknown


def test_a_view_says_why_members_are_missing() -> None:
    nameless = End("dhcp", (), "open")
    group = Group((end("cms"), end("shop_smp"), end("vpn_smp"), nameless))
    view = TOPOLOGY.view(group, "open")
    assert view.networks == {"ipv4": ("203.0.113.1",), "ipv6": ("2001:db8:1::10",)}
    assert [one.name for one in view.private] == ["vpn_smp"]
    assert view.nameless == ("dhcp",)
    assert [host.name for host in view.unknown_outside] == ["shop_gw"]
    assert view.families == {frozenset({"ipv4", "ipv6"}): ["cms"]}


def test_a_view_is_made_once() -> None:
    group = Group((end("cms"),))
    assert TOPOLOGY.view(group, "open") is TOPOLOGY.view(group, "open")
    assert TOPOLOGY.view(group, "open") is not TOPOLOGY.view(group, "hq")


def clashes(hosts: dict[str, t.Any]) -> list[str]:
    """Return the hosts of which an address is somebody else's."""
    problems = Problems()
    check_addresses(fleet_of(hosts), problems)
    return [problem.host for problem in problems.errors]


def test_addresses_may_repeat_only_where_nobody_sees_both() -> None:
    assert not clashes(PLACES)
    cms = {**PLACES["cms"], "playout_addresses": ["10.2.0.1"]}
    assert clashes({**PLACES, "cms": cms}) == ["cms", "vpn_smp"]


def test_gateways_may_take_turns_with_an_outside_address() -> None:
    pair = {
        f"gw{number}": {
            "groups": "playout_gateway",
            "playout_addresses": [f"10.0.0.{number}"],
            "playout_wan_addresses": ["203.0.113.1"],
        }
        for number in (1, 2)
    }
    assert not clashes(pair)
    pair["gw2"]["playout_addresses"] = ["203.0.113.1"]
    assert not clashes(pair)
    assert clashes({**pair, "smp": {"groups": "cayin_smp", "playout_addresses": ["203.0.113.1"]}}) == ["smp", "smp"]
