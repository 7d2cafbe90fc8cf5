# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else's rules: what they drop of the plan is refused, what they accept besides opens nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .target import Target

pytestmark = pytest.mark.lab


@contextmanager
def _table(target: Target, priority: int, *rules: str) -> Iterator[None]:
    chain = f"type filter hook input priority {priority}; {' ; '.join(rules)}"
    target.shell(f"nft 'table inet others {{ chain guard {{ {chain} ; }} ; }}'")
    try:
        yield
    finally:
        target.shell("nft delete table inet others")


@pytest.mark.parametrize("priority", [-10, 10])
@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (["tcp dport 9000 drop"], r"rule \d+ of chain guard drops it"),
        (["policy drop", "tcp dport 22 accept"], "its policy is drop"),
    ],
)
def test_a_chain_that_drops_a_planned_flow_is_named(
    target: Target, priority: int, rules: list[str], reason: str
) -> None:
    with _table(target, priority, *rules):
        before = target.state()
        outcome = target.run("new")
        assert outcome.failed
        assert "table inet others, chain guard" in outcome.message
        assert re.search(reason, outcome.message)
        assert "othing was changed" in outcome.message
        assert "target: " in outcome.message
        assert target.state() == before
    target.check("old")


@pytest.mark.parametrize("priority", [-10, 10])
def test_a_chain_that_accepts_opens_no_governed_port(target: Target, priority: int) -> None:
    with _table(target, priority, "tcp dport { 80, 9000 } accept"):
        target.check_packets("old")
        target.succeed("new")
        target.check_packets("new")
    target.check("new")


def test_what_the_manager_itself_accepts_opens_no_governed_port(target: Target) -> None:
    target.shell(target.manager.accept)
    try:
        target.check_packets("old")
        target.succeed("new")
        target.check_packets("new")
    finally:
        target.shell(target.manager.forget)
