# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The management connection in use: who must not be locked out, whatever the policy says."""

from __future__ import annotations

import ipaddress
import os
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._statements import Connection

_VARIABLE = "SSH_CONNECTION"
_GENERATIONS = 64


def connection_in_use(
    environment: t.Optional[t.Mapping[str, str]] = None, pid: t.Optional[int] = None, proc: str = "/proc"
) -> t.Optional[Connection]:
    """Return the SSH connection this process was started over, or None.

    sudo and su strip the variable, so that the nearest ancestor that still has it is asked.
    """
    environment = os.environ if environment is None else environment
    found = parse(environment.get(_VARIABLE, ""))
    pid = os.getpid() if pid is None else pid
    for _generation in range(_GENERATIONS):
        if found is not None or pid <= 1:
            break
        found = parse(_of_process(pid, proc))
        pid = _parent(pid, proc)
    return found


def parse(text: str) -> t.Optional[Connection]:
    """Read ``client port server port``; None for anything else, because the text goes into a firewall rule."""
    fields = text.split()
    if len(fields) != 4 or not all(field.isascii() and field.isdigit() for field in fields[1::2]):
        return None
    try:
        address = ipaddress.ip_address(fields[0].split("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    port = int(fields[3])
    return Connection(str(mapped or address), port) if 1 <= port <= 65535 else None


def _of_process(pid: int, proc: str) -> str:
    try:
        with open(os.path.join(proc, str(pid), "environ"), "rb") as handle:
            entries = handle.read().split(b"\0")
    except OSError:
        return ""
    start = f"{_VARIABLE}=".encode()
    for entry in entries:
        if entry.startswith(start):
            return entry[len(start) :].decode(errors="replace")
    return ""


def _parent(pid: int, proc: str) -> int:
    """Return the parent's id, 0 where it cannot be read. The program's name in the file may hold anything."""
    try:
        with open(os.path.join(proc, str(pid), "stat"), encoding="utf-8", errors="replace") as handle:
            return int(handle.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
