# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action writes the plan where it differs, all files or none, and answers queries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.playout.firewall.plugins.action import plan
from ansible_collections.playout.firewall.plugins.action.plan import ActionModule
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.played import TEMPLAR, begin_run, maps

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """``run(hostvars, option=...)`` returns the result; ``check=True`` is check mode."""
    begin_run(monkeypatch, tmp_path / "run")

    def ran(hostvars: Any, check: bool = False, **options: Any) -> dict[str, Any]:
        task = SimpleNamespace(args=options, async_val=0, check_mode=check, action="plan", delegate_to=None)
        connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
        action = ActionModule(task, connection, SimpleNamespace(check_mode=check), None, TEMPLAR, None)
        return dict(action.run(None, hostvars.task_vars("map1")))

    return ran


def test_counts_digest_and_warnings_are_returned_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    result = run(maps())
    assert result["changed"] is False
    assert result["counts"]["flows"] == 1
    assert len(result["digest"]) == 64
    assert ["viz_config" in warning for warning in result["warnings"]] == [True]
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_files_are_written_once_and_again_only_where_they_differ(run: Run, tmp_path: Path) -> None:
    dest = tmp_path / "reports" / "2026"
    first = run(maps(), dest=str(dest))
    assert first["changed"]
    assert sorted(path.name for path in dest.iterdir()) == ["matrix.csv", "matrix.html", "matrix.md", "plan.json"]
    assert not run(maps(), dest=str(dest))["changed"]
    (dest / "matrix.csv").write_text("by hand", encoding="utf-8")
    again = run(maps(), dest=str(dest))
    assert [entry["before"] for entry in again["diff"]] == ["by hand"]


def test_check_mode_writes_nothing_and_foresees_the_same_diff(run: Run, tmp_path: Path) -> None:
    dest = tmp_path / "reports"
    foreseen = run(maps(), check=True, dest=str(dest), formats=["csv"])
    assert not dest.exists()
    written = run(maps(), dest=str(dest), formats=["csv"])
    assert foreseen["changed"]
    assert foreseen["diff"] == written["diff"]
    assert [path.name for path in dest.iterdir()] == ["matrix.csv"]


def test_a_query_selects_from_the_plan(run: Run) -> None:
    assert run(maps(), query="flows[].listener")["result"] == ["map1"]


def test_a_query_that_is_none_is_refused(run: Run) -> None:
    with pytest.raises(AnsibleActionFail, match=r"query: 'flows\[' is not a JMESPath expression"):
        run(maps(), query="flows[")


def test_the_shown_table_leaves_warnings_to_ansible(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(plan, "Display", lambda: SimpleNamespace(display=shown.append))
    result = run(maps(), show=True)
    assert "viz_client" in shown[0]
    assert not [warning for warning in result["warnings"] if warning[:30] in shown[0]]


def test_all_that_is_wrong_is_the_message(run: Run) -> None:
    broken = maps(map1={"viz_world_instances": "four", "playout_platform": "beos"})
    with pytest.raises(AnsibleActionFail, match=r"(?s)2 problems.*playout_platform = beos.*viz_world_instances = four"):
        run(broken)
