# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What applying N rules on a Linux host costs, beside a ping, a loop over a module for each rule, and raw nft.

    python -m pip install --no-deps --target .build/bench ansible
    ANSIBLE_COLLECTIONS_PATH=.build/collections:.build/bench python tests/bench/bench_linux.py

Every play goes to a new lab host, facts off, pipelined, and runs twice: the second time there is nothing to change.
Beside each of our runs a play of nothing but ansible.builtin.ping is timed, so that both meet the same machine; the
quotients are medians over such pairs. CPU is user and system of everything, and the host's daemons are in it.

The rules are handed to us as a policy in the play, as the loops have theirs. Where the policy is that of the plan
instead, Ansible's controller has to plan first; that line is shown and not judged.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import yaml

# The lab is a program first: its modules live beside it.
sys.path.insert(0, str(Path(__file__).parents[1] / "lab"))

from playout_lab import registry
from playout_lab.running import RunningLab, running

HOST, ADDRESS = "server", "192.0.2.10"
CONNECTION = {
    "ansible_connection": "playout.firewall.netns",
    "ansible_python_interpreter": "/usr/bin/python3",
}
# What a user writes who lets the plan be made.
INVENTORY = {
    "viz_world_server": {"hosts": {HOST: {"ansible_host": ADDRESS}, "map2": {"ansible_host": "192.0.2.11"}}},
    "viz_world_client": {"hosts": {f"engine{n}": {"ansible_host": f"192.0.2.{30 + n}"} for n in range(1, 5)}},
}
PING = {"ansible.builtin.ping": {}}
DEBUG = {"ansible.builtin.debug": {"msg": "nobody is contacted"}}

# Backend -> the module that would be called for each rule instead.
LOOPS = {
    "nftables": "ansible.builtin.iptables",
    "iptables": "ansible.builtin.iptables",
    "ufw": "community.general.ufw",
    "firewalld": "ansible.posix.firewalld",
}
RICH_RULE = "rule family=ipv4 source address={{ item.source }} port port={{ item.port }} protocol=tcp accept"
CALLS: dict[str, dict[str, t.Any]] = {
    "ansible.builtin.iptables": {
        "chain": "INPUT",
        "protocol": "tcp",
        "source": "{{ item.source }}",
        "destination_port": "{{ item.port }}",
        "jump": "ACCEPT",
    },
    "community.general.ufw": {"rule": "allow", "proto": "tcp", "src": "{{ item.source }}", "port": "{{ item.port }}"},
    "ansible.posix.firewalld": {"rich_rule": RICH_RULE, "permanent": True, "immediate": True, "state": "enabled"},
}
# At most so many pings on nftables; the loop takes at least so many times as long as we do.
PINGS = 1.15
LOOP_GAIN = 3.0

Task = dict[str, t.Any]
Key = tuple[str, int]


class Cost(t.NamedTuple):
    """Seconds of the clock, and of all CPUs together."""

    wall: float
    cpu: float


class Trial(t.NamedTuple):
    """A first run, one that has nothing to change, and the pings before them."""

    first: Cost
    second: Cost
    pings: tuple[Cost, Cost] | None = None


class Line(t.NamedTuple):
    """What is timed for one line of the table, on a host with this firewall manager."""

    name: str
    size: int
    firewall: str
    work: t.Callable[[Bench], Trial]


def endpoints(size: int) -> list[tuple[str, int]]:
    """Return a source and a port for each rule."""
    return [(f"198.18.{number // 250}.{number % 250 + 1}", 2000 + number) for number in range(size)]


def policy(size: int) -> dict[str, t.Any]:
    """Return what the planner would say of a host with that many services."""
    rules = [
        {
            "id": f"in-ipv4-tcp-service{port}",
            "services": [f"service{port}"],
            "direction": "in",
            "family": "ipv4",
            "protocol": "tcp",
            "ports": [str(port)],
            "sources": [source],
            "destinations": [],
            "comment": f"service{port}",
        }
        for source, port in endpoints(size)
    ]
    return {"host": HOST, "rules": rules, "governed": {"in": {"tcp": [f"2000-{1999 + size}"]}}}


def ruleset(size: int) -> str:
    """Return the same by hand."""
    rules = "\n".join(f"ip saddr {source} tcp dport {port} accept" for source, port in endpoints(size))
    return f"table inet t {{\nchain c {{\ntype filter hook input priority 0;\n{rules}\n}}\n}}\n"


def loop(module: str, size: int) -> Task:
    """Return the task that calls a module for each rule."""
    return {module: CALLS[module], "loop": [{"source": source, "port": str(port)} for source, port in endpoints(size)]}


def ours(backend: str, size: int) -> Task:
    """Return the task that calls our module, with a policy of that size or with that of the plan."""
    given = {"policy": json.dumps(policy(size))} if size else {}
    return {"playout.firewall.linux_ruleset": {"backend": backend, **given}}


class Bench:
    """A lab host, and the directory of the one who runs plays on it."""

    def __init__(self, lab: RunningLab, directory: Path) -> None:
        self._lab = lab
        self._directory = directory

    def play(self, task: Task) -> Cost:
        """Time a play of one task."""
        book = self.write("play.yml", _written([{"hosts": HOST, "gather_facts": False, "tasks": [task]}]))
        hosts = self.write("hosts.yml", _written({"all": {"vars": CONNECTION, "children": INVENTORY}}))
        return self._time([sys.executable, "-m", "ansible", "playbook", "-i", hosts, book])

    def write(self, name: str, text: str) -> str:
        """Write a file beside the play and return its path."""
        path = self._directory / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def nft(self, text: str) -> Cost:
        """Time nft itself, in the host."""
        return self._time(registry.command_in(self._lab.directory, HOST, ["nft", "-f", "-"]), text)

    def _time(self, command: list[str], text: str = "") -> Cost:
        environment = {**os.environ, "ANSIBLE_HOME": str(self._directory), "PLAYOUT_LAB_DIR": str(self._lab.directory)}
        before, start = self._cpu(), time.perf_counter()
        done = subprocess.run(command, env=environment, input=text, capture_output=True, text=True, check=False)
        wall, cpu = time.perf_counter() - start, self._cpu() - before
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return Cost(wall, cpu)

    def _cpu(self) -> float:
        """Return what our children that have ended and the host's daemons have used."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        host = Path("/proc", str(registry.process(self._lab.directory, HOST)))
        namespace, ticks = os.readlink(host / "ns" / "pid"), 0
        for process in host.parent.glob("[0-9]*"):
            try:
                if os.readlink(process / "ns" / "pid") == namespace:
                    fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                    ticks += sum(int(field) for field in fields[11:15])
            except OSError:
                # It has ended.
                continue
        return used.ru_utime + used.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def _written(data: t.Any) -> str:
    return yaml.safe_dump(data, width=sys.maxsize)


def twice(task: Task) -> t.Callable[[Bench], Trial]:
    """Return the work of running a task twice."""
    return lambda bench: Trial(bench.play(task), bench.play(task))


def paired(task: Task) -> t.Callable[[Bench], Trial]:
    """Return the work of running a task twice, with a ping on either side."""

    def work(bench: Bench) -> Trial:
        ping = bench.play(PING)
        first, second = bench.play(task), bench.play(task)
        return Trial(first, second, (ping, bench.play(PING)))

    return work


def lines(sizes: t.Sequence[int], backends: t.Sequence[str], loops: t.Sequence[int]) -> t.Iterator[Line]:
    """Yield everything that is timed."""
    yield Line("debug", 0, "nftables", twice(DEBUG))
    yield Line("ping", 0, "nftables", twice(PING))
    for backend in backends:
        yield Line(f"{backend}, of the plan", 0, backend, paired(ours(backend, 0)))
    for size in sizes:
        text = ruleset(size)
        yield Line("nft -f", size, "nftables", lambda bench, text=text: Trial(bench.nft(text), bench.nft(text)))
        for backend in backends:
            yield Line(backend, size, backend, paired(ours(backend, size)))
        # Each module once, and iptables where it is at home.
        modules = {LOOPS[backend]: backend for backend in backends} if size in loops else {}
        for module, backend in modules.items():
            yield Line(module, size, backend, twice(loop(module, size)))


def timed(line: Line) -> Trial:
    """Do the work on a host that nobody has used."""
    interfaces = {"eth0": {"segment": "lan", "addresses": [f"{ADDRESS}/24"]}}
    host = {"interfaces": interfaces, "firewall": line.firewall}
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "lab.yml")
        file.write_text(yaml.safe_dump({"segments": ["lan"], "hosts": {HOST: host}}), encoding="utf-8")
        with running(file) as lab:
            return line.work(Bench(lab, Path(name)))


def row(key: Key, trials: t.Sequence[Trial], rival: float | None) -> list[str]:
    """Return one line of the table as its cells."""
    name, size = key
    cells = [name, str(size or "")]
    for run in (0, 1):
        cells += [f"{statistics.median(trial[run][part] for trial in trials):.2f}" for part in (0, 1)]
    if trials[0].pings is not None:
        cells += [f"{pings(trials, run):.2f}" for run in (0, 1)]
        cells += [f"{rival / statistics.median(trial.first.wall for trial in trials):.1f}"] if rival else []
    return cells


def pings(trials: t.Sequence[Trial], run: int) -> float:
    """Return how many pings a run takes."""
    return statistics.median(trial[run].wall / trial.pings[run].wall for trial in trials if trial.pings)


def table(results: t.Mapping[Key, t.Sequence[Trial]]) -> list[str]:
    """Return the lines of the table."""
    lines = [["", "rules", "1st s", "CPU s", "2nd s", "CPU s", "1st/ping", "2nd/ping", "loop/1st"]]
    for (name, size), trials in results.items():
        rivals = results.get((LOOPS.get(name, ""), size))
        lines.append(row((name, size), trials, rivals[0].first.wall if rivals else None))
    return ["".join([f"{line[0]:32}", *(f"{cell:>10}" for cell in line[1:])]) for line in lines]


def missed(results: t.Mapping[Key, t.Sequence[Trial]]) -> list[str]:
    """Return what is slower than it has to be."""
    slow = []
    for (name, size), trials in results.items():
        if name == "nftables":
            worst = max(pings(trials, run) for run in (0, 1))
            slow += [f"{name}, {size} rules: {worst:.2f} pings"] if worst > PINGS else []
        rivals = results.get((LOOPS.get(name, ""), size))
        if rivals:
            gain = rivals[0].first.wall / statistics.median(trial.first.wall for trial in trials)
            slow += [f"{name}, {size} rules: the loop takes only {gain:.1f} times as long"] if gain < LOOP_GAIN else []
    return slow


def main() -> None:
    """Print the table; end with an error where we are slower than we have to be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 100, 500], help="numbers of rules")
    parser.add_argument("--backends", nargs="+", choices=LOOPS, default=list(LOOPS))
    parser.add_argument("--loops", type=int, nargs="*", help="the sizes at which modules are looped over; default all")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything but the loops is timed")
    arguments = parser.parse_args()
    loops = arguments.sizes if arguments.loops is None else arguments.loops
    results: dict[Key, list[Trial]] = {}
    for number in range(arguments.rounds):
        for line in lines(arguments.sizes, arguments.backends, loops):
            # The loops take minutes; nothing is paired with them.
            if number == 0 or line.name not in LOOPS.values():
                results.setdefault(line[:2], []).append(timed(line))
    print("\n".join(table(results)), flush=True)
    if slow := missed(results):
        sys.exit("\n".join(["", "too slow:", *slow]))


if __name__ == "__main__":
    main()
