# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of several steps that must not end half way: killed or not, they come to their end or back.

The whole change is made by a worker, and each part of it that has several steps by a shell, which nobody takes for us.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import traceback
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils import _lock
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, StateError
from ansible_collections.playout.firewall.plugins.module_utils._command import environment
from ansible_collections.playout.firewall.plugins.module_utils._confirm import DIRECTORY, ConfirmError
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import NftError
from ansible_collections.playout.firewall.plugins.module_utils._undo import write_private

_MADE, _BEGUN, _REFUSED, _CRASHED = "made", "begun", "refused", "crashed"
_UNDONE, _STUCK = 1, 2
# Output goes to files: a pipe to a process that was killed would end the script in its middle.
_RUNNER = f"""
cd "$1" || exit {_STUCK}
sh -eu script >log 2>&1 </dev/null && exit 0
sh undo >undo.log 2>&1 </dev/null && exit {_UNDONE}
exit {_STUCK}
"""


def to_the_end(change: t.Callable[[], t.Any]) -> t.Any:
    """Make a change in a process of its own, which holds the lock as well; return or raise what came of it.

    :param change: returns what JSON knows.
    :raises BackendError: where it was refused, StateError where it had begun.
    """
    reader, writer = os.pipe()
    worker = os.fork()
    if not worker:
        _work(change, writer)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as stream:
        told = stream.read()
    _pid, status = os.waitpid(worker, 0)
    if not told:
        raise StateError(
            f"the process that changed the rules was ended by signal {status & 0x7F}: the old or the new ones are in "
            "force, and the next run brings the new ones"
        )
    kind, value = json.loads(told)
    if kind == _MADE:
        return value
    raise {_BEGUN: StateError, _REFUSED: BackendError}.get(kind, RuntimeError)(value)


def _work(change: t.Callable[[], t.Any], writer: int) -> None:
    """Make the change, tell what came of it, and end: the rest is not for the worker."""
    try:
        # Neither the end of a terminal nor of a connection ends it.
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        told = json.dumps(_made(change))
        with os.fdopen(writer, "w", encoding="utf-8") as pipe:
            pipe.write(told)
    finally:
        os._exit(0)


def _made(change: t.Callable[[], t.Any]) -> t.Tuple[str, t.Any]:
    try:
        return _MADE, change()
    except StateError as error:
        return _BEGUN, str(error)
    except (BackendError, ConfirmError, NftError) as error:
        return _REFUSED, str(error)
    except BaseException:
        return _CRASHED, traceback.format_exc()


def carry_out(script: str, undo: str, directory: str = DIRECTORY) -> str:
    """Run a shell script to its end, whatever becomes of this process; a step that fails ends it and has it undone.

    :param script: is run by ``sh -eu``.
    :param undo: brings the old state back from wherever the script ended.
    :param directory: of root, on a file system that a reboot empties.
    :returns: what the script printed.
    :raises BackendError: with what the step said that failed, and which state stands.
    """
    place = _prepare(script, undo, directory)
    # Not subprocess.run, which kills what it runs when this process is interrupted.
    runner = subprocess.Popen(  # pylint: disable=ansible-bad-function
        ["/bin/sh", "-c", _RUNNER, "playout-firewall", place],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
        cwd="/",
        start_new_session=True,
        pass_fds=_lock.held(),
    )
    code = runner.wait()
    said = {name: _read(os.path.join(place, name)) for name in ("log", "undo.log")}
    shutil.rmtree(place, ignore_errors=True)
    if code == 0:
        return said["log"]
    if code == _UNDONE:
        raise BackendError(f"the rules were refused, the old ones stand: {said['log']}")
    raise StateError(
        f"the rules were refused ({said['log']}), and the way back failed too ({said['undo.log']}): look at the host's "
        "firewall before anything else"
    )


def _prepare(script: str, undo: str, directory: str) -> str:
    """Return a new directory that holds both scripts."""
    place = ""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        place = tempfile.mkdtemp(prefix="change-", dir=directory)
        write_private(os.path.join(place, "script"), script)
        write_private(os.path.join(place, "undo"), undo)
    except OSError as error:
        shutil.rmtree(place, ignore_errors=True)
        raise BackendError(f"nothing was changed: {directory} cannot be written: {error.strerror}") from error
    return place


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read().strip()
    except OSError:
        return ""
