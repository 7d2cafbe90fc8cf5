# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long Ansible takes with the plan, and with every host's look at its own policy, as fleets grow.

    ANSIBLE_COLLECTIONS_PATH=.build/collections python tests/bench/bench_ansible.py --sizes 100 1000

Servers and clients in systems of ten. No host is contacted. "plan" is a run of the plan module alone; "all" one task
that looks up the policies of all hosts; "task" an ordinary task on every host, which is Ansible's own cost and by far
the largest; "lookup" the same with the host's policy looked up in it. The last columns are what our part costs for each
host, in milliseconds of CPU: a number that grows with the fleet would be worse than linear.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import yaml

PLAN = {"playout.firewall.plan": {}, "run_once": True}
NOTHING = [{"ansible.builtin.meta": "noop"}]
EVERY = "query('playout.firewall.policy', *groups.all) | length == groups.all | length"
LOOKUP = "lookup('playout.firewall.policy').host == inventory_hostname"


class Cost(t.NamedTuple):
    """Seconds of the clock, and of all CPUs together."""

    wall: float
    cpu: float


def inventory(size: int) -> dict[str, t.Any]:
    """Three map servers and seven clients in each system of ten."""
    groups: dict[str, dict[str, t.Any]] = {"viz_world_server": {}, "viz_world_client": {}}
    for number in range(size):
        system, place = divmod(number, 10)
        address = ".".join(str(byte) for byte in (10 << 24 | number).to_bytes(4, "big"))
        group = groups["viz_world_server" if place < 3 else "viz_world_client"]
        group[f"host{number:05}"] = {"ansible_host": address, "playout_system": f"system{system:04}"}
    return {name: {"hosts": hosts} for name, hosts in groups.items()}


def play(*tasks: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """A play on all hosts."""
    return [{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]


def tell(that: str) -> dict[str, t.Any]:
    """A task on every host that runs on the controller."""
    return {"ansible.builtin.assert": {"that": that, "quiet": True}}


BOOKS = {
    "empty": play(*NOTHING),
    "plan": play(PLAN),
    "all": play(PLAN, {**tell(EVERY), "run_once": True}),
    "task": play(PLAN, tell("inventory_hostname in groups.all")),
    "lookup": play(PLAN, tell(LOOKUP)),
}


def run(directory: Path, book: str, forks: int) -> Cost:
    """Run a playbook, which must succeed."""
    (directory / f"{book}.yml").write_text(yaml.safe_dump(BOOKS[book]), encoding="utf-8")
    files = ["-i", str(directory / "hosts.yml"), str(directory / f"{book}.yml")]
    command = [sys.executable, "-m", "ansible", "playbook", "--forks", str(forks), *files]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**os.environ, "ANSIBLE_HOME": str(directory)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    after, end = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    return Cost(end - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(size: int, forks: int) -> list[str]:
    """Return one line of the table as its cells."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "hosts.yml").write_text(yaml.safe_dump(inventory(size)), encoding="utf-8")
        costs = {book: run(directory, book, forks) for book in BOOKS}
    plan = costs["plan"].cpu - costs["empty"].cpu
    lookup = costs["all"].cpu - costs["plan"].cpu
    cells = [f"{seconds:.1f}" for cost in costs.values() for seconds in cost]
    return [str(size), *cells, f"{1000 * plan / size:.1f}", f"{1000 * lookup / size:.1f}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000], help="numbers of hosts")
    parser.add_argument("--forks", type=int, default=2, help="Ansible's forks")
    arguments = parser.parse_args()
    columns = ["hosts", *(f"{book} {what}" for book in BOOKS for what in ("s", "cpu")), "ms/plan", "ms/lookup"]
    print("".join(f"{column:>12}" for column in columns))
    for size in sorted(arguments.sizes):
        print("".join(f"{cell:>12}" for cell in measure(size, arguments.forks)), flush=True)


if __name__ == "__main__":
    main()
