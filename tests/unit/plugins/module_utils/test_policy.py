# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy from a user: what is read, and that nothing in it reaches a firewall's language unchecked."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy, PolicyError

RULE: dict[str, Any] = {
    "id": "web.ipv4",
    "services": ["web"],
    "direction": "forward",
    "family": "ipv4",
    "protocol": "tcp",
    "ports": ["80", "20000-29999"],
    "sources": ["192.0.2.0/24"],
    "destinations": ["10.0.0.10"],
    "comment": "it's the web",
}
FORWARD: dict[str, Any] = {
    "id": "web.ipv4",
    "services": ["web"],
    "family": "ipv4",
    "protocol": "tcp",
    "external_addresses": ["203.0.113.1"],
    "external_ports": ["8080"],
    "to_address": "10.0.0.10",
    "to_ports": ["80"],
    "sources": ["any"],
    "comment": "",
}
POLICY: dict[str, Any] = {
    "host": "gateway",
    "rules": [RULE],
    "forwards": [FORWARD],
    "helpers": [{"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["10.0.0.10"]}],
    "governed": {
        "in": {"tcp": ["80"]},
        "out": {},
        "forward": [
            {"family": "ipv4", "protocol": "tcp", "ports": ["80"], "sources": ["any"], "destinations": ["10.0.0.10"]}
        ],
    },
    "masquerade": True,
    "management": {"ports": ["22"], "sources": ["192.0.2.0/28", "2001:db8::/64"]},
    "keep": [{"protocol": "udp", "ports": ["123"], "sources": ["any"]}],
    "gateway": {"wan_interfaces": ["wan0"], "lan_interfaces": ["lan0.5"], "transit": "deny", "hairpin": True},
}


def _changed(path: str, value: Any) -> dict[str, Any]:
    """Return the policy with one value replaced; the path is written as error messages write it."""
    data = copy.deepcopy(POLICY)
    keys: list[Any] = [int(key) if key.isdigit() else key for key in path.replace("[", ".").replace("]", "").split(".")]
    target: Any = data
    for key in keys[:-1]:
        target = target[key]
    target[keys[-1]] = value
    return data


def test_what_was_written_is_read_again() -> None:
    policy = Policy.from_dict(POLICY)
    written = policy.to_dict()
    assert Policy.from_dict(json.loads(json.dumps(written))) == policy
    assert {key: value for key, value in written.items() if key != "digest"} == POLICY
    assert len(written["digest"]) == 64


def test_the_digest_follows_the_content() -> None:
    digests = {Policy.from_dict(data).to_dict()["digest"] for data in (POLICY, _changed("rules[0].ports", ["81"]))}
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("path", "value"),
    [
        # What could end a statement of a firewall's language.
        ("rules[0].id", 'a" drop'),
        ("rules[0].id", "a;b"),
        ("rules[0].id", ""),
        ("rules[0].comment", 'a" drop'),
        ("rules[0].comment", "a\nflush ruleset"),
        ("rules[0].comment", "a\\"),
        ("host", "a\nb"),
        ("rules[0].ports[0]", "80 drop"),
        ("rules[0].ports[0]", "80\n"),
        ("rules[0].sources[0]", "10.0.0.1 }"),
        ("rules[0].sources[0]", "fe80::1%a}b"),
        ("forwards[0].to_address", "10.0.0.10\n"),
        ("gateway.wan_interfaces[0]", 'wan0" }'),
        ("gateway.wan_interfaces[0]", "a*"),
        ("gateway.lan_interfaces[0]", "sixteen-letters-"),
        ("gateway.lan_interfaces[0]", ".."),
        ("gateway.transit", "drop"),
        ("helpers[0].name", "sip"),
        ("helpers[0].protocol", "udp"),
        # Values that are none.
        ("rules[0].ports[0]", "0"),
        ("rules[0].ports[0]", "65536"),
        ("rules[0].ports[0]", "90-80"),
        ("rules[0].ports[0]", "080"),
        ("rules[0].ports[0]", "\N{FULLWIDTH DIGIT ONE}"),
        ("rules[0].protocol", "icmp"),
        ("rules[0].family", "inet"),
        ("rules[0].direction", "input"),
        ("rules[0].sources[0]", "10.0.0.1/8"),
        ("rules[0].sources[0]", "2001:db8::1"),
        ("rules[0].sources[0]", "example.com"),
        ("rules[0].destinations[0]", "300.0.0.1"),
        ("forwards[0].to_address", "10.0.0.0/24"),
        ("forwards[0].to_address", "any"),
        ("forwards[0].external_addresses[0]", "any"),
        ("helpers[0].port", 0),
        ("helpers[0].port", True),
        ("masquerade", "yes"),
        ("governed.in", {"icmp": ["80"]}),
        ("governed.in.tcp[0]", "x"),
        ("governed.inbound", {}),
        ("governed", []),
        ("management.sources[0]", "x"),
        ("keep[0].ports", []),
        ("surprise", 1),
        ("rules", {}),
        # Emptiness that would widen a rule, and any beside others.
        ("rules[0].ports", []),
        ("rules[0].sources", []),
        ("rules[0].destinations", []),
        ("rules[0].direction", "in"),
        ("rules[0].direction", "out"),
        ("rules[0].sources", ["any", "10.0.0.1"]),
        ("governed.forward[0].destinations", []),
        ("keep[0].sources", []),
        ("helpers[0].addresses", []),
        # What the gateway cannot do.
        ("forwards[0].to_ports", ["80", "81"]),
        ("forwards[0].to_ports", ["80-81"]),
        ("gateway.lan_interfaces", []),
        ("gateway.wan_interfaces", []),
        ("gateway", None),
    ],
)
def test_a_value_that_no_backend_may_apply_is_refused_and_named(path: str, value: Any) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_dict(_changed(path, value))
    # The element is named: the list of a wrong entry, or the option that the missing one belongs to.
    top = path.split("[")[0].split(".")[0]
    assert any(word in str(caught.value) for word in (top, "masquerade", "gateway"))


def test_ids_are_unique() -> None:
    with pytest.raises(PolicyError, match=r"rules\[1\]\.id: 'web\.ipv4' is there twice"):
        Policy.from_dict({"host": "h", "rules": [RULE, RULE]})


def test_missing_keys_are_named_together() -> None:
    with pytest.raises(PolicyError, match=r"rules\[0\]: services, direction, .* comment missing"):
        Policy.from_dict({"host": "h", "rules": [{"id": "a"}]})


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_something_else_than_a_dictionary_is_refused(value: Any) -> None:
    with pytest.raises(PolicyError):
        Policy.from_dict(value)


def test_a_forward_without_outside_addresses_needs_the_wan_interfaces() -> None:
    dynamic = _changed("forwards[0].external_addresses", [])
    assert Policy.from_dict(dynamic).forwards[0].external_addresses == ()
    dynamic["gateway"]["wan_interfaces"] = []
    dynamic["masquerade"] = False
    with pytest.raises(PolicyError, match="playout_wan_interfaces"):
        Policy.from_dict(dynamic)


@pytest.mark.parametrize("key", ["rules", "forwards", "helpers", "governed", "masquerade", "gateway"])
def test_a_policy_says_nothing_only_when_all_of_it_does(key: str) -> None:
    empty = {"host": "client", "management": POLICY["management"], "keep": POLICY["keep"]}
    assert Policy.from_dict(empty).says_nothing
    # What a key needs beside it, such as masquerade its interfaces, is no saying of its own.
    beside = {"gateway": {**POLICY["gateway"], "transit": "leave"}, **empty}
    assert Policy.from_dict(beside).says_nothing
    assert not Policy.from_dict({**beside, key: POLICY[key]}).says_nothing
