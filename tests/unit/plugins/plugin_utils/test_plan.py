# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as plain values: what reports, files and backends read."""

from __future__ import annotations

import json

from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import plan_of

HOSTS = {
    "server": {"groups": "viz_world_server", "playout_addresses": ["10.0.0.1"], "viz_world_instances": 2},
    "client1": {"groups": "viz_world_client", "playout_addresses": ["10.0.0.2"]},
    "client2": {"groups": "viz_world_client viz_world_server", "playout_addresses": ["10.0.0.3"]},
    "config": {"groups": "viz_world_config", "playout_addresses": ["10.0.0.4"], "playout_platform": "none"},
    "cms": {"groups": "cayin_cms", "playout_addresses": ["10.0.0.5"], "playout_features": []},
    "smp": {"groups": "cayin_smp", "playout_addresses": ["10.0.0.6"], "playout_features": []},
}
PLAN = plan_of(HOSTS)


def test_a_row_says_everything_about_a_flow() -> None:
    row = next(flow.to_dict() for flow in PLAN.flows if flow.flow.service.id == "viz_config")
    source = row.pop("source")
    assert source.startswith("Viz World User Guide")
    assert "table, port 103" in source
    purpose = row.pop("purpose")
    assert "configuration tool" in purpose
    assert row == {
        "service": "viz_config",
        "product": "viz_world",
        "initiator_role": "viz_world_config",
        "initiators": ["config"],
        "initiator_sites": ["main"],
        "initiator_addresses": ["10.0.0.4"],
        "listener_role": "viz_world_server",
        "listener": "client2",
        "listener_site": "main",
        "listener_addresses": ["10.0.0.3"],
        "relation": "same site",
        "protocol": "tcp",
        "ports": ["103"],
        "reached_at": [{"family": "ipv4", "addresses": ["10.0.0.3"], "ports": ["103"]}],
        "status": "planned",
        "enforced_at": ["client2"],
        "mandatory": False,
        "scope": "external",
        "reading": None,
        "direction": "stated",
    }


def test_counts_count_pairs_and_not_lines_of_ports() -> None:
    # client1 and client2 -> server, first and second instance; client1 -> client2; config -> both; three of CAYIN
    assert PLAN.counts == {
        "hosts": 6,
        "enforcement_points": 3,
        "flows": 4 + 1 + 2 + 3,
        "rules": 4,
        "forwards": 0,
        "not_published": 0,
        "enforced_nowhere": 3,
        "planned_only": 0,
    }


def test_rows_that_rest_on_hosts_to_which_nothing_is_written_are_counted() -> None:
    windows = {**HOSTS["server"], "playout_platform": "windows"}
    counts = plan_of({**HOSTS, "server": windows}).counts
    assert (counts["planned_only"], counts["enforced_nowhere"]) == (3, 3)


def test_hosts_say_what_they_are() -> None:
    gateway = {"groups": "playout_gateway", "ansible_host": "10.0.0.9", "playout_probe": False}
    hosts = plan_of({**HOSTS, "gateway": gateway}).to_dict()["hosts"]
    assert list(hosts) == ["client1", "client2", "cms", "config", "gateway", "server", "smp"]
    assert hosts["client2"] == {
        "roles": ["viz_world_client", "viz_world_server"],
        "systems": ["main"],
        "site": "main",
        "platform": "linux",
        "enforced": True,
        "enforcement": "scoped",
        "probe": True,
    }
    assert (hosts["gateway"]["systems"], hosts["gateway"]["probe"]) == (None, False)
    assert (hosts["cms"]["platform"], hosts["cms"]["enforced"]) == ("none", False)


def test_what_nobody_enforces_says_so() -> None:
    assert {tuple(row.to_dict()["enforced_at"]) for row in PLAN.flows if row.flow.listener.name == "cms"} == {
        ("nowhere",)
    }


def test_a_plan_is_fresh_plain_values() -> None:
    data = PLAN.to_dict()
    assert json.loads(json.dumps(data)) == data
    data["flows"].clear()
    data["policies"]["server"]["rules"].clear()
    assert PLAN.to_dict()["flows"]
    assert PLAN.to_dict()["policies"]["server"]["rules"]


def test_the_digest_changes_with_the_plan_and_with_nothing_else() -> None:
    assert plan_of({**HOSTS, "printer": {"groups": "rack7"}}).digest == PLAN.digest
    moved = {**HOSTS["client1"], "playout_addresses": ["10.0.0.77"]}
    assert plan_of({**HOSTS, "client1": moved}).digest != PLAN.digest


def test_the_digest_changes_with_how_and_where_a_policy_is_enforced() -> None:
    managed = {**HOSTS["server"], "playout_management": ["10.0.0.8"]}
    servers = ({}, {"playout_enforcement": "default_deny"}, {"playout_platform": "windows"})
    assert len({plan_of({**HOSTS, "server": {**managed, **server}}).digest for server in servers}) == 3


def test_everything_of_both_families_is_one_word_in_a_row() -> None:
    hosts = {
        "server": {
            "groups": "viz_world_server",
            "playout_addresses": ["10.0.0.1", "2001:db8::1"],
            "playout_networks": {"viz_world_client": "any", "viz_world_config": []},
        }
    }
    (row,) = plan_of(hosts).flows
    assert (row.to_dict()["initiators"], row.to_dict()["initiator_addresses"]) == (["any"], ["any"])
