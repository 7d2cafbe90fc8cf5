# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A confirmation over real SSH: who is locked out gets the old rules back. Needs root and sshd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import PYTHON
from .policies import policy, rule

pytestmark = pytest.mark.lab

CHECKOUT = Path(__file__).parents[3]
COLLECTIONS = CHECKOUT / ".build" / "collections"
SSHD_CONFIG = """
HostKey /run/host_key
AuthorizedKeysFile /run/authorized
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
"""


@pytest.fixture
def ssh_site(site: Any, tmp_path: Path) -> Any:
    """The site with sshd on the gateway, and the key to it on the player."""
    unpacked = CHECKOUT / ".build" / "packages"
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:{unpacked}/usr/sbin")
    if sshd is None or os.geteuid() != 0:
        pytest.skip("a real lock-out is not tried: it needs root, and sshd (apt-get install openssh-server)")
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    files = {
        "gateway": {"host_key": "host_key", "authorized": "key.pub"},
        "player": {"key": "key"},
    }
    for host, names in files.items():
        for target, name in names.items():
            _write(site, host, target, (tmp_path / name).read_text(encoding="utf-8"))
    _write(site, "gateway", "sshd_config", SSHD_CONFIG)
    # Port 22 belongs to a listener of the lab until now.
    site.lab.listen({"gateway": {"tcp": ["80", "9000"]}})
    user = "sshd:x:110:65534::/run/sshd:/usr/sbin/nologin"
    site.shell("gateway", f"mkdir -p /run/sshd; grep -q ^sshd: /etc/passwd || echo {user} >> /etc/passwd")
    libraries = ":".join(map(str, unpacked.glob("usr/lib/*-linux-gnu")))
    site.shell("gateway", f"LD_LIBRARY_PATH='{libraries}' '{sshd}' -f /run/sshd_config")
    yield site
    site.shell("gateway", "kill $(cat /run/sshd.pid)")
    site.lab.listen({"gateway": {"tcp": ["22", "80", "9000"], "udp": ["514"]}})


def _write(site: Any, host: str, name: str, text: str) -> None:
    done = site.lab.exec(host, "sh", "-c", f"umask 077; cat > /run/{name}", input=text)
    assert done.returncode == 0, done.stderr


def _play(site: Any, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the tasks from the player on the gateway, over SSH with shared connections; what each returned."""
    told = {
        "ansible.builtin.copy": {
            "dest": "/run/results.json",
            "content": "{{ [" + ", ".join(f"result{number}" for number in range(len(tasks))) + "] | to_json }}",
            "mode": "0600",
        },
        "delegate_to": "localhost",
    }
    numbered = [{**task, "register": f"result{number}"} for number, task in enumerate(tasks)]
    target = {
        "ansible_host": "203.0.113.1",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": "/run/key",
        "ansible_python_interpreter": PYTHON,
    }
    here = {"ansible_connection": "local", "ansible_python_interpreter": PYTHON}
    _write(site, "player", "hosts.yml", yaml.safe_dump({"all": {"hosts": {"gateway": target, "localhost": here}}}))
    play = {"hosts": "gateway", "gather_facts": False, "tasks": [*numbered, told]}
    _write(site, "player", "play.yml", yaml.safe_dump([play]))
    environment = {
        "ANSIBLE_HOME": "/run/ansible",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_HOST_KEY_CHECKING": "false",
        "ANSIBLE_TIMEOUT": "2",
    }
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "/run/hosts.yml", "/run/play.yml"]
    done = site.lab.exec("player", *command, env=environment, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found: list[dict[str, Any]] = json.loads(site.shell("player", "cat /run/results.json"))
    return found


def _task(sources: list[str], **directives: Any) -> dict[str, Any]:
    web = rule("web", "in", "80", "203.0.113.10")
    managed = policy(web, management={"ports": ["22"], "sources": sources})
    arguments = {"policy": managed, "enforcement": "default_deny", "confirm_timeout": 5}
    return {"playout.firewall.linux_ruleset": arguments, "ignore_errors": True, **directives}


def test_only_rules_that_let_a_new_connection_in_stay(ssh_site: Any) -> None:
    # A wrong address of the connection in use is what a lock-out takes: the right one always stays open.
    mistaken = {"environment": {"SSH_CONNECTION": "192.0.2.9 1 203.0.113.1 22"}}
    good, again, locked_out, table, after = _play(
        ssh_site,
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


def test_the_connection_in_use_stays_open_whatever_the_policy_says(ssh_site: Any) -> None:
    [result] = _play(ssh_site, _task(["192.0.2.0/24"]))
    assert result["changed"]
    assert not result["failed"]
    listing = ssh_site.nft("gateway", "list", "chain", "inet", "playout_firewall", "input")
    assert 'ip saddr 203.0.113.10 tcp dport 22 accept comment "the management connection in use"' in listing
    assert ssh_site.probe("stranger", "tcp 203.0.113.1 22") == ["filtered"]
