# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw's files: read exactly, replaced all or none, while ufw waits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _ufw_disk
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import Result, run
from ansible_collections.playout.firewall.plugins.module_utils._detached import carry_out

RULES, RULES6 = "etc/ufw/user.rules", "etc/ufw/user6.rules"

# What ufw does for each of its commands; the kind of lock matters.
UFW = """
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / "run").mkdir()
    (tmp_path / "etc/ufw").mkdir(parents=True)
    for path in (RULES, RULES6):
        (tmp_path / path).write_text(f"old {path}", encoding="utf-8")
        (tmp_path / path).chmod(0o640)
    scripts = str(tmp_path / "scripts")
    monkeypatch.setattr(_ufw_disk, "carry_out", lambda script, undo: carry_out(script, undo, scripts))
    return Machine(run, root=str(tmp_path))


def _texts(machine: Machine) -> list[str | None]:
    return [_ufw_disk.read(machine, path) for path in (RULES, RULES6)]


def _replace(machine: Machine, texts: dict[str, str]) -> None:
    try:
        _ufw_disk.replace(machine, texts, machine.path("run/texts"))
    finally:
        assert os.listdir(machine.path("run/texts")) == []


def _names(machine: Machine) -> list[str]:
    return sorted(os.listdir(machine.path("etc/ufw")))


@contextmanager
def _ufw(machine: Machine) -> Iterator[subprocess.Popen[bytes]]:
    path = machine.path("run/ufw.lock")
    with subprocess.Popen([sys.executable, "-c", UFW, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        assert process.stdin
        process.stdin.close()


def test_a_file_that_lies_below_a_name_with_a_blank_is_replaced_and_leaves_nothing_beside_it(machine: Machine) -> None:
    place = Path(machine.path("another place"))
    place.mkdir()
    Path(machine.path(RULES)).rename(place / "user.rules")
    Path(machine.path(RULES)).symlink_to(place / "user.rules")
    _replace(machine, {RULES: "new"})
    assert _texts(machine)[0] == "new"
    assert os.listdir(place) == ["user.rules"]


def test_both_files_are_replaced_and_keep_their_mode(machine: Machine) -> None:
    Path(machine.path(RULES6)).chmod(0o600)
    _replace(machine, {RULES: "new", RULES6: "new 6"})
    assert _texts(machine) == ["new", "new 6"]
    assert [os.stat(machine.path(path)).st_mode & 0o7777 for path in (RULES, RULES6)] == [0o640, 0o600]
    assert _names(machine) == ["user.rules", "user6.rules"]


def test_line_ends_and_words_of_any_language_survive(machine: Machine) -> None:
    odd = "# café\r\nline\n\n"
    Path(machine.path(RULES)).write_bytes(odd.encode())
    text = _ufw_disk.read(machine, RULES)
    assert text == odd
    _replace(machine, {RULES: text + "more\n"})
    assert Path(machine.path(RULES)).read_bytes() == (odd + "more\n").encode()


def test_a_file_that_is_no_text_is_an_error(machine: Machine) -> None:
    Path(machine.path(RULES)).write_bytes(b"\xe9")
    with pytest.raises(BackendError, match=r"^/etc/ufw/user.rules is no text"):
        _ufw_disk.read(machine, RULES)


def test_when_the_second_file_cannot_be_replaced_the_first_is_as_it_was(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(script: str, undo: str) -> None:
        broken = script.splitlines()
        moves = [index for index, line in enumerate(broken) if line.startswith("mv")]
        broken[moves[1]] = "false"
        carry_out("\n".join(broken), undo, machine.path("scripts"))

    monkeypatch.setattr(_ufw_disk, "carry_out", fail)
    with pytest.raises(BackendError):
        _replace(machine, {RULES: "new", RULES6: "new 6"})
    assert _texts(machine) == [f"old {RULES}", f"old {RULES6}"]
    assert _names(machine) == ["user.rules", "user6.rules"]


def test_when_the_second_file_cannot_be_written_nothing_was_changed(machine: Machine) -> None:
    with pytest.raises(BackendError, match=r"gone.rules.*No such file"):
        _replace(machine, {RULES: "new", "etc/ufw/gone.rules": "new 6"})
    assert _texts(machine) == [f"old {RULES}", f"old {RULES6}"]
    assert _names(machine) == ["user.rules", "user6.rules"]


def test_where_texts_cannot_wait_nothing_was_changed(machine: Machine) -> None:
    place = machine.path("run/file")
    Path(place).touch()
    with pytest.raises(BackendError, match=r"run/file cannot be written: (File exists|Not a directory)"):
        _ufw_disk.replace(machine, {RULES: "new"}, place)
    assert _texts(machine) == [f"old {RULES}", f"old {RULES6}"]


def test_what_a_crash_left_is_found_and_gone_after_the_next_replacement(machine: Machine) -> None:
    left = Path(machine.path(f"{RULES}.playout-new"))
    left.write_text("half", encoding="utf-8")
    assert _ufw_disk.left_over(machine) == [str(left)]
    _replace(machine, {})
    assert _names(machine) == ["user.rules", "user6.rules"]


def test_a_linked_file_stays_a_link(machine: Machine, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.rules"
    Path(machine.path(RULES)).rename(elsewhere)
    Path(machine.path(RULES)).symlink_to(elsewhere)
    _replace(machine, {RULES: "new"})
    assert Path(machine.path(RULES)).is_symlink()
    assert elsewhere.read_text(encoding="utf-8") == "new"


def test_a_file_that_is_not_there_is_none_and_one_that_cannot_be_read_an_error(machine: Machine) -> None:
    Path(machine.path(RULES)).unlink()
    assert _ufw_disk.read(machine, RULES) is None
    Path(machine.path(RULES)).mkdir()
    with pytest.raises(BackendError, match=r"^/etc/ufw/user.rules cannot be read"):
        _ufw_disk.read(machine, RULES)


def test_a_command_of_ufw_that_does_not_end_is_an_error(machine: Machine) -> None:
    with (
        _ufw(machine),
        pytest.raises(BackendError, match=r"another ufw command holds .*run/ufw.lock"),
        _ufw_disk.locked(machine, 0),
    ):
        pytest.fail("two at a time")


def test_we_wait_for_a_command_of_ufw(machine: Machine) -> None:
    with _ufw(machine) as process:
        assert process.stdin
        threading.Timer(0.3, process.stdin.close).start()
        with _ufw_disk.locked(machine):
            assert process.wait() == 0


def test_a_command_of_ufw_waits_for_us(machine: Machine) -> None:
    command = [sys.executable, "-c", UFW, machine.path("run/ufw.lock")]
    with _ufw_disk.locked(machine):
        waiting = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.5)
    assert waiting.communicate()[0] == b"locked\n"


def test_without_permission_for_the_lock_the_error_names_it(tmp_path: Path) -> None:
    machine = Machine(lambda _arguments, _text: Result(0), root=str(tmp_path / "nowhere"))
    with pytest.raises(BackendError, match=r"run/ufw.lock cannot be opened"), _ufw_disk.locked(machine):
        pytest.fail("without a lock")


def test_the_mark_is_there_until_it_is_removed(machine: Machine) -> None:
    assert not _ufw_disk.has_mark(machine, "run/mark")
    _ufw_disk.write_mark(machine, "run/mark")
    assert _ufw_disk.has_mark(machine, "run/mark")
    _ufw_disk.remove_mark(machine, "run/mark")
    _ufw_disk.remove_mark(machine, "run/mark")
    assert not _ufw_disk.has_mark(machine, "run/mark")


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("/usr/bin/python3 /usr/sbin/ufw insert 1 deny", True),
        ("/usr/sbin/ufw status", True),
        ("python3.12 ufw", True),
        ("/bin/sh -c ufw status", False),
        ("vi /usr/sbin/ufw", False),
        ("", False),
    ],
)
def test_commands_of_ufw_are_known_by_their_names(machine: Machine, command: str, found: bool) -> None:
    _process(machine, "12", command)
    (Path(machine.path("proc/self"))).mkdir()
    assert _ufw_disk.commands(machine) == ([12] if found else [])


def test_a_command_is_waited_for_until_it_ends_and_no_longer_than_allowed(machine: Machine) -> None:
    command = _process(machine, "12", "/usr/sbin/ufw allow 80")
    _ufw_disk.wait_for(machine, [12], 0.2)
    assert _ufw_disk.commands(machine) == [12]
    threading.Timer(0.2, command.unlink).start()
    _ufw_disk.wait_for(machine, [12])
    assert _ufw_disk.commands(machine) == []


def _process(machine: Machine, number: str, command: str) -> Path:
    directory = Path(machine.path("proc", number))
    directory.mkdir(parents=True)
    (directory / "cmdline").write_text(command.replace(" ", "\0"), encoding="utf-8")
    return directory / "cmdline"
