# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The renderer: byte by byte for whole policies, and its small decisions one by one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.playout.firewall.plugins.module_utils._intervals import subtract
from ansible_collections.playout.firewall.plugins.module_utils._nftables import render
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Connection, Options, merge_ports
from hypothesis import given
from hypothesis import strategies as st

GOLDEN = Path(__file__).parents[3] / "golden" / "nftables"
CASES = sorted(path.stem for path in GOLDEN.glob("*.yml"))

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def _rendered(enforcement: str = "scoped", connection: Connection | None = None, **parts: Any) -> str:
    return render(Policy.from_dict({"host": "h", **parts}), Options(enforcement, connection))


def _rule(**parts: Any) -> dict[str, Any]:
    base = {"id": "a", "services": ["a"], "direction": "in", "family": "ipv4", "protocol": "tcp", "ports": ["80"]}
    return {**base, "sources": ["any"], "destinations": [], "comment": "", **parts}


def _ports(ranges: list[tuple[int, int]]) -> set[int]:
    return {port for first, last in ranges for port in range(first, last + 1)}


@pytest.mark.parametrize("case", CASES)
def test_whole_policies_are_rendered_byte_by_byte(case: str, golden: Any) -> None:
    data = yaml.safe_load((GOLDEN / f"{case}.yml").read_text(encoding="utf-8"))
    options = data["options"]
    connection = Connection(**options["connection"]) if "connection" in options else None
    golden(
        GOLDEN / f"{case}.nft", render(Policy.from_dict(data["policy"]), Options(options["enforcement"], connection))
    )


def test_there_are_golden_policies() -> None:
    assert len(CASES) >= 4


def test_the_text_replaces_the_table_in_one_transaction_also_when_there_is_none() -> None:
    lines = _rendered().splitlines()
    assert lines[:2] == ["table inet playout_firewall", "delete table inet playout_firewall"]


@given(RANGES)
def test_merged_ports_are_the_same_ports_without_overlap_or_touch(ranges: list[tuple[int, int]]) -> None:
    merged = merge_ports([f"{first}-{last}" for first, last in ranges])
    assert _ports(merged) == _ports(ranges)
    assert all(low[1] + 1 < high[0] for low, high in pairwise(merged))


@given(RANGES, RANGES)
def test_subtracted_ports_are_gone_and_no_others(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    texts = [[f"{first}-{last}" for first, last in ranges] for ranges in (left, right)]
    assert _ports(subtract(merge_ports(texts[0]), merge_ports(texts[1]))) == _ports(left) - _ports(right)


def test_overlapping_ports_and_networks_become_what_nft_accepts() -> None:
    text = _rendered(rules=[_rule(ports=["20001", "20001-29999"], sources=["10.0.0.0/8", "10.1.0.0/16", "192.0.2.1"])])
    assert "tcp dport 20001-29999 accept" in text
    assert "10.0.0.0/8, 192.0.2.1\n" in text
    assert "10.1.0.0" not in text


def test_plain_addresses_make_a_hash_and_networks_an_interval_set() -> None:
    assert "flags interval" not in _rendered(rules=[_rule(sources=["192.0.2.1", "192.0.2.2"])])
    assert "flags interval" in _rendered(rules=[_rule(sources=["192.0.2.1", "198.51.100.0/24"])])


def test_equal_source_lists_share_one_set() -> None:
    sources = ["192.0.2.1", "192.0.2.2"]
    text = _rendered(rules=[_rule(sources=sources), _rule(id="b", protocol="udp", sources=sources)])
    assert text.count("\tset ") == 1
    assert text.count("@rule.a.saddr.ipv4") == 2


def test_any_still_says_the_family() -> None:
    assert "meta nfproto ipv6 tcp dport 80 accept" in _rendered(rules=[_rule(family="ipv6")])


def test_a_long_comment_is_cut_to_what_nft_takes_without_cutting_a_letter() -> None:
    text = _rendered(rules=[_rule(comment="ü" * 100)])
    comment = text.split('"a: ')[1].split('"')[0]
    assert set(comment) == {"ü"}
    assert len(f"a: {comment}".encode()) <= 127


@pytest.mark.parametrize(
    ("enforcement", "port", "client", "needed"),
    [
        pytest.param("scoped", 22, "198.51.100.7", False, id="scoped never drops a management port"),
        pytest.param("scoped", 80, "198.51.100.7", True, id="scoped, on a governed port"),
        pytest.param("scoped", 2222, "198.51.100.7", False, id="scoped, on a port that nobody governs"),
        pytest.param("default_deny", 22, "192.0.2.7", False, id="in the management networks already"),
        pytest.param("default_deny", 22, "198.51.100.7", True, id="from elsewhere"),
        pytest.param("default_deny", 2222, "192.0.2.7", True, id="on another port"),
    ],
)
def test_the_connection_in_use_is_named_where_something_could_drop_it(
    enforcement: str, port: int, client: str, needed: bool
) -> None:
    text = _rendered(
        enforcement,
        Connection(client, port),
        rules=[_rule(sources=["192.0.2.1"])],
        governed={"in": {"tcp": ["22", "80"]}},
        management={"ports": ["22"], "sources": ["192.0.2.0/24"]},
    )
    assert (f"ip saddr {client} tcp dport {port} accept" in text) is needed


def test_an_empty_policy_has_no_chain() -> None:
    assert "chain" not in _rendered()


def test_hairpin_on_a_dynamic_gateway_takes_only_what_is_sent_to_the_gateway() -> None:
    forward = {"id": "f", "services": ["f"], "family": "ipv4", "protocol": "tcp", "external_addresses": []}
    forward |= {"external_ports": ["80"], "to_address": "10.0.0.1", "to_ports": ["80"], "sources": ["any"]}
    gateway = {"wan_interfaces": ["w"], "lan_interfaces": ["l"], "transit": "leave", "hairpin": True}
    text = _rendered(forwards=[{**forward, "comment": ""}], gateway=gateway)
    assert 'iifname { "l" } meta nfproto ipv4 fib daddr type local fib daddr . iif type != local tcp dport 80' in text
