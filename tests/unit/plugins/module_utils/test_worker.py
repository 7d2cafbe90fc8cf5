# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that is made to its end by somebody else than who wants it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, StateError
from ansible_collections.playout.firewall.plugins.module_utils._confirm import ConfirmError
from ansible_collections.playout.firewall.plugins.module_utils._lock import LockError, exclusive
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import NftError
from ansible_collections.playout.firewall.plugins.module_utils._worker import to_the_end

# Makes the change in two steps, between which it waits.
WORKER = """
import signal, sys
from pathlib import Path
from ansible_collections.playout.firewall.plugins.module_utils._worker import to_the_end
from ansible_collections.playout.firewall.plugins.module_utils._lock import exclusive
# A shell that was started in the background has its children ignore an interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
lock, rules, begun, pipe = sys.argv[1:]
def change():
    Path(rules).write_text("half")
    Path(begun).touch()
    Path(pipe).read_text()
    Path(rules).write_text("new")
with exclusive(lock):
    to_the_end(change)
"""


def test_what_a_change_returns_is_returned() -> None:
    token, warnings = to_the_end(lambda: (None, ["beware"]))
    assert (token, warnings) == (None, ["beware"])


def test_a_change_is_made_by_somebody_who_is_not_us() -> None:
    mine: list[str] = []
    assert to_the_end(lambda: [os.getpid(), os.getsid(0), mine.append("seen")])[:2] != [os.getpid(), os.getsid(0)]
    assert mine == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StateError("the old rules are in force again"), StateError),
        (BackendError("no such set"), BackendError),
        (NftError("line 3"), BackendError),
        (ConfirmError("no room"), BackendError),
    ],
)
def test_what_a_change_says_when_it_fails_is_said(error: Exception, kind: type[Exception]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(kind, match=f"^{error}$") as raised:
        to_the_end(fail)
    assert raised.type is kind


def test_an_error_that_nobody_expected_comes_with_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)Traceback .*ZeroDivisionError") as raised:
        to_the_end(lambda: 1 // 0)
    assert not isinstance(raised.value, BackendError)


def test_a_worker_that_was_killed_is_told() -> None:
    with pytest.raises(StateError, match=r"was ended by signal 9: the old or the new ones are in force"):
        to_the_end(lambda: os.kill(os.getpid(), signal.SIGKILL))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_change_comes_to_its_end_although_its_caller_does_not(
    tmp_path: Path, start: Any, until: Any, number: signal.Signals
) -> None:
    lock, rules, begun, pipe = (tmp_path / name for name in ("lock", "rules", "begun", "pipe"))
    os.mkfifo(pipe)

    def is_free() -> bool:
        try:
            with exclusive(str(lock), 0):
                return True
        except LockError:
            return False

    caller = start(WORKER, lock, rules, begun, pipe)
    until(begun.exists)
    caller.send_signal(number)
    caller.wait()
    assert rules.read_text(encoding="utf-8") == "half"
    assert not is_free()
    pipe.write_text("go on", encoding="utf-8")
    until(is_free)
    assert rules.read_text(encoding="utf-8") == "new"
