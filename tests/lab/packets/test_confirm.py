# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A confirmation over real SSH: who is locked out gets the old rules back. Needs root and sshd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ssh_target import SshTarget, ssh_target

from .policies import policy, rule

pytestmark = pytest.mark.lab


@pytest.fixture
def ssh(site: Any, tmp_path: Path) -> Iterator[SshTarget]:
    """The site with sshd on the gateway, and the key to it on the player."""
    # Port 22 belongs to a listener of the lab until now.
    site.lab.listen({"gateway": {"tcp": ["80", "9000"]}})
    try:
        with ssh_target(site.lab, "gateway", "player", "203.0.113.1", tmp_path) as it:
            yield it
    finally:
        site.lab.listen({"gateway": {"tcp": ["22", "80", "9000"], "udp": ["514"]}})


def _task(sources: list[str], **directives: Any) -> dict[str, Any]:
    web = rule("web", "in", "80", "203.0.113.10")
    managed = policy(web, management={"ports": ["22"], "sources": sources})
    arguments = {"policy": managed, "enforcement": "default_deny", "confirm_timeout": 5}
    return {"playout.firewall.linux_ruleset": arguments, "ignore_errors": True, **directives}


def test_only_rules_that_let_a_new_connection_in_stay(ssh: SshTarget) -> None:
    # A wrong address of the connection in use is what a lock-out takes: the right one always stays open.
    mistaken = {"environment": {"SSH_CONNECTION": "192.0.2.9 1 203.0.113.1 22"}}
    good, again, locked_out, table, after = ssh.play(
        _task(["203.0.113.0/24"]),
        _task(["203.0.113.0/24"]),
        _task(["192.0.2.0/24"], **mistaken),
        {"ansible.builtin.command": "nft list table inet playout_firewall"},
        _task(["203.0.113.0/24"], check_mode=True),
    )
    assert good["changed"]
    assert not good["failed"]
    assert not again["changed"]
    assert locked_out["failed"]
    assert not locked_out["changed"]
    assert "the old ones have returned" in locked_out["msg"]
    assert "192.0.2.0/24" not in table["stdout"]
    assert not after["changed"]


def test_the_connection_in_use_stays_open_whatever_the_policy_says(ssh: SshTarget, site: Any) -> None:
    [result] = ssh.play(_task(["192.0.2.0/24"]))
    assert result["changed"]
    assert not result["failed"]
    listing = site.nft("gateway", "list", "chain", "inet", "playout_firewall", "input")
    assert 'ip saddr 203.0.113.10 tcp dport 22 accept comment "the management connection in use"' in listing
    assert site.probe("stranger", "tcp 203.0.113.1 22") == ["filtered"]
