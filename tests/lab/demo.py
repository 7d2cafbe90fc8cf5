# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole job on one machine: the demo inventory goes in, proven firewalls come out.

    python tests/lab/demo.py

Builds the lab of inventories/demo, plans, applies, verifies with packets, applies again, transfers a file by FTP
through two gateways, prints the matrix and the verdict, and takes everything away. What each stage printed is left
in .build/demo.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAB = Path(__file__).with_name("lab.py")
DEMO = ROOT / "inventories" / "demo"
OUTPUT = ROOT / ".build" / "demo"
INSIDE = "--inside"


class StageError(Exception):
    """A stage did not end as it should; the message says what was expected and where to read on."""


def main(arguments: list[str]) -> int:
    """Build the lab around this program, or run the stages where it is built; the exit code."""
    if INSIDE not in arguments:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(LAB), "run", str(DEMO / "lab.yml"), "--", sys.executable, __file__, INSIDE]
        return subprocess.run(command, check=False).returncode
    stages: list[tuple[str, Callable[[], str]]] = [
        ("plan the fleet", plan),
        ("start real listeners on every planned port", listen),
        ("verify before anything is ruled, which must fail", verify_open),
        ("apply", apply),
        ("verify with packets", verify),
        ("apply again, which must change nothing", apply_again),
        ("passive FTP from a player through two gateways", transfer),
        ("remove, which must leave nothing of ours", remove),
    ]
    try:
        for number, (name, stage) in enumerate(stages, 1):
            print(f"[{number}/{len(stages)}] {name} ...", flush=True)
            start = time.monotonic()
            print(f"      {stage()}  ({time.monotonic() - start:.1f} s)", flush=True)
    except StageError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    print("\n" + (OUTPUT / "matrix.txt").read_text(encoding="utf-8"))
    print((OUTPUT / "verdict.txt").read_text(encoding="utf-8"))
    print(f"All {len(stages)} stages ended as they should. The page to sign is {OUTPUT / 'matrix.html'}")
    return 0


def plan() -> str:
    text = playbook("plan", "-e", json.dumps({"playout_plan_dest": str(OUTPUT)}))
    counts = json.loads((OUTPUT / "plan.json").read_text(encoding="utf-8"))["counts"]
    (OUTPUT / "matrix.txt").write_text(printed_by(text, "Work out who must reach whom"), encoding="utf-8")
    return ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in counts.items())


def listen() -> str:
    wanted: dict[str, dict[str, list[str]]] = {}
    ftp = {("cms", "tcp", "21")}  # where the lab runs a real FTP server
    for flow in json.loads((OUTPUT / "plan.json").read_text(encoding="utf-8"))["flows"]:
        ports = [port for port in flow["ports"] if (flow["listener"], flow["protocol"], port) not in ftp]
        known = wanted.setdefault(flow["listener"], {}).setdefault(flow["protocol"], [])
        known += [port for port in ports if port not in known]
    file = OUTPUT / "listeners.json"
    file.write_text(json.dumps(wanted), encoding="utf-8")
    run("listen", [sys.executable, str(LAB), "listen", str(file)])
    return f"{len(wanted)} hosts listen"


def verify_open() -> str:
    text = playbook("verify", expect_failure=True, log="verify-before")
    return f"as it should be: {verdict_of(text)}"


def apply() -> str:
    return f"{changes(playbook('apply'))} hosts changed"


def verify() -> str:
    text = playbook("verify")
    (OUTPUT / "verdict.txt").write_text(printed_by(text, "Compare with the plan"), encoding="utf-8")
    return verdict_of(text)


def apply_again() -> str:
    changed = changes(playbook("apply", log="apply-again"))
    if changed:
        raise StageError(f"the second run changed {changed} hosts; see {OUTPUT / 'apply-again.log'}")
    return "changed=0"


def transfer() -> str:
    # By standard input: a lab host has a /tmp of its own, and this checkout may lie in the other one.
    client = ["/usr/bin/python3", "-", "203.0.113.10", "21"]
    program = Path(__file__).with_name("ftp_transfer.py").read_text(encoding="utf-8")
    text = run("ftp", [sys.executable, str(LAB), "exec", "player1", "--", *client], standard_input=program)
    return "; ".join(text.strip().splitlines())


def remove() -> str:
    playbook("remove")
    left = run("tables", [sys.executable, str(LAB), "exec", "gw_hq", "--", "nft", "list", "tables"]).split("\n")
    if any("playout" in table for table in left):
        raise StageError(f"tables of ours are left on gw_hq: {left}")
    if not any(left):
        raise StageError("the lab's own table on gw_hq is gone, and it was not ours to touch")
    return f"left on gw_hq as it was: {', '.join(filter(None, left))}"


def playbook(name: str, *more: str, expect_failure: bool = False, log: str | None = None) -> str:
    """Run one of our playbooks; what it printed."""
    command = ["ansible-playbook", "-i", str(DEMO / "hosts.yml"), f"playout.firewall.{name}", *more]
    return run(log or name, command, expect_failure)


def run(log: str, command: list[str], expect_failure: bool = False, standard_input: str = "") -> str:
    """Run a command, leave what it printed in a log file and return it."""
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "COLUMNS": "150"}
    done = subprocess.run(
        command,
        env=environment,
        input=standard_input,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    file = OUTPUT / f"{log}.log"
    file.write_text(done.stdout, encoding="utf-8")
    if (done.returncode != 0) is not expect_failure:
        what = "succeeded and should have failed" if expect_failure else f"ended with {done.returncode}"
        raise StageError(f"{' '.join(command)} {what}:\n{done.stdout[-4000:]}\nAll of it is in {file}")
    return done.stdout


def printed_by(text: str, task: str) -> str:
    """Cut out what a task printed: after its title, before the line of its first host."""
    body = text.split(f"TASK [{task}]", 1)[1].split("\n", 1)[1]
    return re.split(r"^(?:ok|changed): \[", body, maxsplit=1, flags=re.MULTILINE)[0]


def changes(text: str) -> int:
    """Count the hosts of a play recap that changed."""
    recap = text.split("PLAY RECAP", 1)[1]
    return sum(int(number) > 0 for number in re.findall(r"changed=(\d+)", recap))


def verdict_of(text: str) -> str:
    """Find the line in which verify sums up."""
    found = re.search(r"^\d+ as planned, .*$", text, re.MULTILINE)
    if found is None:
        raise StageError("verify gave no verdict")
    return found.group()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
