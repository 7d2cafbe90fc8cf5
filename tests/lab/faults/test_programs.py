# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manager's program is missing, too old, or crashes: nothing has changed, and the message says why."""

from __future__ import annotations

import pytest

from .injection import CRASH, Injection
from .target import Target

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("backend", ["auto", ""])
def test_a_missing_program_is_named(target: Target, injection: Injection, backend: str) -> None:
    program = target.manager.needed
    injection.remove(program)
    outcome = target.run("new", **({"backend": backend} if backend else {}))
    injection.end()
    assert outcome.failed, outcome
    assert f"{program} is not installed" in outcome.message
    assert "othing was changed" in outcome.message
    target.check("old")


def test_a_program_that_must_not_be_run_is_named(target: Target, injection: Injection) -> None:
    program = target.manager.needed
    injection.replace(program, "")
    target.shell(f"chmod 600 /run/faults/instead-{program}")
    outcome = target.run("new")
    injection.end()
    assert outcome.failed
    assert program in outcome.message
    assert "Permission denied" in outcome.message
    assert "othing was changed" in outcome.message
    target.check("old")


def test_a_program_that_is_too_old_is_named(target: Target, injection: Injection) -> None:
    program = target.manager.needed
    if not target.manager.old:
        pytest.skip(f"{program} does not tell its age")
    injection.replace(program, target.manager.old)
    outcome = target.run("new")
    injection.end()
    assert outcome.failed
    assert program in outcome.message
    assert "newer" in outcome.message
    assert "othing was changed" in outcome.message
    target.check("old")


@pytest.mark.parametrize(
    ("wanted", "when", "seconds"),
    [("new", "before", 0), ("new", "after", 3000), ("none", "before", 0), ("none", "after", 0)],
)
def test_a_program_that_crashes_changes_nothing(
    target: Target, injection: Injection, wanted: str, when: str, seconds: int
) -> None:
    injection.wrap()
    injection.script("before-each", "")
    target.succeed(wanted)
    for number, call in enumerate(injection.calls(), 1):
        target.succeed("old")
        injection.script(f"{when}-{number}", CRASH)
        outcome = target.run(wanted, confirm_timeout=seconds)
        injection.script("before-each", "")
        print(f"{when} {call}: {outcome.message}")
        live, boot = target.names()
        # What a program crashed at that was only asked for advice may be done without it.
        assert outcome.failed == (live == "old"), call
        assert boot == live or seconds
        if outcome.failed:
            assert "othing was changed" in outcome.message
            # Nothing waits any more.
            assert not target.succeed("old").result["changed"]
        elif seconds:
            target.succeed(wanted, confirm=outcome.result["_confirm"])
