# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes for other people's modules: nothing opens to more sources, ports or scopes than was asked for."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._port_shapes import (
    ShapeError,
    collapsed,
    firewalld_ports,
    system_role,
    ufw_rules,
)


def entry(service: str, ports: str, protocol: str = "tcp", scope: str = "external") -> dict[str, Any]:
    return {"service": service, "protocol": protocol, "ports": ports, "scope": scope}


ENTRIES = [
    entry("web", "80"),
    entry("registration", "20000"),
    entry("data", "20001-29999"),
    entry("syslog", "514", "udp"),
    entry("backup", "22", scope="internal"),
]
V4, V6 = "10.0.5.0/24", "2001:db8:5::/64"
PORT = 'port port="80" protocol="tcp" accept'


def test_collapsed_is_text() -> None:
    assert collapsed(ENTRIES) == {"tcp": ["22", "80", "20000-29999"], "udp": ["514"]}
    assert collapsed(iter([80, "443/tcp"])) == {"tcp": ["80", "443"], "udp": []}


@pytest.mark.parametrize("value", ["80", 80, None, {"tcp": ["80"]}, [None]])
def test_collapsed_refuses_what_is_no_list_of_ports(value: Any) -> None:
    with pytest.raises(ShapeError):
        collapsed(value)


@pytest.mark.parametrize(
    ("scope", "ports"),
    [
        ("external", ["80/tcp", "20000-29999/tcp", "514/udp"]),
        ("internal", ["22/tcp"]),
        ("all", ["22/tcp", "80/tcp", "20000-29999/tcp", "514/udp"]),
    ],
)
def test_firewalld_ports_are_merged_within_a_scope(scope: str, ports: list[str]) -> None:
    assert firewalld_ports(ENTRIES, scope) == ports


def test_internal_ports_are_in_no_shape_by_default() -> None:
    assert "22/tcp" not in firewalld_ports(ENTRIES)
    assert "22" not in {rule["to_port"] for rule in ufw_rules(ENTRIES, "any")}
    assert "22/tcp" not in system_role(ENTRIES, "any")[0]["port"]


def test_ufw_has_a_rule_for_each_range_and_source() -> None:
    assert ufw_rules(ENTRIES[:3], [V6, V4]) == [
        {"rule": "allow", "proto": "tcp", "to_port": "80", "from_ip": V4, "comment": "web"},
        {"rule": "allow", "proto": "tcp", "to_port": "80", "from_ip": V6, "comment": "web"},
        {"rule": "allow", "proto": "tcp", "to_port": "20000:29999", "from_ip": V4, "comment": "registration, data"},
        {"rule": "allow", "proto": "tcp", "to_port": "20000:29999", "from_ip": V6, "comment": "registration, data"},
    ]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("any", ["any"]),
        (["any", V4], ["any"]),
        (["0.0.0.0/0"], ["0.0.0.0/0"]),
        (["::/0", V4], [V4, "::/0"]),
        (V4, [V4]),
        (["10.0.5.1", V4, "10.0.4.0/24"], ["10.0.4.0/23"]),
        ([], []),
    ],
)
def test_any_is_both_families_and_never_comes_by_itself(sources: Any, expected: list[str]) -> None:
    assert [rule["from_ip"] for rule in ufw_rules(ENTRIES[:1], sources)] == expected


def test_the_system_role_lets_only_the_sources_in() -> None:
    assert system_role(ENTRIES[:1], [V4, V6], zone="public") == [
        {
            "rich_rule": [
                f'rule family="ipv4" source address="{V4}" {PORT}',
                f'rule family="ipv6" source address="{V6}" {PORT}',
            ],
            "state": "enabled",
            "permanent": True,
            "zone": "public",
        }
    ]


def test_the_system_role_takes_plain_ports_for_everybody_only() -> None:
    assert system_role(ENTRIES, "any") == [
        {"port": ["80/tcp", "20000-29999/tcp", "514/udp"], "state": "enabled", "permanent": True}
    ]
    assert system_role(ENTRIES[:1], ["0.0.0.0/0", V6])[0]["rich_rule"] == [
        f'rule family="ipv4" {PORT}',
        f'rule family="ipv6" source address="{V6}" {PORT}',
    ]


@pytest.mark.parametrize(("entries", "sources"), [([], "any"), (ENTRIES, []), (ENTRIES[4:], "any")])
def test_the_system_role_gets_no_entry_without_content(entries: Any, sources: Any) -> None:
    assert system_role(entries, sources) == []


@pytest.mark.parametrize("shape", [ufw_rules, system_role])
@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (None, "sources: it is missing"),
        (5, "sources = 5: write a list"),
        ({"a": 1}, "sources = {'a': 1}: write a list"),
        ("", "sources[0]: '' is not an address"),
        ([V4, "players"], "sources[1]: 'players' is not an address"),
        (["10.0.5.1/24"], "sources[0]: '10.0.5.1/24' has host bits set"),
        ([None], "sources[0]: None is not an address"),
    ],
)
def test_sources_that_cannot_be_read_never_become_any(shape: Any, sources: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        shape(ENTRIES, sources)
    assert str(caught.value).startswith(message)


SHAPES: list[Any] = [
    firewalld_ports,
    lambda entries, scope="external": ufw_rules(entries, "any", scope),
    lambda entries, scope="external": system_role(entries, "any", scope=scope),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("80/tcp", "a list of ports is needed, not '80/tcp'"),
        ({"tcp": ["80"]}, "a list of ports is needed"),
        ([ENTRIES[0], "80/tcp"], "[1]: '80/tcp' is not an entry"),
        ([{"service": "a", "protocol": "tcp", "ports": "80"}], "[0]: {'service'"),
        ([entry("a", "80", scope="outer")], "[0].scope: 'outer' is not one of external, internal"),
        ([entry("a", "http")], "[0]: 'http' is not a port"),
        ([entry("a", "80", "sctp")], "[0]: 'sctp' is not a protocol"),
    ],
)
def test_an_entry_that_cannot_be_read_is_named_by_its_place(shape: Any, entries: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        shape(entries)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_unknown_scope_is_refused(shape: Any) -> None:
    with pytest.raises(ShapeError, match="scope = 'outer': write one of external, internal, all"):
        shape(ENTRIES, "outer")


def test_a_zone_without_a_name_is_refused() -> None:
    with pytest.raises(ShapeError, match="zone = ''"):
        system_role(ENTRIES, "any", zone="")


def test_arguments_are_left_as_they_were() -> None:
    entries, sources = copy.deepcopy(ENTRIES), [V4, V6]
    ufw_rules(entries, sources)
    system_role(entries, sources)
    assert (entries, sources) == (ENTRIES, [V4, V6])
