# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that container engines and others translate before the host's own rules: found, and said."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._nft_published import published, warnings
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy


def _dport(right: Any, protocol: str = "tcp") -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": protocol, "field": "dport"}}, "right": right}}


def _to(address: str) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": address}}


NOT_FROM_BRIDGE = {"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": "docker0"}}
# As nft shows what iptables wrote, and what nft itself did.
OLD = {"xt": {"type": "target", "name": "DNAT"}}
NEW = {"dnat": {"family": "ip", "addr": "172.17.0.2", "port": 80}}


def _listing(*rules: list[dict[str, Any]], family: str = "ip", table: str = "nat") -> list[dict[str, Any]]:
    where = {"family": family, "table": table}
    base = {"chain": {**where, "name": "PREROUTING", "type": "nat", "hook": "prerouting", "policy": "accept"}}
    return [base, *({"rule": {**where, "chain": "DOCKER", "handle": 1, "expr": expr}} for expr in rules)]


@pytest.mark.parametrize("target", [OLD, NEW, {"redirect": {"port": 80}}])
def test_published_ports_are_found_whoever_wrote_them(target: dict[str, Any]) -> None:
    objects = _listing(
        [NOT_FROM_BRIDGE, _dport(8080), target], [_dport({"range": [5000, 5010]}, "udp"), target], [_dport(80)]
    )
    assert published(objects) == {"tcp": ((8080, 8080),), "udp": ((5000, 5010),)}


@pytest.mark.parametrize("family", ["ip6", "inet"])
def test_they_are_found_in_every_family(family: str) -> None:
    assert published(_listing([_dport({"set": [80, 90]}), NEW], family=family)) == {"tcp": ((80, 80), (90, 90))}


def test_what_is_published_to_the_host_itself_or_for_a_whole_address_is_none() -> None:
    assert published(_listing([_to("127.0.0.1"), _dport(8080), OLD], [_to("203.0.113.2"), OLD])) == {}


def test_our_own_chains_in_a_table_of_others_are_none() -> None:
    [base, rule] = _listing([_dport(8080), OLD])
    rule["rule"]["chain"] = "PLAYOUT-DNAT"
    assert published([base, rule]) == {}


def test_our_own_table_and_tables_that_translate_nothing_that_comes_in_are_none() -> None:
    assert published(_listing([_dport(8080), NEW], family="inet", table="playout_firewall")) == {}
    assert published(_listing([_dport(8080), NEW])[1:]) == {}


def _warnings(enforcement: str, *governed: str) -> list[str]:
    policy = Policy.from_dict({"host": "h", "governed": {"in": {"tcp": list(governed)}}})
    return warnings(policy, enforcement, _listing([_dport({"range": [8080, 8090]}), OLD]))


def test_a_governed_port_that_is_published_is_a_warning() -> None:
    [warning] = _warnings("scoped", "80", "8085")
    assert warning.startswith("h: tcp 8085 is forwarded by NAT rules of somebody else")


def test_other_published_ports_concern_only_default_deny() -> None:
    assert _warnings("scoped", "80") == []
    [warning] = _warnings("default_deny", "80")
    assert warning.startswith("h: tcp 8080-8090 stays open")
