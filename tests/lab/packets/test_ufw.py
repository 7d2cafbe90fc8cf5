# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only ufw has: its own commands on our rules, its other rules around them, its files and its settings."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from .policies import PLAYERS, gateway, policy, rule
from .test_hosts import PLANNED, UNTOUCHED

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("backend", ["ufw"], indirect=True, scope="module")]

GOLDEN = Path(__file__).parents[2] / "golden" / "ufw"
RULES = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
FTP = policy(
    rule("ftp", "in", "21", "203.0.113.10"),
    governed={"in": {"tcp": ["21"]}},
    helpers=[{"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["203.0.113.1", "2001:db8:1::1"]}],
)
HELPED = "iptables-save; ip6tables-save"


def _changes(site: Any, wanted: dict[str, Any] = PLAYERS) -> tuple[bool, bool]:
    change = site.compare("gateway", wanted)
    assert "error" not in change, change["error"]
    assert bool(change["diff"]) == (change["live"] or change["boot"])
    return change["live"], change["boot"]


def _files(site: Any) -> str:
    text: str = site.shell("gateway", f"cat {' '.join(RULES)}")
    return text


def _assert_enforced(site: Any) -> None:
    assert site.probe("player", *PLANNED) == ["gateway", "gateway", "echo"]
    assert site.probe("stranger", *PLANNED, *UNTOUCHED) == ["filtered"] * 3 + ["gateway"] * 3


def test_ufw_shows_our_rules_with_what_they_are_for(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    shown = [" ".join(line.split()) for line in site.shell("gateway", "ufw status numbered").splitlines()]
    assert "[ 1] 80/tcp ALLOW IN 203.0.113.10 # playout.firewall: web" in shown
    assert "[ 4] 80/tcp DENY IN Anywhere # playout.firewall: governed" in shown
    assert shown.count("80/tcp (v6) DENY IN Anywhere (v6) # playout.firewall: governed") == 0
    assert any("80/tcp (v6) DENY IN Anywhere (v6) # playout.firewall: governed" in line for line in shown)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("ufw reload", id="reloaded"),
        pytest.param("ufw disable && ufw --force enable", id="switched off and on"),
        pytest.param("ufw allow 1234", id="a rule added"),
        pytest.param(
            "ufw insert 2 allow from 192.0.2.7 && ufw delete allow from 192.0.2.7", id="added within and deleted"
        ),
        pytest.param("ufw allow log 7777/tcp && ufw limit 7778/tcp && ufw logging high", id="logging and limits"),
        pytest.param(
            "ufw insert 1 deny from 203.0.113.77 && ufw prepend deny from 2001:db8:bad::1", id="addresses banned"
        ),
        pytest.param("ufw deny out 6667 && ufw route allow from 192.0.2.0/24", id="rules of other chains"),
    ],
)
def test_what_the_administrator_does_with_ufw_leaves_our_rules_alone(site: Any, command: str) -> None:
    site.apply("gateway", PLAYERS)
    site.shell("gateway", command)
    files = _files(site)
    assert _changes(site) == (False, False)
    _assert_enforced(site)
    site.shell("gateway", "ufw reload")
    assert _changes(site) == (False, False)
    assert _files(site) == files


def test_a_rule_that_the_administrator_deletes_is_gone_and_ours_stay(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    site.shell("gateway", "ufw delete allow 9000/tcp")
    assert _changes(site) == (False, False)
    assert site.probe("stranger", *PLANNED, "tcp 203.0.113.1 9000") == ["filtered"] * 4


@pytest.mark.parametrize(
    ("edit", "seen"),
    [
        pytest.param("iptables -D ufw-user-input 1", (True, False), id="deleted in the kernel"),
        pytest.param("ip6tables -D ufw6-user-input 1", (True, False), id="deleted in the kernel, IPv6"),
        pytest.param("iptables -I ufw-user-input -p tcp --dport 80 -j ACCEPT", (True, False), id="added in the kernel"),
        pytest.param("ip6tables -A ufw6-user-output -j DROP", (True, False), id="added at the end"),
        pytest.param("iptables -F ufw-user-input", (True, False), id="flushed"),
        pytest.param(
            "set -- $(iptables -S ufw-user-input 1) && iptables -D ufw-user-input 1 && iptables $*",
            (True, False),
            id="another order in the kernel",
        ),
        pytest.param("ufw --force delete 1", (True, True), id="deleted by ufw"),
        pytest.param("ufw insert 1 allow 80/tcp", (True, True), id="opened before us by ufw"),
        pytest.param("ufw deny from 203.0.113.10 to any port 80 proto tcp", (True, True), id="turned round by ufw"),
        pytest.param(
            "sed -i '/203.0.113.10/s/allow/deny/' /etc/ufw/user.rules", (False, True), id="turned round in the file"
        ),
        pytest.param(
            "sed -i '/^-A.*203.0.113.10/s/ACCEPT/DROP/' /etc/ufw/user.rules", (False, True), id="rule and line differ"
        ),
        pytest.param("sed -i '/comment=/,+1d' /etc/ufw/user6.rules", (False, True), id="deleted in the file"),
        pytest.param("cp /usr/share/ufw/iptables/user*.rules /etc/ufw/", (True, True), id="all rules lost"),
        pytest.param("touch /etc/ufw/user.rules.playout-new", (False, True), id="left by a crash"),
    ],
)
def test_edits_by_hand_are_noticed_and_repaired(site: Any, edit: str, seen: tuple[bool, bool]) -> None:
    site.apply("gateway", PLAYERS)
    site.shell("gateway", edit)
    assert _changes(site) == seen
    site.apply("gateway", PLAYERS)
    assert _changes(site) == (False, False)
    assert site.shell("gateway", "ls -A /etc/ufw | grep playout || true") == ""
    site.shell("gateway", "ufw reload")
    assert _changes(site) == (False, False)
    assert site.probe("stranger", *PLANNED) == ["filtered"] * 3


def test_rules_of_others_of_all_kinds_stay_byte_for_byte(site: Any) -> None:
    for name in RULES:
        text = (GOLDEN / f"administrator.{Path(name).name}").read_text(encoding="utf-8")
        site.shell("gateway", f"cat > {name} <<'EOF'\n{text}EOF")
    site.shell("gateway", "ufw reload")
    files, rules = _files(site), site.rules()
    site.apply("gateway", PLAYERS)
    assert site.probe("stranger", *PLANNED) == ["filtered"] * 3
    site.shell("gateway", "ufw allow 1234 && ufw delete allow 1234")
    assert _changes(site) == (False, False)
    site.remove("gateway")
    assert _files(site) == files
    assert site.rules() == rules


def test_files_that_ufw_never_wrote_since_its_installation_work_as_well(site: Any) -> None:
    site.shell(
        "gateway",
        "cp /usr/share/ufw/iptables/user*.rules /etc/ufw/ && /usr/lib/ufw/ufw-init force-reload",
    )
    before = _files(site)
    site.apply("gateway", PLAYERS)
    assert _changes(site) == (False, False)
    assert site.probe("stranger", *PLANNED) == ["filtered"] * 3
    site.remove("gateway")
    assert _files(site) == before


def test_owner_and_mode_of_the_files_stay(site: Any) -> None:
    site.shell("gateway", f"chmod 600 {RULES[0]}; chmod 644 {RULES[1]}")
    site.apply("gateway", PLAYERS)
    assert site.shell("gateway", f"stat -c '%a %u %g' {' '.join(RULES)}") == "600 0 0\n644 0 0\n"


def test_banned_addresses_stay_before_us_unless_the_plan_names_them(site: Any) -> None:
    site.shell("gateway", "ufw insert 1 deny from 203.0.113.66 comment 'by Fail2Ban'")
    anybody = policy(rule("web", "in", "80", "any"), governed={"in": {"tcp": ["80"]}})
    site.apply("gateway", anybody)
    assert site.probe("player", "tcp 203.0.113.1 80") == ["gateway"]
    assert site.probe("stranger", "tcp 203.0.113.1 80") == ["filtered"]
    planned = policy(rule("web", "in", "80", "203.0.113.66"), governed={"in": {"tcp": ["80"]}})
    site.apply("gateway", planned)
    assert site.probe("stranger", "tcp 203.0.113.1 80", "tcp 203.0.113.1 9000") == ["gateway", "filtered"]


def test_what_was_applied_and_not_stored_is_completed_or_removed_by_the_next_run(site: Any) -> None:
    before, files = site.rules(), _files(site)
    # The timer is dead: nobody confirms, and nobody goes back.
    site.try_out("gateway", PLAYERS)
    site.shell("gateway", "rm -rf /run/playout-firewall/*")
    assert _changes(site) == (False, True)
    site.remove("gateway")
    assert (site.rules(), _files(site)) == (before, files)
    assert site.shell("gateway", "ls /run | grep playout-firewall.ufw || true") == ""


def test_without_permission_for_namespaces_the_comparison_is_the_same(site: Any) -> None:
    """A container with CAP_NET_ADMIN only: no namespace, so that chains which no packet reaches stand in."""
    site.apply("gateway", FTP)
    site.shell("gateway", "ufw allow log 7777/tcp")
    before = site.rules()
    site.shell("gateway", "mount --bind /bin/false $(command -v unshare)")
    try:
        assert _changes(site, FTP) == (False, False)
        assert site.rules() == before
        site.shell("gateway", "iptables -D ufw-user-input 1")
        assert _changes(site, FTP) == (True, False)
    finally:
        site.shell("gateway", "umount $(command -v unshare)")


def test_the_helpers_chain_is_repaired_and_removed(site: Any) -> None:
    before = site.rules()
    site.apply("gateway", FTP)
    for edit in (
        "iptables -t raw -F playout-ufw-helper",
        "ip6tables -t raw -D PREROUTING -j playout-ufw-helper",
        "iptables -t raw -A OUTPUT -j playout-ufw-helper",
        "iptables -t raw -A playout-ufw-helper -p tcp --dport 2121 -j CT --helper ftp",
    ):
        site.shell("gateway", edit)
        assert _changes(site, FTP) == (True, False)
        site.apply("gateway", FTP)
        assert _changes(site, FTP) == (False, False)
    site.restart()
    site.reboot()
    assert _changes(site, FTP) == (False, False)
    site.apply("gateway", PLAYERS)
    assert "playout-ufw-helper" not in site.shell("gateway", HELPED)
    assert _changes(site) == (False, False)
    site.apply("gateway", FTP)
    site.remove("gateway")
    assert "playout-ufw-helper" not in site.shell("gateway", HELPED)
    # An empty table raw is what is left; a reboot forgets it.
    site.reboot()
    assert site.rules() == before


def test_the_old_iptables_is_served_as_ufw_itself_serves_it(site: Any) -> None:
    if site.lab.exec("gateway", "sh", "-c", "iptables-legacy -L && ip6tables-legacy -L").returncode != 0:
        pytest.skip("the old iptables does not run here")
    site.lab.firewall("gateway", "stop")
    site.shell("gateway", "nft flush ruleset; cd /usr/sbin && mount --bind xtables-legacy-multi xtables-nft-multi")
    try:
        site.lab.firewall("gateway", "start")
        assert site.nft("gateway", "list", "ruleset") == ""
        site.apply("gateway", FTP)
        assert _changes(site, FTP) == (False, False)
        site.apply("gateway", PLAYERS)
        _assert_enforced(site)
        site.shell("gateway", "iptables -D ufw-user-input 1")
        assert _changes(site) == (True, False)
        site.remove("gateway")
        assert "playout" not in site.shell("gateway", HELPED)
    finally:
        empty = "for table in raw filter; do $name -t $table -F; $name -t $table -X; done"
        site.shell("gateway", f"/usr/lib/ufw/ufw-init stop; for name in iptables ip6tables; do {empty}; done")
        site.shell("gateway", "umount /usr/sbin/xtables-nft-multi")
        site.lab.firewall("gateway", "start")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        pytest.param("ufw disable", "ufw is not active: allow SSH and enable it", id="disabled"),
        pytest.param(
            "iptables -F INPUT", "its ipv4 chains are not in force .*run 'ufw reload'", id="not asked any more"
        ),
        pytest.param("ip6tables -F ufw6-before-output", "its ipv6 chains are not in force", id="output not asked"),
        pytest.param(
            "sed -i s/IPV6=yes/IPV6=no/ /etc/default/ufw", "IPv6 is not shut yet: run 'ufw disable'", id="IPv6 half off"
        ),
        pytest.param(
            "sed -i s/IPV6=yes/IPV6=no/ /etc/default/ufw; ufw disable; ufw --force enable",
            "rule 'web6' is about IPv6, and ufw drops all of IPv6 here: set IPV6=yes",
            id="IPv6 off",
        ),
        pytest.param("rm /etc/ufw/user6.rules", "/etc/ufw/user6.rules is missing", id="no file"),
        pytest.param("sed -i /RULES/d /etc/ufw/user.rules", "let ufw write it anew", id="not ufw's file"),
    ],
)
def test_what_would_not_be_enforced_is_refused_with_the_way_out(site: Any, command: str, message: str) -> None:
    site.shell("gateway", command)
    before, files = site.rules(), site.shell("gateway", "cat /etc/ufw/user*.rules")
    error = site.compare("gateway", PLAYERS)["error"]
    assert error.startswith("tested: ")
    assert re.search(message, error), error
    assert (site.rules(), site.shell("gateway", "cat /etc/ufw/user*.rules")) == (before, files)


def test_without_ipv6_the_plan_for_ipv4_is_enforced(site: Any) -> None:
    site.shell("gateway", "sed -i s/IPV6=yes/IPV6=no/ /etc/default/ufw; ufw disable; ufw --force enable")
    web = policy(rule("web", "in", "80", "203.0.113.10"), governed={"in": {"tcp": ["80"]}})
    site.apply("gateway", web)
    assert _changes(site, web) == (False, False)
    assert site.probe("player", "tcp 203.0.113.1 80", "tcp 2001:db8:1::1 80") == ["gateway", "filtered"]
    assert site.probe("stranger", "tcp 203.0.113.1 80") == ["filtered"]


def test_gateways_are_refused(site: Any) -> None:
    error = site.compare("gateway", {**PLAYERS, "gateway": gateway()})["error"]
    assert "gateways want playout_backend 'nftables' and ufw switched off" in error


def test_rules_that_come_before_ufws_are_told(site: Any) -> None:
    site.shell("gateway", "iptables -I INPUT -p tcp --dport 80 -j ACCEPT")
    [warning] = site.apply("gateway", PLAYERS)["warnings"]
    assert "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT" in warning


def test_a_stopped_ufw_gets_nothing_of_ours_and_loses_what_it_had(site: Any) -> None:
    files = _files(site)
    site.apply("gateway", FTP)
    site.lab.firewall("gateway", "stop")
    removal = site.remove("gateway")
    assert removal["boot"]
    assert _files(site) == files
    assert "playout" not in site.shell("gateway", HELPED)
    assert "user-input" not in site.shell("gateway", HELPED)
    site.lab.firewall("gateway", "start")
    assert "203.0.113.10" not in site.rules()


def test_the_way_back_leaves_a_stopped_ufw_stopped(site: Any) -> None:
    site.try_out("gateway", PLAYERS)
    site.shell("gateway", "cp -r /run/playout-firewall/* /run/way-back")
    deadline = time.monotonic() + 15
    while not site.shell("gateway", "ls /run/playout-firewall/*/rolled-back 2>/dev/null || true"):
        assert time.monotonic() < deadline, site.shell("gateway", "find /run/playout-firewall")
        time.sleep(0.1)
    site.lab.firewall("gateway", "stop")
    site.shell("gateway", "cd /run/way-back && sh undo && rm -r /run/way-back")
    assert "user-input" not in site.shell("gateway", HELPED)
    # Chains of its names would have it believe that it runs.
    site.lab.firewall("gateway", "start")
    assert site.probe("stranger", "tcp 203.0.113.1 9000", "tcp 203.0.113.1 80") == ["gateway", "filtered"]


def test_commands_of_ufw_at_the_same_time_lose_nothing_of_theirs_or_ours(site: Any) -> None:
    other = policy(rule("web", "in", "80", "203.0.113.66"), governed={"in": {"tcp": ["80"]}})
    ban = "for n in 1 2 3 4 5 6; do ufw insert 1 deny from 198.51.100.$1$n || exit; done"
    for turn in range(1, 9):
        wanted = PLAYERS if turn % 2 else other
        with ThreadPoolExecutor(1) as pool:
            banning = pool.submit(site.lab.exec, "gateway", "sh", "-c", ban, "sh", str(turn))
            site.apply("gateway", wanted)
            assert banning.result().returncode == 0, banning.result().stderr
        assert _changes(site, wanted) == (False, False), f"in turn {turn}"
    for rules in (site.rules(), _files(site)):
        assert all(f"198.51.100.{turn}{n}" in rules for turn in range(1, 9) for n in range(1, 7))
