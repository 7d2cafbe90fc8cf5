# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer that takes a change back: exactly one of timer and confirmation wins."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _confirm, _lock, _undo
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Undo
from ansible_collections.playout.firewall.plugins.module_utils._command import Result, run
from ansible_collections.playout.firewall.plugins.module_utils._confirm import (
    ConfirmError,
    TooLate,
    arm,
    confirm,
    confirmed,
    tidy,
    waiting,
)

OLD, NEW = "the old rules\n", "the new rules\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def firewall(tmp_path: Path) -> Path:
    """The rules in force, as a file; the undo command copies over it."""
    file = tmp_path / "firewall"
    file.write_text(NEW, encoding="utf-8")
    return file


def _way_back(firewall: Path, text: str = OLD) -> Undo:
    return Undo(["/bin/sh", "-c", f'cat "$1" >>{firewall}.back; cp "$1" {firewall}', "undo"], text)


def _arm(seconds: int, directory: Path, firewall: Path) -> str:
    return arm(seconds, [_way_back(firewall)], str(directory))


def _never(_arguments: Sequence[str], _text: str) -> Result:
    raise AssertionError("nothing is to be run")


def _tidy_and_fail(directory: Path) -> None:
    """Do what a run does that keeps a change on a full disk."""
    tidy(str(directory))
    raise BackendError("the disk is full")


# -- nobody confirms ----------------------------------------------------------------------------------------------


def test_without_a_confirmation_the_old_rules_return(directory: Path, firewall: Path, until: Any) -> None:
    token = _arm(1, directory, firewall)
    assert firewall.read_text(encoding="utf-8") == NEW
    assert waiting(str(directory)) == 1
    until(lambda: firewall.read_text(encoding="utf-8") == OLD)
    with pytest.raises(TooLate, match="the old rules have returned already"):
        confirm(token, str(directory))


def test_every_way_back_is_gone_in_the_order_given(directory: Path, firewall: Path, until: Any) -> None:
    ways = [_way_back(firewall, "newest\n"), _way_back(firewall, "older\n"), _way_back(firewall)]
    arm(0, ways, str(directory))
    until(lambda: firewall.read_text(encoding="utf-8") == OLD)
    assert firewall.with_name("firewall.back").read_text(encoding="utf-8") == f"newest\nolder\n{OLD}"


def test_a_way_back_that_failed_is_not_called_a_return(directory: Path, firewall: Path, until: Any) -> None:
    failing = Undo(["/bin/sh", "-c", "echo no such set >&2; exit 1", "undo"], "")
    token = arm(0, [failing, _way_back(firewall)], str(directory))
    until((directory / token / _confirm._STUCK).exists)
    assert firewall.read_text(encoding="utf-8") == OLD
    log = directory / token / _undo.LOG
    with pytest.raises(ConfirmError, match=f"the way back to the old rules failed: .* {log} ") as raised:
        confirm(token, str(directory))
    assert not isinstance(raised.value, TooLate)
    assert log.read_text(encoding="utf-8") == "no such set\n"
    assert waiting(str(directory)) == 0


def test_the_timer_outlives_who_armed_it(directory: Path, firewall: Path, start: Any, until: Any) -> None:
    code = """
import sys
from ansible_collections.playout.firewall.plugins.module_utils._backend import Undo
from ansible_collections.playout.firewall.plugins.module_utils._confirm import arm
arm(1, [Undo(["/bin/sh"], f"echo the old rules >{sys.argv[2]}")], sys.argv[1])
print("armed", flush=True)
sys.stdin.readline()
"""
    process = start(code, directory, firewall)
    assert process.stdout.readline() == "armed\n"
    process.kill()
    process.wait()
    until(lambda: firewall.read_text(encoding="utf-8") == OLD)


# -- somebody does ------------------------------------------------------------------------------------------------


def test_a_confirmation_in_time_keeps_the_new_rules_and_leaves_nothing(directory: Path, firewall: Path) -> None:
    confirm(_arm(1, directory, firewall), str(directory))
    time.sleep(1.5)
    assert firewall.read_text(encoding="utf-8") == NEW
    assert not directory.exists()
    assert waiting(str(directory)) == 0


def test_a_token_is_good_once_and_only_where_it_was_made(directory: Path, firewall: Path) -> None:
    token = _arm(20, directory, firewall)
    for wrong in ("unknown", "../run", "/etc"):
        with pytest.raises(ConfirmError, match="nothing waits for this confirmation"):
            confirm(wrong, str(directory))
    confirm(token, str(directory))
    with pytest.raises(ConfirmError, match="nothing waits"):
        confirm(token, str(directory))


def test_what_is_kept_under_a_confirmation_may_still_fail_and_then_the_old_rules_return(
    directory: Path, firewall: Path
) -> None:
    token = _arm(20, directory, firewall)
    reason = "^the new rules were confirmed, but the disk is full; so the old rules are in force again$"
    with pytest.raises(BackendError, match=reason), confirmed(token, run, str(directory)):
        _tidy_and_fail(directory)
    assert firewall.read_text(encoding="utf-8") == OLD
    assert not directory.exists()


def test_when_that_way_back_fails_too_both_are_told(directory: Path) -> None:
    failing = Undo(["/bin/sh", "-c", "echo no such set >&2; exit 1", "undo"], "")
    token = arm(20, [failing], str(directory))
    reason = "but the disk is full; and going back failed: the new rules are in force, .*: no such set$"
    with pytest.raises(BackendError, match=reason), confirmed(token, run, str(directory)):
        raise BackendError("the disk is full")
    assert not directory.exists()


def test_what_was_kept_under_a_confirmation_stays(directory: Path, firewall: Path) -> None:
    with confirmed(_arm(20, directory, firewall), _never, str(directory)):
        assert waiting(str(directory)) == 0
    assert firewall.read_text(encoding="utf-8") == NEW
    assert not directory.exists()


def test_without_a_token_there_is_nothing_to_confirm_or_to_take_back(directory: Path) -> None:
    with pytest.raises(BackendError, match=r"^the disk is full$"), confirmed(None, _never, str(directory)):
        raise BackendError("the disk is full")


def test_a_token_that_came_too_late_lets_nothing_be_kept(directory: Path, firewall: Path, until: Any) -> None:
    token = _arm(0, directory, firewall)
    until((directory / token / _confirm._ROLLED_BACK).exists)
    kept = []
    with pytest.raises(TooLate), confirmed(token, _never, str(directory)):
        kept.append(True)
    assert kept == []


# -- what is on the disk ------------------------------------------------------------------------------------------


def test_the_undo_is_for_root_alone(directory: Path, firewall: Path) -> None:
    token = _arm(20, directory, firewall)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / token).stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (directory / token).iterdir()} == {0o600}
    confirm(token, str(directory))


def test_a_timer_that_cannot_be_prepared_is_an_error_and_leaves_nothing(
    directory: Path, firewall: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_undo, "write", full)
    reason = f"^nothing was changed: the way back cannot be written below {directory}: No space left on device$"
    with pytest.raises(ConfirmError, match=reason):
        _arm(20, directory, firewall)
    assert not directory.exists()


def _token(directory: Path, name: str, state: str, left: float) -> str:
    """What a timer or a run left in some state, that it once held."""
    (directory / name).mkdir(parents=True)
    (directory / name / _confirm._HOLD).touch()
    (directory / name / state).write_text(str(time.monotonic() + left), encoding="ascii")
    return str(directory / name)


def test_settled_changes_and_dead_timers_are_tidied_away_and_held_ones_are_not(directory: Path, firewall: Path) -> None:
    token = _arm(20, directory, firewall)
    _token(directory, "killed before its timer began", "pending", 3000)
    _token(directory, "killed while it was kept", "confirmed", 3000)
    _token(directory, "settled", "rolled-back", 0)
    _token(directory, "stuck", "stuck", 0)
    with _confirm._holding(_token(directory, "being kept", "confirmed", 3000)):
        assert 15 < waiting(str(directory)) <= 20
        tidy(str(directory))
    assert sorted(path.name for path in directory.iterdir()) == sorted([token, "being kept"])
    confirm(token, str(directory))


def test_a_timer_that_is_at_work_is_still_waited_for(directory: Path) -> None:
    with _confirm._holding(_token(directory, "token", "rolling-back", -90)):
        assert waiting(str(directory)) == 1
        with pytest.raises(TooLate):
            confirm("token", str(directory))


def test_a_change_that_is_still_being_made_at_the_deadline_is_awaited_before_it_is_undone(
    directory: Path, firewall: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    lock = str(tmp_path / "lock")
    monkeypatch.setattr(_lock, "PATH", lock)
    with _lock.exclusive(lock):
        token = _arm(0, directory, firewall)
        time.sleep(0.5)
        assert (directory / token / _confirm._PENDING).exists()
        firewall.write_text("the new rules, late\n", encoding="utf-8")
    until(lambda: firewall.read_text(encoding="utf-8") == OLD)
