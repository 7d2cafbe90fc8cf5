# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of several steps that must not end half way: they run in a session of their own, to their end or back."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from ansible_collections.playout.firewall.plugins.module_utils import _lock
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, StateError
from ansible_collections.playout.firewall.plugins.module_utils._command import environment
from ansible_collections.playout.firewall.plugins.module_utils._confirm import DIRECTORY
from ansible_collections.playout.firewall.plugins.module_utils._undo import write_private

_UNDONE, _STUCK = 1, 2
# Output goes to files: a pipe to a process that was killed would end the script in its middle.
_RUNNER = f"""
cd "$1" || exit {_STUCK}
sh -eu script >log 2>&1 </dev/null && exit 0
sh undo >undo.log 2>&1 </dev/null && exit {_UNDONE}
exit {_STUCK}
"""


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
