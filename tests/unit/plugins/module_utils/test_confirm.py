# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer that takes a change back: exactly one of timer and confirmation wins."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _confirm
from ansible_collections.playout.firewall.plugins.module_utils._confirm import (
    ConfirmError,
    TooLate,
    arm,
    confirm,
    tidy,
    waiting,
)

UNDO = "the old rules\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def firewall(tmp_path: Path) -> Path:
    """The rules in force, as a file; the undo command copies over it."""
    file = tmp_path / "firewall"
    file.write_text("the new rules\n", encoding="utf-8")
    return file


def _arm(seconds: int, directory: Path, firewall: Path) -> str:
    command = ["/bin/sh", "-c", f'cp "$1" {firewall}', "undo"]
    return arm(seconds, command, UNDO, str(directory))


def _until(condition: object, seconds: float = 15.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_without_a_confirmation_the_old_rules_return(directory: Path, firewall: Path) -> None:
    token = _arm(1, directory, firewall)
    assert firewall.read_text(encoding="utf-8") == "the new rules\n"
    assert waiting(str(directory)) == 1
    _until(lambda: firewall.read_text(encoding="utf-8") == UNDO)
    with pytest.raises(TooLate, match="the old rules have returned already"):
        confirm(token, str(directory))


def test_a_confirmation_in_time_keeps_the_new_rules_and_leaves_nothing(directory: Path, firewall: Path) -> None:
    confirm(_arm(1, directory, firewall), str(directory))
    time.sleep(1.5)
    assert firewall.read_text(encoding="utf-8") == "the new rules\n"
    assert not directory.exists()
    assert waiting(str(directory)) == 0


def test_a_token_is_good_once_and_only_where_it_was_made(directory: Path, firewall: Path) -> None:
    token = _arm(2, directory, firewall)
    for wrong in ("unknown", "../run", "/etc"):
        with pytest.raises(ConfirmError, match="nothing waits for this confirmation"):
            confirm(wrong, str(directory))
    confirm(token, str(directory))
    with pytest.raises(ConfirmError, match="nothing waits"):
        confirm(token, str(directory))


def test_the_undo_is_for_root_alone(directory: Path, firewall: Path) -> None:
    token = _arm(1, directory, firewall)
    assert (directory / token).stat().st_mode & 0o777 == 0o700
    assert (directory / token / "undo").stat().st_mode & 0o777 == 0o600
    confirm(token, str(directory))


def test_settled_changes_and_dead_timers_are_tidied_away_and_waiting_ones_are_not(
    directory: Path, firewall: Path
) -> None:
    token = _arm(60, directory, firewall)
    dead = directory / "dead"
    dead.mkdir()
    (dead / "pending").write_text(str(time.monotonic() - 2 * _confirm._GRACE), encoding="ascii")
    settled = directory / "settled"
    settled.mkdir()
    (settled / "rolled-back").touch()
    assert 55 < waiting(str(directory)) <= 60
    tidy(str(directory))
    assert [path.name for path in directory.iterdir()] == [token]
    confirm(token, str(directory))


def test_a_timer_that_is_at_work_is_still_waited_for(directory: Path) -> None:
    (directory / "token").mkdir(parents=True)
    (directory / "token" / "rolling-back").write_text(str(time.monotonic() - 1), encoding="ascii")
    assert waiting(str(directory)) == 1
