# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a host: the second waits, and says for whom when that takes too long."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

PATH = "/run/playout-firewall.lock"
_SECONDS = 60.0
_PAUSE = 0.1

# What a process that outlives this one has to keep open, so that the lock is held until it has ended too.
_held: t.List[int] = []


class LockError(RuntimeError):
    """Another run has not come to its end; nothing was changed."""


@contextlib.contextmanager
def exclusive(path: str = PATH, seconds: float = _SECONDS) -> t.Iterator[None]:
    """Hold the lock of this host for as long as the context lasts; the kernel frees it when its holders end.

    :param seconds: how long to wait for another run.
    :raises LockError: when that was not enough, naming the other process.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LockError(f"the lock {path} cannot be opened (root is needed): {error.strerror}") from error
    try:
        _wait(handle, path, seconds)
        # Only for the message: a full disk must not keep anybody from changing rules.
        with contextlib.suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, b"%d\n" % os.getpid(), 0)
        _held.append(handle)
        try:
            yield
        finally:
            _held.remove(handle)
    finally:
        os.close(handle)


def held() -> t.Tuple[int, ...]:
    """Return the descriptors that a process must inherit to hold the lock as well."""
    return tuple(_held)


def _wait(handle: int, path: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                raise LockError(
                    f"another run is changing this host's rules (process {holder}, lock {path}) and has not ended "
                    f"within {seconds:.0f} seconds: try again when it has"
                ) from None
        time.sleep(_PAUSE)
