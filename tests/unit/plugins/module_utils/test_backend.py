# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as every backend reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._backend import Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import run


def test_files_are_looked_for_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text("here\n", encoding="utf-8")
    machine = Machine(run, root=str(tmp_path))
    assert machine.path("etc", "hosts") == str(tmp_path / "etc/hosts")
    assert machine.read("etc", "hosts") == machine.read("etc/hosts") == "here\n"


@pytest.mark.parametrize("path", ["missing", "directory", "file/below"])
def test_what_cannot_be_read_is_empty(tmp_path: Path, path: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    assert Machine(run, root=str(tmp_path)).read(path) == ""


def test_a_file_in_any_encoding_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "rules").write_bytes(b"# f\xfcr\nENABLED=yes\n")
    assert Machine(run, root=str(tmp_path)).read("rules").splitlines()[1] == "ENABLED=yes"
