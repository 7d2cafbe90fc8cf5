# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the module at every stage: what stands is the old state or the new one, and the next run brings the new.

The stages are not chosen: they are all that a run has.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest

from .injection import KILL_MODULE, Injection
from .target import Target

pytestmark = pytest.mark.lab

_LONG = 3000


def _killed(target: Target, wanted: str, stage: str, **options: Any) -> tuple[str, str]:
    """Run the module, which must be killed; what it left, in force and for the boot."""
    outcome = target.run(wanted, **options)
    assert outcome.signal == signal.SIGKILL, f"not killed before {stage}"
    return _left(target, stage)


def _left(target: Target, stage: str) -> tuple[str, str]:
    print(f"killed at {stage}")
    target.settle()
    left = target.names()
    target.check_packets(left[0])
    return left


def _repair(target: Target, wanted: str, left: tuple[str, str]) -> None:
    """Look whether the next run brings the wanted state, and knows when it has."""
    repaired = target.succeed(wanted)
    assert repaired.result["changed"] or left == (wanted, wanted)
    assert target.names() == (wanted, wanted)
    assert not target.succeed(wanted).result["changed"]


@pytest.mark.parametrize(("start", "wanted"), [("none", "new"), ("new", "none")])
def test_killed_before_any_change_of_a_file_and_before_any_program(target: Target, start: str, wanted: str) -> None:
    target.succeed(start)
    for number, step in enumerate(target.succeed(wanted).steps, 1):
        target.succeed(start)
        left = _killed(target, wanted, step, kill_before=number)
        assert left in ((start, start), (wanted, wanted))
        _repair(target, wanted, left)


def test_killed_together_with_the_worker_that_makes_the_change(target: Target) -> None:
    if target.manager.store:
        pytest.skip(f"{target.backend} has several files, and nobody can replace them in one step")
    for number, step in enumerate(target.succeed("new").steps, 1):
        target.succeed("old")
        outcome = target.run("new", kill_before=number, victim="worker")
        assert outcome.signal == signal.SIGKILL or "was ended by signal 9: the old or the new" in outcome.message, step
        left = _left(target, step)
        _repair(target, "new", left)


def test_killed_while_a_program_is_at_work_which_goes_on(target: Target, injection: Injection) -> None:
    injection.wrap()
    injection.script("before-each", "")
    target.succeed("new")
    for number, call in enumerate(injection.calls(), 1):
        target.succeed("old")
        injection.script(f"before-{number}", KILL_MODULE)
        left = _killed(target, "new", call)
        injection.script("before-each", "")
        _repair(target, "new", left)


def test_killed_while_new_rules_are_tried_out(target: Target) -> None:
    steps = target.succeed("new", confirm_timeout=_LONG).steps
    target.expire()
    target.check("old")
    for number, step in enumerate(steps, 1):
        left = _killed(target, "new", step, kill_before=number, confirm_timeout=_LONG)
        assert left[1] == "old"
        target.expire()
        target.check("old")
    _repair(target, "new", ("old", "old"))


def test_killed_while_new_rules_are_confirmed(target: Target) -> None:
    token = target.succeed("new", confirm_timeout=_LONG).result["_confirm"]
    steps = target.succeed("new", confirm=token).steps
    target.check("new")
    for number, step in enumerate(steps, 1):
        target.succeed("old")
        token = target.succeed("new", confirm_timeout=_LONG).result["_confirm"]
        left = _killed(target, "new", step, kill_before=number, confirm=token)
        target.expire()
        left = target.names()
        _repair(target, "new", left)
