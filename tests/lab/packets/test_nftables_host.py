# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's own policy lets in and out, proved with packets."""

from __future__ import annotations

import time
from typing import Any

import pytest

from .policies import policy, rule

pytestmark = pytest.mark.lab

PLAYERS = policy(
    rule("web", "in", "80", "203.0.113.10"),
    rule("web6", "in", "80", "2001:db8:1::10"),
    rule("log", "in", "514", "203.0.113.10 203.0.113.11", protocol="udp"),
    governed={"in": {"tcp": ["22", "80"], "udp": ["514"]}},
)


def test_scoped_lets_planned_sources_in_and_drops_others_without_a_reset(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    targets = ("tcp 203.0.113.1 80", "tcp 2001:db8:1::1 80", "udp 203.0.113.1 514")
    assert site.probe("player", *targets) == ["gateway", "gateway", "echo"]
    assert site.probe("stranger", *targets) == ["filtered", "filtered", "filtered"]


def test_scoped_leaves_other_ports_and_management_alone(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    assert site.probe("stranger", "tcp 203.0.113.1 9000", "tcp 203.0.113.1 9001") == ["gateway", "refused"]
    # Port 22 is governed here, and still a management port.
    assert site.probe("stranger", "tcp 203.0.113.1 22") == ["gateway"]


def test_default_deny_drops_everything_but_plan_management_and_what_is_kept(site: Any) -> None:
    denying = {
        **PLAYERS,
        "management": {"ports": ["22"], "sources": ["203.0.113.10"]},
        "keep": [{"protocol": "tcp", "ports": ["9000"], "sources": ["2001:db8:1::/64"]}],
    }
    site.apply("gateway", denying, "default_deny")
    targets = ("tcp 203.0.113.1 80", "tcp 203.0.113.1 22", "tcp 203.0.113.1 9000", "tcp 2001:db8:1::1 9000")
    assert site.probe("player", *targets) == ["gateway", "gateway", "filtered", "gateway"]
    assert site.probe("stranger", *targets) == ["filtered", "filtered", "filtered", "gateway"]
    assert site.probe("gateway", "tcp 127.0.0.1 9000") == ["gateway"]


def test_default_deny_still_answers_pings_and_neighbours(site: Any) -> None:
    denying = {**PLAYERS, "management": {"ports": ["22"], "sources": ["10.0.0.0/24"]}}
    site.apply("gateway", denying, "default_deny")
    site.shell("stranger", "ip neigh flush all; echo 0 0 > /proc/sys/net/ipv4/ping_group_range")
    assert site.probe("stranger", "ping 203.0.113.1 1", "ping 2001:db8:1::1 1") == ["echo", "echo"]


def test_egress_leaves_only_to_planned_listeners(site: Any) -> None:
    site.apply("cms", policy(rule("mail", "out", "25", "", "203.0.113.10"), governed={"out": {"tcp": ["25", "443"]}}))
    # Nobody listens on 26; an answer of any kind proves that the packet left.
    answers = site.probe("cms", "tcp 203.0.113.10 25", "tcp 203.0.113.10 443", "tcp 203.0.113.10 26")
    assert answers == ["player", "filtered", "refused"]


def test_a_foreign_table_stays_as_it_is(site: Any) -> None:
    theirs = "table inet theirs {\n\tchain input {\n\t\ttype filter hook input priority 10; policy accept;\n\t}\n}\n"
    site.nft("gateway", "-f", "-", text=theirs)
    before = site.nft("gateway", "-a", "list", "ruleset")
    site.apply("gateway", PLAYERS)
    assert site.nft("gateway", "-a", "list", "table", "inet", "theirs") == before
    site.remove("gateway")
    assert site.nft("gateway", "-a", "list", "ruleset") == before


def test_a_foreign_chain_that_would_drop_a_planned_flow_is_refused(site: Any) -> None:
    theirs = "table inet theirs {{ chain filter_in {{ type filter hook input priority 10; policy drop; {}; }}\n}}\n"
    site.nft("gateway", "-f", "-", text=theirs.format("tcp dport 22 accept"))
    error = site.compare("gateway", PLAYERS)["error"]
    assert "table inet theirs, chain filter_in" in error
    assert "'web'" in error
    site.nft(
        "gateway", "-f", "-", text="flush ruleset\n" + theirs.format("tcp dport 22-80 accept; udp dport 514 accept")
    )
    assert site.apply("gateway", PLAYERS)["live"]
    assert site.probe("player", "tcp 203.0.113.1 80") == ["gateway"]


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param("nft delete table inet playout_firewall", id="deleted table"),
        pytest.param("nft insert rule inet playout_firewall input tcp dport 80 accept", id="added rule"),
        pytest.param("nft add element inet playout_firewall rule.log.saddr.ipv4 { 203.0.113.66 }", id="added source"),
        pytest.param("nft add table inet playout_firewall '{ flags dormant; }'", id="switched off"),
        pytest.param("nft add chain inet playout_firewall extra", id="added chain"),
        pytest.param("nft flush chain inet playout_firewall input", id="lost rules"),
        pytest.param("echo >> /etc/playout-firewall/ruleset.nft", id="edited boot file"),
        pytest.param("chmod 644 /etc/playout-firewall/ruleset.nft", id="boot file for all to read"),
        pytest.param("rm /etc/systemd/system/sysinit.target.wants/playout-firewall.service", id="disabled unit"),
    ],
)
def test_edits_by_hand_are_noticed_and_repaired(site: Any, edit: str) -> None:
    site.apply("gateway", PLAYERS)
    wanted = site.nft("gateway", "list", "ruleset")
    assert not any(site.compare("gateway", PLAYERS)[part] for part in ("live", "boot", "diff"))
    site.shell("gateway", edit)
    foreseen = site.compare("gateway", PLAYERS)
    assert foreseen["live"] or foreseen["boot"]
    assert foreseen["diff"]
    assert site.apply("gateway", PLAYERS) == foreseen
    assert site.nft("gateway", "list", "ruleset") == wanted
    assert not any(site.compare("gateway", PLAYERS)[part] for part in ("live", "boot", "diff"))


def test_a_changed_order_of_rules_is_noticed(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    listing = site.nft("gateway", "list", "table", "inet", "playout_firewall").splitlines(keepends=True)
    first, second = (index for index, line in enumerate(listing) if 'comment "web' in line)
    listing[first], listing[second] = listing[second], listing[first]
    site.nft("gateway", "-f", "-", text="delete table inet playout_firewall\n" + "".join(listing))
    assert site.compare("gateway", PLAYERS)["live"]


def test_the_boot_file_alone_brings_the_rules_back(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    wanted = site.nft("gateway", "list", "ruleset")
    site.shell("gateway", "nft flush ruleset; nft -f /etc/playout-firewall/ruleset.nft")
    assert site.nft("gateway", "list", "ruleset") == wanted
    assert not site.compare("gateway", PLAYERS)["live"]


def test_without_permission_for_namespaces_the_comparison_is_the_same(site: Any) -> None:
    """A container with CAP_NET_ADMIN only: no namespace, so that a dormant copy of the table stands in."""
    site.apply("gateway", PLAYERS)
    before = site.nft("gateway", "-a", "list", "ruleset")
    site.shell("gateway", "mount --bind /bin/false $(command -v unshare)")
    try:
        assert not site.compare("gateway", PLAYERS)["live"]
        assert site.nft("gateway", "-a", "list", "ruleset") == before
        site.shell("gateway", "nft insert rule inet playout_firewall input tcp dport 80 accept")
        foreseen = site.compare("gateway", PLAYERS)
    finally:
        site.shell("gateway", "umount $(command -v unshare)")
    assert foreseen == site.compare("gateway", PLAYERS)


def test_ten_thousand_sources_are_one_rule(site: Any) -> None:
    sources = " ".join(f"198.18.{high}.{low}" for high in range(40) for low in range(250))
    many = policy(rule("many", "in", "80 30000-30005", sources + " 203.0.113.10"), governed={"in": {"tcp": ["80"]}})
    site.apply("gateway", many)
    assert not site.compare("gateway", many)["live"]
    assert site.nft("gateway", "list", "chain", "inet", "playout_firewall", "input").count('"many"') == 1
    assert site.probe("player", "tcp 203.0.113.1 80") == ["gateway"]
    assert site.probe("stranger", "tcp 203.0.113.1 80") == ["filtered"]


def test_a_bad_rule_leaves_the_old_ones_whole(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    before = site.nft("gateway", "-a", "list", "ruleset")
    site.shell(
        "gateway", "sed '$ i add rule inet playout_firewall nowhere drop' /etc/playout-firewall/ruleset.nft > /tmp/bad"
    )
    assert site.lab.exec("gateway", "nft", "-f", "/tmp/bad").returncode != 0
    assert site.nft("gateway", "-a", "list", "ruleset") == before


@pytest.mark.parametrize("before", [PLAYERS, None], ids=["of another policy", "of none"])
def test_without_a_confirmation_the_old_rules_return_and_foreign_ones_stay(site: Any, before: Any) -> None:
    if before:
        site.apply("gateway", before)
    site.nft("gateway", "add", "table", "inet", "theirs")

    def rules() -> list[str]:
        # A table that was replaced is listed after the others.
        return sorted(site.nft("gateway", "list", "ruleset").splitlines())

    wanted = rules()
    site.try_out("gateway", policy(governed={"in": {"tcp": ["80"]}}))
    assert rules() != wanted
    deadline = time.monotonic() + 15
    while rules() != wanted:
        assert time.monotonic() < deadline, "the old rules did not return"
        time.sleep(0.1)
    assert site.probe("player", "tcp 203.0.113.1 80") == ["gateway"]
    # What the next boot loads was never changed.
    if before:
        assert not any(site.compare("gateway", before)[part] for part in ("live", "boot"))


def test_absent_leaves_nothing(site: Any) -> None:
    assert not site.remove("gateway")["live"]
    site.apply("gateway", PLAYERS)
    removal = site.remove("gateway")
    assert removal["live"]
    assert removal["boot"]
    assert site.nft("gateway", "list", "ruleset") == ""
    assert site.shell("gateway", "find /etc -name '*playout*'") == ""
    again = site.remove("gateway")
    assert (again["live"], again["boot"]) == (False, False)
