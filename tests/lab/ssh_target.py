# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of a lab with sshd, and another that logs in to it and runs plays on it. Needs root and sshd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

# What runs on targets needs nothing but an ordinary Python; the tests' own may lie where hosts see no files.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
CHECKOUT = Path(__file__).parents[2]
COLLECTIONS = CHECKOUT / ".build" / "collections"
# Of the client: the sockets of shared connections.
CONTROL_PATHS = "/run/ansible/cp"
_SHARED = "/run/shared"
SSHD_CONFIG = """
HostKey /run/host_key
AuthorizedKeysFile /run/authorized
PermitRootLogin yes
StrictModes no
UsePAM no
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class SshTarget:
    """``client`` of a running lab can log in to ``server``, as root and with ``/run/key``, at ``address``."""

    lab: Any
    server: str
    client: str
    address: str

    def play(self, *tasks: dict[str, Any], **variables: Any) -> list[dict[str, Any]]:
        """Run the tasks from the client on the server, over SSH with shared connections; what each returned.

        :param variables: of the server, in the inventory.
        """
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
            "ansible_host": self.address,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": "/run/key",
            "ansible_python_interpreter": PYTHON,
            **variables,
        }
        here = {"ansible_connection": "local", "ansible_python_interpreter": PYTHON}
        hosts = {"all": {"hosts": {self.server: target, "localhost": here}}}
        _write(self.lab, self.client, "hosts.yml", yaml.safe_dump(hosts))
        play = {"hosts": self.server, "gather_facts": False, "tasks": [*numbered, told]}
        _write(self.lab, self.client, "play.yml", yaml.safe_dump([play]))
        environment = {
            "ANSIBLE_HOME": "/run/ansible",
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOST_KEY_CHECKING": "false",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": CONTROL_PATHS,
            "ANSIBLE_TIMEOUT": "2",
        }
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "/run/hosts.yml", "/run/play.yml"]
        try:
            done = self.lab.exec(self.client, *command, env=environment, timeout=120)
        finally:
            # What one play shared is nothing for the next, which may have other options.
            leave = f"find {CONTROL_PATHS} -type s -exec ssh -q -S {{}} -O exit {self.address} ';'"
            self.lab.exec(self.client, "sh", "-c", leave)
        assert done.returncode == 0, done.stdout + done.stderr
        found: list[dict[str, Any]] = json.loads(_checked(self.lab.exec(self.client, "cat", "/run/results.json")))
        return found

    def open_shared(self) -> None:
        """Open a connection that others may share."""
        _checked(self._ssh("-fNM", "-S", _SHARED, self.address))

    def close_shared(self) -> None:
        _checked(self._ssh("-S", _SHARED, "-O", "exit", self.address))

    def logs_in(self, shared: bool = False, seconds: float = 10) -> bool:
        """Whether a command runs over a connection of its own, or over the shared one."""
        socket = _SHARED if shared else "none"
        try:
            done = self._ssh("-S", socket, "-o", "ConnectTimeout=2", self.address, "id -un", timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return bool(done.stdout == "root\n")

    def _ssh(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        quiet = ["-q", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        return self.lab.exec(self.client, "ssh", "-i", "/run/key", *quiet, *arguments, **options)


@contextmanager
def ssh_target(lab: Any, server: str, client: str, address: str, directory: Path) -> Iterator[SshTarget]:
    """Run sshd on a host, whose port 22 is free, for as long as the context lasts.

    :param directory: where keys may be made.
    """
    unpacked = CHECKOUT / ".build" / "packages"
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:{unpacked}/usr/sbin")
    if sshd is None or os.geteuid() != 0:
        pytest.skip("a real lock-out is not tried: it needs root, and sshd (apt-get install openssh-server)")
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    files = {server: {"host_key": "host_key", "authorized": "key.pub"}, client: {"key": "key"}}
    for host, names in files.items():
        for target, name in names.items():
            _write(lab, host, target, (directory / name).read_text(encoding="utf-8"))
    _write(lab, server, "sshd_config", SSHD_CONFIG)
    user = "sshd:x:110:65534::/run/sshd:/usr/sbin/nologin"
    prepare = f"mkdir -p /run/sshd; grep -q ^sshd: /etc/passwd || echo {user} >> /etc/passwd"
    _checked(lab.exec(server, "sh", "-c", prepare))
    libraries = ":".join(map(str, unpacked.glob("usr/lib/*-linux-gnu")))
    start = f"LD_LIBRARY_PATH='{libraries}' '{sshd}' -f /run/sshd_config"
    _checked(lab.exec(server, "sh", "-c", start))
    try:
        yield SshTarget(lab, server, client, address)
    finally:
        _checked(lab.exec(server, "sh", "-c", "kill $(cat /run/sshd.pid)"))


def _write(lab: Any, host: str, name: str, text: str) -> None:
    _checked(lab.exec(host, "sh", "-c", f"umask 077; cat > /run/{name}", input=text))


def _checked(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout
