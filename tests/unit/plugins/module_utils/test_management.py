# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the SSH connection in use, in a directory that plays /proc."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._management import connection_in_use, parse
from ansible_collections.playout.firewall.plugins.module_utils._statements import Connection


def _process(proc: Path, pid: int, parent: int, environment: str = "", name: str = "sh") -> None:
    directory = proc / str(pid)
    directory.mkdir()
    (directory / "stat").write_text(f"{pid} ({name}) S {parent} 1 1\n", encoding="utf-8")
    (directory / "environ").write_text(environment.replace(" | ", "\0"), encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "connection"),
    [
        ("192.0.2.7 50000 10.0.0.1 22", Connection("192.0.2.7", 22)),
        ("2001:db8:0::7 50000 2001:db8::1 2222", Connection("2001:db8::7", 2222)),
        ("fe80::1%eth0 50000 fe80::2%eth0 22", Connection("fe80::1", 22)),
        ("::ffff:192.0.2.7 50000 ::ffff:10.0.0.1 22", Connection("192.0.2.7", 22)),
        ("", None),
        ("192.0.2.7 50000 10.0.0.1", None),
        ("192.0.2.7 50000 10.0.0.1 0", None),
        ("192.0.2.7 50000 10.0.0.1 65536", None),
        ("192.0.2.7 50000 10.0.0.1 22;drop", None),
        ("example.com 50000 10.0.0.1 22", None),
        ("UNKNOWN 65535 UNKNOWN 65535", None),
    ],
)
def test_only_a_valid_connection_is_taken(text: str, connection: Connection | None) -> None:
    assert parse(text) == connection


def test_the_own_environment_comes_first(tmp_path: Path) -> None:
    _process(tmp_path, 30, 1, "SSH_CONNECTION=192.0.2.8 1 10.0.0.1 22")
    environment = {"SSH_CONNECTION": "192.0.2.7 1 10.0.0.1 22"}
    assert connection_in_use(environment, 30, str(tmp_path)) == Connection("192.0.2.7", 22)


def test_what_sudo_stripped_is_found_with_the_nearest_ancestor(tmp_path: Path) -> None:
    _process(tmp_path, 30, 20, "PATH=/bin")
    _process(tmp_path, 20, 10, "PATH=/bin", name="su) S 99 (do")
    _process(tmp_path, 10, 5, "A=1 | SSH_CONNECTION=192.0.2.7 1 10.0.0.1 22 | B=2")
    _process(tmp_path, 5, 1, "SSH_CONNECTION=192.0.2.9 1 10.0.0.1 22")
    assert connection_in_use({}, 30, str(tmp_path)) == Connection("192.0.2.7", 22)


def test_without_ssh_there_is_none(tmp_path: Path) -> None:
    _process(tmp_path, 30, 20)
    assert connection_in_use({}, 30, str(tmp_path)) is None


def test_a_circle_of_processes_is_left_again(tmp_path: Path) -> None:
    _process(tmp_path, 30, 31)
    _process(tmp_path, 31, 30)
    assert connection_in_use({}, 30, str(tmp_path)) is None
