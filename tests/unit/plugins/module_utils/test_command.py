# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the target's programs are run."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _lock
from ansible_collections.playout.firewall.plugins.module_utils._command import Result, environment, run


def test_a_program_gets_its_input_and_ends_with_its_words() -> None:
    assert run(["sh", "-c", "cat; echo no >&2; exit 3"], "ü\n") == Result(3, "ü\n", "no\n")


def test_no_argument_is_the_shells() -> None:
    assert run(["printf", "%s", "$HOME; `id`"]).out == "$HOME; `id`"


def test_a_program_that_is_not_there_is_told_from_one_that_fails() -> None:
    assert run(["playout-no-such-program"]).code == 127


def test_a_program_that_may_not_be_run_is_no_crash_of_ours(tmp_path: Path) -> None:
    (tmp_path / "program").touch(0o600)
    result = run([str(tmp_path / "program")])
    assert result.code == 126
    assert "Permission denied" in result.reason


def test_a_program_that_outlives_us_keeps_the_lock(tmp_path: Path) -> None:
    lock = str(tmp_path / "lock")
    with _lock.exclusive(lock):
        assert run(["readlink", f"/proc/self/fd/{_lock.held()[0]}"]).out == f"{lock}\n"


def test_output_in_any_encoding_can_be_read() -> None:
    assert run(["printf", r"f\374r"]).out == "f\N{REPLACEMENT CHARACTER}r"


@pytest.mark.parametrize(("path", "expected"), [("/opt/bin", "/opt/bin:/usr/local/sbin"), ("", "/usr/local/sbin")])
def test_programs_of_root_are_found_after_those_of_the_users_path_and_speak_english(
    monkeypatch: pytest.MonkeyPatch, path: str, expected: str
) -> None:
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert environment()["PATH"].startswith(f"{expected}:")
    assert "/sbin" in environment()["PATH"].split(":")
    assert environment()["LC_ALL"] == "C"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Result(1, "out\n", " err\n"), "err"),
        (Result(1, "out\n", "\n"), "out"),
        (Result(1), "exit code 1"),
        (Result(-11, "half a list"), "ended by signal 11"),
        (Result(139), "ended by signal 11"),
    ],
)
def test_a_reason_is_never_empty(result: Result, reason: str) -> None:
    assert result.reason == reason
