# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's life: the processes that build it, hold it, and take it away.

supervisor     in the caller's namespaces; passes signals on, removes the lab's directory
  controller   first process of the lab's pid namespace: when it ends, however it ends, everything in the lab ends
    hosts      each the first process of its own pid namespace
    command    what the lab was started for, or nothing
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from . import files, host, kernel, machine, registry
from .errors import LabError
from .ftp_server import load_library
from .topology import Topology

VARIABLE = "PLAYOUT_LAB_DIR"
_PREFIX = "playout-lab-"
_PASSED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
_DOWN_SECONDS = 30
# A command that is told to stop gets this long to clean up behind itself.
_GRACE_SECONDS = 10


def run(topology: Topology, command: Sequence[str], directory: Path | None, listeners: Mapping[str, Any]) -> int:
    """Build the lab, run ``command`` in it, take it away; the command's exit code.

    ``listeners`` replaces what the named hosts listen on.
    """
    machine.find_programs()
    return _live(_Plan(topology, command, _make_directory(directory), listeners, lambda: None))


def start(topology: Topology, directory: Path, listeners: Mapping[str, Any]) -> None:
    """Build a lab that stays in the background until ``stop``; what it says later goes to its directory's ``log``."""
    machine.find_programs()
    place = _make_directory(directory)
    receiver, sender = os.pipe()
    with open(place / "log", "w+", encoding="utf-8") as log, open(os.devnull, encoding="utf-8") as nothing:
        if os.fork() == 0:
            os.setsid()
            os.dup2(nothing.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            _live_in_background(_Plan(topology, (), place, listeners, lambda: os.write(sender, b"ready")))
        os.close(sender)
        # Not until the end of the pipe: the lab's processes have it open too.
        said = os.read(receiver, 5)
        os.close(receiver)
        if said != b"ready":
            log.seek(0)
            raise LabError(log.read().strip())


def stop(directory: Path) -> None:
    """End the lab of this directory; a directory that a killed lab left is removed."""
    if not directory.exists():
        raise LabError(f"{directory}: no lab")
    try:
        os.kill(registry.process(directory, registry.CONTROLLER), signal.SIGTERM)
    except LabError:
        shutil.rmtree(directory)
        return
    deadline = time.monotonic() + _DOWN_SECONDS
    while directory.exists():
        if time.monotonic() > deadline:
            raise LabError(f"{directory}: the lab did not end within {_DOWN_SECONDS} seconds")
        time.sleep(0.01)


def _make_directory(wanted: Path | None) -> Path:
    _sweep()
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
    if wanted.exists():
        if _lives(wanted):
            raise LabError(f"{wanted}: a lab runs there already; end it with: lab.py down --directory {wanted}")
        if any(wanted.iterdir()):
            shutil.rmtree(wanted)
    wanted.mkdir(parents=True, exist_ok=True)
    return wanted


def _sweep() -> None:
    """Remove what killed labs of this user left."""
    for left in Path("/tmp").glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            status = left.stat()
            # A lab that is just being built has no socket yet.
            aged = status.st_mtime < time.time() - 60
            if status.st_uid == os.geteuid() and aged and not _lives(left):
                shutil.rmtree(left, ignore_errors=True)


def _lives(directory: Path) -> bool:
    try:
        registry.process(directory, registry.CONTROLLER)
    except LabError:
        return False
    return True


@dataclass(frozen=True)
class _Plan:
    """What is built, where, and what for; ``ready`` is called once it stands."""

    topology: Topology
    command: Sequence[str]
    directory: Path
    listeners: Mapping[str, Any]
    ready: Callable[[], object]


def _live(plan: _Plan) -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON | {signal.SIGCHLD})
    try:
        machine.leave_pid_namespace()
        pid = os.fork()
        if pid == 0:
            _control(plan)
        return _supervise(pid)
    finally:
        shutil.rmtree(plan.directory, ignore_errors=True)


def _live_in_background(plan: _Plan) -> NoReturn:
    try:
        _live(plan)
    except LabError as error:
        print(error, file=sys.stderr, flush=True)
    finally:
        os._exit(1)


def _supervise(controller: int) -> int:
    """Pass signals on to the controller until it ends; its exit code."""
    while True:
        received = signal.sigwaitinfo(_PASSED_ON | {signal.SIGCHLD})
        if received.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(controller, os.WNOHANG)
            if pid:
                return _exit_code(status)
        elif received.si_pid:
            # From a process. What the terminal sends (si_pid 0) reaches the command without us.
            os.kill(controller, received.si_signo)


def _control(plan: _Plan) -> NoReturn:
    """Be the first process of the lab's pid namespace."""
    code = 1
    try:
        kernel.die_with_parent(signal.SIGKILL)
        machine.leave_network_and_mounts()
        kernel.let_owner_look()
        door = registry.announce(plan.directory, registry.CONTROLLER)
        library = load_library() if any(each.ftp for each in plan.topology.hosts) else {}
        base = files.prepare_base(plan.directory, managed=any(each.firewall for each in plan.topology.hosts))
        host.start_all(plan.topology, host.Surroundings(plan.directory, base, library))
        for name, ports in plan.listeners.items():
            registry.ask(plan.directory, name, {"listen": ports})
        threading.Thread(target=_let_in, args=(door,), daemon=True).start()
        plan.ready()
        code = _hold(_spawn(plan.command, plan.directory) if plan.command else None)
    except (LabError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _let_in(door: socket.socket) -> None:
    """Take in who only wants to know who answers: a queue that is full would block the next one."""
    while True:
        door.accept()[0].close()


def _spawn(command: Sequence[str], directory: Path) -> int:
    environment = {**os.environ, VARIABLE: str(directory)}
    try:
        return os.posix_spawnp(command[0], list(command), environment, setsigmask=[])
    except OSError as error:
        raise LabError(f"{command[0]}: {error.strerror}") from error


def _hold(command: int | None) -> int:
    """Keep the lab until the command ends or, without one, until a signal tells it to end; the exit code."""
    told = 0
    while True:
        received = signal.sigtimedwait(_PASSED_ON | {signal.SIGCHLD}, _GRACE_SECONDS)
        if received is None:
            if told:
                return 128 + told
        elif received.si_signo == signal.SIGCHLD:
            # Also buries the orphans that end up with a first process.
            code = _bury(command)
            if code is not None:
                return code
        elif command is None:
            return 0
        elif received.si_pid or received.si_code == 0:
            told = received.si_signo
            os.kill(command, received.si_signo)


def _bury(command: int | None) -> int | None:
    """Wait for every child that has ended; the command's exit code if it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == command:
            code = _exit_code(status)


def _exit_code(status: int) -> int:
    """As a shell tells it: 128 and the signal's number for what a signal ended."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code
