# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in which ufw keeps its rules: read and replaced while ufw itself has to wait."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import time
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._detached import carry_out
from ansible_collections.playout.firewall.plugins.module_utils._ufw import FAMILIES

_LOCK = "run/ufw.lock"
_SECONDS = 30.0
_PAUSE = 0.1
_NEW, _OLD = ".playout-new", ".playout-old"

# Bytes that are no UTF-8 survive reading and writing.
_TEXT: t.Mapping[str, t.Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


@contextlib.contextmanager
def locked(machine: Machine, seconds: float = _SECONDS) -> t.Iterator[None]:
    """Hold the lock that ufw takes for each of its commands.

    :raises BackendError: when another command does not come to its end.
    """
    path = machine.path(_LOCK)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BackendError(f"ufw's lock {path} cannot be opened (root is needed): {error.strerror}") from error
    try:
        _wait(handle, path, seconds)
        yield
    finally:
        os.close(handle)


def read(machine: Machine, path: str) -> t.Optional[str]:
    """Return a file's text exactly as it is; None where there is none.

    :raises BackendError: where it cannot be read.
    """
    try:
        with open(machine.path(path), **_TEXT) as handle:
            return t.cast(str, handle.read())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BackendError(f"/{path} cannot be read: {error.strerror}") from error


def left_over(machine: Machine) -> t.List[str]:
    """Return what a machine that crashed in the middle left beside ufw's files."""
    targets = [os.path.realpath(machine.path(family.path)) for family in FAMILIES]
    return [target + suffix for target in targets for suffix in (_NEW, _OLD) if os.path.lexists(target + suffix)]


def replace(machine: Machine, texts: t.Mapping[str, str]) -> None:
    """Replace these files, all of them or none, also when this process is killed meanwhile.

    :raises BackendError: naming what failed; the old files are in place.
    """
    steps: t.Dict[str, t.List[str]] = {"keep": [], "put": [], "tidy": [], "undo": []}
    targets = [os.path.realpath(machine.path(path)) for path in texts]
    for path in left_over(machine):
        os.unlink(path)
    try:
        for target, text in zip(targets, texts.values()):
            _stage(target, text)
            name, new, old = (shlex.quote(target + suffix) for suffix in ("", _NEW, _OLD))
            steps["keep"].append(f"ln -f {name} {old}")
            steps["put"].append(f"mv -f {new} {name}")
            steps["tidy"].append(f"rm -f {old}")
            steps["undo"].append(f"[ ! -e {old} ] || mv -f {old} {name}\nrm -f {new} {old}")
    except OSError as error:
        for path in left_over(machine):
            os.unlink(path)
        raise BackendError(f"{error.filename or target} cannot be written: {error.strerror}") from error
    carry_out("\n".join([*steps["keep"], *steps["put"], *steps["tidy"], ""]), "\n".join([*steps["undo"], ""]))
    for directory in sorted({os.path.dirname(target) for target in targets}):
        _sync(directory)


def has_mark(machine: Machine, path: str) -> bool:
    return os.path.exists(machine.path(path))


def write_mark(machine: Machine, path: str) -> None:
    with open(machine.path(path), "w", encoding="ascii"):
        pass


def remove_mark(machine: Machine, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(machine.path(path))


def _stage(target: str, text: str) -> None:
    """Write the new file beside the old one, as its owner's and with its mode."""
    old = os.stat(target)
    handle = os.open(target + _NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", **_TEXT) as stream:
        os.fchown(handle, old.st_uid, old.st_gid)
        os.fchmod(handle, old.st_mode & 0o7777)
        stream.write(text)
        stream.flush()
        os.fsync(handle)


def _sync(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _wait(handle: int, path: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            # The kind that ufw uses: another would not keep it out.
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise BackendError(
                    f"another ufw command holds {path} for more than {seconds:.0f} seconds: try again when it has ended"
                ) from None
        time.sleep(_PAUSE)
