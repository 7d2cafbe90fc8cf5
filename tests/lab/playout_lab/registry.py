# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a running lab is known: a directory with one Unix socket per process that answers for a host.

A socket tells by itself whether its process lives, and the kernel translates the process's number into the caller's pid
namespace, so the same directory serves inside and outside of the lab.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import LabError

DEFAULT_DIRECTORY = Path("/run/playout-lab")
CONTROLLER = ".controller"
_ANSWER_SECONDS = 30


def announce(directory: Path, name: str) -> socket.socket:
    """A listening socket by which ``name`` is found in ``directory``, answered for by the calling process."""
    path = _socket_path(directory, name)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.bind(str(path))
    except OSError as error:
        raise LabError(f"{path}: {error}; choose a shorter directory with --directory") from error
    server.listen(64)
    return server


def names(directory: Path) -> list[str]:
    """The hosts of the lab, alive or not."""
    return sorted(path.stem for path in directory.glob("[!.]*.sock"))


def process(directory: Path, name: str) -> int:
    """The number, for the caller, of the process that answers for ``name``."""
    with _connect(directory, name) as client:
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    number: int = struct.unpack("3i", credentials)[0]
    if number == 0:
        raise LabError(f"{directory}: {name} lives in a pid namespace that cannot be seen from here")
    return number


def ask(directory: Path, name: str, request: Mapping[str, Any]) -> None:
    """Have ``name`` do what the request says; LabError with its answer when it cannot."""
    with _connect(directory, name) as client:
        client.settimeout(_ANSWER_SECONDS)
        client.sendall(json.dumps(request).encode())
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    if answer != "done":
        raise LabError(f"{name}: {answer or 'gave no answer'}")


def answer(client: socket.socket, text: str) -> None:
    """The other half of ``ask``: ``done``, or what went wrong."""
    client.sendall(text.encode())
    # A service that this request started has inherited the connection and would keep it open.
    client.shutdown(socket.SHUT_WR)


def read_request(client: socket.socket) -> dict[str, Any] | None:
    """What a client asks; None when it only wanted to know who answers."""
    client.settimeout(_ANSWER_SECONDS)
    text = b"".join(iter(lambda: client.recv(65536), b""))
    return json.loads(text) if text else None


def command_in(directory: Path, name: str, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` in host ``name``, in the same working directory where the host has it."""
    pid = process(directory, name)
    # Entering a mount namespace resets the working directory.
    wrapper = ["sh", "-c", 'cd "$0" 2>/dev/null; exec "$@"', os.getcwd()]
    return ["nsenter", *_namespace_options(pid), "--", *wrapper, *command]


def _namespace_options(pid: int) -> list[str]:
    """nsenter(1)'s options for every namespace of process ``pid`` in which the caller is not already."""
    options = [f"--target={pid}"]
    for kind, option in _NSENTER_OPTIONS.items():
        if os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"):
            options += option
    return options


_NSENTER_OPTIONS = {
    # Without the second option nsenter would call setgroups(2), which an ordinary user's namespace forbids.
    "user": ["--user", "--preserve-credentials"],
    "mnt": ["--mount"],
    "net": ["--net"],
    "uts": ["--uts"],
    "ipc": ["--ipc"],
    "pid": ["--pid"],
}


def _socket_path(directory: Path, name: str) -> Path:
    return directory / f"{name}.sock"


def _connect(directory: Path, name: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        client.connect(str(_socket_path(directory, name)))
    except FileNotFoundError:
        client.close()
        known = ", ".join(names(directory)) or "none; start one with lab.py up"
        raise LabError(f"{directory}: no host {name!r}; known are: {known}") from None
    except ConnectionRefusedError:
        client.close()
        raise LabError(f"{directory}: {name} is no longer running; start the lab again") from None
    return client
