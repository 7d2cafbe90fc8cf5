# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of several steps: they come to their end or back, whatever becomes of who began them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError
from ansible_collections.playout.firewall.plugins.module_utils._confirm import tidy, waiting
from ansible_collections.playout.firewall.plugins.module_utils._detached import carry_out
from ansible_collections.playout.firewall.plugins.module_utils._lock import LockError, exclusive

# A shell that was started in the background has its children ignore an interrupt.
CALLER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from ansible_collections.playout.firewall.plugins.module_utils._detached import carry_out
from ansible_collections.playout.firewall.plugins.module_utils._lock import exclusive
with exclusive(sys.argv[1]):
    carry_out(*sys.argv[2:])
"""
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


class Place:
    """A directory with the rules as a file, and a pipe that a script can wait at."""

    def __init__(self, root: Path) -> None:
        self.rules = root / "rules"
        self.rules.write_text("old\n", encoding="utf-8")
        self.begun = root / "begun"
        self.pipe = root / "pipe"
        os.mkfifo(self.pipe)
        self.lock = str(root / "lock")
        self.directory = root / "run"
        self.undo = f"echo old >{self.rules}"

    def slow(self, last: str) -> str:
        """Return a script that waits half way."""
        return f"echo half >{self.rules}\n: >{self.begun}\nread word <{self.pipe}\n{last}\n"

    def carry_out(self, script: str, undo: str | None = None) -> str:
        return carry_out(script, self.undo if undo is None else undo, str(self.directory))

    def go_on(self) -> None:
        self.pipe.write_text("go on\n", encoding="utf-8")

    def is_free(self) -> bool:
        try:
            with exclusive(self.lock, 0):
                return True
        except LockError:
            return False

    @property
    def text(self) -> str:
        return self.rules.read_text(encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_script_runs_to_its_end_tells_what_it_said_and_leaves_nothing(place: Place) -> None:
    said = place.carry_out(f"echo half >{place.rules}\necho done\necho new >{place.rules}\n")
    assert said == "done"
    assert place.text == "new\n"
    assert list(place.directory.iterdir()) == []


def test_its_programs_are_found_and_speak_english(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    place.carry_out(f'echo "$LC_ALL $PATH" >{place.rules}')
    locale, path = place.text.split()
    assert locale == "C"
    assert "/usr/sbin" in path.split(":")


@pytest.mark.parametrize("step", ["echo no such rule >&2; false", 'echo "no such rule"; exit 7', ": $no_such_rule"])
def test_a_step_that_fails_ends_it_and_has_it_undone(place: Place, step: str) -> None:
    with pytest.raises(BackendError, match=r"the rules were refused, the old ones stand: .*no.such.rule"):
        place.carry_out(f"echo half >{place.rules}\n({step})\necho new >{place.rules}\n")
    assert place.text == "old\n"
    assert list(place.directory.iterdir()) == []


def test_a_way_back_that_fails_too_is_told_with_the_words_of_both(place: Place) -> None:
    reason = r"refused \(no such rule\), and the way back failed too \(no such set\): look at the host's firewall"
    with pytest.raises(BackendError, match=reason):
        place.carry_out("echo no such rule >&2; exit 1", "echo no such set >&2; exit 1")
    assert list(place.directory.iterdir()) == []


@pytest.mark.parametrize("number", SIGNALS)
def test_it_comes_to_its_end_although_its_caller_does_not(
    place: Place, start: Any, until: Any, number: signal.Signals
) -> None:
    caller = start(CALLER, place.lock, place.slow(f"echo new >{place.rules}"), place.undo, place.directory)
    until(place.begun.exists)
    caller.send_signal(number)
    caller.wait()
    assert place.text == "half\n"
    # Nobody may change anything meanwhile.
    assert not place.is_free()
    place.go_on()
    until(place.is_free)
    assert place.text == "new\n"


@pytest.mark.parametrize("number", SIGNALS)
def test_it_goes_back_although_its_caller_ended(place: Place, start: Any, until: Any, number: signal.Signals) -> None:
    script = place.slow("echo no such rule >&2; false")
    caller = start(CALLER, place.lock, script, place.undo, place.directory)
    until(place.begun.exists)
    caller.send_signal(number)
    caller.wait()
    assert not place.is_free()
    place.go_on()
    until(place.is_free)
    assert place.text == "old\n"


def test_what_a_killed_caller_leaves_is_nobodys_confirmation_and_tidied_away(
    place: Place, start: Any, until: Any
) -> None:
    caller = start(CALLER, place.lock, place.slow("true"), place.undo, place.directory)
    until(place.begun.exists)
    caller.kill()
    caller.wait()
    place.go_on()
    until(place.is_free)
    [left] = place.directory.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700
    assert {(left / name).stat().st_mode & 0o777 for name in ("script", "undo")} == {0o600}
    assert waiting(str(place.directory)) == 0
    tidy(str(place.directory))
    assert not place.directory.exists()


def test_where_nothing_can_be_written_nothing_is_begun(place: Place) -> None:
    place.directory.write_text("", encoding="utf-8")
    with pytest.raises(BackendError, match=f"^nothing was changed: {place.directory} cannot be written: File exists$"):
        place.carry_out(f"echo new >{place.rules}")
    assert place.text == "old\n"


def test_a_full_disk_is_noticed_before_anything_is_begun(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ansible_collections.playout.firewall.plugins.module_utils._detached.write_private", full)
    with pytest.raises(BackendError, match=r"^nothing was changed: .* No space left on device$"):
        place.carry_out(f"echo new >{place.rules}")
    assert place.text == "old\n"
    assert list(place.directory.iterdir()) == []
