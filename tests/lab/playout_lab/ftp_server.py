# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real FTP server on a host of the lab: passive transfers into memory, both families."""

from __future__ import annotations

import logging
import socket
import tempfile
from types import ModuleType
from typing import Any

from .errors import LabError
from .topology import FtpServer

INSTALL = "pip install pyftpdlib (Python 3.12 and later: pyftpdlib pyasyncore pyasynchat)"


def load_library() -> dict[str, ModuleType]:
    """pyftpdlib's modules; read before a host hides the directory in which they may be installed."""
    try:
        from pyftpdlib import authorizers, handlers, ioloop, servers  # type: ignore[import-untyped]
    except ImportError as error:
        raise LabError(f"the lab file asks for an FTP server: {INSTALL}") from error
    return {"authorizers": authorizers, "handlers": handlers, "ioloop": ioloop, "servers": servers}


class FtpService:
    """One FTP server, bound when made."""

    def __init__(self, wanted: FtpServer, library: dict[str, ModuleType]) -> None:
        # A logger with a handler is one that pyftpdlib does not set up to tell the terminal of every transfer.
        logging.getLogger("pyftpdlib").addHandler(logging.NullHandler())
        authorizer = library["authorizers"].DummyAuthorizer()
        authorizer.add_user(wanted.user, wanted.password, tempfile.mkdtemp(prefix="ftp-"), perm="elradfmwMT")
        attributes = {
            "authorizer": authorizer,
            "passive_ports": range(wanted.passive[0], wanted.passive[1] + 1),
            "masquerade_address": wanted.passive_address,
            "banner": "playout lab",
        }
        handler = type("LabHandler", (library["handlers"].FTPHandler,), attributes)
        self._loop = library["ioloop"].IOLoop()
        self._servers: list[Any] = []
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                control = socket.create_server(("", wanted.port), family=family)
            except OSError as error:
                raise LabError(f"ftp: tcp/{wanted.port}: {error.strerror}") from error
            self._servers.append(library["servers"].FTPServer(control, handler, ioloop=self._loop))

    def serve(self) -> None:
        """Answer for ever."""
        self._loop.loop()
