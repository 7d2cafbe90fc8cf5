# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening sockets of this machine, read from ``/proc``: no command is run and nothing is resolved.

A listener of ``::`` usually takes IPv4 as well. Whether it set ``IPV6_V6ONLY`` is not in ``/proc``, so it stays
one entry of family ipv6, and readers treat it as "perhaps" for IPv4. UDP has no listening state: every bound
socket without a peer counts, a client that waits for its answer included.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import socket
import sys
import typing as t

# TCP_LISTEN, and for UDP TCP_CLOSE, which the kernel shows for a socket without a peer.
_LISTENING = {"tcp": "0A", "udp": "07"}
_MAPPED_IPV4 = b"\x00" * 10 + b"\xff\xff"
_SOCKET_LINK = re.compile(r"socket:\[(\d+)\]")


class Listener(t.NamedTuple):
    """A listening socket. ``process`` is its owner's command name, None where it may not be read."""

    protocol: str
    family: str
    address: str
    port: int
    process: t.Optional[str]


class Entry(t.NamedTuple):
    """A listening line of ``/proc/net``: the decoded local end, and the inode that leads to the owner."""

    protocol: str
    family: str
    address: str
    port: int
    inode: int


def parse_table(protocol: str, text: str, byteorder: t.Optional[str] = None) -> t.List[Entry]:
    """Return the listening lines of one file such as ``/proc/net/tcp6``, in the file's order.

    :param protocol: tcp or udp.
    :param byteorder: little or big, of the machine that wrote the text; default this machine's.
    :raises ValueError: where a line is not what the kernel writes.
    """
    entries = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 10:
            raise ValueError(f"not a line of /proc/net/{protocol}: '{line}'")
        if words[3] == _LISTENING[protocol]:
            address, _colon, port = words[1].partition(":")
            family, decoded = decode_address(address, byteorder)
            entries.append(Entry(protocol, family, decoded, int(port, 16), int(words[9])))
    return entries


def decode_address(digits: str, byteorder: t.Optional[str] = None) -> t.Tuple[str, str]:
    """Return family and address of ``0100007F`` or of the 32 digits of IPv6: words in the machine's byte order.

    An IPv4-mapped IPv6 address is the IPv4 address: that is what arrives there.
    """
    order = byteorder or sys.byteorder
    words = [bytes.fromhex(digits[start : start + 8]) for start in range(0, len(digits), 8)]
    packed = b"".join(word[::-1] if order == "little" else word for word in words)
    if packed.startswith(_MAPPED_IPV4):
        packed = packed[len(_MAPPED_IPV4) :]
    if len(packed) == 4:
        return "ipv4", socket.inet_ntop(socket.AF_INET, packed)
    return "ipv6", socket.inet_ntop(socket.AF_INET6, packed)


def listeners(proc: str = "/proc") -> t.List[Listener]:
    """Return the listening sockets of this network namespace: each once, sorted by protocol, port and address.

    :raises OSError: where the IPv4 tables cannot be read. Missing IPv6 tables mean that IPv6 is switched off.
    """
    entries = []
    for protocol in _LISTENING:
        entries += parse_table(protocol, _text(os.path.join(proc, "net", protocol)))
        with contextlib.suppress(FileNotFoundError):
            entries += parse_table(protocol, _text(os.path.join(proc, "net", f"{protocol}6")))
    owners = process_names(proc, {entry.inode for entry in entries})
    found = {Listener(*entry[:4], owners.get(entry.inode)) for entry in entries}
    return sorted(found, key=lambda row: (row.protocol, row.port, row.family, row.address, row.process or ""))


def process_names(proc: str, inodes: t.AbstractSet[int]) -> t.Dict[int, str]:
    """Return socket inode -> command name, as far as this user may look into processes.

    Of several processes that share a socket (a server and its workers), the one with the lowest id names it.
    """
    names: t.Dict[int, str] = {}
    pids = sorted(int(name) for name in os.listdir(proc) if name.isdigit())
    for pid in pids:
        if len(names) == len(inodes):
            break
        held = (_socket_inode(link) for link in glob.iglob(os.path.join(proc, str(pid), "fd", "*")))
        ours = {inode for inode in held if inode in inodes and inode not in names}
        if ours:
            name = _command(proc, pid)
            names.update({inode: name for inode in ours if name})
    return names


def _socket_inode(link: str) -> int:
    """Return the inode of a descriptor's socket, 0 (which no socket has) for anything else or already closed."""
    try:
        match = _SOCKET_LINK.fullmatch(os.readlink(link))
    except OSError:
        return 0
    return int(match.group(1)) if match else 0


def _command(proc: str, pid: int) -> t.Optional[str]:
    try:
        return _text(os.path.join(proc, str(pid), "comm")).strip() or None
    except OSError:
        return None


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as source:
        return source.read()
