# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port sets against Python's sets of numbers; spellings and their errors."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import (
    PortError,
    PortSet,
    collapse,
    parse_with_protocol,
    union,
)
from hypothesis import given
from hypothesis import strategies as st

# Two small spans, so that ranges often meet; the two ends of what is a port are in them.
SPANS = (range(1, 30), range(65510, 65536))
DOMAIN = [port for span in SPANS for port in span]
ranges = st.sampled_from(SPANS).flatmap(
    lambda span: st.tuples(st.sampled_from(span), st.sampled_from(span)).map(lambda pair: (min(pair), max(pair)))
)
range_lists = st.lists(ranges, max_size=6)


def numbers(ports: PortSet) -> set[int]:
    return {port for first, last in ports.ranges for port in range(first, last + 1)}


def oracle(pairs: list[tuple[int, int]]) -> set[int]:
    return {port for first, last in pairs for port in range(first, last + 1)}


def assert_normal(ports: PortSet) -> None:
    """Ranges are sorted and neither overlap nor touch, so that equal sets are equal objects."""
    assert all(first <= last for first, last in ports.ranges)
    assert all(left[1] + 1 < right[0] for left, right in zip(ports.ranges, ports.ranges[1:], strict=False))


@given(range_lists)
def test_a_set_holds_its_ranges_and_nothing_else(pairs: list[tuple[int, int]]) -> None:
    ports = PortSet.of(*pairs)
    assert numbers(ports) == oracle(pairs)
    assert_normal(ports)
    assert len(ports) == len(oracle(pairs))
    assert bool(ports) == bool(pairs)


@given(range_lists, range_lists)
def test_operators_are_those_of_sets(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    a, b = PortSet.of(*left), PortSet.of(*right)
    for result, expected in (
        (a | b, oracle(left) | oracle(right)),
        (a - b, oracle(left) - oracle(right)),
        (a & b, oracle(left) & oracle(right)),
        (union([a, b, a]), oracle(left) | oracle(right)),
    ):
        assert numbers(result) == expected
        assert_normal(result)
    assert (a <= b) == (oracle(left) <= oracle(right))


@given(range_lists, st.sampled_from(DOMAIN))
def test_contains_is_that_of_sets(pairs: list[tuple[int, int]], port: int) -> None:
    assert (port in PortSet.of(*pairs)) == (port in oracle(pairs))


@given(range_lists)
def test_texts_read_back_give_the_same_set(pairs: list[tuple[int, int]]) -> None:
    ports = PortSet.of(*pairs)
    assert union(map(PortSet.parse, ports.texts())) == ports


def test_a_large_range_stays_one_range() -> None:
    assert (PortSet.parse("20001-29999") | PortSet.parse(20000)).texts() == ("20000-29999",)


@pytest.mark.parametrize(
    "value",
    [
        *(0, 65536, -1, True, None, 80.0, [80]),
        *("", "http", "0", "65536", "80-", "-80", "90-80", "80,90", "80:90", "1-2-3", "123456"),
    ],
)
def test_what_is_no_port_is_refused_by_its_value(value: Any) -> None:
    with pytest.raises(PortError) as caught:
        PortSet.parse(value)
    assert str(value) in str(caught.value)


@pytest.mark.parametrize(
    ("value", "protocol", "ports"),
    [
        (80, "tcp", "80"),
        (" 80 ", "tcp", "80"),
        ("80/tcp", "tcp", "80"),
        ("514/UDP", "udp", "514"),
        ("20001-29999/tcp", "tcp", "20001-29999"),
    ],
)
def test_protocol_and_ports_are_read_from_one_text(value: Any, protocol: str, ports: str) -> None:
    assert parse_with_protocol(value) == (protocol, PortSet.parse(ports))


@pytest.mark.parametrize("value", ["80/sctp", "80/", "/tcp", "80/tcp/udp"])
def test_a_protocol_that_nobody_knows_is_refused(value: str) -> None:
    with pytest.raises(PortError, match="write"):
        parse_with_protocol(value)


def test_collapse_merges_every_spelling_and_leaves_out_a_protocol_without_ports() -> None:
    entry = {"ports": "20001-29999", "protocol": "tcp"}
    assert {key: value.texts() for key, value in collapse([443, "80", "20000/tcp", entry]).items()} == {
        "tcp": ("80", "443", "20000-29999")
    }
    assert list(collapse(["514/udp", 80])) == ["tcp", "udp"]
    assert collapse([]) == {}


@pytest.mark.parametrize("item", [{"protocol": "tcp"}, {"ports": "80", "protocol": "sctp"}, {"ports": None}, None])
def test_collapse_refuses_what_is_no_entry(item: Any) -> None:
    with pytest.raises(PortError):
        collapse([80, item])
