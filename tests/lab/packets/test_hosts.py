# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's own policy lets in and out, proved with packets, the same with every backend."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from .administrators import WRITTEN
from .conftest import BACKENDS
from .policies import PLAYERS, policy, rule

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("backend", BACKENDS, indirect=True, scope="module")]

PLANNED = ("tcp 203.0.113.1 80", "tcp 2001:db8:1::1 80", "udp 203.0.113.1 514")
UNTOUCHED = ("tcp 203.0.113.1 9000", "tcp 2001:db8:1::1 9000", "tcp 203.0.113.1 22")


def _assert_enforced(site: Any) -> None:
    assert site.probe("player", *PLANNED) == ["gateway", "gateway", "echo"]
    assert site.probe("stranger", *PLANNED) == ["filtered", "filtered", "filtered"]
    assert site.probe("stranger", *UNTOUCHED) == ["gateway", "gateway", "gateway"]


def _assert_nothing_to_do(site: Any, wanted: dict[str, Any]) -> None:
    change = site.compare("gateway", wanted)
    assert (change.get("error"), change["live"], change["boot"], change["diff"]) == (None, False, False, [])


def test_scoped_lets_planned_sources_in_and_drops_others_without_a_reset(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    assert site.probe("player", *PLANNED) == ["gateway", "gateway", "echo"]
    assert site.probe("stranger", *PLANNED) == ["filtered", "filtered", "filtered"]


def test_scoped_leaves_other_ports_and_management_alone(site: Any) -> None:
    ports = ("tcp 203.0.113.1 9000", "tcp 203.0.113.1 9001", "tcp 203.0.113.1 21")
    before = site.probe("stranger", *ports)
    assert before == ["gateway", site.unheard, site.unopened("220")]
    site.apply("gateway", PLAYERS)
    assert site.probe("stranger", *ports) == before
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
    assert site.probe("stranger", "tcp 203.0.113.1 9001", "udp 203.0.113.1 9001") == ["filtered", "filtered"]
    assert site.probe("gateway", "tcp 127.0.0.1 9000") == ["gateway"]


def test_default_deny_still_answers_pings_and_neighbours(site: Any) -> None:
    denying = {**PLAYERS, "management": {"ports": ["22"], "sources": ["10.0.0.0/24"]}}
    site.apply("gateway", denying, "default_deny")
    site.shell("stranger", "ip neigh flush all; echo 0 0 > /proc/sys/net/ipv4/ping_group_range")
    assert site.probe("stranger", "ping 203.0.113.1 1", "ping 2001:db8:1::1 1") == ["echo", "echo"]


def test_egress_leaves_only_to_planned_listeners(site: Any) -> None:
    mail = policy(rule("mail", "out", "25", "", "203.0.113.10"), governed={"out": {"tcp": ["25", "443"]}})
    site.apply("gateway", mail)
    # Nobody listens on 26; an answer of any kind proves that the packet left.
    answers = site.probe("gateway", "tcp 203.0.113.10 25", "tcp 203.0.113.10 443", "tcp 203.0.113.10 26")
    assert answers == ["player", "filtered", "refused"]


def test_a_planned_source_may_use_all_of_many_ports(site: Any) -> None:
    site.lab.listen({"gateway": {"tcp": ["22", "80", "9000", "20001-29999"], "udp": ["514"]}})
    try:
        # The single port lies within the range, and there are more single ones than a multiport match can hold.
        ports = "20001 20001-29999 " + " ".join(map(str, range(1001, 1041, 2)))
        site.apply(
            "gateway", policy(rule("many", "in", ports, "203.0.113.10"), governed={"in": {"tcp": ports.split()}})
        )
        targets = [f"tcp 203.0.113.1 {port}" for port in (20001, 25000, 29999, 1001, 1039)]
        assert site.probe("player", *targets) == ["gateway", "gateway", "gateway", "refused", "refused"]
        assert site.probe("stranger", *targets) == ["filtered"] * 5
    finally:
        site.lab.listen({"gateway": {"tcp": ["22", "80", "9000"], "udp": ["514"]}})


def test_the_manager_in_charge_is_chosen_by_itself(site: Any) -> None:
    assert site.compare("gateway", PLAYERS, backend="auto")["backend"] == site.backend


def test_a_second_run_changes_nothing(site: Any) -> None:
    foreseen = site.compare("gateway", PLAYERS)
    assert site.apply("gateway", PLAYERS) == foreseen
    rules = site.rules()
    _assert_nothing_to_do(site, PLAYERS)
    again = site.apply("gateway", PLAYERS)
    assert (again["live"], again["boot"]) == (False, False)
    assert site.rules() == rules


def test_a_comparison_writes_nothing(site: Any) -> None:
    before = site.rules()
    assert site.compare("gateway", PLAYERS)["live"]
    assert site.rules() == before
    assert site.shell("gateway", "find /etc -name '*playout*'") == ""


def test_another_policy_replaces_the_one_before(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    web = policy(rule("web", "in", "80", "203.0.113.66"), governed={"in": {"tcp": ["80"]}})
    site.apply("gateway", web)
    assert site.probe("player", *PLANNED) == ["filtered", "filtered", site.unopened("echo")]
    assert site.probe("stranger", "tcp 203.0.113.1 80", *UNTOUCHED) == ["gateway"] * 4
    _assert_nothing_to_do(site, web)


def test_ten_thousand_sources_work_like_two(site: Any) -> None:
    if site.backend == "ufw" and os.geteuid() != 0:
        pytest.skip("ufw has a rule for each source, more at once than the kernel takes from an ordinary user's lab")
    sources = " ".join(f"198.18.{high}.{low}" for high in range(40) for low in range(250))
    many = policy(rule("many", "in", "80 30000-30005", sources + " 203.0.113.10"), governed={"in": {"tcp": ["80"]}})
    site.apply("gateway", many)
    _assert_nothing_to_do(site, many)
    assert site.probe("player", "tcp 203.0.113.1 80") == ["gateway"]
    assert site.probe("stranger", "tcp 203.0.113.1 80") == ["filtered"]


def test_the_rules_outlast_a_restart_of_the_firewalls_service(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    site.restart()
    _assert_enforced(site)
    _assert_nothing_to_do(site, PLAYERS)


def test_the_rules_outlast_a_reboot(site: Any) -> None:
    site.apply("gateway", PLAYERS)
    site.reboot()
    _assert_enforced(site)
    _assert_nothing_to_do(site, PLAYERS)


@pytest.mark.parametrize("before", [PLAYERS, None], ids=["of another policy", "of none"])
def test_without_a_confirmation_the_old_rules_return(site: Any, before: Any) -> None:
    if before:
        site.apply("gateway", before)
    rules = site.rules()
    site.try_out("gateway", policy(governed={"in": {"tcp": ["80"]}}))
    assert site.rules() != rules
    deadline = time.monotonic() + 15
    while site.rules() != rules:
        assert time.monotonic() < deadline, f"the old rules did not return:\n{site.rules()}"
        time.sleep(0.1)
    # What the next boot loads is as it was, too.
    if before:
        _assert_enforced(site)
        _assert_nothing_to_do(site, before)
    site.reboot()
    assert site.rules() == rules


def test_absent_leaves_the_administrators_rules_and_nothing_of_ours(site: Any) -> None:
    before = site.rules()
    assert not site.remove("gateway")["live"]
    site.apply("gateway", PLAYERS)
    assert site.rules() != before
    removal = site.remove("gateway")
    assert removal["live"]
    assert removal["boot"]
    assert site.rules() == before
    assert (
        site.shell("gateway", f"cd /etc; find . -name '*playout*'; grep -ril playout {' '.join(WRITTEN)} || true") == ""
    )
    again = site.remove("gateway")
    assert (again["live"], again["boot"]) == (False, False)
    site.reboot()
    assert site.rules() == before


def test_the_ftp_helper_serves_a_server_that_denies_everything_else(site: Any) -> None:
    denying: dict[str, Any] = {"management": {"ports": ["22"], "sources": ["10.0.0.0/24"]}}
    rules = (rule("ftp", "in", "21", "10.0.0.0/24"), rule("ftp6", "in", "21", "2001:db8:1::10"))
    site.apply("gateway", policy(*rules, **denying), "default_deny")
    assert site.ftp("inside", "10.0.0.1", "pasv") == [False]
    helper = {"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["10.0.0.1", "2001:db8:1::1"]}
    site.apply("gateway", policy(*rules, helpers=[helper], **denying), "default_deny")
    assert site.ftp("inside", "10.0.0.1", "pasv") == [True]
    assert site.ftp("player", "2001:db8:1::1", "epsv") == [True]
