# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role listens on: the guide's own check, stand-ins, features, and questions that have no answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._port_list import PortListError, port_list
from hypothesis import given
from hypothesis import strategies as st

CATALOGUE = load_catalogue()
GUIDE = "Viz World User Guide, Ports and Connections (23.0, 12 December 2023; 22.0 the same; 17.0 without HTTP)"


def viz(role: str, **options: Any) -> list[dict[str, Any]]:
    return port_list(CATALOGUE, "viz_world", role, **options)


def cayin(role: str, **options: Any) -> list[dict[str, Any]]:
    return port_list(CATALOGUE, "cayin", role, **options)


def numbers(entries: list[dict[str, Any]], protocol: str) -> set[int]:
    found = set()
    for entry in entries:
        first, _dash, last = entry["ports"].partition("-")
        if entry["protocol"] == protocol:
            found |= set(range(int(first), int(last or first) + 1))
    return found


def lines(entries: list[dict[str, Any]]) -> list[str]:
    return [f"{entry['service']} {entry['protocol']}/{entry['ports']}" for entry in entries]


def test_the_check_of_four_instances_in_all_readings() -> None:
    server, allocator = viz("server", instances=4), viz("allocator", instances=4)
    assert numbers(server, "tcp") == {102, 103, *range(10101, 10104), *range(10300, 10305)}
    assert numbers(server, "udp") == {10100, *range(10200, 10204)}
    assert numbers(allocator, "tcp") == {10100, *range(10300, 10304)}
    assert numbers(allocator, "udp") == {10100, *range(10200, 10204)}


def test_the_formulas_alone() -> None:
    assert lines(viz("server", instances=4, numbering="formula")) == [
        "viz_client tcp/102",
        "viz_config tcp/103",
        "viz_client_instances tcp/10101-10103",
        "viz_http tcp/10300-10303",
        "viz_udp_server udp/10100",
    ]
    assert lines(viz("allocator", instances=4, numbering="formula")) == [
        "viz_allocator tcp/10100",
        "viz_udp_allocator udp/10200-10203",
    ]


def test_the_worked_example_alone() -> None:
    assert lines(viz("server", instances=4, numbering="example")) == [
        "viz_client tcp/102",
        "viz_config tcp/103",
        "viz_client_instances tcp/10101-10103",
        "viz_http_example tcp/10301-10304",
        "viz_udp_server_example udp/10200-10203",
    ]
    assert lines(viz("allocator", instances=4, numbering="example")) == [
        "viz_allocator tcp/10100",
        "viz_udp_allocator_example udp/10100",
    ]


def test_the_oldest_release_has_no_http() -> None:
    for role in ("server", "allocator"):
        old, new = viz(role, instances=2, release="17.0"), viz(role, instances=2)
        assert [entry for entry in new if "http" not in entry["service"]] == old
        assert viz(role, instances=2, release="22.0") == new


def test_a_release_may_come_as_a_number() -> None:
    assert viz("server", release=17.0) == viz("server", release="17.0")


@pytest.mark.parametrize(
    ("role", "options", "internal"),
    [
        ("server", {}, False),
        ("server", {"instances": 2}, True),
        ("server", {"instances": 2, "allocator": False}, False),
        ("server", {"allocator": True}, True),
        ("server", {"allocator": "yes"}, True),
        ("allocator", {}, True),
        ("allocator", {"allocator": True}, True),
    ],
)
def test_internal_services_exist_beside_an_allocator(role: str, options: dict[str, Any], internal: bool) -> None:
    assert any(entry["scope"] == "internal" for entry in viz(role, **options)) is internal


def test_an_entry_says_all_of_this() -> None:
    assert viz("server")[0] == {
        "service": "viz_client",
        "protocol": "tcp",
        "ports": "102",
        "initiators": ["viz_world_client"],
        "scope": "external",
        "mandatory": True,
        "direction": "stated",
        "reading": None,
        "purpose": "Map clients connect to the first server instance",
        "source": f"{GUIDE}, table, port 102",
    }
    (udp,) = (entry for entry in viz("server", allocator=True) if entry["service"] == "viz_udp_server_example")
    assert (udp["reading"], udp["direction"], udp["scope"]) == ("example", "inferred", "internal")


def test_pairings_are_merged_and_inferred_where_one_of_them_is() -> None:
    (cms,) = (entry for entry in cayin("cms", features=["https"]) if entry["service"] == "cayin_https")
    assert (cms["initiators"], cms["direction"]) == (["cayin_smp", "cayin_operator"], "inferred")
    assert cms["source"].count("; ") >= 1
    assert "online help" in cms["source"]
    assert "HTTPS (WEB)" in cms["source"]
    (smp,) = (entry for entry in cayin("smp", features=["https"]))
    assert smp["initiators"] == ["cayin_operator"]


@pytest.mark.parametrize(("role", "instances"), [("server", 1), ("server", 4), ("allocator", 3)])
def test_per_instance_gives_the_same_ports_one_by_one(role: str, instances: int) -> None:
    single = viz(role, instances=instances, allocator=True, per_instance=True)
    merged = viz(role, instances=instances, allocator=True)
    for protocol in ("tcp", "udp"):
        assert numbers(single, protocol) == numbers(merged, protocol)
    assert all("instance" in entry for entry in single)
    assert not any("instance" in entry for entry in merged)


def test_per_instance_names_the_instance_where_there_is_one() -> None:
    found = {
        (entry["service"], entry["ports"]): entry["instance"] for entry in viz("server", instances=3, per_instance=True)
    }
    assert found["viz_client", "102"] == 1
    assert found["viz_client_instances", "10101"] == 2
    assert found["viz_client_instances", "10102"] == 3
    assert found["viz_http_example", "10303"] == 3
    assert found["viz_udp_server", "10100"] is None


@given(
    st.sampled_from([("viz_world", "server"), ("viz_world", "allocator")]),
    st.integers(1, 200),
    st.sampled_from(["union", "formula", "example"]),
    st.booleans(),
)
def test_lists_are_sorted_by_protocol_port_and_service(
    which: tuple[str, str], instances: int, numbering: str, per_instance: bool
) -> None:
    entries = port_list(CATALOGUE, *which, instances=instances, numbering=numbering, per_instance=per_instance)
    keys = [(entry["protocol"], int(entry["ports"].split("-")[0]), entry["service"]) for entry in entries]
    assert keys == sorted(keys)


def test_clients_listen_on_nothing() -> None:
    assert viz("client", instances=4) == viz("config") == cayin("operator") == []


def test_a_cms_without_more_ado() -> None:
    assert lines(cayin("cms")) == [
        "cayin_content tcp/80",
        "cayin_web tcp/80",
        "cayin_registration tcp/20000",
        "cayin_supermonitor tcp/20000",
        "cayin_cms_pro tcp/20001",
    ]


MANDATORY = ["cayin_content tcp/80", "cayin_registration tcp/20000", "cayin_cms_pro tcp/20001"]


def test_a_list_of_features_replaces_the_default_and_keeps_what_is_mandatory() -> None:
    assert lines(cayin("cms", features=[])) == MANDATORY
    assert lines(cayin("cms", features=["smb"])) == [MANDATORY[0], "cayin_smb tcp/139", *MANDATORY[1:]]
    assert lines(cayin("smp", features=[])) == []


@pytest.mark.parametrize(
    ("role", "feature", "line"),
    [
        ("superreporter", "remote_log", "cayin_remote_log tcp/35000"),
        ("playout_mail_server", "mail", "cayin_mail tcp/25"),
        ("playout_log_server", "syslog", "cayin_syslog udp/514"),
        ("smp", "rtb", "cayin_rtb udp/8100-8226"),
    ],
)
def test_a_feature_brings_its_service(role: str, feature: str, line: str) -> None:
    assert lines(cayin(role, features=[feature])) == [line]
    assert line not in lines(cayin(role))


def test_the_standby_server_always_has_its_own_side_of_backup_and_is_a_cms_besides() -> None:
    own = ["cayin_backup tcp/22", "cayin_backup tcp/30001"]
    assert lines(cayin("backup_server", features=[])) == [own[0], *MANDATORY, own[1]]
    assert {entry["service"] for entry in cayin("cms")} < {entry["service"] for entry in cayin("backup_server")}
    (first, *_rest) = cayin("backup_server")
    assert first["initiators"] == ["cayin_cms"]


def test_only_the_main_cms_listens_for_stand_ins() -> None:
    main = cayin("cms", features=["backup", "site"])
    assert [entry["initiators"] for entry in main if entry["ports"] == "22"] == [
        ["cayin_backup_server"],
        ["cayin_site_server"],
    ]
    assert lines(cayin("site_server", features=["backup", "site"])) == MANDATORY
    assert "cayin_site tcp/40001" not in lines(cayin("backup_server", features=["backup", "site"]))


def test_ftp_data_is_a_static_range_only_where_asked() -> None:
    features = ["ftp", "ftp_user"]
    assert "20001-29999" not in {entry["ports"] for entry in cayin("cms", features=features)}
    assert cayin("cms", features=features, ftp_data="helper") == cayin("cms", features=features)
    found = [line for line in lines(cayin("cms", features=features, ftp_data="range")) if "29999" in line]
    assert found == ["cayin_ftp_data tcp/20001-29999", "cayin_ftp_user tcp/20001-29999"]


def test_an_override_moves_a_service_and_the_sorting_follows() -> None:
    found = lines(cayin("cms", overrides={"cayin_content": 30000, "cayin_registration": "21000"}))
    assert found == [
        "cayin_web tcp/80",
        "cayin_cms_pro tcp/20001",
        "cayin_registration tcp/21000",
        "cayin_supermonitor tcp/21000",
        "cayin_content tcp/30000",
    ]


@pytest.mark.parametrize("role", ["cms", "cayin_cms"])
def test_roles_have_a_short_and_a_full_name(role: str) -> None:
    assert cayin(role) == cayin("cms")


@pytest.mark.parametrize(
    ("product", "role", "options", "message"),
    [
        ("vizrt", "server", {}, "product: 'vizrt' is not a product of the catalogue; known are cayin, viz_world"),
        (None, "server", {}, "product: None is not a product"),
        ("cayin", "server", {}, "role: 'server' is not a role of cayin; known are cayin_cms, cayin_smp"),
        ("cayin", "viz_world_server", {}, "role: 'viz_world_server' is not a role of cayin"),
        ("viz_world", ["server"], {}, "role: ['server'] is not a role of viz_world"),
        ("viz_world", "server", {"instances": 0}, "instances = 0: write a whole number of at least 1, at most 200"),
        ("viz_world", "server", {"instances": 201}, "instances = 201: write a whole number of at least 1, at most 200"),
        ("viz_world", "client", {"instances": 201}, "instances = 201: "),
        ("viz_world", "server", {"instances": True}, "instances = True: "),
        ("viz_world", "server", {"instances": "four"}, "instances = 'four': "),
        ("viz_world", "server", {"release": "21.0"}, "release = '21.0': write one of 17.0, 22.0, 23.0"),
        ("viz_world", "server", {"numbering": "both"}, "numbering = 'both': write one of union, formula, example"),
        ("viz_world", "server", {"allocator": "maybe"}, "allocator = 'maybe': write true or false"),
        ("viz_world", "allocator", {"allocator": False}, "allocator = False: the role viz_world_allocator is the"),
        ("viz_world", "server", {"per_instance": 2}, "per_instance = 2: write true or false"),
        ("viz_world", "server", {"ftp_data": "range"}, "ftp_data = 'range': viz_world has no such setting"),
        ("viz_world", "server", {"features": ["web"]}, "features: 'web' is not a feature of viz_world; known are none"),
        (
            "cayin",
            "cms",
            {"features": ["webs"]},
            "features: 'webs' is not a feature of cayin; known are web, supermonitor",
        ),
        ("cayin", "cms", {"features": "web"}, "features = 'web': write a list"),
        ("cayin", "cms", {"ftp_data": "static"}, "ftp_data = 'static': write one of helper, range"),
        ("cayin", "cms", {"instances": 1}, "instances = 1: cayin has no such setting"),
        ("cayin", "cms", {"allocator": False}, "allocator = False: cayin has no such setting"),
        ("cayin", "cms", {"overrides": ["cayin_web"]}, "overrides: a mapping of service id to port is needed"),
        (
            "cayin",
            "cms",
            {"overrides": {"cayin_wep": 80}},
            "overrides: 'cayin_wep' is not a service of cayin; known are",
        ),
        ("cayin", "cms", {"overrides": {"viz_client": 80}}, "overrides: 'viz_client' is not a service of cayin"),
        ("cayin", "cms", {"overrides": {"cayin_web": 99999}}, "overrides: 99999 is not a port"),
    ],
)
def test_a_question_without_an_answer_names_the_value_and_what_is_known(
    product: Any, role: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PortListError) as caught:
        port_list(CATALOGUE, product, role, **options)
    assert str(caught.value).startswith(message)


def test_a_product_of_ones_own_may_listen_as_anothers_role(tmp_path: Path) -> None:
    path = tmp_path / "own.yml"
    path.write_text(
        """
product: own
title: Own
documents: {note: {title: Note, edition: "1"}}
roles: {own_agent: {title: agent}}
services:
  own_metrics:
    purpose: metrics
    scope: internal
    ports: [{protocol: tcp, port: 9100}]
    flows:
      - {initiators: [own_agent], listeners: [cayin_cms], direction: stated, source: {document: note, place: all of it}}
"""
    )
    assert lines(port_list(load_catalogue((str(path),)), "own", "cayin_cms")) == ["own_metrics tcp/9100"]
