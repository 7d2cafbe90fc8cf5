# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that makes a whole change and comes to its end, whatever becomes of the module that began it."""

from __future__ import annotations

import json
import os
import traceback
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, StateError
from ansible_collections.playout.firewall.plugins.module_utils._confirm import ConfirmError
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import NftError

_MADE, _BEGUN, _REFUSED, _CRASHED = "made", "begun", "refused", "crashed"


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
