# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our objects of firewalld: their files, and what firewalld says of them."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._firewalld_objects import (
    Objects,
    PolicyObject,
    RichRule,
    Service,
    comparable,
)


def _policy(title: str = "", **parts: object) -> PolicyObject:
    rule = RichRule(title, 100, (("port", (("port", "80"), ("protocol", "tcp"))), ("accept", ())), "ipv4")
    return PolicyObject("playout-in", "to & from", -5, ("ANY",), ("HOST",), (rule,), **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("title", ["a -- b", "ends with -", "---", '<tag> & "quote"', "ünïcode"])
def test_whatever_a_rule_is_titled_its_file_can_be_read(title: str) -> None:
    root = ElementTree.fromstring(_policy(title).xml.encode())
    assert [child.tag for child in root] == ["short", "description", "rule", "ingress-zone", "egress-zone"]
    assert root.findtext("short") == "to & from"


def test_a_rule_is_spelled_as_firewalld_spells_it() -> None:
    assert _policy().settings["rich_rules"] == [
        'rule priority="100" family="ipv4" port port="80" protocol="tcp" accept'
    ]


def test_what_means_nothing_is_no_difference() -> None:
    told = {**_policy().settings, "short": "another", "description": "text", "version": "", "ports": [], "x": False}
    told["rich_rules"] = [*told["rich_rules"], 'rule priority="50" accept']
    turned = {**told, "rich_rules": told["rich_rules"][::-1]}
    assert comparable(told) == comparable(turned)
    assert comparable(told) != comparable(_policy().settings)


def test_files_come_in_an_order_in_which_nothing_refers_to_what_is_not_there() -> None:
    service = Service("playout-ftp-21-0", "", "ftp", ())
    files = Objects((_policy(services=(service.name,)),), (), (service,)).files
    assert list(files) == ["services/playout-ftp-21-0.xml", "policies/playout-in.xml"]
    assert "<destination" not in files["services/playout-ftp-21-0.xml"]


@pytest.mark.parametrize(
    ("ingress", "egress", "chain"),
    [("ANY", "HOST", "IN"), ("HOST", "ANY", "OUT"), ("ANY", "ANY", "FWD"), ("external", "ANY", "FWD")],
)
def test_the_chain_of_a_policy_follows_its_zones(ingress: str, egress: str, chain: str) -> None:
    policy = PolicyObject("playout-x", "", 1, (ingress,), (egress,))
    assert policy.filter_chain == f"filter_{chain}_policy_playout-x_post"
