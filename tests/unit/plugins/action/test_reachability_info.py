# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action hands the host its probes from the plan, and tells behind each result whom it was for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.playout.firewall.plugins.action.reachability_info import ActionModule
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.played import TEMPLAR, begin_run, maps


class Played(ActionModule):
    """The action, with a host that reaches whatever it is asked to."""

    calls: list[dict[str, Any]]

    def _execute_module(self, *_args: Any, module_args: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        self.calls.append(module_args)
        return {"results": [{**probe, "result": "passed", "port": 102} for probe in module_args["probes"]]}


@pytest.fixture(autouse=True)
def _run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begin_run(monkeypatch, tmp_path)


def played(**arguments: Any) -> Played:
    task = SimpleNamespace(args=arguments, async_val=0, check_mode=False, action="reachability_info", delegate_to=None)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = Played(task, connection, SimpleNamespace(check_mode=False), None, TEMPLAR, None)
    action.calls = []
    return action


def test_the_target_is_told_what_to_try_and_no_more() -> None:
    action = played(timeout=1)
    action.run(None, maps().task_vars("engine1"))
    [call] = action.calls
    assert call["timeout"] == 1
    assert call["probes"][0] == {
        "name": "0",
        "protocol": "tcp",
        "address": "192.0.2.11",
        "ports": "102",
        "expected": "reachable",
    }


def test_each_result_says_whom_the_probe_was_for() -> None:
    results = played().run(None, maps().task_vars("engine1"))["results"]
    told = [(entry["listener"], entry["service"], entry["name"]) for entry in results]
    assert told == [("map1", "viz_client", "viz_client"), ("map1", None, None)]


def test_given_probes_need_no_plan() -> None:
    action = played(probes=[{"address": "192.0.2.1", "ports": "80"}])
    action.run(None, {"inventory_hostname": "engine1"})
    assert action.calls == [{"probes": [{"address": "192.0.2.1", "ports": "80"}]}]


def test_an_inventory_with_problems_fails_the_task_before_the_host_is_touched() -> None:
    action = played()
    with pytest.raises(AnsibleActionFail, match="viz_world_instances = four"):
        action.run(None, maps(map1={"viz_world_instances": "four"}).task_vars("engine1"))
    assert action.calls == []
