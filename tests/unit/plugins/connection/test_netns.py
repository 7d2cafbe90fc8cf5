# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the connection netns finds a host, without any namespace; tests/lab/test_netns_connection.py goes inside."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleFileNotFound
from ansible.playbook.play_context import PlayContext
from ansible_collections.playout.firewall.plugins.connection import netns


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A lab's directory in which this test process answers for the host ``here``."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "here.sock"))
        server.listen()
        (tmp_path / ".controller.sock").touch()
        yield tmp_path


def connection(
    directory: Path, monkeypatch: pytest.MonkeyPatch, host: str, delegate_to: str | None = None, name: str | None = None
) -> Any:
    """The connection with these option values, as Ansible finds them in the variables."""
    monkeypatch.setattr(netns, "_IP_NETNS", directory / "netns")
    context = PlayContext()
    if delegate_to:
        context.delegate_to = delegate_to
    made = netns.Connection(context)
    options = {"netns_directory": str(directory), "inventory_name": host, "netns_name": name}
    monkeypatch.setattr(made, "get_option", options.__getitem__)
    return made


def test_enters_only_namespaces_in_which_we_are_not(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix, home = connection(directory, monkeypatch, "here")._find()
    assert Path(prefix[0]).name == "nsenter"
    assert prefix[1:] == [f"--target={os.getpid()}", "--"]
    assert home == "/root"


@pytest.mark.parametrize(
    ("delegate", "name", "meant"),
    [(None, None, "shop"), (None, "other", "other"), ("depot", None, "depot"), ("depot", "other", "other")],
)
def test_name_is_the_variables_then_the_delegates_then_the_hosts(
    directory: Path, monkeypatch: pytest.MonkeyPatch, delegate: str | None, name: str | None, meant: str
) -> None:
    assert connection(directory, monkeypatch, "shop", delegate, name)._name == meant


def test_falls_back_to_a_namespace_of_ip_netns(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "netns").mkdir()
    (directory / "netns" / "plain").touch()
    prefix, _home = connection(directory, monkeypatch, "plain")._find()
    assert Path(prefix[0]).name == "ip"
    assert prefix[1:] == ["netns", "exec", "plain"]


def test_unknown_name_lists_the_known_and_not_the_labs_own(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "netns").mkdir()
    (directory / "netns" / "plain").touch()
    with pytest.raises(AnsibleConnectionFailure) as caught:
        connection(directory, monkeypatch, "hree")._find()
    assert f"'hree' is neither a host of the lab in {directory} nor" in str(caught.value)
    assert "known are: here, plain. " in str(caught.value)


def test_a_lab_that_has_ended_is_told_as_such(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory / "gone.sock"))
    with pytest.raises(AnsibleConnectionFailure, match=r"gone\.sock: .*refused; is the lab still running\?"):
        connection(directory, monkeypatch, "gone")._find()


def test_missing_file_is_found_before_anything_is_sent(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = connection(directory, monkeypatch, "here")
    with pytest.raises(AnsibleFileNotFound, match="/nowhere/at/all"):
        made.put_file("/nowhere/at/all", "/etc/x")


def test_runs_with_a_small_fixed_environment(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    made = connection(directory, monkeypatch, "here")
    monkeypatch.setattr(made, "_find", lambda: ([], str(directory)))
    code, output, _error = made.exec_command("env; pwd; cat", in_data=b"input\n")
    lines = output.decode().splitlines()
    assert code == 0
    assert {line.partition("=")[0] for line in lines if "=" in line} <= {
        "HOME", "LANG", "LOGNAME", "OLDPWD", "PATH", "PWD", "SHELL", "USER", "_", "SHLVL"
    }  # fmt: skip
    assert lines[-2:] == [str(directory), "input"]
