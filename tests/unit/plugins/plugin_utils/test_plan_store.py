# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One plan for a run: made once, renewed when it must be, and its failure told once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils import _planner, _probes
from ansible_collections.playout.firewall.plugins.plugin_utils._plan_store import (
    KnownFailure,
    NoPolicyError,
    current_fleet,
    policy_for,
    probes_for,
    renew_plan,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import InventoryError
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.played import (
    TEMPLAR,
    Hostvars,
    begin_run,
    maps,
)


@pytest.fixture(autouse=True)
def _run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begin_run(monkeypatch, tmp_path)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every plan that was made."""
    made: list[Any] = []
    make_plan = _planner.make_plan

    def counting(*arguments: Any) -> Any:
        made.append(arguments)
        return make_plan(*arguments)

    monkeypatch.setattr(_planner, "make_plan", counting)
    return made


def policy(hostvars: Hostvars, host: str = "map1", **own: Any) -> dict[str, Any]:
    return policy_for(TEMPLAR, hostvars.task_vars(host, **own), host)


def test_all_hosts_share_one_plan_and_look_at_themselves_alone(plans: list[Any]) -> None:
    hostvars = maps(map2={"group_names": ["viz_world_server"], "ansible_host": "192.0.2.12"})
    for host in ("map1", "map2", "engine1", "map1"):
        assert policy(hostvars, host)["host"] == host
    assert len(plans) == 1
    assert hostvars.views == {"map1": 2, "map2": 2, "engine1": 2, "database": 1}


def test_a_policy_names_those_who_are_let_in() -> None:
    assert [rule["sources"] for rule in policy(maps())["rules"]] == [["192.0.2.31"]]


def test_a_host_whose_variables_have_changed_gets_a_new_plan(plans: list[Any]) -> None:
    before = policy(maps())
    assert policy(maps(map1={"playout_results": ["registered", "meanwhile"]})) == before
    assert len(plans) == 1
    assert "10101-10103" in str(policy(maps(map1={"viz_world_instances": 4}))["rules"])
    assert len(plans) == 2


def test_another_hosts_change_needs_the_plan_to_be_renewed() -> None:
    policy(maps())
    moved = maps(engine1={"ansible_host": "192.0.2.77"})
    assert policy(moved)["rules"][0]["sources"] == ["192.0.2.31"]
    renew_plan(TEMPLAR, moved.task_vars("map1"))
    assert policy(moved)["rules"][0]["sources"] == ["192.0.2.77"]


def test_a_failure_gives_its_reasons_once_until_a_plan_succeeds(plans: list[Any]) -> None:
    broken = maps(map1={"viz_world_instances": "four"})
    with pytest.raises(InventoryError, match="viz_world_instances"):
        policy(broken)
    for again in (lambda: policy(broken), lambda: probes_for(TEMPLAR, broken.task_vars("map1"), "map1")):
        with pytest.raises(KnownFailure, match="the first host or task of this run that failed says why"):
            again()
    assert len(plans) == 1
    renew_plan(TEMPLAR, maps().task_vars("map1"))
    assert policy(maps())["host"] == "map1"


def test_a_variable_of_the_play_is_a_problem_beside_the_others() -> None:
    broken = maps(map1={"viz_world_release": "1.0"})
    with pytest.raises(InventoryError) as caught:
        policy(broken, playout_site="hq")
    assert {problem.variable for problem in caught.value.problems} == {"viz_world_release", "playout_site"}


def test_a_variable_of_a_later_play_is_refused_where_the_plan_stands() -> None:
    renew_plan(TEMPLAR, maps().task_vars("map1"))
    with pytest.raises(ValueError, match="map1: playout_site = hq: is set on the play, role or task"):
        policy(maps(), playout_site="hq")


@pytest.mark.parametrize(
    ("host", "says"),
    [("nobody", "'nobody' is no host of the inventory"), ("database", "database is no enforcement point")],
)
def test_who_has_no_policy_is_told_why(host: str, says: str) -> None:
    with pytest.raises(NoPolicyError, match=says):
        policy_for(TEMPLAR, maps().task_vars("map1"), host)


def test_before_the_first_play_nobody_is_known() -> None:
    with pytest.raises(ValueError, match="begin with a play on all hosts"):
        policy_for(TEMPLAR, {"inventory_hostname": "map1"}, "map1")


def test_the_fleet_is_known_without_a_plan_where_none_can_be_made() -> None:
    broken = maps(map1={"viz_world_instances": "four"})
    assert set(current_fleet(TEMPLAR, broken.task_vars("map1")).hosts) == {"map1", "engine1"}


def test_probes_are_each_hosts_own_and_none_for_hosts_that_cannot_send_any() -> None:
    hostvars = maps(engine1={"playout_probe": True}, map1={"playout_probe": False})
    [probe] = [
        probe
        for probe in probes_for(TEMPLAR, hostvars.task_vars("engine1"), "engine1")
        if probe["expected"] == "reachable"
    ]
    assert (probe["listener"], probe["service"], probe["address"]) == ("map1", "viz_client", "192.0.2.11")
    assert probes_for(TEMPLAR, hostvars.task_vars("map1"), "map1") == []


def test_probes_that_could_not_be_written_are_written_by_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(_plan: Any) -> Any:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(_probes, "probes_by_host", failing)
        with pytest.raises(OSError, match="disk full"):
            probes_for(TEMPLAR, maps().task_vars("engine1"), "engine1")
    assert not (tmp_path / "playout-firewall" / "probes").exists()
    assert probes_for(TEMPLAR, maps().task_vars("engine1"), "engine1")


def test_a_new_plan_discards_the_probes_of_the_old() -> None:
    probes_for(TEMPLAR, maps().task_vars("engine1"), "engine1")
    moved = maps(map1={"ansible_host": "192.0.2.77"})
    renew_plan(TEMPLAR, moved.task_vars("map1"))
    assert {probe["address"] for probe in probes_for(TEMPLAR, moved.task_vars("engine1"), "engine1")} == {"192.0.2.77"}
