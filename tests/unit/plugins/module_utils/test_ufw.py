# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy as rules of ufw: byte by byte for whole files, and the small decisions one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Connection, Options, statements
from ansible_collections.playout.firewall.plugins.module_utils._ufw import (
    FAMILIES,
    IPV4,
    IPV6,
    Family,
    UfwRule,
    port_ranges,
    render,
)
from ansible_collections.playout.firewall.plugins.module_utils._ufw_file import splice
from ansible_collections.playout.firewall.tests.unit.plugins.module_utils.policies import rule_with
from hypothesis import given
from hypothesis import strategies as st

GOLDEN = Path(__file__).parents[3] / "golden" / "ufw"
CASES = sorted(path.stem for path in GOLDEN.glob("*.yml"))


def _rendered(family: Family = IPV4, enforcement: str = "scoped", **parts: Any) -> list[UfwRule]:
    policy = Policy.from_dict({"host": "h", **parts})
    return render(statements(policy, Options(enforcement)), family)


def _fields(rule: UfwRule) -> str:
    return " ".join((rule.action, *rule.packets))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("case", CASES)
def test_whole_files_are_rendered_byte_by_byte(case: str, family: Family, golden: Any) -> None:
    data = yaml.safe_load((GOLDEN / f"{case}.yml").read_text(encoding="utf-8"))
    options = data["options"]
    policy = Policy.from_dict(data["policy"])
    said = statements(policy, Options(options["enforcement"], Connection(**options["connection"])))
    name = Path(family.path).name
    before = (GOLDEN / f"{data['file']}.{name}").read_text(encoding="utf-8")
    after = splice(before, render(said, family), family)
    golden(GOLDEN / f"{case}.{name}", after)
    assert splice(after, render(said, family), family) == after
    assert splice(after, [], family) == before


def test_there_are_golden_policies() -> None:
    assert len(CASES) >= 2


def test_what_is_about_both_families_is_a_rule_in_each() -> None:
    governed = {"in": {"tcp": ["80", "8000-8010"]}}
    assert list(map(_fields, _rendered(IPV4, governed=governed))) == [
        "deny tcp 80,8000:8010 0.0.0.0/0 any 0.0.0.0/0 in"
    ]
    assert list(map(_fields, _rendered(IPV6, governed=governed))) == ["deny tcp 80,8000:8010 ::/0 any ::/0 in"]


def test_what_is_about_one_family_is_not_in_the_other() -> None:
    rules = [rule_with(), rule_with(id="b", family="ipv6", sources=["2001:db8::/64"])]
    assert [_fields(rule) for rule in _rendered(IPV4, rules=rules)] == ["allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in"]
    assert [_fields(rule) for rule in _rendered(IPV6, rules=rules)] == ["allow tcp 80 ::/0 any 2001:db8::/64 in"]


def test_there_is_a_rule_for_each_source_in_and_for_each_destination_out() -> None:
    sources = _rendered(rules=[rule_with(sources=["10.0.0.1", "10.1.0.0/16"])])
    assert [rule.src for rule in sources] == ["10.0.0.1", "10.1.0.0/16"]
    out = rule_with(direction="out", sources=[], destinations=["10.0.0.1", "10.0.0.2"])
    assert [(rule.dst, rule.direction) for rule in _rendered(rules=[out])] == [("10.0.0.1", "out"), ("10.0.0.2", "out")]


@given(st.lists(st.tuples(st.integers(1, 65000), st.integers(0, 500)), min_size=1, max_size=60))
def test_rules_hold_all_ports_and_no_more_than_ufw_takes(ranges: list[tuple[int, int]]) -> None:
    ports = [f"{first}-{first + more}" if more else str(first) for first, more in ranges]
    texts = [rule.dport for rule in _rendered(rules=[rule_with(ports=ports)])]
    # ufw's own check.
    assert all(text.count(",") + text.count(":") <= 14 for text in texts)
    wanted = {port for first, more in ranges for port in range(first, first + more + 1)}
    assert wanted == {port for text in texts for first, last in port_ranges(text) for port in range(first, last + 1)}


def test_a_rule_that_an_earlier_one_decides_is_left_out_because_ufw_takes_them_for_one() -> None:
    rules = [rule_with(id="first"), rule_with(id="second")]
    [rule] = _rendered(rules=rules, governed={"in": {"tcp": ["80"]}})
    assert (rule.action, rule.comment) == ("allow", "playout.firewall: first")


@pytest.mark.parametrize(
    ("parts", "count4", "count6"),
    [
        pytest.param({"governed": {"in": {"tcp": ["67-68", "546"]}}}, 0, 0, id="no drop of UDP"),
        pytest.param({"governed": {"in": {"udp": ["60-70"]}}}, 1, 0, id="DHCP"),
        pytest.param({"governed": {"in": {"udp": ["547"]}}}, 0, 1, id="DHCPv6"),
        pytest.param({"governed": {"out": {"udp": ["67", "547"]}}}, 1, 1, id="out"),
        pytest.param({"enforcement": "default_deny"}, 2, 1, id="everything"),
    ],
)
def test_what_a_host_cannot_do_without_is_accepted_before_a_drop_of_ours(
    parts: dict[str, Any], count4: int, count6: int
) -> None:
    for family, count in ((IPV4, count4), (IPV6, count6)):
        rules = _rendered(family, **parts)
        assert [rule.action for rule in rules][: count + 1] == ["allow"] * count + ["deny"]


def test_every_comment_begins_with_our_mark_and_has_no_apostrophe() -> None:
    [rule] = _rendered(rules=[rule_with(comment="the operator's browsers " + "ü" * 200)])
    assert rule.comment.startswith("playout.firewall: a: the operators browsers ü")
    assert len(rule.comment.encode()) <= 140
    assert f"comment={rule.comment.encode().hex()}\n" in rule.written(IPV4)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (UfwRule("deny", "any", "any", "::/0", "any", "::/0", "in"), "-A ufw6-user-input -j DROP"),
        (UfwRule("allow", "igmp", "any", "::/0", "any", "::/0", "out"), "-A ufw6-user-output -p igmp -j ACCEPT"),
        (
            UfwRule("allow", "udp", "67,68", "::/0", "67,68", "::/0", "in"),
            "-A ufw6-user-input -p udp -m multiport --dports 67,68 -m multiport --sports 67,68 -j ACCEPT",
        ),
        (
            UfwRule("allow", "tcp", "80", "2001:db8::1", "any", "2001:db8::/64", "in"),
            "-A ufw6-user-input -p tcp -d 2001:db8::1 --dport 80 -s 2001:db8::/64 -j ACCEPT",
        ),
        (
            UfwRule("deny", "tcp", "80:90", "::/0", "any", "2001:db8::1", "in"),
            "-A ufw6-user-input -p tcp -m multiport --dports 80:90 -s 2001:db8::1 -j DROP",
        ),
    ],
)
def test_lines_are_what_ufw_would_write(rule: UfwRule, line: str) -> None:
    assert rule.written(IPV6).splitlines()[2] == line
