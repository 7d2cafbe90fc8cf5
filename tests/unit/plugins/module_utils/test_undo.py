# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back as files: run by nothing but a shell, in the directory that holds them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _undo
from ansible_collections.playout.firewall.plugins.module_utils._backend import Undo


def _run(directory: Path) -> int:
    return subprocess.run(["sh", _undo.SCRIPT], cwd=directory, check=False).returncode


def test_every_way_is_gone_in_order_also_after_one_that_failed_and_that_shows(tmp_path: Path) -> None:
    ways = [Undo(["/bin/sh"], f"echo {number} >>told; exit {number % 2}\n") for number in range(4)]
    _undo.write(ways, str(tmp_path))
    assert _run(tmp_path) == 1
    assert (tmp_path / "told").read_text(encoding="utf-8") == "0\n1\n2\n3\n"


@pytest.mark.parametrize("ways", [[], [Undo(["true"], "")]])
def test_ways_that_succeed_are_a_success_and_so_is_none(tmp_path: Path, ways: list[Undo]) -> None:
    _undo.write(ways, str(tmp_path))
    assert _run(tmp_path) == 0


def test_no_word_of_a_command_is_the_shells(tmp_path: Path) -> None:
    command = ["sh", "-c", 'cat "$2" >"$1"', "sh", "it's; $HOME `here`"]
    _undo.write([Undo(command, 'text with $HOME, "quotes" and \\ \n')], str(tmp_path))
    assert _run(tmp_path) == 0
    assert (tmp_path / "it's; $HOME `here`").read_text(encoding="utf-8") == 'text with $HOME, "quotes" and \\ \n'


def test_only_the_owner_may_read_it_and_nothing_is_overwritten(tmp_path: Path) -> None:
    _undo.write([Undo(["true"], "secret")], str(tmp_path))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    with pytest.raises(FileExistsError):
        _undo.write([Undo(["true"], "other")], str(tmp_path))
