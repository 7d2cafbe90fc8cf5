# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time: who waits, for whom, and when the lock is free again."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _lock
from ansible_collections.playout.firewall.plugins.module_utils._lock import LockError, exclusive, held

# Holds the lock, says so, and lets it go when it is told a word.
HOLDER = """
import sys
from ansible_collections.playout.firewall.plugins.module_utils._lock import exclusive
with exclusive(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""
# The same, with a child that outlives it and has what the lock says a child must have; the child reads a pipe.
PARENT = """
import subprocess, sys
from ansible_collections.playout.firewall.plugins.module_utils._lock import exclusive, held
with exclusive(sys.argv[1]):
    none = subprocess.DEVNULL
    child = ["/bin/sh", "-c", 'read word <"$1"', "child", sys.argv[2]]
    subprocess.Popen(child, pass_fds=held(), start_new_session=True, stdin=none, stdout=none)
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


def _is_free(path: str) -> bool:
    try:
        with exclusive(path, 0):
            return True
    except LockError:
        return False


def test_the_second_waits_until_the_first_has_ended(path: str, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = start(HOLDER, path)
    assert holder.stdout.readline() == "held\n"
    waited = []

    def end_the_first(_seconds: float) -> None:
        waited.append(True)
        holder.communicate("end\n")

    monkeypatch.setattr(_lock.time, "sleep", end_the_first)
    with exclusive(path):
        assert waited == [True]


def test_who_waited_in_vain_is_told_for_whom(path: str, start: Any) -> None:
    holder = start(HOLDER, path)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LockError, match=rf"\(process {holder.pid}, lock {path}\) .* within 0 seconds: try again"):
        exclusive(path, 0).__enter__()


def test_a_run_that_is_killed_holds_nothing(path: str, start: Any) -> None:
    holder = start(HOLDER, path)
    assert holder.stdout.readline() == "held\n"
    assert not _is_free(path)
    holder.kill()
    holder.wait()
    assert _is_free(path)


def test_a_run_that_fails_holds_nothing(path: str) -> None:
    with contextlib.suppress(ValueError), exclusive(path):
        assert held()
        raise ValueError
    assert held() == ()
    assert _is_free(path)


def test_a_child_that_goes_on_alone_holds_the_lock_until_it_has_ended(
    path: str, tmp_path: Path, start: Any, until: Any
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    parent = start(PARENT, path, pipe)
    assert parent.stdout.readline() == "held\n"
    parent.kill()
    parent.wait()
    assert not _is_free(path)
    pipe.write_text("end\n", encoding="utf-8")
    until(lambda: _is_free(path))


def test_any_other_child_holds_nothing(path: str) -> None:
    with exclusive(path):
        child = subprocess.Popen(["/bin/sh", "-c", "read word"], stdin=subprocess.PIPE)
    with child:
        assert _is_free(path)


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "lock"
    with pytest.raises(LockError, match=rf"^the lock {path} cannot be opened \(root is needed\): No such file"):
        exclusive(str(path)).__enter__()


def test_a_full_disk_takes_the_name_and_not_the_lock(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with exclusive(path):
        assert held()
        with pytest.raises(LockError, match="process unknown"):
            exclusive(path, 0).__enter__()
