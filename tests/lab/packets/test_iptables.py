# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only iptables has: other people's rules in the same chains, two programs, ipsets, changes of several steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .policies import PLAYERS, forward, gateway, policy, rule, transit

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("backend", ["iptables"], indirect=True, scope="module")]

OUTSIDE = "203.0.113.1"
WEB = f"tcp {OUTSIDE} 80"
LOG = f"udp {OUTSIDE} 514"
SCRIPT = "/etc/playout-firewall/ruleset.sh"
JUMP = '-A INPUT -m comment --comment "playout.firewall" -j PLAYOUT-INPUT'
DELETE_JUMP = "iptables -D INPUT -m comment --comment playout.firewall -j PLAYOUT-INPUT"
OUR_SET = "$(ipset list -n | grep playout-ip4)"
# In the throw-away namespace of a comparison there is no such interface.
ON_THE_HOST = "ip link show wan0 >/dev/null 2>&1"

REMOVED = policy(governed={"in": {"tcp": ["9000"]}}, gateway=gateway())
FORWARDED = policy(
    rule("web", "forward", "80", "203.0.113.10", "10.0.0.10"),
    forwards=[forward("web", OUTSIDE, "9000", "10.0.0.10", "80")],
    governed={"forward": [transit("80", "10.0.0.10")]},
    gateway=gateway(),
)


def _settled(site: Any, wanted: dict[str, Any]) -> bool:
    change = site.compare("gateway", wanted)
    assert "error" not in change, change["error"]
    return not any(change[part] for part in ("live", "boot", "diff", "warnings"))


def _listed(site: Any) -> list[str]:
    """Every rule of iptables in both families, of each chain in its order, and every set."""
    saves = "iptables-save | grep ^-A; ip6tables-save | grep ^-A; ipset save | grep ^add | sort"
    lines: list[str] = site.shell("gateway", saves).splitlines()
    return sorted(lines, key=lambda line: line.split()[1])


@contextmanager
def _wrapped(site: Any, program: str, commands: str) -> Iterator[None]:
    """Have a program run these commands as well; ``$real`` is the program itself."""
    real = program.replace("tables", "tables-nft")
    text = f"#!/bin/sh\nreal={real}\n{commands}\n"
    link = f"/etc/alternatives/{program}"
    site.shell("gateway", f"printf '%s' '{text}' >/etc/wrapper; chmod 755 /etc/wrapper; ln -sf /etc/wrapper {link}")
    try:
        yield
    finally:
        site.shell("gateway", f"ln -sf /usr/sbin/{real} {link}")


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param("iptables -I PLAYOUT-INPUT -p tcp --dport 80 -j ACCEPT", id="added rule"),
        pytest.param("ip6tables -D PLAYOUT-INPUT 4", id="deleted rule"),
        pytest.param("iptables -D PLAYOUT-INPUT 4; iptables -A PLAYOUT-INPUT -p tcp --dport 80 -j DROP", id="order"),
        pytest.param("iptables -F PLAYOUT-ESSENTIAL", id="flushed chain"),
        pytest.param("iptables -F; iptables -X", id="flushed table"),
        pytest.param(DELETE_JUMP, id="deleted jump"),
        pytest.param(f"{DELETE_JUMP}; iptables -A INPUT -j PLAYOUT-INPUT", id="jump behind other rules"),
        pytest.param("iptables -I INPUT -p tcp --dport 80 -j ACCEPT", id="rule before the jump"),
        pytest.param("iptables -R INPUT 1 -i wan0 -j PLAYOUT-INPUT", id="narrowed jump"),
        pytest.param("iptables -I INPUT -j PLAYOUT-INPUT", id="second jump"),
        pytest.param("iptables -N PLAYOUT-EXTRA", id="added chain"),
        pytest.param(f"ipset add {OUR_SET} 203.0.113.66", id="added source"),
        pytest.param(f"ipset flush {OUR_SET}", id="lost sources"),
        pytest.param("ipset create playout-ip4-extra hash:ip", id="added set"),
        pytest.param(f"echo >> {SCRIPT}", id="edited boot file"),
        pytest.param(f"chmod 644 {SCRIPT}", id="boot file for all to read"),
        pytest.param("rm /etc/systemd/system/sysinit.target.wants/playout-firewall.service", id="disabled unit"),
    ],
)
def test_edits_by_hand_are_noticed_and_repaired(site: Any, edit: str) -> None:
    site.apply("gateway", PLAYERS)
    assert _settled(site, PLAYERS)
    site.shell("gateway", edit)
    foreseen = site.compare("gateway", PLAYERS)
    assert foreseen["live"] or foreseen["boot"]
    assert foreseen["diff"]
    assert site.apply("gateway", PLAYERS) == foreseen
    assert _settled(site, PLAYERS)
    assert site.probe("stranger", WEB, LOG) == ["filtered", "filtered"]
    assert site.probe("player", WEB, LOG) == ["gateway", "echo"]


def test_other_peoples_rules_stay_as_they_are(site: Any) -> None:
    before = _listed(site)
    policies, *theirs = site.shell("gateway", "iptables -S INPUT").splitlines()
    site.apply("gateway", PLAYERS)
    assert site.shell("gateway", "iptables -S INPUT").splitlines() == [policies, JUMP, *theirs]
    site.remove("gateway")
    assert site.shell("gateway", "iptables -S INPUT").splitlines() == [policies, *theirs]
    assert _listed(site) == before


def test_bans_of_fail2ban_still_ban_planned_sources(site: Any) -> None:
    ban = "iptables -N f2b-web; iptables -A f2b-web -s 203.0.113.10 -j REJECT; iptables -A f2b-web -j RETURN"
    site.shell("gateway", f"{ban}; iptables -I INPUT -p tcp -j f2b-web")
    site.apply("gateway", PLAYERS)
    assert site.probe("player", WEB) == ["refused"]
    assert site.probe("player", LOG) == ["echo"]
    # fail2ban comes back to the head whenever it is restarted.
    site.shell("gateway", "iptables -D INPUT -p tcp -j f2b-web; iptables -I INPUT -p tcp -j f2b-web")
    assert _settled(site, PLAYERS)


def test_what_containers_put_before_our_rules_is_left_there(site: Any) -> None:
    ruled = {**FORWARDED, "masquerade": True}
    site.apply("gateway", ruled)
    before = site.shell("gateway", "iptables -t nat -S PREROUTING")
    docker = """
    for chain in DOCKER DOCKER-USER; do iptables -N $chain; done; iptables -t nat -N DOCKER
    iptables -I FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    iptables -I FORWARD -i docker0 ! -o docker0 -j ACCEPT
    iptables -I FORWARD -o br-0123456789ab -j DOCKER
    iptables -I FORWARD -j DOCKER-USER
    iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
    iptables -t nat -I POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
    """
    site.shell("gateway", f"set -e; {docker}")
    assert _settled(site, ruled)
    assert site.probe("player", f"tcp {OUTSIDE} 9000") == ["cms"]
    # Ours translates first.
    assert site.shell("gateway", "iptables -t nat -S PREROUTING").startswith(before)
    # The order is the same when Docker was there first.
    order = site.shell("gateway", "iptables -S FORWARD; iptables -t nat -S POSTROUTING")
    site.remove("gateway")
    site.apply("gateway", ruled)
    assert site.shell("gateway", "iptables -S FORWARD; iptables -t nat -S POSTROUTING") == order
    theirs = [line for line in _listed(site) if "PLAYOUT" not in line]
    site.apply("gateway", {**REMOVED, "masquerade": True})
    site.remove("gateway")
    assert _listed(site) == theirs


def test_a_packet_size_that_is_clamped_stays_clamped(site: Any) -> None:
    clamp = "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"
    site.shell("gateway", f"iptables {clamp}; iptables -A FORWARD -i lan0 -j ACCEPT")
    site.apply("gateway", FORWARDED)
    assert [line.split()[-1] for line in site.shell("gateway", "iptables -S FORWARD").splitlines()[1:]] == [
        "--clamp-mss-to-pmtu",
        "PLAYOUT-FORWARD",
        "ACCEPT",
    ]


def test_a_foreign_nftables_chain_that_would_drop_a_planned_flow_is_refused(site: Any) -> None:
    theirs = "table inet theirs { chain filter_in { type filter hook input priority 10; policy drop; }\n}\n"
    site.nft("gateway", "-f", "-", text=theirs)
    assert "table inet theirs, chain filter_in" in site.compare("gateway", PLAYERS)["error"]


def test_a_table_that_nft_wrote_into_is_refused(site: Any) -> None:
    site.nft("gateway", "add", "chain", "ip", "filter", "input", "{ type filter hook input priority 0; }")
    assert (
        "the ipv4 table 'filter' of iptables holds chains that nft wrote" in site.compare("gateway", PLAYERS)["error"]
    )


def test_without_permission_for_namespaces_the_comparison_is_the_same(site: Any) -> None:
    """A container with CAP_NET_ADMIN only: no namespace, so that chains that nothing leads to stand in."""
    site.apply("gateway", FORWARDED)
    site.apply("gateway", PLAYERS)
    before = site.rules()
    site.shell("gateway", "mount --bind /bin/false $(command -v unshare)")
    try:
        assert _settled(site, PLAYERS)
        assert site.rules() == before
        site.shell("gateway", f"iptables -A PLAYOUT-INPUT -j DROP; ipset add {OUR_SET} 203.0.113.66")
        foreseen = site.compare("gateway", PLAYERS)
    finally:
        site.shell("gateway", "umount $(command -v unshare)")
    assert foreseen["live"]
    assert foreseen == site.compare("gateway", PLAYERS)


def test_without_ipset_there_is_a_rule_for_each_address(site: Any) -> None:
    sources = " ".join(f"198.18.0.{low}" for low in range(120)) + " 203.0.113.10"
    many = policy(rule("many", "in", "80", sources), governed={"in": {"tcp": ["80"]}})
    site.apply("gateway", many)
    site.shell("gateway", "mount --bind /bin/false $(command -v ipset)")
    try:
        change = site.apply("gateway", many)
        assert ["121 addresses cost a rule each" in warning for warning in change["warnings"]] == [True]
        assert not site.compare("gateway", many)["live"]
        assert site.probe("player", WEB) == ["gateway"]
        assert site.probe("stranger", WEB) == ["filtered"]
        assert _settled(site, PLAYERS) is False
    finally:
        site.shell("gateway", "umount $(command -v ipset)")
    site.apply("gateway", many)
    assert site.shell("gateway", "iptables -S PLAYOUT-INPUT").count("many") == 1


def test_a_step_that_fails_brings_the_old_rules_back(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    before = _listed(site)
    once = f'if {ON_THE_HOST} && mkdir /run/failed 2>/dev/null; then echo "line: 3"; exit 1; fi; exec $real "$@"'
    site.shell("gateway", "rm -rf /run/failed")
    with (
        _wrapped(site, "ip6tables-restore", once),
        pytest.raises(AssertionError, match="the old ones stand: line: 3\n"),
    ):
        site.apply("gateway", FORWARDED)
    assert _listed(site) == before
    assert _settled(site, PLAYERS)


@pytest.mark.parametrize(("before", "after"), [(FORWARDED, REMOVED), (REMOVED, FORWARDED)], ids=["removed", "added"])
def test_no_moment_of_a_change_lets_a_packet_pass_that_neither_state_does(site: Any, before: Any, after: Any) -> None:
    """The gateway's port 9000, that the administrator opened, is forwarded, or is the plan's."""
    nine_thousand = f"tcp {OUTSIDE} 9000"
    site.apply("gateway", before)
    site.shell("gateway", "rm -rf /run/moments; mkdir /run/moments")
    # A restore changes one table after the other.
    step_by_step = f"""
    {ON_THE_HOST} || exec $real "$@"
    rm -f /run/table.*
    awk "BEGIN {{ n = 100 }} {{ print >(\\"/run/table.\\" n) }} /^COMMIT/ {{ n++ }}"
    for table in /run/table.*; do
        $real "$@" <$table || exit
        iptables-save >/run/moments/$(date +%s%N)
    done"""
    with _wrapped(site, "iptables-restore", step_by_step):
        site.apply("gateway", after)
    moments = site.shell("gateway", "ls /run/moments").split()
    assert len(moments) >= 3
    for moment in moments:
        site.shell("gateway", f"iptables-restore /run/moments/{moment}")
        assert site.probe("stranger", nine_thousand, WEB) == ["filtered", "filtered"], moment


def test_what_the_administrator_saved_of_our_rules_does_not_keep_the_next_boot_from_loading_it(site: Any) -> None:
    """The saved rules name sets that no longer exist, of a policy before."""
    site.apply("gateway", PLAYERS)
    site.shell("gateway", "iptables-save >/etc/iptables/rules.v4; ip6tables-save >/etc/iptables/rules.v6")
    later = policy(rule("web", "in", "80", "203.0.113.10 203.0.113.12"), governed={"in": {"tcp": ["80"]}})
    site.apply("gateway", later)
    wanted = site.rules()
    site.shell("gateway", "nft flush ruleset; ipset destroy")
    assert site.lab.exec("gateway", "iptables-restore", "/etc/iptables/rules.v4").returncode != 0
    drop_in = site.shell("gateway", "cat /etc/systemd/system/netfilter-persistent.service.d/playout-firewall.conf")
    steps = dict(line.split("=-") for line in drop_in.splitlines() if "=-" in line)
    site.shell("gateway", steps["ExecStartPre"])
    site.shell("gateway", "set -e; iptables-restore /etc/iptables/rules.v4; ip6tables-restore /etc/iptables/rules.v6")
    site.shell("gateway", steps["ExecStartPost"])
    assert site.rules() == wanted
    assert _settled(site, later)
    assert ["/etc/iptables/rules.v4" in text for text in site.remove("gateway")["warnings"]] == [True, False]


@pytest.fixture
def legacy(site: Any) -> Iterator[None]:
    flush = "for t in filter nat raw; do $p -t $t -F; $p -t $t -X; done; $p -P INPUT ACCEPT"
    yield
    site.shell("gateway", f"for p in iptables-legacy ip6tables-legacy; do {flush}; done")


@pytest.mark.usefixtures("legacy")
def test_the_older_iptables_is_used_where_it_has_the_rules(site: Any) -> None:
    site.shell("gateway", "nft flush ruleset; iptables-legacy -A INPUT -s 198.51.100.1 -j DROP")
    site.apply("gateway", PLAYERS)
    assert _settled(site, PLAYERS)
    assert site.shell("gateway", "iptables-legacy -S INPUT").splitlines()[1] == JUMP
    assert site.shell("gateway", "nft list ruleset") == ""
    assert site.probe("player", WEB, LOG) == ["gateway", "echo"]
    assert site.probe("stranger", WEB, LOG) == ["filtered", "filtered"]
    site.remove("gateway")
    assert "PLAYOUT" not in site.shell("gateway", "iptables-legacy-save; ip6tables-legacy-save")


@pytest.mark.usefixtures("legacy")
def test_both_iptables_in_use_are_refused_by_name(site: Any) -> None:
    site.shell("gateway", "iptables-legacy -A INPUT -s 198.51.100.1 -j DROP")
    assert "both iptables-nft and iptables-legacy hold rules" in site.compare("gateway", PLAYERS)["error"]


def test_ten_thousand_sources_are_one_rule(site: Any) -> None:
    sources = " ".join(f"198.18.{high}.{low}" for high in range(40) for low in range(250))
    many = policy(rule("many", "in", "80 30000-30005", sources + " 203.0.113.10"), governed={"in": {"tcp": ["80"]}})
    site.apply("gateway", many)
    assert _settled(site, many)
    assert site.shell("gateway", "iptables -S PLAYOUT-INPUT").count("many") == 1
    assert site.probe("player", WEB) == ["gateway"]
    assert site.probe("stranger", WEB) == ["filtered"]
