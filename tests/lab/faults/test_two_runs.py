# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs at once: one after the other, or one says why not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from .injection import BEFORE, GO, HELD, IN_FORCE, KILL_MODULE, WAIT, Injection
from .target import Target

pytestmark = pytest.mark.lab


def _held_up(target: Target, injection: Injection, **options: Any) -> int:
    """Start a run that waits, while its first change of the rules is made, until it may go on; its number."""
    injection.wrap()
    injection.script("before-each", "")
    target.succeed("old")
    injection.script("after-each", f"if ! {IN_FORCE} | cmp -s - {BEFORE}; then touch {HELD}; {WAIT}; fi")
    target.shell(f"rm -f {HELD}; {IN_FORCE} >{BEFORE}")
    number = target.start("new", **options)
    target.shell(f"until [ -e {HELD} ]; do sleep 0.02; done")
    return number


def test_the_second_run_waits_for_the_first_and_then_does_its_part(target: Target, injection: Injection) -> None:
    first = _held_up(target, injection)
    second = target.start("none")
    at_the_lock = f"ls -l /proc/{second}/fd | grep -q playout-firewall.lock"
    target.shell(f"until {at_the_lock}; do sleep 0.02; done")
    target.shell(GO)
    assert target.wait(first).result["changed"]
    assert target.wait(second).result["changed"]
    target.check("none")
    callers = [call.split()[0] for call in injection.calls()]
    first_part = list(itertools.takewhile(lambda caller: caller != str(second), callers))
    assert str(first) in first_part
    assert str(first) not in callers[len(first_part) :]


def test_the_second_run_says_for_whom_it_waited_in_vain(target: Target, injection: Injection) -> None:
    first = _held_up(target, injection)
    second = target.run("none", patience=0.2)
    assert second.failed
    assert "othing was changed" in second.message
    assert f"another run is changing this host's rules (process {first}," in second.message
    target.shell(GO)
    assert target.wait(first).result["changed"]
    target.check("new")


def test_a_run_is_refused_while_a_change_waits_for_its_confirmation(target: Target) -> None:
    token = target.succeed("new", confirm_timeout=3000).result["_confirm"]
    for wanted in ("old", "none"):
        refused = target.run(wanted)
        assert refused.failed
        assert "still waits for its confirmation: try again in" in refused.message
        assert "othing was changed" in refused.message
        assert target.names() == ("new", "old")
    target.succeed("new", confirm=token)
    target.check("new")


@pytest.mark.parametrize("then", ["go on", "killed"])
def test_a_change_that_is_made_when_its_time_is_over_is_undone_after_it(
    target: Target, injection: Injection, then: str
) -> None:
    first = _held_up(target, injection, confirm_timeout=3000)
    target.shell("kill $(pgrep -f '[s]leep 3000')")
    if then == "killed":
        target.shell(KILL_MODULE)
    target.shell(GO)
    outcome = target.wait(first)
    target.wait_for_timers()
    target.check("old")
    if outcome.result:
        late = target.run("new", confirm=outcome.result["_confirm"])
        assert "too late, the old rules have returned" in late.message


def test_nobody_confirms_and_the_old_rules_return(target: Target) -> None:
    before = target.boot_files()
    token = target.succeed("new", confirm_timeout=3000).result["_confirm"]
    target.check("new", "old")
    target.expire()
    target.check("old")
    late = target.run("new", confirm=token)
    assert late.failed
    assert "too late, the old rules have returned" in late.message
    assert target.boot_files() == before
