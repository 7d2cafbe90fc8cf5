# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The initiators' side: what hosts and gateways let out."""

from __future__ import annotations

import typing as t

from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import plan_of

SERVER: dict[str, t.Any] = {
    "groups": "viz_world_server",
    "playout_site": "cloud",
    "playout_addresses": ["203.0.113.10", "2001:db8::10"],
    "playout_networks": {"viz_world_config": []},
    "playout_platform": "none",
}
GATEWAY: dict[str, t.Any] = {
    "groups": "playout_gateway",
    "playout_site": "shop",
    "playout_wan_addresses": ["198.51.100.1"],
    "playout_egress": True,
}


def client(**variables: t.Any) -> dict[str, t.Any]:
    """A client in the shop."""
    address = {"playout_addresses": ["192.168.1.2"]}
    return {"groups": "viz_world_client", "playout_site": "shop", **address, **variables}


def test_a_host_rules_and_governs_what_it_sends() -> None:
    policy = plan_of({"server": SERVER, "gateway": GATEWAY, "client": client(playout_egress=True)}).policies["client"]
    (rule,) = policy.rules
    assert (rule.direction, rule.sources, rule.destinations, rule.ports) == ("out", (), ("203.0.113.10",), ("102",))
    assert policy.governed.outbound == {"tcp": ("102",)}


def test_a_gateway_names_inside_addresses_and_governs_them_alone() -> None:
    policy = plan_of({"server": SERVER, "gateway": GATEWAY, "one": client()}).policies["gateway"]
    (rule,), (transit,) = policy.rules, policy.governed.forward
    assert (rule.direction, rule.sources, rule.destinations) == ("forward", ("192.168.1.2",), ("203.0.113.10",))
    assert (transit.sources, transit.destinations, transit.ports) == (("192.168.1.2",), ("any",), ("102",))


def test_a_gateway_that_denies_transit_lets_out_without_governing() -> None:
    gateway = {**GATEWAY, "playout_egress": False, "playout_transit": "deny"}
    policy = plan_of({"server": SERVER, "gateway": gateway, "one": client()}).policies["gateway"]
    assert policy.rules
    assert not policy.governed.forward


def test_neighbours_of_one_site_do_not_pass_its_gateway() -> None:
    server = {**SERVER, "playout_site": "shop", "playout_addresses": ["192.168.1.1"]}
    policy = plan_of({"server": server, "gateway": GATEWAY, "one": client()}).policies["gateway"]
    assert not policy.rules


def test_a_gateway_that_is_not_contacted_is_no_enforcement_point() -> None:
    gateway = {**GATEWAY, "playout_platform": "none"}
    (row,) = plan_of({"server": SERVER, "gateway": gateway, "one": client(playout_platform="none")}).flows
    assert row.enforced_at == ()
