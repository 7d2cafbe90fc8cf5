# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host of the lab listens with: TCP greets with a line that names host and port, UDP sends back what came."""

from __future__ import annotations

import resource
import selectors
import socket
import struct
from collections.abc import Callable
from typing import TypeAlias

from .errors import LabError
from .ports import Ports, sample

_Handler: TypeAlias = Callable[[socket.socket], None]

# Missing from Python's socket module; Linux, include/uapi/linux/in6.h.
_IPV6_RECVPKTINFO = 49
_IPV6_PKTINFO = 50
_PKTINFO = struct.Struct("16sI")


class Listeners:
    """Every listening socket of one host, both families on each."""

    def __init__(self, host: str, ports: Ports, taken: frozenset[int]) -> None:
        """Bind all of ``ports`` except the TCP ports ``taken`` by another server of this host."""
        self._host = host
        self._selector = selectors.DefaultSelector()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
        for port in sample(ports.tcp):
            if port not in taken:
                listener = self._bind(socket.SOCK_STREAM, port)
                listener.listen(64)
                self._watch(listener, self._greet)
        for port in sample(ports.udp):
            listener = self._bind(socket.SOCK_DGRAM, port)
            # Without this the answer could leave from another address of the host than the one that was asked.
            listener.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
            self._watch(listener, self._echo)

    def serve(self) -> None:
        """Answer for ever."""
        while True:
            for key, _events in self._selector.select():
                handler: _Handler = key.data
                try:
                    handler(key.fileobj)  # type: ignore[arg-type]
                except OSError:
                    # A peer that goes away, or a firewall that eats the answer, is the lab's daily business.
                    continue

    def _bind(self, kind: socket.SocketKind, port: int) -> socket.socket:
        listener = socket.socket(socket.AF_INET6, kind)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("::", port))
        except OSError as error:
            protocol = "tcp" if kind == socket.SOCK_STREAM else "udp"
            raise LabError(f"{self._host}: {protocol}/{port}: {error.strerror}") from error
        return listener

    def _watch(self, watched: socket.socket, handler: _Handler) -> None:
        watched.setblocking(False)
        self._selector.register(watched, selectors.EVENT_READ, handler)

    def _greet(self, listener: socket.socket) -> None:
        client, _address = listener.accept()
        self._watch(client, self._drain)
        client.sendall(f"{self._host} tcp/{listener.getsockname()[1]}\n".encode())
        client.shutdown(socket.SHUT_WR)

    def _drain(self, client: socket.socket) -> None:
        """Read on until the peer closes: closing with unread data would reset the connection."""
        try:
            if client.recv(65536):
                return
        except OSError:
            pass
        self._selector.unregister(client)
        client.close()

    def _echo(self, listener: socket.socket) -> None:
        data, ancillary, _flags, peer = listener.recvmsg(65536, 1024)
        asked = [
            (level, kind, _PKTINFO.pack(_PKTINFO.unpack(value)[0], 0))
            for level, kind, value in ancillary
            if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO)
        ]
        listener.sendmsg([data], asked, 0, peer)
