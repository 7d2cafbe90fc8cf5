# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role, lookups and modules inside of automation that somebody already has, and inventories in every spelling."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .controller import LAB_CONNECTION, Controller, Run

pytestmark = pytest.mark.lab

SERVERS = {"map1": {"ansible_host": "192.0.2.11"}, "map2": {"ansible_host": "192.0.2.12"}}
FLEET = {
    "viz_world_server": {"hosts": SERVERS},
    "viz_world_client": {"hosts": {"engine1": {"ansible_host": "192.0.2.31"}}},
}
ROLE = "playout.firewall.linux"
INCLUDE: dict[str, Any] = {"ansible.builtin.include_role": {"name": ROLE}}
PLAN: dict[str, Any] = {"playout.firewall.plan": {}, "run_once": True}


def task(lookup: str, path: str) -> dict[str, Any]:
    """A task that writes what a lookup gives to a file on the controller."""
    content = "{{ " + lookup + " | to_json }}"
    return {"ansible.builtin.copy": {"dest": path, "content": content}, "delegate_to": "localhost"}


def book(at: Controller, *plays: dict[str, Any]) -> Path:
    """Write a playbook of somebody's own, which gathers no facts."""
    return at.write("theirs.yml", [{"hosts": "all", "gather_facts": False, **play} for play in plays])


def passed(run: Run) -> Run:
    assert run.code == 0, run.text
    return run


def planned(at: Controller, inventory: Path | str, query: str, *options: str, **environment: str) -> Any:
    """What a JMESPath expression selects from the plan of an inventory."""
    show = {"ansible.builtin.debug": {"msg": "SELECTED {{ it.result | to_json }}"}, "run_once": True}
    plan = {"playout.firewall.plan": {"query": query}, "run_once": True, "register": "it"}
    run = passed(at.play(book(at, {"tasks": [plan, show]}), *options, inventory=inventory, **environment))
    line = next(line for line in run.output.splitlines() if "SELECTED" in line)
    return json.loads(json.loads(line.partition(": ")[2]).removeprefix("SELECTED "))


SOURCES = "policies.*.rules[].sources[] | sort(@)"


@pytest.mark.parametrize(
    "play",
    [
        {"hosts": "viz_world_server", "serial": 1, "roles": [ROLE]},
        {"hosts": "viz_world_server", "strategy": "free", "tasks": [INCLUDE]},
    ],
    ids=["serial and roles", "free strategy and include_role"],
)
def test_the_role_works_in_a_play_of_somebody_else(maps: Controller, play: dict[str, Any]) -> None:
    inventory = maps.write("fleet.yml", FLEET)
    theirs = book(maps, play)
    first = passed(maps.play(theirs, inventory=inventory, **LAB_CONNECTION))
    assert first.changed == {"map1", "map2"}
    assert maps.reach("engine1", "192.0.2.11:102", "192.0.2.12:102") == ["passed", "passed"]
    assert maps.reach("stranger", "192.0.2.11:102", "192.0.2.12:102") == ["filtered", "filtered"]

    # Whoever is limited to one host still sees the whole fleet, and our own playbook finds nothing to change.
    assert passed(maps.play(theirs, "--limit", "map2", inventory=inventory, **LAB_CONNECTION)).changed == set()
    assert maps.apply(inventory=inventory, **LAB_CONNECTION).changed == set()
    passed(maps.play(book(maps, {**play, "vars": {"playout_state": "absent"}}), inventory=inventory, **LAB_CONNECTION))
    assert maps.reach("stranger", "192.0.2.11:102") == ["passed"]


def test_fifty_hosts_look_their_policy_up_and_the_inventory_is_read_once(maps: Controller) -> None:
    reads = maps.directory / "reads"
    counted = "{{ lookup('ansible.builtin.pipe', 'echo x >> " + str(reads) + "; echo main') }}"
    hosts: dict[str, Any] = {f"map{n:02}": {"ansible_host": f"192.0.2.{n + 100}"} for n in range(49)}
    # This one's variable leaves a mark whenever somebody reads it.
    hosts["map99"] = {"ansible_host": "192.0.2.99", "playout_site": counted}
    clients = {"engine1": {"ansible_host": "192.0.2.31"}}
    inventory = {
        "all": {"vars": {"playout_site": "main"}},
        "viz_world_server": {"hosts": hosts},
        "viz_world_client": {"hosts": clients},
    }
    maps.write("policy.j2", "{{ inventory_hostname }} {{ lookup('playout.firewall.policy').rules[0].sources[0] }}")
    shown = "lookup('ansible.builtin.template', 'policy.j2') == inventory_hostname ~ ' 192.0.2.31'"
    theirs = book(maps, {"hosts": "viz_world_server:!map99", "tasks": [{"ansible.builtin.assert": {"that": shown}}]})
    run = passed(maps.play(theirs, inventory=maps.write("fifty.yml", inventory), ANSIBLE_FORKS="10"))
    assert len(run.recap) == 49
    assert len(reads.read_text(encoding="utf-8").split()) == 1


def test_the_plan_module_sees_facts_and_hosts_that_were_added_before_it(maps: Controller) -> None:
    look = "lookup('playout.firewall.policy', 'map1').rules | map(attribute='sources') | flatten | sort"
    files = [str(maps.directory / f"seen{n}.json") for n in range(3)]
    add = {"name": "engine9", "groups": "viz_world_client", "ansible_host": "192.0.2.99"}
    plays = [
        {"hosts": "map1", "connection": "local", "tasks": [task(look, files[0])]},
        {
            "hosts": "engine1",
            "tasks": [
                {"ansible.builtin.set_fact": {"playout_addresses": ["192.0.2.77"]}},
                {"ansible.builtin.add_host": add},
                PLAN,
            ],
        },
        {"hosts": "map1", "connection": "local", "tasks": [task(look, files[1])]},
        # A host whose own variables have changed since takes no policy of before.
        {
            "hosts": "map1",
            "connection": "local",
            "tasks": [
                {"ansible.builtin.set_fact": {"playout_networks": {"viz_world_client": ["192.0.2.128/25"]}}},
                task(look, files[2]),
            ],
        },
    ]
    passed(maps.play(book(maps, *plays), inventory=maps.write("fleet.yml", FLEET)))
    seen = [json.loads(Path(file).read_text(encoding="utf-8")) for file in files]
    assert seen == [
        ["192.0.2.31"],
        ["192.0.2.77", "192.0.2.99"],
        ["192.0.2.128/25", "192.0.2.77", "192.0.2.99"],
    ]


def test_vaulted_and_templated_variables_count_as_what_they_stand_for(maps: Controller) -> None:
    password = maps.write("password", "open sesame\n")
    assert maps.lab is not None
    encrypt = [sys.executable, "-m", "ansible", "vault", "encrypt_string", "--vault-password-file", str(password)]
    secret = maps.lab.run(*encrypt, "192.0.2.55", env={"ANSIBLE_HOME": str(maps.directory / "ansible")}).stdout
    inventory = maps.write(
        "vaulted.yml",
        "all:\n  vars:\n    base: 192.0.2\n    clients: ['{{ base }}.77']\n"
        "viz_world_server:\n  hosts:\n    map1: {ansible_host: '{{ base }}.11'}\n"
        "viz_world_client:\n  hosts:\n"
        "    engine1:\n      ansible_host: " + secret.replace("\n  ", "\n        ") + "\n"
        "    engine2: {playout_addresses: '{{ clients + [base ~ \".78\"] }}'}\n",
    )
    options = ("--vault-password-file", str(password))
    assert planned(maps, inventory, SOURCES, *options) == ["192.0.2.55", "192.0.2.77", "192.0.2.78"]

    without = maps.play("plan", inventory=inventory)
    assert without.code != 0
    assert "engine1: ansible_host: cannot be templated: " in without.text


def test_an_ini_inventory_says_the_same_as_one_of_yaml(maps: Controller) -> None:
    written = maps.write(
        "hosts.ini",
        "[viz_world_server]\n"
        "map1 ansible_host=192.0.2.11 viz_world_instances=4 viz_world_release=23.0 playout_egress=no\n"
        'map2 ansible_host=192.0.2.12 playout_addresses=\'["192.0.2.12", "192.0.2.13"]\' playout_egress=false\n'
        "[viz_world_client]\nengine1 ansible_host=192.0.2.31 playout_egress=yes\n"
        "[viz_world_allocator]\nallocator ansible_host=192.0.2.10 playout_platform=none\n"
        "[viz_world_server:vars]\n"
        'playout_networks={"viz_world_config": ["192.0.2.40"]}\n'
        "viz_world_numbering=formula\n",
    )
    servers = {
        "map1": {"ansible_host": "192.0.2.11", "viz_world_instances": 4, "viz_world_release": "23.0"},
        "map2": {"playout_addresses": ["192.0.2.12", "192.0.2.13"]},
    }
    variables = {"playout_networks": {"viz_world_config": ["192.0.2.40"]}, "viz_world_numbering": "formula"}
    yaml = {
        "viz_world_server": {"hosts": servers, "vars": variables},
        "viz_world_client": {"hosts": {"engine1": {"ansible_host": "192.0.2.31", "playout_egress": True}}},
        "viz_world_allocator": {"hosts": {"allocator": {"ansible_host": "192.0.2.10", "playout_platform": "none"}}},
    }
    policies = planned(maps, written, "policies")
    assert policies == planned(maps, maps.write("same.yml", yaml), "policies")
    assert {rule["direction"] for rule in policies["engine1"]["rules"]} == {"out"}


def test_an_inventory_directory_with_group_and_host_variables_is_one_inventory(maps: Controller) -> None:
    maps.write("site/hosts.yml", FLEET)
    maps.write("site/group_vars/all/networks.yml", {"playout_networks_desks": {"viz_world_config": ["192.0.2.40"]}})
    maps.write("site/group_vars/viz_world_server.yml", {"playout_networks": {"viz_world_config": ["192.0.2.50"]}})
    maps.write("site/host_vars/map2.yml", {"viz_world_instances": 4, "playout_catalog_paths": ["products/acme.yml"]})
    # Relative to the inventory, wherever somebody stands.
    missing = maps.play("plan", inventory=maps.directory / "site")
    assert f"{maps.directory}/site/products/acme.yml" in missing.text

    maps.write("site/host_vars/map2.yml", {"viz_world_instances": 4})
    config = planned(maps, maps.directory / "site", "policies.map2.rules[?services==['viz_config']].sources[]")
    assert config == ["192.0.2.40", "192.0.2.50"]
    more = planned(maps, maps.directory / "site", "policies.map2.rules[].ports[]", "-e", "viz_world_instances=2")
    assert "10101" in more
    assert "10101-10103" not in more
