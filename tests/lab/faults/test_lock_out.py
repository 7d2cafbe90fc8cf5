# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that lock out who applies them, over real SSH with shared connections: the old ones return by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ssh_target import CONTROL_PATHS

from .injection import GO, IN_FORCE, WAIT, Injection
from .policies import ARGUMENTS, STRANGER, TARGET
from .target import Target

pytestmark = pytest.mark.lab

# Somebody who sees more packets than the kernel should remember leaves a service out of connection tracking: the rule
# for what is established lets none of its packets in then.
_UNTRACKED = """
table inet others {
    chain in { type filter hook prerouting priority raw; tcp dport 22 notrack; }
    chain out { type filter hook output priority raw; tcp sport 22 notrack; }
}
"""
# The connection in use is always kept open: to be locked out takes a wrong address of it.
_MISTAKEN = {"SSH_CONNECTION": f"192.0.2.9 1 {TARGET} 22"}
_CONNECTIONS = {"ansible.builtin.command": f"find {CONTROL_PATHS} -type s", "delegate_to": "localhost"}


@pytest.fixture
def untracked(target: Target) -> Iterator[Target]:
    target.shell(f"nft '{_UNTRACKED}'")
    yield target
    target.shell("nft delete table inet others")
    target.check("old")


def _task(target: Target, wanted: str, seconds: int = 4, **directives: Any) -> dict[str, Any]:
    arguments = {"backend": target.backend, "confirm_timeout": seconds, **ARGUMENTS[wanted]}
    return {
        "playout.firewall.linux_ruleset": arguments,
        "ignore_errors": True,
        "ignore_unreachable": True,
        **directives,
    }


def _cut(target: Target) -> tuple[bool, bool]:
    """What a lock-out cuts: new connections, and those that are there."""
    target.ssh.open_shared()
    target.succeed("locked", environment=_MISTAKEN, confirm_timeout=3000)
    cut = not target.ssh.logs_in(), not target.ssh.logs_in(shared=True, seconds=1)
    target.expire()
    assert target.ssh.logs_in()
    assert target.ssh.logs_in(shared=True)
    target.ssh.close_shared()
    return cut


def test_rules_that_let_a_new_connection_in_stay_and_the_one_in_use_is_always_let_in(target: Target) -> None:
    good, again, kept = target.ssh.play(_task(target, "new"), _task(target, "new"), _task(target, "locked"))
    assert [result["changed"] for result in (good, again, kept)] == [True, False, True]
    assert not any(result.get("failed") for result in (good, again, kept))
    assert target.ssh.logs_in()
    assert not target.opens("stranger", TARGET, 22), STRANGER


def test_rules_that_let_no_new_connection_in_do_not_stay(target: Target) -> None:
    assert _cut(target) == (True, False)
    before = target.boot_files()
    locked = _task(target, "locked", environment=_MISTAKEN)
    _ping, connections, result = target.ssh.play({"ansible.builtin.ping": None}, _CONNECTIONS, locked)
    assert connections["stdout"], "no connection was shared"
    assert result["failed"]
    assert not result["changed"]
    assert "the old ones have returned" in result["msg"]
    target.check("old")
    assert target.boot_files() == before


def test_rules_that_cut_every_connection_do_not_stay(untracked: Target) -> None:
    assert _cut(untracked) == (True, True)
    before, files = untracked.state(), untracked.boot_files()
    [result] = untracked.ssh.play(_task(untracked, "locked", environment=_MISTAKEN))
    assert result["failed"]
    assert not result["changed"]
    assert "the old ones have returned" in result["msg"]
    assert untracked.state() == before
    assert untracked.boot_files() == files
    assert untracked.ssh.logs_in()


def test_a_connection_that_ends_before_the_module_has_answered_is_told_what_happens(
    untracked: Target, injection: Injection
) -> None:
    injection.wrap()
    before, files = untracked.state(), untracked.boot_files()
    injection.script("after-each", f"if {IN_FORCE} | grep -q 192.0.2.0; then {WAIT}; fi")
    impatient = "-o ServerAliveInterval=1 -o ServerAliveCountMax=2"
    task = _task(untracked, "locked", environment=_MISTAKEN)
    [result] = untracked.ssh.play(task, ansible_ssh_common_args=impatient)
    assert result.get("unreachable"), result
    assert "if the rules were changed before that, the old ones return within 4 seconds" in result["msg"]
    untracked.shell(GO)
    untracked.wait_for_timers()
    assert untracked.state() == before
    assert untracked.boot_files() == files
    assert untracked.ssh.logs_in()
