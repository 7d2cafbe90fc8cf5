# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether nothing has become of our rules since they were loaded: the kernel counts its nftables transactions.

Where it has counted none since ours, what it holds is what we loaded, and need not be tried anew. A transaction of
anybody's, a reboot, another network namespace or another nft makes the memory worthless, and the text is tried as ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import struct
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._backend import Machine

# Beside the directory of the confirmations, where everything is one.
PATH = "run/playout-firewall.nft"

_NETFILTER, _GET_GENERATION, _REQUEST = 12, 10 << 8 | 16, 1
# Since Linux 5.14; unlike its inode's number, it is never given to a second namespace.
_NAMESPACE_COOKIE = 71


def remembers(machine: Machine, text: str) -> bool:
    """Whether the rules in force are known to be this text, as it was loaded by the same nft."""
    known = machine.read(PATH)
    return bool(known) and known == _stamp(machine, text, transactions())


@contextlib.contextmanager
def remembering(machine: Machine, text: str) -> t.Iterator[None]:
    """Remember that this text was loaded in the context, unless anybody else may have changed something meanwhile."""
    forget(machine)
    before = transactions()
    yield
    after = transactions()
    if before is None or after is None or after != (before[0], before[1] + 1):
        return
    # Without it the next run takes longer, and no more than that.
    with contextlib.suppress(OSError), open(machine.path(PATH), "w", encoding="ascii") as stream:
        stream.write(_stamp(machine, text, after))


def forget(machine: Machine) -> None:
    """Leave nothing on the host."""
    with contextlib.suppress(OSError):
        os.unlink(machine.path(PATH))


def transactions() -> t.Optional[t.Tuple[str, int]]:
    """Return this network namespace by a name of its own, and its transactions; None where the kernel tells neither."""
    request = struct.pack("=IHHIIBBH", 20, _GET_GENERATION, _REQUEST, 0, 0, 0, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as kernel:
            cookie = kernel.getsockopt(socket.SOL_SOCKET, _NAMESPACE_COOKIE, 8).hex()
            kernel.send(request)
            answer = kernel.recv(4096)
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            boot = stream.read().strip()
    except OSError:
        return None
    # An error has the same head, but neither this type nor the attribute behind it.
    if len(answer) < 28 or struct.unpack_from("=H", answer, 4)[0] != _GET_GENERATION - 1:
        return None
    return f"{boot} {cookie}", struct.unpack_from("!I", answer, 24)[0]


def _stamp(machine: Machine, text: str, counted: t.Optional[t.Tuple[str, int]]) -> str:
    """Return what is remembered; nothing where the kernel does not count."""
    if counted is None:
        return ""
    version = [entry for entry in machine.objects or () if "metainfo" in entry]
    return hashlib.sha256(json.dumps([text, version, counted]).encode()).hexdigest()
