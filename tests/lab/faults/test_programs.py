# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manager's program is missing, too old, or crashes: nothing has changed, and the message says why."""

from __future__ import annotations

import re

import pytest

from .injection import CRASH, Injection
from .target import Target

pytestmark = pytest.mark.lab

_CALLS = range(1, 200)


@pytest.fixture
def needed(target: Target) -> str:
    """The program without which nothing works."""
    if not target.manager.needed:
        pytest.skip(f"{target.backend} is a daemon")
    return target.manager.needed


@pytest.mark.parametrize("wish", ["auto", "named"])
def test_a_missing_program_is_named(target: Target, injection: Injection, needed: str, wish: str) -> None:
    injection.remove(needed)
    outcome = target.run("new", backend="auto" if wish == "auto" else target.backend)
    injection.end()
    assert outcome.failed, outcome
    assert re.search(f"{needed}(:| is) not (installed|found)", outcome.message)
    assert "othing was changed" in outcome.message
    target.check("old")


def test_a_program_that_must_not_be_run_is_named(target: Target, injection: Injection, needed: str) -> None:
    injection.replace(needed, "")
    target.shell(f"chmod 600 /run/faults/instead-{needed}")
    outcome = target.run("new")
    injection.end()
    assert outcome.failed
    assert needed.partition("-")[0] in outcome.message
    assert "Permission denied" in outcome.message
    assert "othing was changed" in outcome.message
    target.check("old")


def test_a_program_that_is_too_old_is_named(target: Target, injection: Injection, needed: str) -> None:
    if not target.manager.old:
        pytest.skip(f"{needed} does not tell its age")
    injection.replace(needed, target.manager.old)
    outcome = target.run("new")
    injection.end()
    assert outcome.failed
    assert needed in outcome.message
    assert "newer" in outcome.message
    assert "othing was changed" in outcome.message
    target.check("old")


@pytest.mark.parametrize(
    ("wanted", "when", "seconds"),
    [("new", "after", 0), ("new", "before", 3000), ("none", "before", 0)],
)
def test_a_program_that_crashes_changes_nothing(
    target: Target, injection: Injection, wanted: str, when: str, seconds: int
) -> None:
    injection.wrap()
    for call in _CALLS:
        injection.script("before-each", "")
        target.succeed("old")
        injection.script(f"{when}-{call}", CRASH)
        outcome = target.run(wanted, confirm_timeout=seconds)
        if len(injection.calls()) < call:
            break
        print(f"{when} {injection.calls()[call - 1]}: {outcome.message}")
        injection.script("before-each", "")
        live, boot = target.names()
        # What a program crashed at that was only asked for advice may be done without it.
        assert outcome.failed == (live == "old")
        assert boot == live or seconds
        if outcome.failed:
            assert "othing was changed" in outcome.message
            # Nothing waits any more.
            assert not target.succeed("old").result["changed"]
        elif seconds:
            target.succeed(wanted, confirm=outcome.result["_confirm"])
    assert call > 1
    target.expire()


def test_a_daemon_that_dies_changes_nothing(target: Target, injection: Injection) -> None:
    daemon = target.manager.daemon
    if not daemon:
        pytest.skip(f"{target.backend} is no daemon")
    kill = f"kill -9 $(cat /run/lab/{daemon}.pid) 2>/dev/null || true"
    injection.wrap()
    for call in (0, *_CALLS):
        injection.script("before-each", "")
        target.succeed("old")
        injection.script(f"before-{call}", kill)
        if call == 0:
            target.shell(kill)
        outcome = target.run("new")
        if len(injection.calls()) < call:
            break
        print(f"before call {call}: {outcome.message}")
        injection.script("before-each", "")
        live, boot = target.names()
        assert outcome.failed == (live == "old")
        if outcome.failed:
            assert daemon in outcome.message
        # firewalld would add its rules to those that are there.
        target.shell("nft delete table inet firewalld 2>/dev/null || true")
        target.lab.firewall("target", "restart")
        assert target.names() == (boot, boot)
    assert call > 1
