# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the test stages one after the other, whatever becomes of each, and sum up what passed, failed and was skipped.

Usage: ``run_tests.py [lint]``. A linter counts as one test, pytest's tests are counted one by one. A stage tells
what it left out on lines that begin with SKIPPED. Each stage's whole output is kept in ``.build/logs``.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

import interpreters

CHECKOUT = Path(__file__).resolve().parent.parent
LOGS = CHECKOUT / ".build" / "logs"
SHOWN_OF_A_FAILURE = 300  # lines


@dataclass(frozen=True)
class Stage:
    name: str
    command: tuple[str, ...]
    seconds: int
    counted: bool = False  # by pytest, in a JUnit file


@dataclass
class Outcome:
    name: str
    passed: int = 0
    failed: int = 0
    seconds: float = 0.0
    skips: list[str] = field(default_factory=list)
    skipped: int = 0


def python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


# Tests with packets mostly wait for packets that must not come.
SIDE_BY_SIDE = ("-n", "4", "--dist", "loadgroup")

LINT = (
    Stage("ruff-check", python("-m", "ruff", "check", "."), 120),
    Stage("ruff-format", python("-m", "ruff", "format", "--check", "--diff", "."), 120),
    Stage("mypy", python("-m", "mypy"), 300),
    Stage("yamllint", python("-m", "yamllint", "--strict", "."), 120),
    Stage("ansible-lint", python("-m", "ansiblelint", "--offline", "--profile", "production"), 600),
)
TESTS = (
    Stage("sanity", python("tools/sanity.py"), 1200),
    Stage("unit", python("-m", "pytest", "tests/unit"), 900, counted=True),
    Stage("lab", python("-m", "pytest", "tests/lab", *SIDE_BY_SIDE), 2400, counted=True),
    Stage("lab-as-user", python("tools/as_user.py", "tests/lab", *SIDE_BY_SIDE), 2400, counted=True),
    Stage("systemd", python("-m", "pytest", "tests/systemd", *SIDE_BY_SIDE), 1500, counted=True),
    Stage("browser", python("-m", "pytest", "tests/browser"), 600, counted=True),
)


def main(arguments: list[str]) -> int:
    LOGS.mkdir(parents=True, exist_ok=True)
    # Ended from outside, it still ends what it started: see the end of execute().
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(128 + signal.SIGTERM))
    if arguments == ["lint"]:
        outcomes = [run(stage) for stage in LINT]
    else:
        outcomes = [run(stage) for stage in (*LINT, *TESTS)] + other_end()
    return report(outcomes)


def other_end() -> list[Outcome]:
    """Run what depends on them once more with Python and ansible-core at the other end of what is supported.

    Python 3.11 has ansible-core 2.19 as its last, the newer ones have the current ansible-core.
    """
    wanted = ("3.11",) if sys.version_info >= (3, 12) else ("3.14", "3.13", "3.12")
    found = [(version, interpreter) for version in wanted if (interpreter := interpreters.find(version))]
    if not found:
        skip = f"sanity and unit on Python {' or '.join(wanted)}: not installed"
        return [Outcome("other-python", skipped=1, skips=[skip])]
    version, interpreter = found[0]
    venv = f".venv-python{version}"
    prepare = f"env -u CORE PYTHON={shlex.quote(str(interpreter))} tools/venv.sh {venv}"

    def there(*arguments: str) -> tuple[str, ...]:
        return ("sh", "-c", f'{prepare} && exec {venv}/bin/python "$@"', "sh", *arguments)

    return [
        run(Stage(f"sanity-python{version}", there("tools/sanity.py"), 1200)),
        run(Stage(f"unit-python{version}", there("-m", "pytest", "tests/unit"), 1200, counted=True)),
    ]


def run(stage: Stage) -> Outcome:
    """Run one stage within its time, print one line about it, and its output if it failed."""
    print(f"{stage.name:<20}", end=" ", flush=True)
    log, counts = LOGS / f"{stage.name}.log", LOGS / f"{stage.name}.xml"
    counts.unlink(missing_ok=True)
    command = [*stage.command, f"--junitxml={counts}"] if stage.counted else list(stage.command)
    started = time.monotonic()
    status = execute(command, log, stage.seconds)
    outcome = Outcome(stage.name, seconds=time.monotonic() - started)
    text = log.read_text(errors="replace")
    outcome.skips = [line.removeprefix("SKIPPED ") for line in text.splitlines() if line.startswith("SKIPPED ")]
    if stage.counted and counts.exists():
        count(counts, outcome)
    else:
        outcome.skipped = len(outcome.skips)
    if status and not outcome.failed:
        outcome.failed = 1
    elif not status and not stage.counted:
        outcome.passed = 1
    print(f"{'FAILED' if outcome.failed else 'ok':<7}{outcome.seconds:6.1f} s", flush=True)
    if outcome.failed:
        print("\n".join(text.splitlines()[-SHOWN_OF_A_FAILURE:]))
        print(f"({stage.name} ended with {status}; all of its output: {log.relative_to(CHECKOUT)})", flush=True)
    return outcome


def execute(command: list[str], log: Path, seconds: int) -> int:
    """Return the exit status; a command that outlasts its time is ended together with what it started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=os.environ | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            output.write(f"\nended after {seconds} seconds\n".encode())
            return 124
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def count(counts: Path, outcome: Outcome) -> None:
    for suite in ET.parse(counts).getroot().iter("testsuite"):
        number = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
        outcome.failed += number["failures"] + number["errors"]
        outcome.skipped += number["skipped"]
        outcome.passed += number["tests"] - number["failures"] - number["errors"] - number["skipped"]


def report(outcomes: list[Outcome]) -> int:
    print(f"\n{'stage':<20} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for outcome in outcomes:
        print(
            f"{outcome.name:<20} {outcome.passed:>7} {outcome.failed:>7} {outcome.skipped:>8} {outcome.seconds:>8.1f}"
        )
    skips = [f"  {outcome.name}: {skip}" for outcome in outcomes for skip in outcome.skips]
    print("\n".join(["", "Skipped:", *(skips or ["  nothing"]), ""]))
    passed, failed, skipped = (
        sum(getattr(outcome, key) for outcome in outcomes) for key in ("passed", "failed", "skipped")
    )
    print(f"total: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
