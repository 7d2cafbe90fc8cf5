# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module through a real ansible-playbook, with the policy given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import PYTHON
from .policies import policy, rule

pytestmark = pytest.mark.lab

WEB = policy(rule("web", "in", "80", "203.0.113.10"), governed={"in": {"tcp": ["80"]}})


def _task(**arguments: Any) -> dict[str, Any]:
    """A task of the module; it may fail."""
    directives = {name: arguments.pop(name) for name in ("check_mode", "diff") if name in arguments}
    return {"playout.firewall.linux_ruleset": arguments, "ignore_errors": True, **directives}


def _play(site: Any, tmp_path: Path, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the tasks on the gateway; what each returned."""
    results = tmp_path / "results.json"
    content = "{{ [" + ", ".join(f"result{number}" for number in range(len(tasks))) + "] | to_json }}"
    told = {
        "ansible.builtin.copy": {"dest": str(results), "content": content, "mode": "0600"},
        "delegate_to": "localhost",
    }
    numbered = [{**task, "register": f"result{number}"} for number, task in enumerate(tasks)]
    target = {"ansible_connection": "playout.firewall.netns", "ansible_python_interpreter": PYTHON}
    # Not every user has a home.
    remote_tmp = str(tmp_path / "ansible")
    here = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_remote_tmp": remote_tmp,
    }
    inventory, book = tmp_path / "hosts.yml", tmp_path / "play.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"gateway": target, "localhost": here}}}), encoding="utf-8")
    play = {"hosts": "gateway", "gather_facts": False, "tasks": [*numbered, told]}
    book.write_text(yaml.safe_dump([play]), encoding="utf-8")
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), str(book)]
    home = str(tmp_path / "ansible")
    environment = {**os.environ, "ANSIBLE_HOME": home, "PLAYOUT_LAB_DIR": str(site.lab.directory)}
    done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(results.read_text(encoding="utf-8"))
    return found


def test_check_mode_foresees_what_a_run_does_and_a_second_run_changes_nothing(site: Any, tmp_path: Path) -> None:
    foreseen, listed, done, again, removal = _play(
        site,
        tmp_path,
        _task(policy=WEB, check_mode=True, diff=True),
        {"ansible.builtin.shell": "nft list ruleset; find /etc -name '*playout*'"},
        _task(policy=json.dumps(WEB), diff=True),
        _task(policy=WEB, backend="nftables"),
        _task(state="absent", check_mode=True, diff=True),
    )
    assert listed["stdout"] == ""
    for result in (foreseen, done):
        assert result["changed"]
        added = [line.strip() for line in result["diff"][0]["after"].splitlines()]
        assert 'ip saddr 203.0.113.10 tcp dport 80 accept comment "web"' in added
        assert result["diff"][0]["before"] == ""
    assert foreseen["diff"] == done["diff"]
    assert not again["changed"]
    assert (again["backend"], again["rules"], again["forwards"]) == ("nftables", 1, 0)
    assert again["digest"] == done["digest"]
    assert removal["changed"]
    assert removal["diff"][0]["after"] == ""
    assert site.probe("player", "tcp 203.0.113.1 80") == ["gateway"]
    assert site.probe("stranger", "tcp 203.0.113.1 80") == ["filtered"]
    removed, nothing = _play(site, tmp_path, _task(state="absent"), _task(state="absent"))
    assert (removed["changed"], nothing["changed"]) == (True, False)
    assert site.nft("gateway", "list", "ruleset") == ""


def test_a_run_is_remembered_until_somebody_edits_the_rules(site: Any, tmp_path: Path) -> None:
    edit = "nft add rule inet playout_firewall input tcp dport 9000 drop"
    first, remembered, again, edited, repaired, removed, forgotten = _play(
        site,
        tmp_path,
        _task(policy=WEB),
        {"ansible.builtin.command": "cat /run/playout-firewall.nft"},
        _task(policy=WEB),
        {"ansible.builtin.command": edit},
        _task(policy=WEB),
        _task(state="absent"),
        {"ansible.builtin.command": "ls /run"},
    )
    assert [result["changed"] for result in (first, again, repaired, removed)] == [True, False, True, True]
    assert remembered["stdout"]
    assert not edited["failed"]
    assert "playout-firewall.nft" not in forgotten["stdout"]


def test_a_host_changes_hands_between_backends_as_if_there_were_one_module(site: Any, tmp_path: Path) -> None:
    removal = {"playout.firewall.linux_ruleset_any": {"state": "absent"}, "ignore_errors": True}
    results = _play(
        site,
        tmp_path,
        _task(policy=WEB, backend="iptables"),
        _task(policy=WEB, backend="nftables", check_mode=True, diff=True),
        _task(policy=WEB, backend="nftables"),
        _task(policy=WEB),
        removal,
    )
    assert [result["changed"] for result in results] == [True, True, True, False, True]
    assert [result["backend"] for result in results] == ["iptables", *["nftables"] * 4]
    assert results[1]["diff"][0]["after_header"] == "nftables table inet playout_firewall"
    assert not any(result["failed"] or "_other_backend" in result for result in results)
    assert "playout" not in site.nft("gateway", "list", "ruleset").lower()


def test_what_must_not_be_applied_is_refused_and_nothing_changed(site: Any, tmp_path: Path) -> None:
    site.nft("gateway", "-f", "-", text="table inet firewalld {\n}\n")
    before = site.nft("gateway", "-a", "list", "ruleset")
    results = _play(
        site,
        tmp_path,
        _task(policy=WEB, enforcement="default_deny"),
        _task(policy=WEB, confirm_timeout=5),
        _task(policy=WEB),
        _task(policy=WEB, backend="firewalld"),
        _task(policy=WEB, backend="nftables"),
        _task(policy=WEB, backend="ufw"),
        _task(policy="no JSON"),
        _task(policy=WEB, confirm="unknown"),
    )
    reasons = (
        "set playout_management",
        "cannot be opened anew",
        "firewalld does not run",
        "firewalld does not run",
        "firewalld is active",
        "firewalld is active",
        "not JSON",
        "nothing waits for this confirmation",
    )
    for result, reason in zip(results, reasons, strict=True):
        assert result["failed"]
        assert reason in result["msg"]
    assert site.nft("gateway", "-a", "list", "ruleset") == before
    assert site.shell("gateway", "find /etc -name '*playout*'") == ""


def test_a_host_that_only_initiates_from_now_on_is_left_without_a_trace(site: Any, tmp_path: Path) -> None:
    before, cleared, listed, again = _play(
        site,
        tmp_path,
        _task(policy=WEB),
        _task(policy=policy()),
        {"ansible.builtin.shell": "nft list ruleset; find /etc -name '*playout*'"},
        _task(policy=policy()),
    )
    assert before["changed"]
    assert cleared["changed"]
    assert listed["stdout"] == ""
    assert not again["changed"]
