# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next boot loads cannot be written: then the rules in force do not change either."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from .injection import Injection
from .target import Outcome, Target

pytestmark = pytest.mark.lab


def _full(target: Target, injection: Injection) -> None:
    injection.fill_disk(target.manager.rules)


def _read_only(target: Target, injection: Injection) -> None:
    del target
    injection.make_read_only("/etc")


FAULTS = pytest.mark.parametrize(
    ("fault", "reason"), [(_full, "No space left on device"), (_read_only, "Read-only file system")]
)
Fault = Callable[[Target, Injection], None]


# Several ways to say the same.
_OLD = re.compile("nothing was changed|the old (rules are in force again|ones stand)", re.IGNORECASE)


def _says_old(outcome: Outcome, *parts: str) -> None:
    """Check that a run failed and says that the old state stands, and why."""
    assert outcome.failed
    assert _OLD.search(outcome.message), outcome.message
    for part in parts:
        assert part in outcome.message


def _stands_and_recovers(target: Target, injection: Injection, before: str) -> None:
    """The old state is in force and in the same files; and once the fault is gone, a run brings the new one."""
    target.check("old")
    injection.end()
    assert target.boot_files() == before
    assert target.succeed("new").result["changed"]
    target.check("new")


@FAULTS
@pytest.mark.parametrize("seconds", [0, 3000])
def test_a_change_that_cannot_be_kept_is_not_made(
    target: Target, injection: Injection, fault: Fault, reason: str, seconds: int
) -> None:
    before = target.boot_files()
    fault(target, injection)
    outcome = target.run("new", confirm_timeout=seconds)
    if seconds and not outcome.failed:
        # Managers are not asked to write before it is confirmed.
        outcome = target.run("new", confirm=outcome.result["_confirm"])
    _says_old(outcome, reason)
    _stands_and_recovers(target, injection, before)


@FAULTS
def test_a_change_that_cannot_be_kept_when_it_is_confirmed_is_taken_back(
    target: Target, injection: Injection, fault: Fault, reason: str
) -> None:
    before = target.boot_files()
    token = target.succeed("new", confirm_timeout=3000).result["_confirm"]
    fault(target, injection)
    _says_old(target.run("new", confirm=token), reason)
    _stands_and_recovers(target, injection, before)


@FAULTS
def test_what_cannot_be_removed_for_the_next_boot_stays_in_force(
    target: Target, injection: Injection, fault: Fault, reason: str
) -> None:
    if fault is _full:
        assert target.succeed("none").result["changed"]
        return
    fault(target, injection)
    _says_old(target.run("none"), reason)
    target.check("old")


def test_a_first_policy_whose_unit_cannot_be_written_is_not_enforced(target: Target, injection: Injection) -> None:
    if target.manager.store:
        pytest.skip("no unit of ours loads these rules")
    target.succeed("none")
    injection.fill_disk("/etc/systemd/system")
    _says_old(target.run("new"), "/etc/systemd/system", "No space left on device")
    target.check("none")


def test_files_that_were_replaced_before_one_that_cannot_be_are_put_back(target: Target, injection: Injection) -> None:
    before = target.boot_files()
    for file in target.shell("ls /etc/playout-firewall/ruleset* /etc/systemd/system/*playout* || true").split():
        injection.pin(file)
        _says_old(target.run("none"), file, "cannot be replaced")
        target.check("old")
        injection.end()
        assert target.boot_files() == before
