# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The old rules return by themselves unless somebody confirms the new ones in time.

A detached timer is armed before anything changes. Confirmation and timer both claim one token by renaming it, which the
kernel lets exactly one of them do. Everything lives under /run: after a reboot the boot files decide, and they still
hold the old rules until the confirmation.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import shutil
import subprocess
import time
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils import _lock, _undo
from ansible_collections.playout.firewall.plugins.module_utils._backend import StateError, Undo
from ansible_collections.playout.firewall.plugins.module_utils._command import Run, environment

DIRECTORY = "/run/playout-firewall"

_AWAITED_SECONDS = 60
_PENDING, _CONFIRMED, _ROLLING_BACK = "pending", "confirmed", "rolling-back"
_ROLLED_BACK, _STUCK = "rolled-back", "stuck"
# Locked by the timer, and by who confirms: a token that nobody holds is settled, whatever it says.
_HOLD = "hold"
# The sleep is relative, so that setting the clock neither shortens nor stretches it. A change that is still being made
# then is awaited, or it would come after its own undoing; but not for ever.
_TIMER = f"""(
sleep "$1"
if [ -e "$3" ] && command -v flock >/dev/null; then flock -w {_AWAITED_SECONDS} "$3" true; fi
cd "$2" || exit
mv {_PENDING} {_ROLLING_BACK} || exit
sh {_undo.SCRIPT} >{_undo.LOG} 2>&1 || exec mv {_ROLLING_BACK} {_STUCK}
mv {_ROLLING_BACK} {_ROLLED_BACK}
) &
"""


class ConfirmError(RuntimeError):
    """The confirmation cannot be armed or given."""


class TooLate(ConfirmError):
    """The timer was first: the old rules are in force again."""


def arm(seconds: int, undos: t.Sequence[Undo], directory: str = DIRECTORY) -> str:
    """Start the timer that goes these ways back; return the token to confirm with.

    :raises ConfirmError: when that cannot be prepared; no timer runs.
    """
    token = os.urandom(16).hex()
    path = os.path.join(directory, token)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        os.mkdir(path, 0o700)
        _undo.write(undos, path)
        _undo.write_private(os.path.join(path, _HOLD), "")
        _undo.write_private(os.path.join(path, _PENDING), str(time.monotonic() + seconds))
    except OSError as error:
        _remove(path, directory)
        raise ConfirmError(
            f"nothing was changed: the way back cannot be written below {directory}: {error.strerror}"
        ) from error
    with _holding(path) as handle:
        # It must outlive this process, its session and its pipes, which a module's run_command would wait for.
        subprocess.run(  # pylint: disable=ansible-bad-function
            ["/bin/sh", "-c", _TIMER, "playout-firewall", str(seconds), path, _lock.PATH],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment(),
            start_new_session=True,
            pass_fds=[handle],
            check=True,
        )
    return token


def confirm(token: str, directory: str = DIRECTORY) -> None:
    """Claim the token, so that the new rules stay.

    :raises TooLate: when the timer was first.
    :raises ConfirmError: when there is no such token (any more).
    """
    _remove(_claim(token, directory), directory)


@contextlib.contextmanager
def confirmed(token: t.Optional[str], run: Run, directory: str = DIRECTORY) -> t.Iterator[None]:
    """Claim the token for what is done in the context; when that fails, the old rules return. Nothing without a token.

    :raises TooLate, ConfirmError: as ``confirm`` does.
    :raises StateError: when what was done failed, saying which rules are in force.
    """
    if not token:
        yield
        return
    path = _claim(token, directory)
    try:
        with _holding(path):
            yield
    except Exception as error:
        result = run(["sh", "-c", f'cd "$1" && sh {_undo.SCRIPT}', "sh", path], "")
        state = "so the old rules are in force again"
        if result.code:
            state = f"and going back failed: the new rules are in force, but not at the next boot: {result.reason}"
        raise StateError(f"the new rules were confirmed, but {error}; {state}") from error
    finally:
        _remove(path, directory)


def _claim(token: str, directory: str) -> str:
    path = os.path.join(directory, os.path.basename(token))
    try:
        os.rename(os.path.join(path, _PENDING), os.path.join(path, _CONFIRMED))
    except OSError:
        if os.path.exists(os.path.join(path, _STUCK)):
            raise ConfirmError(
                "the confirmation came too late, and the way back to the old rules failed: look at the host's firewall "
                f"and at {os.path.join(path, _undo.LOG)} before anything else"
            ) from None
        # What is left of the timer's is not removed here: it may still be at work.
        if any(os.path.exists(os.path.join(path, name)) for name in (_ROLLING_BACK, _ROLLED_BACK)):
            raise TooLate("the confirmation came too late, the old rules have returned already") from None
        raise ConfirmError(
            "nothing waits for this confirmation: the new connection reached another host, or one that was restarted"
        ) from None
    return path


def waiting(directory: str = DIRECTORY) -> int:
    """Return for how many seconds an earlier change still waits for its confirmation; 0 when none does."""
    seconds = [_left(path) for path in _tokens(directory) if not _settled(path)]
    return math.ceil(max((max(1.0, left) for left in seconds if left is not None), default=0.0))


def tidy(directory: str = DIRECTORY) -> None:
    """Remove what is left of changes that are settled, and of timers that died."""
    for path in filter(_settled, _tokens(directory)):
        _remove(path, directory)


def _tokens(directory: str) -> t.List[str]:
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    return [os.path.join(directory, name) for name in names]


def _left(path: str) -> t.Optional[float]:
    """Return the seconds until the deadline of a token that the timer may still claim or has claimed."""
    for name in (_PENDING, _ROLLING_BACK):
        try:
            with open(os.path.join(path, name), encoding="ascii") as handle:
                return float(handle.read()) - time.monotonic()
        except (OSError, ValueError):
            continue
    return None


@contextlib.contextmanager
def _holding(path: str) -> t.Iterator[int]:
    """Hold a token, together with every process that inherits the descriptor."""
    handle = os.open(os.path.join(path, _HOLD), os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield handle
    finally:
        os.close(handle)


def _settled(path: str) -> bool:
    """Whether nobody is left who would act on a token: who died holding it held it no longer."""
    try:
        with open(os.path.join(path, _HOLD), "rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _remove(path: str, directory: str) -> None:
    shutil.rmtree(path, ignore_errors=True)
    try:
        os.rmdir(directory)
    except OSError:
        # Another change waits in it.
        return
