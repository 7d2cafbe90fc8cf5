# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listener's side: what it opens itself, and what its gateways open and translate."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._inbound import ftp_data
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import End
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import fleet_of, plan_of

CMS: dict[str, t.Any] = {
    "groups": "cayin_cms",
    "playout_site": "hq",
    "playout_addresses": ["10.1.0.1"],
    "playout_features": [],
    "playout_networks": {"cayin_smp": ["192.0.2.0/24"]},
}
GATEWAY: dict[str, t.Any] = {
    "groups": "playout_gateway",
    "playout_site": "hq",
    "playout_wan_addresses": ["203.0.113.1"],
}


@pytest.mark.parametrize(
    ("point", "listener", "expected"),
    [(None, None, "helper"), (None, "range", "range"), ("range", None, "range"), ("helper", "range", "helper")],
)
def test_data_connections_are_opened_as_the_enforcement_point_says_else_as_the_listener_says(
    point: str | None, listener: str | None, expected: str
) -> None:
    hosts = {"gateway": {**GATEWAY, "playout_ftp_data": point}, "cms": {**CMS, "playout_ftp_data": listener}}
    fleet = fleet_of(hosts)
    cms = fleet.hosts["cms"]
    assert ftp_data(fleet.hosts["gateway"], End("cms", cms.addresses, cms.site, cms)) == expected


def test_every_forward_has_a_rule_that_lets_its_traffic_through() -> None:
    policy = plan_of({"cms": {**CMS, "playout_forward_ports": {"cayin_content": 8080}}, "gateway": GATEWAY}).policies[
        "gateway"
    ]
    let_through = {
        (source, destination, port)
        for rule in policy.rules
        for source in rule.sources
        for destination in rule.destinations
        for port in rule.ports
    }
    assert policy.forwards
    for forward in policy.forwards:
        assert {
            (source, forward.to_address, port) for source in forward.sources for port in forward.to_ports
        } <= let_through


def test_a_pair_of_gateways_where_one_publishes_nothing() -> None:
    dumb = {**GATEWAY, "playout_wan_addresses": ["203.0.113.2"], "playout_inbound": False}
    smp = {"groups": "cayin_smp", "playout_site": "open", "playout_addresses": ["198.51.100.7"], "playout_features": []}
    plan = plan_of({"cms": CMS, "gateway": GATEWAY, "dumb": dumb, "smp": smp})
    assert not plan.policies["dumb"].forwards
    assert plan.policies["gateway"].forwards
    rows = [row for row in plan.flows if row.flow.initiators.ends[0].name == "smp"]
    assert {row.enforced_at for row in rows} == {("gateway",)}


def test_a_gateway_that_listens_itself_does_not_pass_what_is_for_it() -> None:
    both = {**CMS, "groups": "cayin_cms playout_gateway", "playout_nat": False}
    assert {rule.direction for rule in plan_of({"both": both}).policies["both"].rules} == {"in"}
