# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only firewalld can lose or hide: settings made while it runs, files that wait, chains that are gone."""

from __future__ import annotations

import time
from typing import Any

import pytest

from .policies import PLAYERS, policy, rule

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("backend", ["firewalld"], indirect=True, scope="module")]

# What a reload would lose, and would bring back.
RUNTIME = """
set -e
firewall-cmd -q --permanent --new-ipset banned --type hash:net
firewall-cmd -q --permanent --new-ipset fading --type hash:ip --option timeout=3600
firewall-cmd -q --permanent --new-policy theirs
firewall-cmd -q --permanent --policy theirs --add-ingress-zone public
firewall-cmd -q --permanent --policy theirs --add-egress-zone HOST
firewall-cmd -q --reload
firewall-cmd -q --zone public --add-rich-rule 'rule family="ipv4" source address="203.0.113.99" reject'
firewall-cmd -q --zone public --remove-service ssh
firewall-cmd -q --zone public --add-port 7000/tcp --timeout 600
firewall-cmd -q --zone trusted --change-interface lan0
firewall-cmd -q --policy theirs --add-service http
firewall-cmd -q --ipset banned --add-entry 198.51.100.0/24
firewall-cmd -q --ipset fading --add-entry 198.51.100.7
firewall-cmd -q --direct --add-rule ipv4 filter INPUT 0 -s 198.51.100.8 -j DROP
iptables -N f2b-sshd
iptables -I INPUT -p tcp --dport 22 -j f2b-sshd
iptables -A f2b-sshd -s 198.51.100.9 -j REJECT
iptables -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE
ip6tables -A FORWARD -s 2001:db8:9::/64 -j DROP
"""


def _of_others(site: Any) -> str:
    """The rules in force without ours, without empty chains, and without the order of what means the same."""
    lines = {line.strip() for line in site.rules().splitlines() if "playout" not in line}
    rules = sorted(line for line in lines if not line.startswith(("chain ", "table ", "type ")))
    zones = site.shell("gateway", "firewall-cmd --get-active-zones; firewall-cmd --direct --get-all-rules")
    return "\n".join([*rules, zones])


def _forgets_timeouts(site: Any) -> bool:
    """Whether this firewalld forgets at a reload when what is set for a while should end."""
    version = site.shell("gateway", "firewall-cmd --version").split(".")
    return [int(number) for number in version[:2]] >= [2, 3]


def test_what_others_set_while_firewalld_runs_outlives_our_reload(site: Any) -> None:
    site.shell("gateway", RUNTIME)
    before = _of_others(site)
    assert "198.51.100.7" in before
    warnings = site.apply("gateway", policy(rule("web", "in", "80", "203.0.113.10")))["warnings"]
    assert [" should end" in warning for warning in warnings] == [True] * _forgets_timeouts(site)
    site.remove("gateway")
    assert _of_others(site) == before


def test_what_others_set_for_a_while_still_ends(site: Any) -> None:
    if _forgets_timeouts(site):
        pytest.skip("the end of what is set for a while is not tested: this firewalld forgets it at a reload")
    site.shell("gateway", "firewall-cmd -q --zone public --add-port 7000/tcp --timeout 20")
    site.apply("gateway", PLAYERS)
    assert "7000/tcp" in site.shell("gateway", "firewall-cmd --zone public --list-ports")
    deadline = time.monotonic() + 60
    while "7000/tcp" in site.shell("gateway", "firewall-cmd --zone public --list-ports"):
        assert time.monotonic() < deadline, "the port is open for good"
        time.sleep(0.2)


def test_what_waits_in_others_files_is_told_before_it_comes_into_force(site: Any) -> None:
    site.shell(
        "gateway", "firewall-cmd -q --permanent --new-policy waiting; firewall-cmd -q --permanent --new-zone soon"
    )
    [warning] = site.compare("gateway", PLAYERS)["warnings"]
    assert "policy waiting" in warning
    assert "zone soon" in warning


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param("firewall-cmd --policy playout-in --add-rich-rule 'rule priority=50 accept'", id="runtime rule"),
        pytest.param("firewall-cmd --policy playout-in --remove-egress-zone HOST", id="runtime zone"),
        pytest.param("firewall-cmd --ipset $SET --add-entry 203.0.113.66", id="runtime entry"),
        pytest.param("firewall-cmd --permanent --ipset $SET --add-entry 203.0.113.66", id="stored entry"),
        pytest.param("firewall-cmd --permanent --delete-policy playout-in", id="stored policy removed"),
        pytest.param("firewall-cmd --permanent --new-policy playout-more", id="stored policy added"),
        pytest.param("rm -r /etc/firewalld/policies", id="files lost"),
        pytest.param("echo '<policy' > /etc/firewalld/policies/playout-in.xml", id="broken file"),
        pytest.param("touch /etc/firewalld/policies/.playout-in.xml.new", id="left by a killed run"),
        pytest.param("nft flush chain inet firewalld filter_IN_policy_playout-in_post", id="rules lost in the kernel"),
        pytest.param("nft add rule inet firewalld filter_IN_policy_playout-in_post accept", id="rule in the kernel"),
        pytest.param("nft add element inet firewalld $SET '{ 203.0.113.66 }'", id="element in the kernel"),
        pytest.param("nft flush chain inet firewalld filter_INPUT", id="no way to our chain"),
        pytest.param("nft delete table inet firewalld", id="table deleted"),
    ],
)
def test_edits_by_hand_are_noticed_and_repaired(site: Any, edit: str) -> None:
    site.apply("gateway", PLAYERS)
    wanted = site.rules()
    assert site.compare("gateway", PLAYERS)["diff"] == []
    site.shell("gateway", f"SET=$(firewall-cmd --get-ipsets) && {edit}")
    foreseen = site.compare("gateway", PLAYERS, backend="firewalld")
    assert foreseen["live"] or foreseen["boot"]
    assert foreseen["diff"]
    assert site.apply("gateway", PLAYERS) == foreseen
    assert site.rules() == wanted
    again = site.compare("gateway", PLAYERS)
    assert (again["live"], again["boot"], again["diff"]) == (False, False, [])


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        pytest.param(
            "F=/etc/firewalld/firewalld.conf; sed -i /FirewallBackend=/d $F; echo FirewallBackend=iptables >> $F",
            "FirewallBackend is 'iptables'",
            id="older backend",
        ),
        pytest.param("echo '<zone' > /etc/firewalld/zones/office.xml", "office.xml", id="broken file of others"),
    ],
)
def test_what_firewalld_could_not_enforce_is_refused_and_nothing_changed(site: Any, state: str, reason: str) -> None:
    site.shell("gateway", state)
    before = site.rules()
    error = site.compare("gateway", PLAYERS)["error"]
    assert reason in error
    assert site.rules() == before
    assert site.shell("gateway", "find /etc -name '*playout*'") == ""


def test_a_firewalld_that_does_not_run_is_refused_but_left_clean(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    site.lab.firewall("gateway", "stop")
    assert "systemctl enable --now firewalld" in site.compare("gateway", PLAYERS)["error"]
    assert site.remove("gateway")["boot"]
    assert site.shell("gateway", "find /etc -name '*playout*'") == ""
