# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the listening sockets: its rows, and its error where /proc cannot be read."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.playout.firewall.plugins.module_utils import _sockets
from ansible_collections.playout.firewall.plugins.modules import listeners_info


def run(capsys: pytest.CaptureFixture[str], **args: Any) -> dict[str, Any]:
    with patch_module_args(args), pytest.raises(SystemExit):
        listeners_info.main()
    returned: dict[str, Any] = json.loads(capsys.readouterr().out)
    return returned


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_socket_of_this_test_is_listed_in_check_mode_too(
    capsys: pytest.CaptureFixture[str], check_mode: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        returned = run(capsys, _ansible_check_mode=check_mode)
        port = server.getsockname()[1]
    assert returned["changed"] is False
    (row,) = (entry for entry in returned["listeners"] if entry["port"] == port and entry["protocol"] == "tcp")
    assert row.pop("process")
    assert row == {"protocol": "tcp", "family": "ipv4", "address": "127.0.0.1", "port": port}


def test_an_unreadable_proc_is_a_failure_that_says_where_it_looked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable() -> None:
        raise FileNotFoundError(2, "No such file or directory", "/proc/net/tcp")

    monkeypatch.setattr(_sockets, "listeners", unreadable)
    returned = run(capsys)
    assert returned["failed"] is True
    assert "/proc/net/tcp" in returned["msg"]


def test_the_documented_return_values_are_the_real_ones() -> None:
    documented = yaml.safe_load(listeners_info.RETURN)
    assert tuple(documented["listeners"]["contains"]) == _sockets.Listener._fields
