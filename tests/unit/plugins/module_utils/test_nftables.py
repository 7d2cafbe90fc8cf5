# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The renderer: byte by byte for whole policies, and its small decisions one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.playout.firewall.plugins.module_utils._nftables import render
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Connection, Options
from ansible_collections.playout.firewall.tests.unit.plugins.module_utils.policies import rule_with

GOLDEN = Path(__file__).parents[3] / "golden" / "nftables"
CASES = sorted(path.stem for path in GOLDEN.glob("*.yml"))


def _rendered(enforcement: str = "scoped", connection: Connection | None = None, **parts: Any) -> str:
    return render(Policy.from_dict({"host": "h", **parts}), Options(enforcement, connection))


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


def test_overlapping_ports_and_networks_become_what_nft_accepts() -> None:
    text = _rendered(
        rules=[rule_with(ports=["20001", "20001-29999"], sources=["10.0.0.0/8", "10.1.0.0/16", "192.0.2.1"])]
    )
    assert "tcp dport 20001-29999 accept" in text
    assert "10.0.0.0/8, 192.0.2.1\n" in text
    assert "10.1.0.0" not in text


def test_plain_addresses_make_a_hash_and_networks_an_interval_set() -> None:
    assert "flags interval" not in _rendered(rules=[rule_with(sources=["192.0.2.1", "192.0.2.2"])])
    assert "flags interval" in _rendered(rules=[rule_with(sources=["192.0.2.1", "198.51.100.0/24"])])


def test_equal_source_lists_share_one_set() -> None:
    sources = ["192.0.2.1", "192.0.2.2"]
    text = _rendered(rules=[rule_with(sources=sources), rule_with(id="b", protocol="udp", sources=sources)])
    assert text.count("\tset ") == 1
    assert text.count("@rule.a.saddr.ipv4") == 2


def test_any_still_says_the_family() -> None:
    assert "meta nfproto ipv6 tcp dport 80 accept" in _rendered(rules=[rule_with(family="ipv6")])


def test_a_long_comment_is_cut_to_what_nft_takes_without_cutting_a_letter() -> None:
    text = _rendered(rules=[rule_with(comment="ü" * 100)])
    comment = text.split('"a: ')[1].split('"')[0]
    assert set(comment) == {"ü"}
    assert len(f"a: {comment}".encode()) <= 127


def test_the_connection_in_use_comes_before_everything_else_that_comes_in() -> None:
    text = _rendered(connection=Connection("2001:db8::7", 80), governed={"in": {"tcp": ["80"]}})
    lines = text.partition("chain input {")[2].splitlines()
    assert lines[2].strip().startswith("ip6 saddr 2001:db8::7 tcp dport 80 accept")
    assert "the management connection in use" not in _rendered(connection=Connection("192.0.2.7", 80))


def test_an_empty_policy_has_no_chain() -> None:
    assert "chain" not in _rendered()


def test_hairpin_on_a_dynamic_gateway_takes_only_what_is_sent_to_the_gateway() -> None:
    forward = {"id": "f", "services": ["f"], "family": "ipv4", "protocol": "tcp", "external_addresses": []}
    forward |= {"external_ports": ["80"], "to_address": "10.0.0.1", "to_ports": ["80"], "sources": ["any"]}
    gateway = {"wan_interfaces": ["w"], "lan_interfaces": ["l"], "transit": "leave", "hairpin": True}
    text = _rendered(forwards=[{**forward, "comment": ""}], gateway=gateway)
    assert 'iifname { "l" } meta nfproto ipv4 fib daddr type local fib daddr . iif type != local tcp dport 80' in text
