# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the inventory: our variables of our hosts, each looked at once, and nothing of somebody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils import _hostvars
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import CatalogueError, load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._hostvars import Names, fingerprint, not_of_the_fleet
from ansible_collections.playout.firewall.plugins.plugin_utils._inventory_reader import RawHost
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.played import UNDEFINED, maps, template

NAMES = Names.of(load_catalogue())


def test_every_host_is_looked_at_once() -> None:
    hostvars = maps()
    fleet, problems = _hostvars.read(hostvars)
    assert set(fleet.hosts) == {"map1", "engine1"}
    assert not problems.errors
    assert set(hostvars.views.values()) == {1}


def test_variables_of_others_and_registered_results_are_not_templated() -> None:
    hostvars = maps(map1={"app_release": UNDEFINED, "playout_listeners": ["much"], "anything": 1})
    found = _hostvars.sweep(hostvars)
    assert not found.problems.errors
    assert set(hostvars.looks) == {"group_names", "ansible_host"}
    assert found.hosts["map1"].variables["playout_listeners"] is None


def test_where_somebody_elses_host_is_concerns_nobody() -> None:
    found = _hostvars.sweep(maps(database={"ansible_host": UNDEFINED}))
    assert not found.problems.errors
    # A host that sends probes is ours, without a role too.
    found = _hostvars.sweep(maps(database={"ansible_host": UNDEFINED, "playout_probe": True}))
    assert [str(problem) for problem in found.problems.errors] == [
        "database: ansible_host: cannot be templated: 'undefined' is undefined"
    ]


def test_numbering_variables_count_for_products_of_the_catalogue_only() -> None:
    assert NAMES.concern("viz_world_instances")
    assert not NAMES.concern("app_release")
    assert NAMES.resemble("viz_world_instance")
    assert not NAMES.resemble("viz_engine")


def test_a_variable_that_cannot_be_templated_is_a_problem_beside_others() -> None:
    _fleet, problems = _hostvars.read(maps(map1={"playout_site": UNDEFINED, "viz_world_instances": "four"}))
    assert {problem.variable for problem in problems.errors} == {"playout_site", "viz_world_instances"}


def test_catalogue_paths_are_relative_to_the_inventory(tmp_path: Path) -> None:
    hostvars = maps(map1={"inventory_dir": str(tmp_path), "playout_catalog_paths": "acme.yml"})
    with pytest.raises(CatalogueError, match=str(tmp_path / "acme.yml")):
        _hostvars.sweep(hostvars)


@pytest.mark.parametrize(
    ("variables", "same"),
    [
        ({"playout_site": "hq", "playout_results": None}, True),
        ({"playout_site": "branch"}, False),
        ({"playout_site": "hq", "playout_system": "maps"}, False),
    ],
)
def test_the_fingerprint_changes_with_the_fleets_variables_alone(variables: dict[str, str], same: bool) -> None:
    before = fingerprint(RawHost(["viz_world_server"], {"playout_site": "hq"}))
    assert (fingerprint(RawHost(["viz_world_server"], variables)) == before) is same


@pytest.mark.parametrize(
    "own", [{}, {"playout_enforcement": "default_deny"}, {"ansible_connection": "local"}, {"app_release": 1}]
)
def test_a_play_may_say_how_a_policy_is_applied(own: dict[str, object]) -> None:
    hostvars = maps()
    raw = _hostvars.read_host(hostvars["map1"], "map1", NAMES, Problems())
    assert list(not_of_the_fleet(raw, NAMES, hostvars.task_vars("map1", **own), template)) == []


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"viz_world_instances": 4}, "map1: viz_world_instances = 4: is set on the play.*not set.*in the inventory"),
        ({"playout_site": "hq"}, "map1: playout_site = hq: .*there it is 'branch'"),
        ({"playout_networks_x": UNDEFINED}, "map1: playout_networks_x: cannot be templated"),
    ],
)
def test_a_play_may_not_say_who_reaches_whom(own: dict[str, object], says: str) -> None:
    hostvars = maps(map1={"playout_site": "branch"})
    raw = _hostvars.read_host(hostvars["map1"], "map1", NAMES, Problems())
    [problem] = not_of_the_fleet(raw, NAMES, hostvars.task_vars("map1", **own), template)
    with pytest.raises(ValueError, match=says):
        raise ValueError(str(problem))
