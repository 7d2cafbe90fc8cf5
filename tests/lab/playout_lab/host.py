# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of the lab: the first process of its own pid, network, mount, host name and IPC namespaces.

It does what an init does: keeps the namespaces, takes in orphans, starts what listens. Killing it kills everything that
runs in the host.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from . import files, kernel, managers, network, registry
from .errors import LabError
from .ftp_server import FtpService
from .listeners import Listeners
from .ports import Ports, parse_ports
from .topology import Host, Topology

_START_SECONDS = 30


class _Service(Protocol):
    def serve(self) -> None: ...


@dataclass(frozen=True)
class Surroundings:
    """What every host of one lab is made with."""

    directory: Path
    base: Path
    ftp_library: dict[str, ModuleType]


def start_all(topology: Topology, surroundings: Surroundings) -> None:
    """Start every host, wire them together, and return when all of them are configured and listen."""
    channels: dict[str, socket.socket] = {}
    pids: dict[str, int] = {}
    for host in topology.hosts:
        channels[host.name], theirs = socket.socketpair()
        pids[host.name] = _fork_into_pid_namespace(_HostProcess(host, surroundings, theirs).run)
        theirs.close()
    _await(channels, "namespaces")
    network.wire(topology, pids)
    for channel in channels.values():
        channel.sendall(b"wired")
    _await(channels, "ready")


def _await(channels: dict[str, socket.socket], expected: str) -> None:
    problems = []
    for name, channel in channels.items():
        channel.settimeout(_START_SECONDS)
        try:
            said = channel.recv(65536).decode()
        except TimeoutError:
            said = f"not {expected} within {_START_SECONDS} seconds"
        if said != expected:
            problems.append(f"{name}: {said or 'its process ended'}")
    if problems:
        raise LabError("\n".join(problems))


def _fork_into_pid_namespace(body: Callable[[], None]) -> int:
    """Run ``body`` as the first process of a new pid namespace; its number as seen from here."""
    kernel.unshare(kernel.CLONE_NEWPID)
    try:
        return _fork(body)
    finally:
        kernel.leave_child_pid_namespace()


def _fork(body: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        body()
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        # Never unwind into the parent's code.
        os._exit(status)


class _HostProcess:
    """What runs in a host's first process."""

    def __init__(self, host: Host, surroundings: Surroundings, parent: socket.socket) -> None:
        self._host = host
        self._surroundings = surroundings
        self._parent = parent
        self._listener_pid: int | None = None

    def run(self) -> None:
        kernel.die_with_parent(signal.SIGKILL)
        # The terminal's Ctrl-C is for the command that uses the lab.
        os.setsid()
        try:
            server = self._configure()
        except (LabError, OSError) as error:
            self._parent.sendall(str(error).encode())
            return
        self._parent.sendall(b"ready")
        self._parent.close()
        self._answer_for_ever(server)

    def _configure(self) -> socket.socket:
        host, surroundings = self._host, self._surroundings
        server = registry.announce(surroundings.directory, host.name)
        kernel.unshare(kernel.CLONE_NEWNET | kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC)
        self._parent.sendall(b"namespaces")
        if self._parent.recv(65536) != b"wired":
            raise LabError("the lab ended while it was being built")
        socket.sethostname(host.name)
        files.make_private(surroundings.base, host.name, managed=host.firewall is not None)
        network.configure(host)
        # Orphans of the host end up here: the kernel buries them when their parent does not care.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if ftp := host.ftp:
            self._start(lambda: FtpService(ftp, surroundings.ftp_library), server)
        self._listen(host.listeners, server)
        if host.firewall:
            self._manage("prepare", server)
        return server

    def _answer_for_ever(self, server: socket.socket) -> None:
        while True:
            client, _address = server.accept()
            with client:
                try:
                    request = registry.read_request(client)
                    if request is not None:
                        self._do(request, server)
                        registry.answer(client, "done")
                except (LabError, ValueError, KeyError) as error:
                    registry.answer(client, str(error))
                except OSError:
                    continue

    def _do(self, request: dict[str, Any], server: socket.socket) -> None:
        if "firewall" in request:
            self._manage(request["firewall"], server)
        else:
            self._listen(parse_ports(request["listen"]), server)

    def _manage(self, action: str, server: socket.socket) -> None:
        """Prepare, start, stop or restart the manager of this host's firewall."""
        name = self._host.firewall
        if name is None:
            raise LabError("it has no firewall of its own: write 'firewall' in the lab file")
        self._start(lambda: managers.act(name, action), server)

    def _listen(self, ports: Ports, server: socket.socket) -> None:
        """Listen on these ports and no others of earlier requests."""
        if self._listener_pid is not None:
            _end(self._listener_pid)
            self._listener_pid = None
        if ports.tcp or ports.udp:
            taken = frozenset({self._host.ftp.port} if self._host.ftp else ())
            self._listener_pid = self._start(lambda: Listeners(self._host.name, ports, taken), server)

    def _start(self, make: Callable[[], _Service | None], server: socket.socket) -> int:
        """Run a service, if ``make`` makes one, in a process of its own; return its number once it is bound."""
        receiver, sender = socket.socketpair()

        def body() -> None:
            receiver.close()
            server.close()
            # Programs that it starts want to know how their own children ended, and to be told to stop.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            try:
                service = make()
            except LabError as error:
                sender.sendall(str(error).encode())
                return
            sender.sendall(b"bound")
            sender.close()
            if service is not None:
                service.serve()

        pid = _fork(body)
        sender.close()
        with receiver:
            receiver.settimeout(_START_SECONDS)
            said = receiver.recv(65536).decode()
        if said != "bound":
            raise LabError(said or "a service ended while it was being started")
        return pid


def _end(pid: int) -> None:
    """Kill a child and wait until its sockets are free."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], _START_SECONDS)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
