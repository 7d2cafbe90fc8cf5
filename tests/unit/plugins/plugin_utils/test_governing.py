# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Governing: which ports are closed but for the plan, and what that needs to be safe."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import InventoryError
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import plan_of

SERVER = {
    "groups": "viz_world_server",
    "playout_addresses": ["10.0.0.1"],
    "playout_site": "a",
    "playout_networks": {"viz_world_client": ["192.0.2.0/24"], "viz_world_config": []},
}
GATEWAY = {"groups": "playout_gateway", "playout_site": "a", "playout_wan_addresses": ["203.0.113.1"]}
CMS: dict[str, t.Any] = {
    "groups": "cayin_cms",
    "playout_addresses": ["10.0.0.5"],
    "playout_features": ["ftp"],
    "playout_site": "a",
    "playout_networks": {"cayin_smp": ["192.0.2.0/24"]},
    "playout_platform": "linux",
}


def test_a_listener_governs_what_it_listens_on_and_every_gateway_of_its_site_the_transit_to_it() -> None:
    other = {**GATEWAY, "playout_site": "b", "playout_wan_addresses": ["203.0.113.3"]}
    second = {**GATEWAY, "playout_wan_addresses": ["203.0.113.2"]}
    policies = plan_of({"server": SERVER, "gateway1": GATEWAY, "gateway2": second, "other": other}).policies
    assert policies["server"].governed.inbound == {"tcp": ("102-103",)}
    for name in ("gateway1", "gateway2"):
        (transit,) = policies[name].governed.forward
        assert (transit.family, transit.protocol, transit.ports) == ("ipv4", "tcp", ("102-103",))
        assert (transit.sources, transit.destinations) == (("any",), ("10.0.0.1",))
    assert not policies["other"].governed.forward


def test_a_gateway_that_listens_itself_governs_no_transit_to_itself() -> None:
    both = {**SERVER, "groups": "viz_world_server playout_gateway", "playout_nat": False}
    policy = plan_of({"both": both}).policies["both"]
    assert policy.governed.inbound
    assert not policy.governed.forward


@pytest.mark.parametrize(
    ("way", "ports"), [("helper", ("21", "80", "20000-20001")), ("range", ("21", "80", "20000-29999"))]
)
def test_data_ports_are_governed_only_where_they_are_static(way: str, ports: tuple[str, ...]) -> None:
    policies = plan_of({"cms": CMS, "gateway": {**GATEWAY, "playout_ftp_data": way}}).policies
    assert [transit.ports for transit in policies["gateway"].governed.forward] == [ports]
    assert policies["cms"].governed.inbound == {"tcp": ("21", "80", "20000-20001")}


def test_a_port_that_manages_hosts_is_governed_only_with_management_networks() -> None:
    moved = {**CMS, "playout_port_overrides": {"cayin_cms_pro": 5986}}
    with pytest.raises(InventoryError, match="cms: playout_management: is needed: the plan governs 5986/tcp"):
        plan_of({"cms": moved})
    assert plan_of({"cms": {**moved, "playout_management": ["192.0.2.9"]}}).policies["cms"].management.sources
    assert "cms" not in plan_of({"cms": {**moved, "playout_platform": "none"}}).policies
