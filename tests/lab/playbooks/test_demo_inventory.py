# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo inventory: two companies behind gateways get exactly their firewall, and what is wrong with it is found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .controller import PYTHON, Controller, Run

pytestmark = pytest.mark.lab

DEMO = Path(__file__).parents[3] / "inventories" / "demo"
TRANSFER = Path(__file__).parents[1] / "ftp_transfer.py"
RULED = {
    *("gw_hq", "gw_branch", "supermonitor", "superreporter", "log"),
    *("allocator", "map1", "map2", "engine1", "engine2", "config"),
}
Shell = Callable[[str, str], str]
GATEWAYS = {"gw_hq", "gw_branch"}
PLANNED_ONLY = ("cms", "player1", "player2", "mail", "operator", "stranger")
OURS = "inet playout_firewall"
SET = "Set the whole policy of this host"


@dataclass(frozen=True)
class Demo:
    """The demo's lab with its firewalls applied. ``unusable`` cannot log in to what is planned only."""

    at: Controller
    inventory: Path
    unusable: Path
    plan: dict[str, Any]
    applied: Run

    def policy(self, host: str) -> dict[str, Any]:
        """One host's policy, as the plan was written to a file."""
        return dict(self.plan["policies"][host])


@pytest.fixture(scope="module")
def demo(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with lab(DEMO / "lab.yml") as it:
        at = Controller(tmp_path_factory.mktemp("demo"), it)
        hosts = (DEMO / "hosts.yml").read_text(encoding="utf-8")
        inventory, unusable = at.write("usual/hosts.yml", hosts), at.write("unusable/hosts.yml", hosts)
        for name in PLANNED_ONLY:
            at.write(f"unusable/host_vars/{name}.yml", {"ansible_connection": "no.such.connection"})
        planned = at.play("plan", "-e", f"playout_plan_dest={at.directory}", inventory=unusable)
        assert planned.code == 0, planned.text
        plan = json.loads((at.directory / "plan.json").read_text(encoding="utf-8"))
        it.listen(_listeners(plan))
        yield Demo(at, inventory, unusable, plan, at.apply("-vvv", inventory=unusable))


def _listeners(plan: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return all ports on which the plan has somebody listen, except the one of the lab's own FTP server."""
    wanted: dict[str, dict[str, list[str]]] = {}
    for flow in plan["flows"]:
        ports = set(flow["ports"]) - ({"21"} if flow["listener"] == "cms" else set())
        known = wanted.setdefault(flow["listener"], {}).setdefault(flow["protocol"], [])
        known += sorted(ports.difference(known))
    return wanted


@pytest.fixture
def by_hand(demo: Demo) -> Iterator[Shell]:
    """``by_hand(host, command)`` does what an administrator does; afterwards our rules and nobody else's stand."""
    yield demo.at.shell
    demo.at.shell("superreporter", "nft delete table inet theirs 2>&- || true")
    demo.at.apply(inventory=demo.inventory)


def test_the_head_office_forwards_exactly_what_is_published(demo: Demo) -> None:
    forwards = [
        (
            entry["protocol"],
            entry["external_addresses"],
            entry["external_ports"],
            entry["to_address"],
            entry["to_ports"],
        )
        for entry in demo.policy("gw_hq")["forwards"]
    ]
    own = ["203.0.113.10"]
    assert forwards == [
        ("tcp", own, ["21", "80", "443", "20000-20001"], "10.1.0.10", ["21", "80", "443", "20000-20001"]),
        ("tcp", own, ["35000"], "10.1.0.21", ["35000"]),
        ("udp", own, ["514"], "10.1.0.26", ["514"]),
    ]


def test_the_branch_forwards_a_port_of_its_own_to_each_player(demo: Demo) -> None:
    forwards = {
        (entry["protocol"], *entry["external_ports"], entry["to_address"], *entry["to_ports"])
        for entry in demo.policy("gw_branch")["forwards"]
    }
    assert forwards == {
        ("tcp", "8011", "192.168.1.11", "80"),
        ("tcp", "8012", "192.168.1.12", "80"),
        ("udp", "8100-8226", "192.168.1.11", "8100-8226"),
    }


def test_initiators_behind_nat_are_let_in_by_the_address_that_is_seen(demo: Demo) -> None:
    rules = [rule for rule in demo.policy("gw_hq")["rules"] if rule["family"] == "ipv4"]
    assert rules
    assert {source for rule in rules for source in rule["sources"]} == {"203.0.113.20"}


def test_apply_contacts_only_hosts_that_it_rules_and_each_with_one_module_call(demo: Demo) -> None:
    # A connection plugin that does not exist would have failed for any other host.
    assert demo.applied.commands == dict.fromkeys(RULED, 1)
    assert {host for host, numbers in demo.applied.recap.items() if numbers["ok"] > 2} <= {"gw_hq"}


def test_gateways_are_ruled_after_hosts_and_one_at_a_time(demo: Demo) -> None:
    plays = demo.applied.output.split("PLAY [Rule the Linux gateways]")
    assert len(plays) == 1 + len(GATEWAYS)
    assert not GATEWAYS & set(_hosts_set(plays[0]))
    assert [len(_hosts_set(play)) for play in plays[1:]] == [1, 1]


def _hosts_set(text: str) -> list[str]:
    return [host for host in RULED if f"changed: [{host}]" in text]


def test_verify_passes_with_packets_from_everywhere(demo: Demo) -> None:
    verified = demo.at.play("verify", inventory=demo.inventory)
    assert verified.code == 0, verified.text
    assert ", 0 differ, 0 undecided" in verified.output


def test_a_second_apply_changes_nothing_and_a_gateway_alone_gets_the_same_policy(demo: Demo) -> None:
    assert demo.at.apply(inventory=demo.inventory).changed == set()
    alone = demo.at.apply("--limit", "gw_hq", inventory=demo.inventory)
    assert alone.recap["gw_hq"]["ok"] == 3
    assert set(alone.recap) == {"gw_hq"}
    assert alone.changed == set()


def test_passive_ftp_passes_two_gateways_with_port_21_forwarded_alone(demo: Demo) -> None:
    assert not {"20001-29999", "20002-29999"} & {
        port for rule in demo.policy("gw_hq")["rules"] for port in rule["ports"]
    }
    assert demo.at.lab is not None
    program = TRANSFER.read_text(encoding="utf-8")
    done = demo.at.lab.exec("player1", PYTHON, "-", "203.0.113.10", "21", input=program)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "epsv: passed" in done.stdout
    assert "pasv: passed" in done.stdout
    assert demo.at.reach("stranger", "203.0.113.10:21", "203.0.113.10:20002") == ["filtered", "refused"]


def test_verify_finds_what_was_done_by_hand_and_apply_repairs_it(demo: Demo, by_hand: Shell) -> None:
    # A rule of ours deleted, our table opened for somebody else, a table of theirs that drops a planned flow.
    handle = by_hand("map2", f"nft -a list chain {OURS} input | sed -n '/in-ipv4-tcp-viz_client/s/.*# handle //p'")
    by_hand("map2", f"nft delete rule {OURS} input handle {handle.strip()}")
    by_hand("map1", f"nft insert rule {OURS} input tcp dport 103 accept")
    by_hand("superreporter", "nft add table inet theirs")
    by_hand("superreporter", "nft 'add chain inet theirs own { type filter hook input priority 10; }'")
    by_hand("superreporter", "nft add rule inet theirs own tcp dport 35000 drop")

    some = ("--limit", "allocator,engine1,map1,map2,cms,superreporter,supermonitor")
    found = demo.at.play("verify", *some, inventory=demo.inventory)
    rows = [re.split("  +", line) for line in found.output.splitlines() if line.endswith("  failed")]
    assert found.code != 0
    assert {row[1] for row in rows} == {"map1", "map2", "superreporter"}
    assert {row[3] for row in rows if row[1] == "map1"} == {"tcp 192.168.1.11:103", "tcp [2001:db8:3::11]:103"}
    assert {tuple(row[:3]) for row in rows if row[1] == "map2"} == {("engine1", "map2", "viz_client")}
    assert {tuple(row[:3]) for row in rows if row[2] == "cayin_remote_log"} == {
        ("cms", "superreporter", "cayin_remote_log")
    }

    repaired = demo.at.play("apply", *some, inventory=demo.inventory)
    assert repaired.code != 0, "apply cannot answer for a flow that somebody else's chain drops"
    assert "table inet theirs, chain own" in repaired.text, repaired.text
    assert repaired.changed == {"map1", "map2"}
    assert demo.at.reach("allocator", "192.168.1.11:103") == ["filtered"]
    assert demo.at.reach("engine1", "192.168.1.12:102") == ["passed"]


def test_apply_brings_a_deleted_table_back_on_its_host_alone(demo: Demo, by_hand: Shell) -> None:
    by_hand("gw_branch", f"nft delete table {OURS}")
    foreseen = demo.at.apply("--check", "--diff", inventory=demo.inventory)
    assert foreseen.changed == {"gw_branch"}
    assert demo.at.apply(inventory=demo.inventory).changed == {"gw_branch"}
    assert demo.at.reach("stranger", "203.0.113.20:8011") == ["filtered"]


def test_an_unreachable_host_stops_nobody_else_and_fails_the_run(demo: Demo, by_hand: Shell) -> None:
    by_hand("map1", f"nft delete table {OURS}")
    away = demo.at.write("away/hosts.yml", (DEMO / "hosts.yml").read_text(encoding="utf-8"))
    demo.at.write("away/host_vars/map2.yml", {"ansible_netns_name": "switched_off"})

    applied = demo.at.play("apply", inventory=away)
    assert applied.code != 0
    assert applied.recap["map2"]["unreachable"] == 1
    assert applied.changed == {"map1"}

    verified = demo.at.play("verify", "--limit", "map1,map2,engine2", inventory=away)
    assert verified.code != 0
    assert "no probes from map2" in verified.text


def test_remove_takes_ours_and_leaves_what_others_wrote(demo: Demo, by_hand: Shell) -> None:
    removed = demo.at.play("remove", inventory=demo.unusable)
    assert removed.code == 0, removed.text
    assert by_hand("gw_hq", "nft list tables").split("\n") == ["table ip uplink", ""]
    assert by_hand("map1", "nft list ruleset; find /etc -name '*playout*'") == ""
