# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the inventory: what becomes of variables. Their faults are told by the scenarios."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import text
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._inventory_reader import (
    RawHost,
    is_fleet_variable,
    read_fleet,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortSet
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import InventoryError, Problems
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import fleet_of


def host(group: str, **variables: t.Any) -> t.Any:
    """Read one host."""
    return fleet_of({"x": {"groups": group, **variables}}).hosts["x"]


@pytest.mark.parametrize(
    ("variables", "addresses"),
    [
        ({"ansible_host": "10.0.0.1"}, ["10.0.0.1"]),
        ({"ansible_host": "cms.example.org"}, []),
        ({"ansible_host": "127.0.0.1"}, []),
        ({"ansible_host": "10.0.0.1", "playout_addresses": ["10.0.0.2", "2001:db8::2"]}, ["10.0.0.2", "2001:db8::2"]),
        ({"ansible_host": "10.0.0.1", "playout_addresses": []}, []),
        ({}, []),
    ],
)
def test_addresses_come_from_the_variable_else_from_an_ansible_host_that_is_one(
    variables: dict[str, t.Any], addresses: list[str]
) -> None:
    assert list(map(text, host("cayin_cms", **variables).addresses)) == addresses


def test_an_inventory_name_that_is_an_address_is_the_host_s() -> None:
    fleet = fleet_of({"10.0.0.1": {"groups": "cayin_cms"}})
    assert list(map(text, fleet.hosts["10.0.0.1"].addresses)) == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("groups", "variables", "platform"),
    [
        ("cayin_cms", {}, "none"),
        ("cayin_cms", {"playout_platform": "linux"}, "linux"),
        ("cayin_cms cayin_operator", {}, "none"),
        ("cayin_operator", {"ansible_connection": "psrp"}, "none"),
        ("cayin_smp cayin_supermonitor", {}, "linux"),
        ("cayin_supermonitor", {"ansible_connection": "ansible.windows.winrm"}, "windows"),
        ("viz_world_server", {"ansible_shell_type": "powershell"}, "windows"),
        ("viz_world_server", {}, "linux"),
        ("playout_gateway", {"ansible_network_os": "community.routeros.routeros"}, "routeros"),
        ("playout_gateway", {"ansible_network_os": "fortinet.fortios.fortios"}, "fortios"),
        ("playout_gateway cayin_operator", {}, "linux"),
    ],
)
def test_a_platform(groups: str, variables: dict[str, str], platform: str) -> None:
    assert host(groups, **variables).platform == platform


def test_a_role_s_own_platform_is_the_default(tmp_path: t.Any) -> None:
    path = tmp_path / "wall.yml"
    path.write_text(
        "product: wall\ntitle: Wall\ndocuments: {a: {title: A, edition: '1'}}\n"
        "roles: {wall_server: {title: W, platform: windows}, wall_client: {title: C}}\n"
        "services:\n  wall_api:\n    purpose: p\n    ports: [{protocol: tcp, port: 7}]\n    flows:\n"
        "      - {initiators: [wall_client], listeners: [wall_server], direction: stated,"
        " source: {document: a, place: p}}\n"
    )
    fleet = read_fleet({"x": RawHost(["wall_server"], {})}, load_catalogue((str(path),)), Problems())
    assert fleet.hosts["x"].platform == "windows"


@pytest.mark.parametrize(
    ("groups", "systems"),
    [
        ("cayin_cms", {"main"}),
        ("cayin_operator", None),
        ("playout_gateway", None),
        ("playout_gateway playout_log_server", None),
        ("playout_gateway cayin_cms", {"main"}),
    ],
)
def test_the_default_system(groups: str, systems: set[str] | None) -> None:
    assert host(groups).systems == systems


def test_networks_of_all_variables_are_merged_and_each_is_there_once() -> None:
    found = host(
        "cayin_cms",
        playout_networks={"cayin_smp": ["192.0.2.0/24"]},
        playout_networks_b={"cayin_smp": ["192.0.2.0/24", {"network": "10.0.0.0/8", "site": "main"}]},
        playout_networks_c={"cayin_operator": []},
    ).networks
    assert [(str(party.network), party.site) for party in found["cayin_smp"]] == [
        ("192.0.2.0/24", None),
        ("10.0.0.0/8", "main"),
    ]
    assert found["cayin_operator"] == ()


def test_a_viz_world_server_has_its_own_settings_and_other_roles_have_none() -> None:
    variables = {"viz_world_instances": 4, "viz_world_release": 22.0, "viz_world_numbering": "formula"}
    settings = host("viz_world_server", **variables).settings["viz_world"]
    assert (settings.instances, settings.release, settings.numbering) == (4, "22.0", "formula")
    assert not host("viz_world_client", **variables).settings


def test_overrides_move_services_that_share_a_port() -> None:
    found = host("cayin_cms", playout_port_overrides={"cayin_registration": 21000}).overrides
    assert found == {name: PortSet.parse(21000) for name in ("cayin_registration", "cayin_supermonitor")}


@pytest.mark.parametrize(
    ("nat", "seen_as", "expected"),
    [
        (True, None, ["203.0.113.1"]),
        (True, ["203.0.113.9"], ["203.0.113.9"]),
        (True, "any", ["any", "any"]),
        (False, None, []),
        (False, ["203.0.113.9"], ["203.0.113.9"]),
    ],
)
def test_a_gateway_s_site_is_seen_as_its_outside_address_unless_said_otherwise(
    nat: bool, seen_as: t.Any, expected: list[str]
) -> None:
    variables = {"playout_nat": nat, "playout_wan_addresses": ["203.0.113.1"], "playout_seen_as": seen_as}
    assert list(map(text, host("playout_gateway", **variables).gateway.seen_as)) == expected


def test_hosts_without_a_role_probe_only_where_that_is_said() -> None:
    fleet = fleet_of(
        {
            "cms": {"groups": "cayin_cms"},
            "other": {"groups": "web"},
            "prober": {"groups": "web", "playout_probe": True},
            "mute": {"groups": "web", "playout_probe": False},
        }
    )
    assert [host.name for host in fleet.strangers] == ["prober"]
    assert list(fleet.hosts) == ["cms"]


def test_too_few_hosts_end_reading_before_anything_else_is_said() -> None:
    problems = Problems()
    broken = {"playout_fleet_size": 2, "playout_site": 5}
    with pytest.raises(InventoryError, match="1 hosts with a role are visible and 2 are declared") as caught:
        read_fleet({"x": RawHost(["cayin_cms"], broken)}, load_catalogue(), problems)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("playout_site", True),
        ("playout_networks_branches", True),
        ("viz_world_instances", True),
        ("ansible_host", True),
        ("ansible_password", False),
        ("unrelated", False),
    ],
)
def test_the_variables_of_which_the_fleet_is_made(name: str, ours: bool) -> None:
    assert is_fleet_variable(name) is ours
