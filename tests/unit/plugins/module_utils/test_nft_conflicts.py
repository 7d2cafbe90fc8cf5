# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which foreign chains are said to drop a planned flow, and which are not, in nft's own JSON."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._nft_conflicts import conflicts
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy

ACCEPT: dict[str, Any] = {"accept": None}
DROP: dict[str, Any] = {"drop": None}


def _policy(**parts: Any) -> Policy:
    rule = {
        "id": "web",
        "services": ["web"],
        "direction": "in",
        "family": "ipv4",
        "protocol": "tcp",
        "ports": ["80", "8000-8009"],
        "sources": ["192.0.2.1", "198.51.100.0/24"],
        "destinations": [],
        "comment": "",
        **parts,
    }
    return Policy.from_dict({"host": "h", "rules": [rule]})


def _match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def _payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def _dport(right: Any, op: str = "==") -> dict[str, Any]:
    return _match(_payload("tcp", "dport"), right, op)


def _saddr(right: Any, op: str = "==") -> dict[str, Any]:
    return _match(_payload("ip", "saddr"), right, op)


def _meta(key: str, right: Any, op: str = "==") -> dict[str, Any]:
    return _match({"meta": {"key": key}}, right, op)


def _state(right: Any, op: str = "in") -> dict[str, Any]:
    return _match({"ct": {"key": "state"}}, right, op)


PORTS = {"set": [80, {"range": [8000, 8009]}]}
SOURCES = {"set": ["192.0.2.1", {"prefix": {"addr": "198.51.100.0", "len": 24}}]}


def _found(
    *rules: list[dict[str, Any]],
    policy: str = "drop",
    hook: str = "input",
    table: tuple[str, str] = ("inet", "theirs"),
    more: tuple[dict[str, Any], ...] = (),
    planned: Policy | None = None,
    spared: tuple[tuple[str, str], ...] = (),
) -> list[str]:
    """Return the conflicts with one foreign table: these rules in its base chain, the rest as given."""
    where = {"family": table[0], "table": table[1]}
    base = {**where, "name": "base", "type": "filter", "hook": hook, "prio": 10, "policy": policy}
    objects: list[dict[str, Any]] = [{"metainfo": {}}, {"table": {"family": table[0], "name": table[1]}}]
    objects.append({"chain": base})
    objects += [
        {"rule": {**where, "chain": "base", "handle": number, "expr": rule}} for number, rule in enumerate(rules)
    ]
    objects += [{kind: {**where, **body}} for entry in more for kind, body in entry.items()]
    return conflicts(planned or _policy(), objects, spared)


def test_the_message_names_table_chain_rule_and_the_way_out() -> None:
    [message] = _found()
    for word in ("inet theirs", "chain base", "policy is drop", "rule 'web'", "Accept it in that chain"):
        assert word in message


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([[ACCEPT]], id="everything"),
        pytest.param([[_dport(PORTS), ACCEPT]], id="the ports"),
        pytest.param(
            [[_dport(80), ACCEPT], [_dport({"range": [7000, 9000]}), ACCEPT]], id="the ports one after the other"
        ),
        pytest.param([[_dport(1024, "<"), ACCEPT], [_dport(1024, ">="), ACCEPT]], id="compared ports"),
        pytest.param([[_dport(22, "!="), ACCEPT]], id="all but another port"),
        pytest.param([[_saddr(SOURCES), _dport(PORTS), {"counter": {"packets": 1, "bytes": 1}}, ACCEPT]], id="exactly"),
        pytest.param([[_saddr("192.0.2.1"), ACCEPT], [_saddr("192.0.2.1", "!="), ACCEPT]], id="sources in two rules"),
        pytest.param([[_meta("l4proto", {"set": ["tcp", "udp"]}), ACCEPT]], id="the protocol"),
        pytest.param([[_meta("l4proto", 6), ACCEPT]], id="the protocol, where /etc/protocols is missing"),
        pytest.param([[_state(["established", "new"]), ACCEPT]], id="new connections"),
        pytest.param([[_state("invalid"), DROP], [ACCEPT]], id="broken packets dropped before"),
        pytest.param([[_meta("iifname", "lo", "!="), ACCEPT]], id="all real interfaces"),
        pytest.param([[{"xt": {"type": "target", "name": "LOG"}}], [ACCEPT]], id="logged by iptables"),
        pytest.param([[{"limit": {"rate": 5}}, DROP], [ACCEPT]], id="a rate limit before"),
        pytest.param(
            [[_match({"&": [_payload("tcp", "flags"), 2]}, 0), DROP], [ACCEPT]], id="odd flags dropped before"
        ),
        pytest.param([[_match({"fib": {}}, False), DROP], [ACCEPT]], id="reverse path filter before"),
        pytest.param([[_saddr("198.51.100.9"), DROP], [ACCEPT]], id="one address banned out of a planned network"),
        pytest.param([[_saddr("203.0.113.9"), DROP], [ACCEPT]], id="somebody else banned"),
        pytest.param([[_match(_payload("udp", "dport"), 80), DROP], [ACCEPT]], id="another protocol dropped"),
        pytest.param([[_match(_payload("ip6", "saddr"), "::/0"), DROP], [ACCEPT]], id="another family dropped"),
        pytest.param([[_meta("nfproto", "ipv6"), DROP], [_meta("protocol", "ip"), ACCEPT]], id="families by name"),
    ],
)
def test_a_chain_that_lets_the_flow_through_is_no_conflict(rules: list[list[dict[str, Any]]]) -> None:
    assert _found(*rules) == []


@pytest.mark.parametrize(
    ("rules", "policy"),
    [
        pytest.param([], "drop", id="policy drop alone"),
        pytest.param([[_dport(80), ACCEPT]], "drop", id="only some of the ports accepted"),
        pytest.param([[_saddr("192.0.2.1"), ACCEPT]], "drop", id="only some of the sources accepted"),
        pytest.param([[_saddr({"prefix": {"addr": "198.51.100.0", "len": 25}}), ACCEPT]], "drop", id="half a network"),
        pytest.param([[_meta("mark", 1), ACCEPT]], "drop", id="accepted on something unknown"),
        pytest.param([[{"limit": {"rate": 5}}, ACCEPT]], "drop", id="accepted up to a rate"),
        pytest.param([[_state(["established", "related"]), ACCEPT]], "drop", id="established only"),
        pytest.param([[{"xt": {"type": "match", "name": "multiport"}}, ACCEPT]], "drop", id="accepted by iptables"),
        pytest.param([[DROP]], "accept", id="drop everything"),
        pytest.param([[{"reject": None}]], "accept", id="reject everything"),
        pytest.param([[_dport(8005), DROP]], "accept", id="one planned port dropped"),
        pytest.param([[_saddr("192.0.2.1"), DROP]], "accept", id="one planned initiator dropped"),
        pytest.param([[_meta("mark", 1), DROP]], "accept", id="dropped on something unknown"),
        pytest.param([[{"xt": {"type": "target", "name": "REJECT"}}]], "accept", id="rejected by iptables"),
        pytest.param([[_meta("iifname", "eth0"), DROP]], "accept", id="one interface dropped"),
    ],
)
def test_a_chain_that_drops_the_flow_or_might_is_a_conflict(rules: list[list[dict[str, Any]]], policy: str) -> None:
    assert len(_found(*rules, policy=policy)) == 1


def _jump(verdict: str, target: str) -> dict[str, Any]:
    return {verdict: {"target": target}}


def _other(*rules: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    chain = {"chain": {"name": "other", "handle": 9}}
    return (chain, *({"rule": {"chain": "other", "handle": 100 + at, "expr": rule}} for at, rule in enumerate(rules)))


@pytest.mark.parametrize(
    ("rules", "other", "conflict"),
    [
        pytest.param([[_jump("jump", "other")]], [[_dport(PORTS), ACCEPT]], False, id="accepted there"),
        pytest.param([[_jump("jump", "other")]], [[{"return": None}], [ACCEPT]], True, id="returned, then the policy"),
        pytest.param([[_jump("jump", "other")], [ACCEPT]], [[_dport(22), DROP]], False, id="came back, then accepted"),
        pytest.param([[_jump("goto", "other")], [ACCEPT]], [[_dport(22), DROP]], True, id="never came back"),
        pytest.param([[_jump("jump", "other")], [ACCEPT]], [[_dport(80), DROP]], True, id="dropped there"),
        pytest.param([[_dport(22), _jump("jump", "other")], [ACCEPT]], [[DROP]], False, id="never went there"),
        pytest.param([[_meta("mark", 1), _jump("jump", "other")], [ACCEPT]], [[DROP]], True, id="perhaps went there"),
        pytest.param(
            [[_dport(PORTS), _jump("jump", "other")], [ACCEPT]],
            [[_saddr("198.51.100.9"), {"reject": None}], [{"return": None}]],
            False,
            id="as fail2ban does",
        ),
        pytest.param([[_jump("jump", "other")]], [[_jump("jump", "other")]], True, id="a loop that cannot be"),
    ],
)
def test_jumps_are_followed(
    rules: list[list[dict[str, Any]]], other: list[list[dict[str, Any]]], conflict: bool
) -> None:
    assert bool(_found(*rules, more=_other(*other))) is conflict


def test_named_sets_and_verdict_maps_are_looked_up() -> None:
    ports = {"set": {"name": "open", "type": "inet_service", "elem": [{"elem": {"val": 80}}, {"range": [8000, 8009]}]}}
    assert _found([_dport("@open"), ACCEPT], more=(ports,)) == []
    assert _found([_dport("@missing"), ACCEPT])
    pairs = [[80, ACCEPT], [{"range": [8000, 8009]}, ACCEPT], [22, DROP]]
    verdicts = {"map": {"name": "verdicts", "map": "verdict", "elem": pairs}}
    by_name = {"vmap": {"key": _payload("tcp", "dport"), "data": "@verdicts"}}
    assert _found([by_name], more=(verdicts,)) == []
    assert _found([{"vmap": {"key": _payload("tcp", "dport"), "data": {"set": pairs[:1]}}}])
    states = {"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["invalid", DROP], ["new", ACCEPT]]}}}
    assert _found([states]) == []


@pytest.mark.parametrize(
    ("table", "hook"),
    [
        pytest.param(("inet", "playout_firewall"), "input", id="our own table"),
        pytest.param(("ip6", "theirs"), "input", id="another family"),
        pytest.param(("bridge", "theirs"), "input", id="not of IP"),
        pytest.param(("inet", "theirs"), "output", id="another hook"),
    ],
)
def test_chains_that_never_see_the_flow_are_no_conflict(table: tuple[str, str], hook: str) -> None:
    assert _found(table=table, hook=hook) == []


def test_tables_in_which_our_rules_come_first_are_spared_and_no_others() -> None:
    assert _found(table=("ip", "filter"))
    assert _found(table=("ip", "filter"), spared=(("ip", "filter"), ("ip6", "filter"))) == []
    assert _found(table=("inet", "filter"), spared=(("ip", "filter"),))


def test_what_leaves_or_passes_is_judged_by_its_destinations() -> None:
    leaving = _policy(direction="out", sources=[], destinations=["10.0.9.25"], ports=["25"])
    accepted = [_match(_payload("ip", "daddr"), "10.0.9.25"), ACCEPT]
    assert _found(accepted, hook="output", planned=leaving) == []
    assert _found([_saddr("10.0.0.1"), ACCEPT], hook="output", planned=leaving)
    passing = _policy(direction="forward", destinations=["10.0.0.10"], ports=["80"])
    towards = _match(_payload("ip", "daddr"), "10.0.0.10")
    assert _found([_saddr(SOURCES), towards, ACCEPT], hook="forward", planned=passing) == []
    assert _found(
        [_saddr(SOURCES), _match(_payload("ip", "daddr"), "10.0.0.11"), ACCEPT], hook="forward", planned=passing
    )


def test_any_is_not_dropped_by_a_ban() -> None:
    everybody = _policy(sources=["any"])
    assert _found([_saddr("203.0.113.9"), DROP], [ACCEPT], planned=everybody) == []
    assert _found([_saddr(SOURCES), ACCEPT], planned=everybody)
