# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in which ufw keeps its rules: read and replaced while ufw itself has to wait."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import tempfile
import time
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._confirm import DIRECTORY
from ansible_collections.playout.firewall.plugins.module_utils._detached import carry_out
from ansible_collections.playout.firewall.plugins.module_utils._ufw import FAMILIES

_LOCK = "run/ufw.lock"
_SECONDS = 30.0
_PAUSE = 0.1
_NEW, _OLD = ".playout-new", ".playout-old"

# Line ends survive reading and writing.
_TEXT: t.Mapping[str, t.Any] = {"encoding": "utf-8", "newline": ""}


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
    except UnicodeDecodeError as error:
        raise BackendError(f"/{path} is no text that ufw could have written: {error}") from error


def left_over(machine: Machine) -> t.List[str]:
    """Return what a machine that crashed in the middle left beside ufw's files."""
    targets = [os.path.realpath(machine.path(family.path)) for family in FAMILIES]
    return [target + suffix for target in targets for suffix in (_NEW, _OLD) if os.path.lexists(target + suffix)]


def replace(machine: Machine, texts: t.Mapping[str, str], directory: str = DIRECTORY) -> None:
    """Replace these files, all of them or none, also when this process is killed; they keep owner and mode.

    :param directory: where their texts wait for the script that does it, so that a killed process leaves nothing beside
        ufw's files.
    :raises BackendError: naming what failed; the old files are in place.
    """
    with _waiting(texts, directory) as places:
        write, keep, put, tidy, undo = [], [], [], [], []
        for path, place in places.items():
            target = os.path.realpath(machine.path(path))
            name, new, old = (shlex.quote(target + suffix) for suffix in ("", _NEW, _OLD))
            write.append(f"cp -p {name} {new}\ncat {shlex.quote(place)} >{new}\nsync {new}")
            keep.append(f"ln {name} {old}")
            put.append(f"mv -f {new} {name}")
            tidy.append(f"rm -f {old}")
            undo.append(f"[ ! -e {old} ] || mv -f {old} {name}\nrm -f {new} {old}")
        left = "\n".join(f"rm -f {shlex.quote(path)}" for path in left_over(machine))
        carry_out("\n".join([left, *write, *keep, *put, *tidy, ""]), "\n".join([*undo, ""]))


def commands(machine: Machine) -> t.List[int]:
    """Return the numbers of the processes that are a command of ufw."""
    numbers = [int(name) for name in os.listdir(machine.path("proc")) if name.isdigit()]
    return [number for number in numbers if _is_ufw(machine.read("proc", str(number), "cmdline").split("\0"))]


def wait_for(machine: Machine, numbers: t.Iterable[int], seconds: float = _SECONDS) -> None:
    """Wait until these processes have ended, or it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and set(numbers) & set(commands(machine)):
        time.sleep(_PAUSE)


def has_mark(machine: Machine, path: str) -> bool:
    return os.path.exists(machine.path(path))


def write_mark(machine: Machine, path: str) -> None:
    with open(machine.path(path), "w", encoding="ascii"):
        pass


def remove_mark(machine: Machine, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(machine.path(path))


def _is_ufw(arguments: t.Sequence[str]) -> bool:
    names = [os.path.basename(argument) for argument in arguments[:2]]
    return names[0] == "ufw" or (names[0].startswith("python") and "ufw" in names)


@contextlib.contextmanager
def _waiting(texts: t.Mapping[str, str], directory: str) -> t.Iterator[t.Dict[str, str]]:
    """Write the texts aside; yield where the one for each path is."""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ufw-", dir=directory) as place:
            places = {path: os.path.join(place, os.path.basename(path)) for path in texts}
            for path, text in texts.items():
                with open(places[path], "w", **_TEXT) as stream:
                    stream.write(text)
            yield places
    except OSError as error:
        raise BackendError(f"{directory} cannot be written: {error.strerror}") from error


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
