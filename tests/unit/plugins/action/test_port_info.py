# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module port_info: its action plugin answers without a connection, as its documentation says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.playout.firewall.plugins.action.port_info import OPTIONS, ActionModule
from ansible_collections.playout.firewall.plugins.filter.cayin_ports import cayin_ports
from ansible_collections.playout.firewall.plugins.filter.collapse_ports import collapse_ports
from ansible_collections.playout.firewall.plugins.filter.viz_world_ports import viz_world_ports
from ansible_collections.playout.firewall.plugins.modules.port_info import DOCUMENTATION


def run(check_mode: bool = False, **arguments: Any) -> dict[str, Any]:
    loader = DataLoader()
    task = Task()
    task.args = arguments
    task.check_mode = check_mode
    # A connection that can do nothing: using it would fail.
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    return ActionModule(task, connection, PlayContext(), loader, Templar(loader), None).run(task_vars={})


def test_it_returns_what_the_filters_return() -> None:
    ports = viz_world_ports("server", instances=4, release="22.0", numbering="formula", per_instance=True)
    assert run(
        product="viz_world", role="server", instances="4", release=22.0, numbering="formula", per_instance="yes"
    ) == {"changed": False, "ports": ports, "collapsed": collapse_ports(ports)}
    ports = cayin_ports("cms", features=["ftp", "smb"], ftp_data="range", overrides={"cayin_smb": 1139})
    assert run(product="cayin", role="cms", features="ftp,smb", ftp_data="range", overrides={"cayin_smb": 1139}) == {
        "changed": False,
        "ports": ports,
        "collapsed": collapse_ports(ports),
    }


def test_check_mode_answers_too() -> None:
    question = {"product": "viz_world", "role": "allocator", "instances": 2}
    assert run(check_mode=True, **question) == run(**question)


def test_the_allocator_may_be_left_out_or_said() -> None:
    without = run(product="viz_world", role="server", instances=2, allocator=False)["collapsed"]
    assert without == {"tcp": ["102-103", "10101"], "udp": []}


def test_a_catalogue_of_ones_own_is_asked_as_well(tmp_path: Path) -> None:
    path = tmp_path / "own.yml"
    source = {"document": "note", "place": "all of it"}
    flow = {"initiators": ["own_agent"], "listeners": ["own_agent"], "direction": "stated", "source": source}
    data = {
        "product": "own",
        "title": "Own",
        "documents": {"note": {"title": "Note", "edition": "1"}},
        "roles": {"own_agent": {"title": "agent"}},
        "services": {"own_x": {"purpose": "x", "ports": [{"protocol": "udp", "port": 9}], "flows": [flow]}},
    }
    path.write_text(yaml.safe_dump(data))
    assert run(product="own", role="agent", catalog_paths=[str(path)])["collapsed"] == {"tcp": [], "udp": ["9"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"product": "cayin"}, "missing required arguments: role"),
        ({"product": "cayin", "role": "cms", "relaese": "1"}, "relaese"),
        ({"product": "cayin", "role": "cms", "ftp_data": "static"}, "value of ftp_data must be one of: helper, range"),
        ({"product": "cayin", "role": "cms", "instances": 2}, "instances = 2: cayin has no such setting"),
        ({"product": "vizrt", "role": "server"}, "product: 'vizrt' is not a product of the catalogue; known are"),
        ({"product": "cayin", "role": "cms", "catalog_paths": ["/nowhere.yml"]}, "/nowhere.yml: "),
    ],
)
def test_a_wrong_question_is_refused_with_its_reason(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        run(**arguments)
    assert message in str(caught.value)


def test_the_documentation_has_the_options_that_the_plugin_takes() -> None:
    documented = yaml.safe_load(DOCUMENTATION)["options"]
    facts = ("type", "elements", "required", "choices", "default")
    assert {
        name: {fact: option[fact] for fact in facts if fact in option} for name, option in documented.items()
    } == OPTIONS
