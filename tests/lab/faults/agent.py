# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host of the lab: the module, many times without a new Python each, killed where asked; and probes.

One request a line on stdin, one answer a line on stdout:

    {"start": {arguments}, "environment": {...},
     "kill_before": 3, "victim": "module" or "worker"}               the number of the run
    {"wait": number}                                                 {"signal", "result", "steps"}
    {"probe": [[address, port, seconds], ...]}                       whether each is open

A step is what a module does to files, or a program that it starts; they are counted from 1. The victim is the module's
own process, whoever makes the step, or the process that makes it.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / ".build" / "collections"))

from ansible.module_utils import basic
from ansible_collections.playout.firewall.plugins.module_utils import _lock
from ansible_collections.playout.firewall.plugins.modules import linux_ruleset, linux_ruleset_any

RUN = Path("/run/faults")
_WATCHED = ("/etc/", "/run/", "/var/lib/")
# An empty directory more or less is no state of its own.
_CHANGES = ("os.rename", "os.link", "os.remove", "os.symlink", "os.mkdir")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class _Steps:
    """Counts what this process and its worker change, and kills one of them before a certain change."""

    def __init__(self, log: int, kill_before: int, victim: str) -> None:
        self._log = log
        self._left = kill_before
        self._victim = os.getpid() if victim == "module" else 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        what = _change(event, arguments)
        if not what:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(self._victim or os.getpid(), signal.SIGKILL)
        os.write(self._log, " ".join(f"{event} {what}".split()).encode() + b"\n")


def _change(event: str, arguments: tuple[Any, ...]) -> str:
    """What an event of Python's is about to change, or the program that it is about to start; else nothing."""
    if event == "subprocess.Popen":
        return " ".join(map(str, arguments[1]))
    if event not in _CHANGES and not (event == "open" and (arguments[2] or 0) & _WRITING):
        return ""
    path = str(arguments[0])
    is_void = event == "os.remove" and not os.path.lexists(path)
    return path if path.startswith(_WATCHED) and not is_void else ""


def _start(request: dict[str, Any]) -> int:
    number = os.fork()
    if number:
        return number
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = {kind: os.open(RUN / f"{os.getpid()}.{kind}", flags, 0o600) for kind in ("out", "err", "steps")}
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.dup2(files["out"], 1)
    os.dup2(files["err"], 2)
    os.environ.update(request.get("environment", {}))
    (RUN / "module").write_text(str(os.getpid()), encoding="ascii")
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": request["start"]}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    if "patience" in request:
        _lock.exclusive = functools.partial(_lock.exclusive, seconds=request["patience"])
    sys.addaudithook(_Steps(files["steps"], request.get("kill_before", 0), request.get("victim", "module")))
    try:
        (linux_ruleset if request["start"]["backend"] == "nftables" else linux_ruleset_any).main()
    except SystemExit:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(0)


def _wait(number: int) -> dict[str, Any]:
    _pid, status = os.waitpid(number, 0)
    out, err, steps = ((RUN / f"{number}.{kind}").read_text(encoding="utf-8") for kind in ("out", "err", "steps"))
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    try:
        result = json.loads(out)
    except ValueError:
        result = None
    if result is None and not ended_by:
        result = {"failed": True, "msg": f"no result: {out}{err}"}
    return {"signal": ended_by, "result": result, "steps": steps.splitlines()}


def _open(address: str, port: int, seconds: float) -> bool:
    """Whether somebody greets: all listeners of the lab do, and sshd."""
    try:
        with socket.create_connection((address, port), seconds) as client:
            return bool(client.recv(100))
    except OSError:
        return False


def _answer(request: dict[str, Any]) -> Any:
    if "start" in request:
        return _start(request)
    if "wait" in request:
        return _wait(request["wait"])
    with ThreadPoolExecutor(len(request["probe"])) as pool:
        return list(pool.map(lambda target: _open(*target), request["probe"]))


def main() -> None:
    RUN.mkdir(exist_ok=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
