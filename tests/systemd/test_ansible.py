# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module over SSH, on machines as users have them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from .machine import OUTSIDE, PLANNED, STRANGER
from .managed import Managed

# Runs the module with these options; what it returned.
Module: TypeAlias = Callable[..., dict[str, Any]]

MANAGEMENT = {"ports": ["22"], "sources": [PLANNED[0]]}
SSH = [(source, OUTSIDE[0], 22) for source in (PLANNED[0], STRANGER[0])]


@pytest.fixture
def module(managed: Managed, tmp_path: Path) -> Iterator[Module]:
    """The module as a user outside runs it, from the planned source."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = key.with_suffix(".pub").read_text(encoding="ascii")
    managed.machine.run("systemctl enable --now ssh; mkdir -p /root/.ssh; cat >/root/.ssh/authorized_keys", public)
    settings = {
        "ANSIBLE_HOME": str(tmp_path),
        "ANSIBLE_HOST_KEY_CHECKING": "false",
        "ANSIBLE_PRIVATE_KEY_FILE": str(key),
        "ANSIBLE_REMOTE_USER": "root",
        # No connection is kept that would have to be ended.
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o UserKnownHostsFile=/dev/null",
    }
    environment = [f"{name}={value}" for name, value in settings.items()]
    ansible = (sys.executable, "-m", "ansible", "adhoc", "--inventory", f"{OUTSIDE[0]},", "all")

    def run(**options: Any) -> dict[str, Any]:
        call = ("--module-name", "playout.firewall.linux_ruleset", "--args", json.dumps(options))
        told = managed.machine.outside.run("env", *environment, *ansible, *call)
        result: dict[str, Any] = json.loads(told.split("=>", 1)[1])
        return result

    yield run
    managed.machine.run("systemctl disable --now ssh; rm -r /root/.ssh")


def test_a_policy_that_denies_everything_else_holds_after_a_reboot_and_lets_its_manager_in(
    managed: Managed, module: Module
) -> None:
    policy = {**managed.policy, "management": MANAGEMENT}
    managed.remove()
    wish = {"policy": policy, "enforcement": "default_deny", "confirm_timeout": 120}
    done = module(**wish)
    assert (done["changed"], done["backend"], done["persistent"]) == (True, managed.backend, True)
    managed.machine.reboot()
    managed.machine.run(managed.manager.wait)
    assert managed.machine.probe(*SSH)[1] == "shut out"
    assert not module(**wish)["changed"]
    assert module(state="absent")["changed"]
    assert managed.machine.probe(*SSH)[1].startswith("SSH-2.0")
