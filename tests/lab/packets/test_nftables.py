# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only nftables has: its listing, edits by nft, foreign tables and chains, a boot file that nft loads."""

from __future__ import annotations

from typing import Any

import pytest

from .policies import PLAYERS, forward, gateway, policy, rule

pytestmark = pytest.mark.lab


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


def test_a_whole_range_is_mapped_to_itself_in_one_rule(site: Any) -> None:
    ports = "443 30000-30005"
    ways = [forward("range", "203.0.113.1", ports, "10.0.0.10", ports)]
    site.apply("gateway", policy(rule("range", "forward", ports, "any", "10.0.0.10"), forwards=ways, gateway=gateway()))
    assert site.nft("gateway", "list", "ruleset").count("dnat ip to") == 1
