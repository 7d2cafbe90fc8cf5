# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy builder: merging keeps exactly the same points, and what is merged has a stable shape."""

from __future__ import annotations

import ipaddress
import itertools
import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import Texts, merge, parse_network
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Gateway, Host, Keep
from ansible_collections.playout.firewall.plugins.plugin_utils._policy_builder import PolicyBuilder
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortSet
from hypothesis import given
from hypothesis import strategies as st

Box = tuple[str, str, Texts, Texts, PortSet]

NETWORKS = [f"10.0.0.{number}" for number in range(6)] + ["10.0.0.0/30", "10.0.0.4/31"]
PORTS = st.lists(st.tuples(st.integers(1, 8), st.integers(0, 3)), min_size=1, max_size=3)


def texts() -> st.SearchStrategy[Texts]:
    """Networks as the topology spells them: merged."""
    lists = st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=4)
    return lists.map(lambda names: merge(map(parse_network, names))["ipv4"])


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """What is let through."""
    direction = draw(st.sampled_from(("in", "out", "forward")))
    sources = () if direction == "out" else draw(texts())
    destinations = () if direction == "in" else draw(texts())
    ports = PortSet.of(*((first, first + more) for first, more in draw(PORTS)))
    return direction, draw(st.sampled_from(("tcp", "udp"))), sources, destinations, ports


def points(direction: str, protocol: str, sources: Texts, destinations: Texts, ranges: t.Iterable[str]) -> set[t.Any]:
    """Return every single packet that a box lets through."""
    ports = [
        port
        for first, _dash, last in (text.partition("-") for text in ranges)
        for port in range(int(first), int(last or first) + 1)
    ]
    ends = [
        [str(one) for text in texts for one in ipaddress.ip_network(text)] or [""] for texts in (sources, destinations)
    ]
    return set(itertools.product([direction], [protocol], *ends, ports))


@given(st.lists(boxes(), max_size=12))
def test_merging_lets_through_exactly_what_was_to_be_let_through(found: list[Box]) -> None:
    builder, expected = PolicyBuilder(Host("x", frozenset())), set()
    for number, (direction, protocol, sources, destinations, ports) in enumerate(found):
        builder.allow(direction, "ipv4", protocol, f"service{number % 3}", ports, sources, destinations)
        expected |= points(direction, protocol, sources, destinations, ports.texts())
    rules = builder.build().rules
    merged = [points(rule.direction, rule.protocol, rule.sources, rule.destinations, rule.ports) for rule in rules]
    assert set().union(*merged) == expected
    assert len({rule.id for rule in rules}) == len(rules) <= len(found)


@given(st.lists(boxes(), max_size=8), st.randoms())
def test_the_order_of_what_is_let_through_changes_nothing(found: list[Box], random: t.Any) -> None:
    other = random.sample(found, len(found))
    policies = []
    for order in (found, other):
        builder = PolicyBuilder(Host("x", frozenset()))
        for direction, protocol, sources, destinations, ports in order:
            builder.allow(direction, "ipv4", protocol, "service", ports, sources, destinations)
        policies.append(builder.build())
    assert policies[0] == policies[1]


def test_rules_are_sorted_by_number_of_port_and_ids_are_unique() -> None:
    builder = PolicyBuilder(Host("x", frozenset()))
    for number, port in enumerate((443, 80, 20000)):
        builder.allow("in", "ipv4", "tcp", "cayin_web", PortSet.parse(port), (f"10.0.{number}.1",))
    assert [(rule.ports, rule.id) for rule in builder.build().rules] == [
        (("80",), "in-ipv4-tcp-cayin_web"),
        (("443",), "in-ipv4-tcp-cayin_web-2"),
        (("20000",), "in-ipv4-tcp-cayin_web-3"),
    ]


def test_families_and_protocols_never_merge() -> None:
    builder = PolicyBuilder(Host("x", frozenset()))
    for family, protocol in itertools.product(("ipv4", "ipv6"), ("tcp", "udp")):
        builder.allow("in", family, protocol, "s", PortSet.parse(80), ("any",))
    assert len(builder.build().rules) == 4


def test_a_box_inside_another_disappears() -> None:
    builder = PolicyBuilder(Host("x", frozenset()))
    builder.allow("in", "ipv4", "tcp", "narrow", PortSet.parse(20001), ("10.0.0.1",))
    builder.allow("in", "ipv4", "tcp", "wide", PortSet.parse("20001-29999"), ("10.0.0.1",))
    (rule,) = builder.build().rules
    assert (rule.ports, rule.services, rule.comment) == (("20001-29999",), ("narrow", "wide"), "narrow, wide")


def test_a_long_comment_is_cut() -> None:
    builder = PolicyBuilder(Host("x", frozenset()))
    for number in range(20):
        builder.allow("in", "ipv4", "tcp", f"service_number_{number:02}", PortSet.parse(80), ("any",))
    (rule,) = builder.build().rules
    assert len(rule.comment) == 100
    assert len(rule.services) == 20


def test_forwards_merge_where_ports_stay_the_same_and_never_where_they_move() -> None:
    builder = PolicyBuilder(Host("x", frozenset()))
    for service, outside, inside in (("a", 80, 80), ("b", 20000, 20000), ("c", 8080, 80), ("d", 8443, 443)):
        to = ("cms", "10.0.0.1", PortSet.parse(inside))
        builder.forward("tcp", service, ("203.0.113.1",), PortSet.parse(outside), to, (f"198.51.100.{inside % 7}",))
    assert [(forward.external_ports, forward.to_ports) for forward in builder.build().forwards] == [
        (("80", "20000"), ("80", "20000")),
        (("8080",), ("80",)),
        (("8443",), ("443",)),
    ]


def test_everything_of_one_family_is_not_spelt_any() -> None:
    one, both = (parse_network("0.0.0.0/0"),), (parse_network("0.0.0.0/0"), parse_network("::/0"))
    keep = (Keep("tcp", PortSet.parse(1), one), Keep("tcp", PortSet.parse(2), (*both, parse_network("10.0.0.1"))))
    policy = PolicyBuilder(Host("x", frozenset(), management=one, keep=keep)).build()
    assert policy.management.sources == ("0.0.0.0/0",)
    assert [item.sources for item in policy.keep] == [("0.0.0.0/0",), ("any",)]


def test_ports_that_manage_a_host_include_the_one_ansible_uses() -> None:
    assert PolicyBuilder(Host("x", frozenset())).management_ports().texts() == ("22", "3389", "5985-5986")
    assert 2222 in PolicyBuilder(Host("x", frozenset(), management_port=2222)).management_ports()


def test_ports_that_are_touched_are_those_of_tcp_that_come_in_or_pass() -> None:
    builder = PolicyBuilder(Host("x", frozenset(), gateway=Gateway()))
    builder.allow("in", "ipv4", "tcp", "s", PortSet.parse(1), ("any",))
    builder.allow("out", "ipv4", "tcp", "s", PortSet.parse(2), (), ("any",))
    builder.allow("in", "ipv4", "udp", "s", PortSet.parse(3), ("any",))
    builder.govern("in", "tcp", PortSet.parse(4))
    builder.govern("out", "tcp", PortSet.parse(5))
    builder.govern_transit("ipv4", "tcp", PortSet.parse(6), ("any",), ("10.0.0.1",))
    assert builder.touched_ports().texts() == ("1", "4", "6")
