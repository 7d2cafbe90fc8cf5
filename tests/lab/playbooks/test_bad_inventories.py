# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with an inventory is said at once, in words that name the place and the way out; no host is touched."""

from __future__ import annotations

from typing import Any

import pytest

from .controller import LAB_CONNECTION, Controller, Run

pytestmark = pytest.mark.lab


def fleet(**variables: dict[str, Any]) -> dict[str, Any]:
    """Two servers and a client, each with its address and the variables given for it by name, or for ``all``."""
    addresses = {"map1": "192.0.2.11", "map2": "192.0.2.12", "engine1": "192.0.2.31"}
    own = {name: {"ansible_host": address, **variables.get(name, {})} for name, address in addresses.items()}
    return {
        "all": {"vars": variables.get("all", {})},
        "viz_world_server": {"hosts": {name: own[name] for name in ("map1", "map2")}},
        "viz_world_client": {"hosts": {"engine1": own["engine1"]}},
    }


def refused(at: Controller, inventory: Any, book: Any = "apply", *options: str, **environment: str) -> Run:
    """Run something that must fail without a single command to any host."""
    file = at.write("hosts.yml", inventory)
    run = at.play(book, "-vvv", *options, inventory=file, **{**LAB_CONNECTION, **environment})
    assert run.code != 0, run.text
    assert not run.commands
    assert "Traceback" not in run.text
    return run


def reasons(run: Run) -> list[str]:
    """The lines of the list of problems, as a person reads them."""
    return [line.removeprefix("- ") for line in run.text.splitlines() if line.startswith("- ")]


def test_all_problems_are_listed_together(maps: Controller) -> None:
    inventory = fleet(
        map1={"viz_world_instances": "four", "playout_port_overrides": {"viz_client": 65536}},
        map2={"playout_addresses": ["map2.example.com"], "playout_platform": "beos"},
        engine1={"playout_roles": ["viz_world_clint"], "playout_site": "{{ nowhere }}"},
    )
    before = maps.state("map1")
    run = refused(maps, inventory)
    assert maps.state("map1") == before
    assert "problems in the inventory; nothing has been changed" in run.text
    found = reasons(run)
    for place, way_out in (
        ("map1: viz_world_instances = four", "at least 1, at most 200"),
        ("map1: playout_port_overrides = {'viz_client': 65536}", "65535"),
        ("map2: playout_addresses = ['map2.example.com']", "such as '10.0.0.5'"),
        ("map2: playout_platform = beos", "linux, windows, routeros, fortios, vyos, none"),
        ("engine1: playout_roles = ['viz_world_clint']", "viz_world_client"),
        ("engine1: playout_site", "'nowhere' is undefined"),
    ):
        assert [line for line in found if line.startswith(place) and way_out in line], (place, found)


def test_a_problem_that_many_hosts_share_is_said_once(maps: Controller) -> None:
    found = reasons(refused(maps, fleet(all={"playout_platform": "beos"})))
    assert [line for line in found if "playout_platform" in line] == [found[0]]
    assert found[0].startswith("engine1, map1, map2: playout_platform = beos: ")


def test_a_sliced_inventory_ends_the_run_before_anything_else_is_looked_at(maps: Controller) -> None:
    inventory = fleet(all={"playout_fleet_size": 4}, map1={"viz_world_instances": "four"})
    found = reasons(refused(maps, inventory))
    assert len(found) == 1
    assert found[0].startswith("all: playout_fleet_size = 4: 3 hosts with a role are visible and 4 are declared")
    # Removing is no less a change of a fleet that is not seen whole.
    assert "playout_fleet_size = 4" in refused(maps, inventory, "remove").text


def test_limit_does_not_slice_the_fleet(maps: Controller) -> None:
    inventory = maps.write("whole.yml", fleet(all={"playout_fleet_size": 3}))
    run = maps.play("plan", "--limit", "map1", inventory=inventory, **LAB_CONNECTION)
    assert run.code == 0, run.text


@pytest.mark.parametrize("where", ["play", "role", "plan"])
def test_a_variable_that_the_fleet_does_not_see_is_refused_by_its_name(maps: Controller, where: str) -> None:
    play: dict[str, Any] = {"hosts": "viz_world_server", "gather_facts": False}
    role: dict[str, Any] = {"role": "playout.firewall.linux"}
    variable = {"viz_world_instances": 4}
    if where == "plan":
        play |= {"vars": variable, "tasks": [{"playout.firewall.plan": {}, "run_once": True}]}
    else:
        play |= {"roles": [role | {"vars": variable}]} if where == "role" else {"vars": variable, "roles": [role]}
    run = refused(maps, fleet(), maps.write("theirs.yml", [play]))
    assert "viz_world_instances = 4: is set on the play, role or task" in run.text
    assert "set it in the inventory or as an extra variable" in run.text


def test_the_reasons_are_given_once_and_not_by_every_host(maps: Controller) -> None:
    book = [{"hosts": "all", "gather_facts": False, "roles": ["playout.firewall.linux"]}]
    run = refused(maps, fleet(map1={"viz_world_instances": "four"}), maps.write("theirs.yml", book))
    assert len(reasons(run)) == 1
    messages = [line for line in run.text.splitlines() if '"msg": "no policy' in line]
    assert sorted("viz_world_instances = four" in message for message in messages) == [False, False, True]
    assert sum("the first host or task of this run that failed says why" in message for message in messages) == 2


def test_default_deny_on_a_play_does_not_lock_out_what_the_plan_knows_nothing_of(maps: Controller) -> None:
    book = [
        {
            "hosts": "map1",
            "gather_facts": False,
            "roles": [{"role": "playout.firewall.linux", "playout_enforcement": "default_deny"}],
        }
    ]
    before = maps.state("map1")
    inventory, file = maps.write("hosts.yml", fleet()), maps.write("theirs.yml", book)
    run = maps.play(file, inventory=inventory, **LAB_CONNECTION)
    assert run.code != 0
    assert "set playout_management" in run.text
    assert maps.state("map1") == before


def test_a_missing_library_is_named_with_the_command_that_installs_it(maps: Controller) -> None:
    missing = maps.write("without/sitecustomize.py", "import sys\nsys.modules['netaddr'] = None\n").parent
    for book in ("plan", "remove"):
        run = refused(maps, fleet(), book, PYTHONPATH=str(missing))
        assert "needs the Python library 'netaddr'" in run.text
        assert "pip install netaddr" in run.text


def test_a_catalogue_that_is_not_there_is_named(maps: Controller) -> None:
    run = refused(maps, fleet(all={"playout_catalog_paths": ["products/acme.yml"]}))
    assert f"{maps.directory}/products/acme.yml: " in run.text


def test_templates_of_others_are_none_of_our_business(maps: Controller) -> None:
    others = {"hosts": {"database": {"ansible_host": "{{ unknown }}", "app_release": "{{ unknown }}"}}}
    # Ansible itself needs to know where the first host is.
    inventory = maps.write("mixed.yml", {**fleet(map1={"os_release": "{{ unknown }}"}), "zoo": others})
    run = maps.play("plan", inventory=inventory, **LAB_CONNECTION)
    assert run.code == 0, run.text


def test_a_typing_error_in_a_name_of_ours_is_a_warning_with_the_right_name(maps: Controller) -> None:
    wrong = {"viz_world_instance": "viz_world_instances", "playout_adresses": "playout_addresses"}
    run = maps.play("plan", inventory=maps.write("typo.yml", fleet(map1=dict(wrong))), **LAB_CONNECTION)
    assert run.code == 0, run.text
    for written, meant in wrong.items():
        assert f"{written} is not a variable of ours; did you mean {meant}?" in run.text


def test_a_lookup_says_whose_policy_there_is_not(maps: Controller) -> None:
    says = {
        "lookup('playout.firewall.policy', 'nobody')": "'nobody' is no host of the inventory",
        "lookup('playout.firewall.policy', 'database')": "database is no enforcement point: it has no role",
        "query('playout.firewall.enforcers', 'beos')": "'beos' is not a platform; known are linux",
    }
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.debug": {"msg": "{{ " + lookup + " }}"}, "ignore_errors": True} for lookup in says
    ]
    book = maps.write("theirs.yml", [{"hosts": "map1", "gather_facts": False, "tasks": tasks}])
    inventory = maps.write("others.yml", {**fleet(), "others": {"hosts": {"database": {}}}})
    run = maps.play(book, inventory=inventory)
    assert run.recap["map1"]["ignored"] == len(says)
    assert [message for message in says.values() if message not in run.text] == []


def test_a_lookup_before_the_first_play_says_what_to_begin_with(maps: Controller) -> None:
    for name in ("policy", "enforcers"):
        play = {"hosts": "{{ query('playout.firewall." + name + "', 'linux') }}", "tasks": []}
        run = refused(maps, fleet(), maps.write("theirs.yml", [play]))
        assert "begin with a play on all hosts" in run.text


def test_verify_fails_where_nobody_can_send_packets(maps: Controller) -> None:
    run = refused(maps, fleet(all={"playout_probe": False}), "verify")
    assert "no host can send packets: set playout_probe: true" in run.text


@pytest.mark.parametrize("option", ["--list-tasks", "--syntax-check"])
def test_our_playbooks_can_be_listed(maps: Controller, option: str) -> None:
    others = [f"playout.firewall.{name}" for name in ("apply", "verify", "remove")]
    run = maps.play("plan", *others, option, inventory=maps.write("listed.yml", fleet()), **LAB_CONNECTION)
    assert run.code == 0, run.text
