# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten lines of inventory and no variable of ours: two groups, each host with its address and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from .controller import LAB_CONNECTION, Controller, Run

pytestmark = pytest.mark.lab

INVENTORY = """\
---
viz_world_server:
  hosts:
    map1: {ansible_host: 192.0.2.11}
    map2: {ansible_host: 192.0.2.12}
viz_world_client:
  hosts:
    engine1: {ansible_host: 192.0.2.31}
    engine2: {ansible_host: 192.0.2.32}
"""
HOSTS = ("map1", "map2", "engine1", "engine2")
# Clients only initiate: there is nothing to rule on them.
RULED = {"map1", "map2"}
SET = "Set the whole policy of this host"
# One after the other, so that what two runs print can be compared.
IN_ORDER = {**LAB_CONNECTION, "ANSIBLE_FORKS": "1"}

Found = dict[str, list[str]]


@dataclass(frozen=True)
class Story:
    """What a person does with a new inventory, from ``plan`` to ``remove``, and what came of it."""

    plan: Run
    foreseen: Run
    applied: Run
    verified: Run
    again: Run
    removed: Run
    states: dict[str, dict[str, str]]
    found: Found


def packets(maps: Controller) -> Found:
    """What those who may, and those who may not, find at a map server."""
    by_ipv4 = [f"192.0.2.11:{port}" for port in (102, 103, 22, 8080, 9999)]
    return {
        "engine1": maps.reach("engine1", *by_ipv4[:2]),
        "stranger": maps.reach("stranger", *by_ipv4, "2001:db8::11:102", "2001:db8::11:8080"),
        "other server": maps.reach("map2", by_ipv4[0]),
    }


@pytest.fixture(scope="module")
def story(maps: Controller) -> Story:
    inventory: Path = maps.write("hosts.yml", INVENTORY)
    states = {}

    def play(book: str, *options: str) -> Run:
        run = maps.play(book, *options, inventory=inventory, **IN_ORDER)
        states[" ".join([book, *options])] = {host: maps.state(host) for host in HOSTS}
        return run

    states["before"] = {host: maps.state(host) for host in HOSTS}
    plan, foreseen, applied = play("plan"), play("apply", "--check", "--diff"), play("apply", "--diff")
    found = packets(maps)
    return Story(plan, foreseen, applied, play("verify"), play("apply"), play("remove"), states, found)


def test_plan_shows_the_matrix_and_contacts_nobody(story: Story) -> None:
    assert story.plan.code == 0
    assert "map1      TCP 102  viz_client  engine1, engine2  192.0.2.31, 192.0.2.32  map1" in story.plan.output
    assert story.states["plan"] == story.states["before"]


def test_plan_says_each_warning_once(story: Story) -> None:
    assert story.plan.text.count("no initiator of viz_config") == 1


def test_check_mode_changes_nothing_and_foretells_the_changes(story: Story) -> None:
    assert story.states["apply --check --diff"] == story.states["before"]
    assert story.foreseen.changed == story.applied.changed == RULED
    assert "+\t\ttcp dport 102-103 drop" in story.foreseen.task(SET)
    assert story.foreseen.task(SET) == story.applied.task(SET)


def test_clients_reach_the_servers(story: Story) -> None:
    assert story.found["engine1"] == ["passed", "filtered"]


def test_a_stranger_and_another_server_are_dropped_at_our_ports_in_both_families(story: Story) -> None:
    assert story.found["stranger"][:2] == ["filtered", "filtered"]
    assert story.found["stranger"][5] == "filtered"
    assert story.found["other server"] == ["filtered"]


def test_ports_of_others_stay_as_they_were(story: Story) -> None:
    assert story.found["stranger"][2:5] == ["passed", "passed", "refused"]
    assert story.found["stranger"][6] == "passed"


def test_verify_passes_and_leaves_nothing_undecided(story: Story) -> None:
    assert story.verified.code == 0, story.verified.text
    assert "12 as planned, 0 differ, 0 undecided" in story.verified.output


def test_verify_changes_nothing(story: Story) -> None:
    assert story.states["verify"] == story.states["apply --diff"]


def test_a_second_apply_changes_nothing(story: Story) -> None:
    assert story.again.code == 0
    assert story.again.changed == set()
    assert story.states["apply"] == story.states["apply --diff"]


def test_remove_leaves_nothing(story: Story) -> None:
    assert story.removed.changed == RULED
    assert story.states["remove"] == story.states["before"]


def test_nobody_is_warned_of_what_a_small_inventory_does_not_have(story: Story) -> None:
    assert story.applied.code == 0
    assert "Could not match" not in story.applied.text
    assert story.removed.errors == ""
