# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy means, chain by chain, before any firewall's language: each decision by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import (
    ACCEPT,
    DROP,
    ELSEWHERE_LOCAL,
    HELPER,
    LOCAL,
    MASQUERADE,
    TRANSLATE,
    Connection,
    Options,
    Original,
    Statement,
    Statements,
    merge_ports,
    statements,
)
from hypothesis import given
from hypothesis import strategies as st

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1])))
MANAGEMENT = {"ports": ["22", "3389"], "sources": ["192.0.2.0/24", "2001:db8::/64"]}
SSH, WEB = (22, 22), (80, 80)


def _said(enforcement: str = "scoped", connection: Connection | None = None, **parts: Any) -> Statements:
    return statements(Policy.from_dict({"host": "h", **parts}), Options(enforcement, connection))


def _rule(direction: str = "in", **parts: Any) -> dict[str, Any]:
    base = {"id": "a", "services": ["a"], "direction": direction, "family": "ipv4", "protocol": "tcp", "ports": ["80"]}
    sources = [] if direction == "out" else ["192.0.2.1"]
    destinations = [] if direction == "in" else ["198.51.100.1"]
    return {**base, "sources": sources, "destinations": destinations, "comment": "", **parts}


def _forward(external: str = "203.0.113.1", outside: str = "8080", inside: str = "80", **parts: Any) -> dict[str, Any]:
    base = {"id": "f", "services": ["f"], "family": "ipv4", "protocol": "tcp", "sources": ["any"], "comment": ""}
    ends = {"external_addresses": external.split(), "external_ports": outside.split(), "to_address": "10.0.0.10"}
    return {**base, **ends, "to_ports": inside.split(), **parts}


def _gateway(**parts: Any) -> dict[str, Any]:
    return {"wan_interfaces": ["wan1", "wan0"], "lan_interfaces": ["lan1", "lan0"], **parts}


def _transit(**parts: Any) -> dict[str, Any]:
    base = {"family": "ipv4", "protocol": "tcp", "ports": ["80"], "sources": ["any"], "destinations": ["10.0.0.10"]}
    return {**base, **parts}


def _numbers(ranges: Any) -> set[int]:
    return {port for first, last in ranges for port in range(first, last + 1)}


# -- addresses and ports ------------------------------------------------------------------------------------------


@given(RANGES)
def test_merged_ports_are_the_same_ports_without_overlap_or_touch(ranges: list[tuple[int, int]]) -> None:
    merged = merge_ports([f"{first}-{last}" for first, last in ranges])
    assert _numbers(merged) == _numbers(ranges)
    assert all(low[1] + 1 < high[0] for low, high in pairwise(merged))


@pytest.mark.parametrize(
    ("family", "given_", "merged"),
    [
        pytest.param("ipv4", ["any"], (), id="any is no condition"),
        pytest.param("ipv4", ["192.0.2.2", "192.0.2.1/32"], ("192.0.2.1", "192.0.2.2"), id="single ones stay single"),
        pytest.param("ipv4", ["192.0.2.7", "192.0.2.0/24"], ("192.0.2.0/24",), id="what lies in another goes"),
        pytest.param("ipv4", ["10.0.1.0/24", "10.0.0.0/24"], ("10.0.0.0/23",), id="neighbours become one"),
        pytest.param("ipv6", ["2001:DB8:0:0::1"], ("2001:db8::1",), id="the kernel's spelling"),
        pytest.param("ipv6", ["2001:DB8:0::/48"], ("2001:db8::/48",), id="and for networks"),
        pytest.param("ipv6", ["::ffff:c000:201"], ("::ffff:192.0.2.1",), id="mapped, on every Python"),
        pytest.param("ipv6", ["::192.0.2.0/120"], ("::192.0.2.0/120",), id="compatible, on every Python"),
    ],
)
def test_addresses_are_merged_and_spelled_as_the_kernel_spells_them(
    family: str, given_: list[str], merged: tuple[str, ...]
) -> None:
    [line] = _said(rules=[_rule(family=family, sources=given_)]).input
    assert (line.family, line.sources) == (family, merged)


# -- chains -------------------------------------------------------------------------------------------------------


def test_an_empty_policy_has_no_statement_at_all() -> None:
    assert _said() == Statements(False, (), (), (), (), (), (), ())


def test_each_rule_is_accepted_in_the_chain_of_its_direction_before_what_is_dropped_there() -> None:
    said = _said(
        rules=[_rule(comment="x"), _rule("out", id="b"), _rule("forward", id="c", protocol="udp", family="ipv4")],
        governed={"in": {"tcp": ["80"]}, "out": {"tcp": ["80"]}, "forward": [_transit()]},
        gateway=_gateway(),
    )
    web = {"family": "ipv4", "protocol": "tcp", "ports": (WEB,)}
    accepted = [
        Statement(ACCEPT, "a: x", "rule.a", **web, sources=("192.0.2.1",)),
        Statement(ACCEPT, "b", "rule.b", **web, destinations=("198.51.100.1",)),
        Statement(
            ACCEPT,
            "c",
            "rule.c",
            **{**web, "protocol": "udp"},
            sources=("192.0.2.1",),
            destinations=("198.51.100.1",),
        ),
    ]
    assert [said.input[0], said.output[0], said.forward[0]] == accepted
    for chain in (said.input, said.output, said.forward):
        assert [line.verdict for line in chain] == [ACCEPT, DROP]


def test_what_is_governed_is_dropped_in_both_families_whoever_sent_it() -> None:
    said = _said(governed={"in": {"udp": ["514"], "tcp": ["80", "81", "9000-9009"]}, "out": {"tcp": ["25"]}})
    assert said.input == (
        Statement(DROP, "governed", protocol="tcp", ports=((80, 81), (9000, 9009))),
        Statement(DROP, "governed", protocol="udp", ports=((514, 514),)),
    )
    assert said.output == (Statement(DROP, "governed", protocol="tcp", ports=((25, 25),)),)


def test_scoped_never_drops_a_management_port_that_comes_in_or_passes() -> None:
    said = _said(
        governed={
            "in": {"tcp": ["20-25"]},
            "out": {"tcp": ["22"]},
            "forward": [_transit(ports=["22"]), _transit(ports=["3380-3390"])],
        },
        management=MANAGEMENT,
        gateway=_gateway(),
    )
    assert [line.ports for line in said.input] == [((20, 21), (23, 25))]
    assert [line.ports for line in said.forward] == [((3380, 3388), (3390, 3390))]
    # Nobody administers a host from itself.
    assert [line.ports for line in said.output] == [(SSH,)]
    assert _said(governed={"in": {"tcp": ["22"]}}, management=MANAGEMENT).input == ()


def test_a_management_port_is_one_of_tcp() -> None:
    said = _said(
        governed={"in": {"udp": ["3389"]}, "forward": [_transit(protocol="udp", ports=["3389"])]},
        management=MANAGEMENT,
        gateway=_gateway(),
    )
    assert [line.ports for line in (*said.input, *said.forward)] == [((3389, 3389),), ((3389, 3389),)]


def test_default_deny_lets_management_and_what_is_kept_in_and_drops_everything_else() -> None:
    keep = [{"protocol": "udp", "ports": ["161"], "sources": ["192.0.2.9"]}]
    keep += [{"protocol": "tcp", "ports": ["443"], "sources": ["any"]}]
    said = _said("default_deny", rules=[_rule()], governed={"in": {"tcp": ["80"]}}, management=MANAGEMENT, keep=keep)
    tcp = {"protocol": "tcp"}
    managed = {**tcp, "ports": (SSH, (3389, 3389))}
    assert said.input[1:] == (
        Statement(ACCEPT, "management", "management", "ipv4", **managed, sources=("192.0.2.0/24",)),
        Statement(ACCEPT, "management", "management", "ipv6", **managed, sources=("2001:db8::/64",)),
        Statement(ACCEPT, "keep.0", "keep.0", "ipv4", "udp", ((161, 161),), ("192.0.2.9",)),
        Statement(ACCEPT, "keep.1", "keep.1", "ipv4", **tcp, ports=((443, 443),)),
        Statement(ACCEPT, "keep.1", "keep.1", "ipv6", **tcp, ports=((443, 443),)),
        Statement(DROP, "default deny"),
    )
    assert said.output == ()
    assert said.forward == ()


# -- the connection in use ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("enforcement", "port", "client", "needed"),
    [
        pytest.param("scoped", 22, "198.51.100.7", False, id="scoped never drops a management port"),
        pytest.param("scoped", 80, "198.51.100.7", True, id="scoped, on a governed port"),
        pytest.param("scoped", 80, "2001:db8:f::7", True, id="scoped, on a governed port over IPv6"),
        pytest.param("scoped", 2222, "198.51.100.7", False, id="scoped, on a port that nobody governs"),
        pytest.param("scoped", 514, "198.51.100.7", False, id="scoped, on a port that is governed for UDP only"),
        pytest.param("default_deny", 22, "192.0.2.7", False, id="in the management networks already"),
        pytest.param("default_deny", 22, "2001:db8::7", False, id="in those of IPv6"),
        pytest.param("default_deny", 22, "198.51.100.7", True, id="from elsewhere"),
        pytest.param("default_deny", 2222, "192.0.2.7", True, id="on another port"),
    ],
)
def test_the_connection_in_use_is_accepted_where_something_could_drop_it(
    enforcement: str, port: int, client: str, needed: bool
) -> None:
    governed = {"in": {"tcp": ["22", "80"], "udp": ["514"]}}
    said = _said(enforcement, Connection(client, port), governed=governed, management=MANAGEMENT)
    family = "ipv6" if ":" in client else "ipv4"
    wanted = Statement(
        ACCEPT,
        "the management connection in use",
        family=family,
        protocol="tcp",
        ports=((port, port),),
        sources=(client,),
    )
    assert said.connection == ((wanted,) if needed else ())


@pytest.mark.parametrize("client", ["198.51.100.7", "2001:db8:f::7"])
def test_a_connection_from_anywhere_is_covered_where_anybody_may_manage(client: str) -> None:
    managed = {"ports": ["22"], "sources": ["any"]}
    assert _said("default_deny", Connection(client, 22), management=managed).connection == ()


def test_without_a_connection_none_is_accepted() -> None:
    assert _said("default_deny", management=MANAGEMENT).connection == ()


# -- what passes a gateway ----------------------------------------------------------------------------------------


def test_governed_transit_from_anybody_spares_the_sites_own_interfaces_and_no_others() -> None:
    towards = _transit(destinations=["10.0.0.11", "10.0.0.10"])
    outwards = _transit(sources=["10.0.0.10"], destinations=["any"], protocol="udp")
    over_ipv6 = _transit(family="ipv6", destinations=["2001:db8:f::10"])
    said = _said(governed={"forward": [towards, outwards, over_ipv6]}, gateway=_gateway())
    lan = ("lan0", "lan1")
    dropped = "governed transit"
    assert said.forward == (
        Statement(
            DROP,
            dropped,
            "transit.0",
            "ipv4",
            "tcp",
            (WEB,),
            (),
            ("10.0.0.10", "10.0.0.11"),
            not_incoming=lan,
        ),
        Statement(DROP, dropped, "transit.1", "ipv4", "udp", (WEB,), ("10.0.0.10",)),
        Statement(DROP, dropped, "transit.2", "ipv6", "tcp", (WEB,), (), ("2001:db8:f::10",), not_incoming=lan),
    )


def test_transit_is_denied_after_rules_management_and_what_comes_back_in() -> None:
    gateway = _gateway(transit="deny", hairpin=True)
    said = _said(
        rules=[_rule("forward")],
        forwards=[_forward()],
        governed={"forward": [_transit()]},
        management={"ports": ["22"], "sources": ["192.0.2.0/24"]},
        gateway=gateway,
    )
    assert [line.title for line in said.forward] == ["a", "management", "f: from inside", "transit denied"]
    assert [line.verdict for line in said.forward] == [ACCEPT, ACCEPT, ACCEPT, DROP]
    assert said.forward[-1] == Statement(DROP, "transit denied")
    # What was not translated must not get through as if it had been.
    assert said.forward[2].translated == Original()
    assert said.input == ()


def test_a_published_management_port_is_no_more_open_from_inside_than_from_outside() -> None:
    said = _said(
        forwards=[_forward(outside="8022", inside="22"), _forward(id="ftp", outside="20-22", inside="20-22")],
        management={"ports": ["22"], "sources": []},
        gateway=_gateway(transit="deny", hairpin=True),
    )
    assert [(line.title, line.ports) for line in said.forward[:-1]] == [("ftp: from inside", ((20, 21),))]


@pytest.mark.parametrize(
    ("forward", "original"),
    [
        pytest.param(_forward(outside="8022", inside="22"), Original(("203.0.113.1",), ((8022, 8022),)), id="moved"),
        pytest.param(_forward("", "8022", "22"), Original((), ((8022, 8022),)), id="at whatever address we have"),
        pytest.param(
            _forward("203.0.113.2 203.0.113.1", "20-25", "20-25"),
            Original(("203.0.113.1", "203.0.113.2"), (SSH,)),
            id="within a range that stays as it is",
        ),
    ],
)
def test_a_management_port_that_our_forward_published_is_dropped_by_the_way_it_came(
    forward: dict[str, Any], original: Original
) -> None:
    said = _said(rules=[_rule("forward")], forwards=[forward], management=MANAGEMENT, gateway=_gateway())
    dropped = Statement(
        DROP,
        "f: management port",
        family="ipv4",
        protocol="tcp",
        ports=(SSH,),
        destinations=("10.0.0.10",),
        translated=original,
    )
    assert said.forward[1:] == (dropped,)


@pytest.mark.parametrize(
    "forward",
    [
        pytest.param(_forward(), id="another port"),
        pytest.param(_forward(outside="22"), id="a management port outside only"),
        pytest.param(_forward(outside="22", inside="22", protocol="udp"), id="not TCP, in which one manages"),
    ],
)
def test_other_forwards_drop_nothing(forward: dict[str, Any]) -> None:
    assert _said(forwards=[forward], management=MANAGEMENT, gateway=_gateway()).forward == ()


# -- translation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hairpin", "incoming"), [(False, ("wan0", "wan1")), (True, ())])
def test_a_fixed_outside_address_is_translated_from_outside_and_with_hairpin_from_everywhere(
    hairpin: bool, incoming: tuple[str, ...]
) -> None:
    [line] = _said(forwards=[_forward()], gateway=_gateway(hairpin=hairpin)).translate
    assert line == Statement(
        TRANSLATE,
        "f",
        family="ipv4",
        protocol="tcp",
        ports=((8080, 8080),),
        destinations=("203.0.113.1",),
        incoming=incoming,
        to_address="10.0.0.10",
        to_port=80,
    )


def test_without_outside_addresses_it_is_whatever_address_the_gateway_has_by_then() -> None:
    [line] = _said(forwards=[_forward("")], gateway=_gateway()).translate
    assert (line.addressed, line.incoming, line.destinations) == (LOCAL, ("wan0", "wan1"), ())
    outside, inside = _said(forwards=[_forward("")], gateway=_gateway(hairpin=True)).translate
    assert outside == line
    assert (inside.addressed, inside.incoming, inside.destinations) == (ELSEWHERE_LOCAL, ("lan0", "lan1"), ())


def test_ports_that_stay_the_same_are_translated_as_a_whole() -> None:
    ports = "21 20001-29999"
    [line] = _said(forwards=[_forward(outside=ports, inside=ports)], gateway=_gateway()).translate
    assert (line.ports, line.to_port) == (((21, 21), (20001, 29999)), None)


def test_only_what_was_translated_and_came_from_inside_hides_behind_the_gateway() -> None:
    said = _said(
        forwards=[_forward(), _forward("2001:db8::1", id="six", family="ipv6", to_address="2001:db8:f::10")],
        gateway=_gateway(hairpin=True),
    )
    shared: dict[str, Any] = {"protocol": "tcp", "ports": (WEB,), "incoming": ("lan0", "lan1")}
    shared["translated"] = Original()
    assert said.source_nat == (
        Statement(MASQUERADE, "f: from inside", family="ipv4", destinations=("10.0.0.10",), **shared),
        Statement(MASQUERADE, "six: from inside", family="ipv6", destinations=("2001:db8:f::10",), **shared),
    )
    assert _said(forwards=[_forward()], gateway=_gateway()).source_nat == ()


def test_a_site_hides_behind_its_gateway_in_ipv4_alone() -> None:
    [line] = _said(masquerade=True, gateway=_gateway()).source_nat
    assert (line.verdict, line.family, line.outgoing) == (MASQUERADE, "ipv4", ("wan0", "wan1"))
    assert line.translated is None


# -- helpers ------------------------------------------------------------------------------------------------------


def _helper(*addresses: str) -> dict[str, Any]:
    return {"name": "ftp", "protocol": "tcp", "port": 21, "addresses": list(addresses)}


def test_a_helper_is_for_each_family_that_has_an_address_and_any_is_both() -> None:
    said = _said(helpers=[_helper("10.0.0.11", "10.0.0.10"), _helper("2001:db8::1"), _helper("any")])
    assert {(line.verdict, line.protocol, line.ports, line.helper) for line in said.helpers} == {
        (HELPER, "tcp", ((21, 21),), "ftp")
    }
    assert [(line.owner, line.family, line.destinations) for line in said.helpers] == [
        ("helper.0", "ipv4", ("10.0.0.10", "10.0.0.11")),
        ("helper.1", "ipv6", ("2001:db8::1",)),
        ("helper.2", "ipv4", ()),
        ("helper.2", "ipv6", ()),
    ]


# -- names of address sets ----------------------------------------------------------------------------------------


def test_no_two_lists_of_addresses_would_get_the_same_name() -> None:
    many = ["192.0.2.1", "198.51.100.1", "2001:db8::1", "2001:db8:1::1"]
    four, six = many[:2], many[2:]
    said = _said(
        "default_deny",
        rules=[
            _rule(id="management", sources=four),
            _rule("forward", id="b", sources=four, destinations=["10.0.0.1", "10.0.1.1"]),
            _rule(id="c", family="ipv6", sources=six),
        ],
        governed={"forward": [_transit(sources=four, destinations=["10.0.2.1", "10.0.3.1"])]},
        management={"ports": ["22"], "sources": many},
        keep=[{"protocol": "udp", "ports": ["161"], "sources": ["10.9.0.1", "10.9.1.1"]}],
        helpers=[_helper(*many), _helper("10.8.0.1", "10.8.1.1")],
        gateway=_gateway(),
    )
    names: dict[tuple[str, str | None, str], tuple[str, ...]] = {}
    for line in (*said.input, *said.forward, *said.output, *said.helpers):
        for side, addresses in (("source", line.sources), ("destination", line.destinations)):
            if len(addresses) > 1:
                assert line.owner
                assert names.setdefault((line.owner, line.family, side), addresses) == addresses
    assert len(names) == 12
