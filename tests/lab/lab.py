# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: network namespaces as hosts, for the demo, for molecule and for the packet tests.

    python tests/lab/lab.py run LAB.yml [--listeners FILE] -- COMMAND ...
    python tests/lab/lab.py up LAB.yml      and later   ... down
    python tests/lab/lab.py exec HOST -- COMMAND ...
    python tests/lab/lab.py listen FILE
    python tests/lab/lab.py firewall HOST start|stop|restart
    python tests/lab/lab.py list
    python tests/lab/lab.py check

Works for root and, in a user namespace, for everybody else. --directory or PLAYOUT_LAB_DIR tells the lab's directory.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from playout_lab import life, machine, ports, registry
from playout_lab.errors import LabError
from playout_lab.topology import Topology, load_topology


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        result: int = options.function(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return result


def _run(options: argparse.Namespace) -> int:
    topology = load_topology(options.file)
    return life.run(topology, options.command, options.directory, _listeners(options, topology))


def _up(options: argparse.Namespace) -> int:
    topology = load_topology(options.file)
    directory = _directory(options)
    life.start(topology, directory, _listeners(options, topology))
    print(f"{life.VARIABLE}={directory}")
    return 0


def _down(options: argparse.Namespace) -> int:
    life.stop(_directory(options))
    return 0


def _exec(options: argparse.Namespace) -> int:
    machine.find_programs()
    argv = registry.command_in(_directory(options), options.host, options.command)
    os.execvp(argv[0], argv)


def _listen(options: argparse.Namespace) -> int:
    directory = _directory(options)
    wanted = ports.load_listeners(options.file)
    _check_hosts(wanted, registry.names(directory), str(options.file))
    for name, value in wanted.items():
        registry.ask(directory, name, {"listen": value})
    return 0


def _firewall(options: argparse.Namespace) -> int:
    registry.ask(_directory(options), options.host, {"firewall": options.action})
    return 0


def _check(options: argparse.Namespace) -> int:
    return life.run(Topology((), ()), ["true"], options.directory, {})


def _list(options: argparse.Namespace) -> int:
    for name in registry.names(_directory(options)):
        print(name)
    return 0


def _listeners(options: argparse.Namespace, topology: Topology) -> dict[str, object]:
    if options.listeners is None:
        return {}
    wanted = ports.load_listeners(options.listeners)
    _check_hosts(wanted, [host.name for host in topology.hosts], str(options.listeners))
    return wanted


def _check_hosts(wanted: dict[str, object], known: list[str], origin: str) -> None:
    if unknown := sorted(set(wanted) - set(known)):
        raise LabError(f"{origin}: no such host: {', '.join(unknown)}; known are: {', '.join(known) or 'none'}")


def _directory(options: argparse.Namespace) -> Path:
    return options.directory or Path(os.environ.get(life.VARIABLE, registry.DEFAULT_DIRECTORY))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab.py", description="Network namespaces as hosts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(function=function)
        command.add_argument("--directory", type=Path, help="where the lab is known; default PLAYOUT_LAB_DIR")
        return command

    run = add("run", _run, "Build a lab, run a command in it, take the lab away.")
    up = add("up", _up, "Build a lab that stays until 'down'.")
    for command in (run, up):
        command.add_argument("file", type=Path, metavar="LAB.yml")
        command.add_argument("--listeners", type=Path, metavar="FILE", help="JSON: host -> {tcp: [...], udp: [...]}")
    run.add_argument("command", nargs="+", metavar="COMMAND")
    add("down", _down, "End the lab that 'up' built.")
    execute = add("exec", _exec, "Run a command in a host.")
    execute.add_argument("host", metavar="HOST")
    execute.add_argument("command", nargs="+", metavar="COMMAND")
    listen = add("listen", _listen, "Have the named hosts of a running lab listen on these ports and no others.")
    listen.add_argument("file", type=Path, metavar="FILE")
    firewall = add("firewall", _firewall, "Start, stop or restart the manager of a host's firewall.")
    firewall.add_argument("host", metavar="HOST")
    firewall.add_argument("action", choices=("start", "stop", "restart"))
    add("check", _check, "Tell whether this machine can have a lab, and what would help if not.")
    add("list", _list, "Print the names of the hosts.")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
