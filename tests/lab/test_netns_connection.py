# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection netns takes Ansible into a host of the lab, and nowhere else."""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playout_lab.running import RunningLab

pytestmark = pytest.mark.lab

TWO_HOSTS = {
    "segments": ["lan"],
    "hosts": {
        "one": {"interfaces": {"eth0": {"segment": "lan", "addresses": ["192.0.2.1/24"]}}},
        "two": {"interfaces": {"eth0": {"segment": "lan", "addresses": ["192.0.2.2/24"]}}},
    },
}

# "second" is called otherwise in the lab. Both have one address, as shops have: Ansible reuses connections by address.
INVENTORY = {
    "all": {
        "vars": {
            "ansible_connection": "playout.firewall.netns",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_host": "192.0.2.1",
        },
        "hosts": {"one": {}, "second": {"ansible_netns_name": "two"}},
    }
}


@pytest.fixture(scope="module")
def hosts(lab: Callable[..., Any]) -> Iterator[RunningLab]:
    with lab(TWO_HOSTS) as it:
        yield it


@pytest.fixture
def play(hosts: RunningLab, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a play of these tasks, outside of the lab unless told otherwise."""

    def run(
        *tasks: dict[str, Any], inside: bool = False, inventory: Any = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory or INVENTORY), encoding="utf-8")
        book = [{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(book), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "ansible",
            "playbook",
            "-i",
            str(tmp_path / "hosts.yml"),
            str(tmp_path / "play.yml"),
        ]
        settings = {"ANSIBLE_HOME": str(tmp_path / "ansible"), "ANSIBLE_NOCOLOR": "1", **environment}
        if inside:
            return hosts.run(*command, env=settings)
        settings = {**os.environ, "PLAYOUT_LAB_DIR": str(hosts.directory), **settings}
        return subprocess.run(command, env=settings, text=True, capture_output=True, timeout=120, check=False)

    return run


def shows(text: str) -> dict[str, Any]:
    return {"ansible.builtin.assert": {"that": text}}


def raw(command: str, **more: Any) -> dict[str, Any]:
    return {"ansible.builtin.raw": command, "register": "said", **more}


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_modules_and_raw_land_in_the_host(play: Callable[..., Any], inside: bool) -> None:
    done = play(
        {"ansible.builtin.ping": None},
        {"ansible.builtin.command": "hostname", "register": "said"},
        shows("said.stdout == (ansible_netns_name | default('one'))"),
        raw("hostname; pwd; cat /proc/net/dev"),
        shows("said.stdout_lines[:2] == [ansible_netns_name | default('one'), '/root']"),
        shows("'eth0:' in said.stdout"),
        inside=inside,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("pipelining", ["0", "1"])
def test_files_are_written_to_and_fetched_from_the_host(
    play: Callable[..., Any], hosts: RunningLab, tmp_path: Path, pipelining: str
) -> None:
    content = os.urandom(300_000)
    (tmp_path / "sent").write_bytes(content)
    place = f"/etc/a file 'with' quotes {pipelining}"
    done = play(
        {"ansible.builtin.copy": {"src": str(tmp_path / "sent"), "dest": place, "mode": "0640"}},
        {
            "ansible.builtin.fetch": {
                "src": place,
                "dest": f"{tmp_path}/fetched-{{{{ inventory_hostname }}}}",
                "flat": True,
            }
        },
        ANSIBLE_PIPELINING=pipelining,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for host in ("one", "second"):
        assert (tmp_path / f"fetched-{host}").read_bytes() == content
    assert not Path(place).exists()
    assert hosts.exec("two", "stat", "-c", "%a %U", place).stdout == "640 root\n"


def test_delegation_goes_to_the_delegate(play: Callable[..., Any]) -> None:
    done = play(
        raw("hostname", delegate_to="one"),
        shows("said.stdout | trim == 'one'"),
        raw("hostname", delegate_to="{{ item }}", loop=["one", "second"]),
        shows("said.results | map(attribute='stdout') | map('trim') | list == ['one', 'two']"),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_becoming_root_needs_nothing(play: Callable[..., Any]) -> None:
    done = play(
        {"ansible.builtin.command": "id -un", "register": "said", "become": True}, shows("said.stdout == 'root'")
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_controllers_session_is_not_taken_along(play: Callable[..., Any]) -> None:
    done = play(
        raw("env"), shows("'SSH_CONNECTION' not in said.stdout"), SSH_CONNECTION="198.51.100.1 1 198.51.100.2 22"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_unknown_host_is_told_which_are_known(play: Callable[..., Any], hosts: RunningLab) -> None:
    inventory = {"all": {"hosts": {"three": {"ansible_connection": "playout.firewall.netns"}}}}
    done = play(raw("true"), inventory=inventory)
    assert done.returncode == 4
    assert f"'three' is neither a host of the lab in {hosts.directory} nor" in done.stdout + done.stderr
    assert "known are: one, two" in done.stdout + done.stderr


def test_reset_connection_is_quiet_and_works(play: Callable[..., Any]) -> None:
    done = play({"ansible.builtin.meta": "reset_connection"}, {"ansible.builtin.ping": None})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr


def test_a_namespace_of_ip_netns_is_a_host_with_the_controllers_files(hosts: RunningLab, tmp_path: Path) -> None:
    """Inside of the lab, whose own /run/netns hides the machine's; the lab's controller stands for the machine."""
    inventory = {"all": {"hosts": {"plain": {"ansible_connection": "playout.firewall.netns"}}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    command = f"""
        mount -t tmpfs tmpfs /run && ip netns add plain || exit 9
        cd {tmp_path}
        "{sys.executable}" -m ansible adhoc -i hosts.yml plain -m raw -a 'ip netns identify; ls {tmp_path}'
    """
    settings = {"ANSIBLE_HOME": str(tmp_path / "ansible"), "USER": getpass.getuser()}
    done = hosts.run("unshare", "--mount", "sh", "-c", command, env=settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"plain", "hosts.yml"} <= set(done.stdout.split())
