# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove a passive FTP transfer: store a file, fetch it back, compare.

    python tests/lab/ftp_transfer.py ADDRESS [PORT] [--mode epsv --mode pasv] [--size BYTES]

epsv          the server names a port only
pasv          the server names address and port; the address is ignored, as careful clients do
pasv-address  the address is believed, as old players do: behind NAT somebody has to translate it

One line per mode says how it went, with the data port of each transfer; the exit code is 1 when one failed. It needs
the standard library only, so that any Python on the host can run it.
"""

from __future__ import annotations

import argparse
import ftplib
import hashlib
import io
import os
import socket
import sys

MODES = ("epsv", "pasv", "pasv-address")


class _Client(ftplib.FTP):
    """An FTP client that is told how to become passive, and remembers the data ports."""

    def __init__(self, mode: str, timeout: float) -> None:
        super().__init__(timeout=timeout)
        self._mode = mode
        self.trust_server_pasv_ipv4_address = mode == "pasv-address"
        self.data_endpoints: list[str] = []

    def makepasv(self) -> tuple[str, int]:
        if self._mode == "epsv":
            assert self.sock is not None
            peer = self.sock.getpeername()
            host, port = ftplib.parse229(self.sendcmd("EPSV"), peer)
        else:
            if self.af == socket.AF_INET6:
                raise ftplib.Error("PASV knows IPv4 only")
            host, port = super().makepasv()
        self.data_endpoints.append(f"{host}:{port}")
        return host, port


def transfer(address: str, port: int, mode: str, login: tuple[str, str], size: int, timeout: float) -> str:
    """Store ``size`` random bytes, fetch them back, delete them; what to print. OSError or ftplib.Error otherwise."""
    content = os.urandom(size)
    fetched = bytearray()
    with _Client(mode, timeout) as client:
        client.connect(address, port)
        client.login(*login)
        name = f"transfer-{os.getpid()}.bin"
        client.storbinary(f"STOR {name}", io.BytesIO(content))
        client.retrbinary(f"RETR {name}", fetched.extend)
        client.delete(name)
        endpoints = ", ".join(client.data_endpoints)
    wanted, got = (hashlib.sha256(data).hexdigest() for data in (content, fetched))
    if wanted != got:
        raise ftplib.Error(f"content differs: {size} bytes {wanted} sent, {len(fetched)} bytes {got} received")
    return f"{mode}: passed, {size} bytes each way, data connections to {endpoints}, sha256 {got}"


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(description="Prove a passive FTP transfer.")
    parser.add_argument("address")
    parser.add_argument("port", type=int, nargs="?", default=21)
    parser.add_argument("--mode", choices=MODES, action="append", help="may be repeated; default epsv and pasv")
    parser.add_argument("--size", type=int, default=65536, help="bytes, default 65536")
    parser.add_argument("--timeout", type=float, default=5, help="seconds for each step, default 5")
    parser.add_argument("--user", default="playout")
    parser.add_argument("--password", default="playout")
    options = parser.parse_args(arguments)
    failed = False
    for mode in options.mode or ("epsv", "pasv"):
        login = (options.user, options.password)
        try:
            print(transfer(options.address, options.port, mode, login, options.size, options.timeout), flush=True)
        except (OSError, EOFError, ftplib.Error) as error:
            failed = True
            print(f"{mode}: failed: {error}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
