# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action gathers what all hosts registered, judges it, and fails where anything differs or is missing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.action import verdict
from ansible_collections.playout.firewall.plugins.action.verdict import ActionModule

LISTENING = {"listeners": [{"protocol": "tcp", "address": "0.0.0.0", "port": 102}]}


def probe(expected: str, result: str, port: int = 102) -> dict[str, Any]:
    return {
        "listener": "map1",
        "service": "viz_client",
        "listener_port": None,
        "protocol": "tcp",
        "address": "192.0.2.11",
        "port": port,
        "expected": expected,
        "result": result,
        "reason": "",
        "name": "0",
    }


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    texts: list[str] = []
    monkeypatch.setattr(verdict, "Display", lambda: SimpleNamespace(display=texts.append))
    return texts


def judge(**probed: dict[str, Any] | None) -> dict[str, Any]:
    """Judge what each host registered; ``None`` for a host that registered nothing."""
    hostvars = {host: {} if found is None else {"tried": found, "heard": LISTENING} for host, found in probed.items()}
    arguments = {"reachability": "tried", "listeners": "heard"}
    task = SimpleNamespace(args=arguments, async_val=0, check_mode=False, action="verdict", delegate_to=None)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = ActionModule(task, connection, SimpleNamespace(check_mode=False), None, None, None)
    return dict(action.run(None, {"hostvars": hostvars, "ansible_play_hosts_all": list(probed)}))


def test_what_is_as_planned_passes_and_is_shown(shown: list[str]) -> None:
    result = judge(map1={"results": []}, engine1={"results": [probe("reachable", "passed")]})
    assert (result["failed"], result["totals"]) == (False, {"ok": 1, "failed": 0, "undecided": 0})
    assert "engine1" in shown[0]
    assert shown[0].endswith(result["msg"])


def test_a_difference_fails_and_is_returned_with_its_initiator(shown: list[str]) -> None:
    result = judge(map1={"results": []}, engine1={"results": [probe("reachable", "filtered")]})
    assert result["failed"]
    assert [(row["initiator"], row["listener"]) for row in result["differences"]] == [("engine1", "map1")]
    assert shown


@pytest.mark.usefixtures("shown")
def test_a_host_without_results_fails_the_verdict_by_name() -> None:
    result = judge(engine1={"results": [probe("reachable", "passed")]}, engine2={"unreachable": True}, engine3=None)
    assert result["failed"]
    assert result["unreached"] == ["engine2", "engine3"]
    assert result["msg"].endswith("no probes from engine2, engine3")


@pytest.mark.usefixtures("shown")
def test_nothing_tried_proves_nothing() -> None:
    assert judge(engine1={"results": []})["failed"]


@pytest.mark.usefixtures("shown")
def test_an_unplanned_probe_without_a_route_is_left_out_and_a_planned_one_is_not() -> None:
    probes = [probe("blocked", "not tried"), probe("reachable", "not tried", 103), probe("reachable", "passed")]
    assert judge(engine1={"results": probes})["totals"] == {"ok": 1, "failed": 0, "undecided": 1}
