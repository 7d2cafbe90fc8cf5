# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the module at every stage: what stands is the old state or the new one, and the next run brings the new.

The stages are not chosen for what they are.
"""

from __future__ import annotations

import signal

import pytest

from .injection import KILL_MODULE, Injection
from .target import Outcome, Target

pytestmark = pytest.mark.lab

_LONG = 3000


def _stages(target: Target) -> range:
    """The stages to be killed at, which end where a run does; some where each takes seconds."""
    return range(1, 200, 1 if target.backend == "nftables" else 4)


def _left(target: Target, outcome: Outcome, stage: int) -> tuple[str, str]:
    """Look at what a killed run left, in force and for the boot."""
    print(f"killed at stage {stage} of {outcome.steps[-2:]}")
    target.settle()
    left = target.names()
    # Equal listings were seen with all their packets before.
    target.check_packets(left[0], shut=False)
    return left


def _repair(target: Target, wanted: str, left: tuple[str, str]) -> None:
    """Look whether the next run brings the wanted state, and knows when it has."""
    repaired = target.succeed(wanted)
    assert repaired.result["changed"] or left == (wanted, wanted)
    assert target.names() == (wanted, wanted)
    assert not target.succeed(wanted).result["changed"]


def test_killed_before_any_change_of_a_file_and_before_any_program(target: Target) -> None:
    target.succeed("none")
    for stage in _stages(target):
        killed = []
        for start, wanted in (("none", "new"), ("new", "none")):
            outcome = target.run(wanted, kill_before=stage)
            if outcome.signal:
                killed.append(wanted)
                left = _left(target, outcome, stage)
                assert left in ((start, start), (wanted, wanted))
                _repair(target, wanted, left)
        if not killed:
            break
    assert stage > len(outcome.steps) > 0


def test_killed_together_with_the_worker_that_makes_the_change(target: Target) -> None:
    if target.manager.store:
        pytest.skip(f"{target.backend} has several files, and nobody can replace them in one step")
    for stage in range(1, 200):
        target.succeed("old")
        outcome = target.run("new", kill_before=stage, victim="worker")
        if not outcome.signal and not outcome.failed:
            break
        assert outcome.signal == signal.SIGKILL or "was ended by signal 9: the old or the new" in outcome.message
        _repair(target, "new", _left(target, outcome, stage))
    assert stage > len(outcome.steps) > 0


def test_killed_while_a_program_is_at_work_which_goes_on(target: Target, injection: Injection) -> None:
    injection.wrap()
    for stage in _stages(target):
        injection.script("before-each", "")
        target.succeed("old")
        injection.script(f"before-{stage}", KILL_MODULE)
        outcome = target.run("new")
        if not outcome.signal:
            break
        injection.script("before-each", "")
        _repair(target, "new", _left(target, outcome, stage))
    assert stage > len(injection.calls()) > 0


def test_killed_while_new_rules_are_tried_out(target: Target) -> None:
    for stage in _stages(target):
        outcome = target.run("new", kill_before=stage, confirm_timeout=_LONG)
        if not outcome.signal:
            break
        assert _left(target, outcome, stage)[1] == "old"
        target.expire()
        target.check("old")
    assert stage > len(outcome.steps) > 0
    target.expire()
    target.check("old")
    _repair(target, "new", ("old", "old"))


def test_killed_while_new_rules_are_confirmed(target: Target) -> None:
    for stage in _stages(target):
        target.succeed("old")
        token = target.succeed("new", confirm_timeout=_LONG).result["_confirm"]
        outcome = target.run("new", kill_before=stage, confirm=token)
        if not outcome.signal:
            break
        _left(target, outcome, stage)
        target.expire()
        _repair(target, "new", target.names())
    assert stage > len(outcome.steps) > 0
    target.check("new")
