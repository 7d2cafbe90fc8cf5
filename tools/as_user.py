# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run pytest as an ordinary user, on a copy of the checkout that belongs to it. Only root can.

Usage: ``as_user.py PYTEST-ARGUMENTS``. What hinders it is printed on a line that begins with SKIPPED.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import files

NOBODY = 65534
BECOME = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
SYSTEM_PYTHON = "/usr/bin/python3"
# Of pytest's arguments the one that names a file of root's.
COUNTS = "--junitxml="
# Root's own directories, which an ordinary user's programs must not be pointed at.
NOT_HANDED_ON = (
    "HOME",
    "ANSIBLE_HOME",
    "ANSIBLE_COLLECTIONS_PATH",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "USER",
    "LOGNAME",
)


def main(arguments: list[str]) -> int:
    if os.geteuid() != 0:
        print("SKIPPED the same tests as another user: they ran as an ordinary user already")
        return 0
    python = open_python()
    if python is None:
        print(
            f"SKIPPED the same tests as an ordinary user: neither {sys.executable} nor {SYSTEM_PYTHON} is open to all"
        )
        return 0
    with tempfile.TemporaryDirectory(prefix="playout-user-") as directory:
        copy = prepare(Path(directory))
        kept = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON}
        home = copy.parent / "home"
        # The user's own home, of which Ansible thinks by itself, does not exist.
        own = {"HOME": str(home), "ANSIBLE_REMOTE_TMP": str(home / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
        counts = copy.parent / "counts.xml"
        told = [f"{COUNTS}{counts}" if argument.startswith(COUNTS) else argument for argument in arguments]
        command = [*BECOME, python, "-m", "pytest", *told]
        status = subprocess.run(command, cwd=copy, env={**kept, **own}, check=False).returncode
        for argument in arguments:
            if argument.startswith(COUNTS) and counts.exists():
                shutil.copyfile(counts, argument.removeprefix(COUNTS))
        return status


def open_python() -> str | None:
    """Find a Python with pytest that an ordinary user may run, made of the system's where root's own is closed."""
    if may_run(sys.executable):
        return sys.executable
    venv = files.CHECKOUT / ".venv-user"
    environment = {**os.environ, "PYTHON": SYSTEM_PYTHON}
    subprocess.run([files.CHECKOUT / "tools" / "venv.sh", venv.name], env=environment, capture_output=True, check=False)
    python = str(venv / "bin" / "python")
    return python if may_run(python) else None


def may_run(python: str) -> bool:
    # By way of a shell: what becomes another user keeps root's rights until it has started something.
    command = [*BECOME, "sh", "-c", '"$0" -c "import pytest"', python]
    return subprocess.run(command, capture_output=True, cwd="/", check=False).returncode == 0


def prepare(directory: Path) -> Path:
    """Copy the checkout and give it, and a home, to the user."""
    copy = directory / "checkout"
    for name in files.names():
        files.copy(name, copy)
    packages = files.CHECKOUT / ".build" / "packages"
    if packages.is_dir():
        shutil.copytree(packages, copy / ".build" / "packages", symlinks=True)
    link = copy / ".build" / "collections" / "ansible_collections" / "playout" / "firewall"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../../..")
    (directory / "home").mkdir()
    for path in (directory, *directory.rglob("*")):
        os.lchown(path, NOBODY, NOBODY)
    return copy


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
