# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``ansible-test sanity`` without containers, on a copy of the tree placed where ansible-test wants it.

Everything that it installs stays below ``.build``. What cannot be tested on this machine is printed on lines
that begin with SKIPPED.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import files
import interpreters
from ansible_test._internal.constants import SUPPORTED_PYTHON_VERSIONS
from ansible_test._internal.python_requirements import get_venv_packages

BUILD = files.CHECKOUT / ".build" / "sanity"
COPY = BUILD / "ansible_collections" / "playout" / "firewall"
HOME = BUILD / "home"


def main() -> int:
    copy_tree()
    prepare_home()
    return run_sanity()


def copy_tree() -> None:
    """Copy what git knows or would add: a link to the checkout would be resolved by ansible-test."""
    shutil.rmtree(COPY, ignore_errors=True)
    powershell = shutil.which("pwsh")
    for name in files.names():
        if name.endswith(".ps1") and not powershell:
            print(f"SKIPPED {name}: ansible-test reads PowerShell files with pwsh, which is not installed")
        else:
            files.copy(name, COPY)
    # A repository of its own, else ansible-test asks the one around it, which ignores this place.
    subprocess.run(["git", "init", "--quiet"], cwd=COPY, check=True)


def prepare_home() -> None:
    """Give ansible-test a home of its own, with pip's settings and cache and a start for pip.

    ansible-test starts pip in its virtual environments with a script that it would download; Python brings the
    same start with it.
    """
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    pip_versions = {get_venv_packages(SimpleNamespace(version=version))["pip"] for version in SUPPORTED_PYTHON_VERSIONS}
    for version in pip_versions:
        script = cache / f"get_pip_{version.replace('.', '_')}.py"
        script.write_text("import ensurepip\n\nensurepip.bootstrap()\n")
    for name in (".config/pip", ".cache/pip"):
        link, real = HOME / name, Path.home() / name
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        if real.exists():
            link.symlink_to(real)


def run_sanity() -> int:
    ansible_test = Path(sys.executable).parent / "ansible-test"
    command = [str(ansible_test), "sanity", "--color", "no", "--controller", "origin:python=default"]
    path = [str(ansible_test.parent)]
    for version in SUPPORTED_PYTHON_VERSIONS:
        interpreter = interpreters.find(version)
        if interpreter:
            command += ["--target-python", f"{version}@{interpreter}"]
            path.append(str(interpreter.parent))  # its virtual environments are made by name
        else:
            print(f"SKIPPED compile and import on Python {version}: it is not installed")
    sys.stdout.flush()
    environment = os.environ | {"HOME": str(HOME), "PATH": os.pathsep.join([*path, os.environ["PATH"]])}
    process = subprocess.Popen(
        command,
        cwd=COPY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        unable = re.match(r"WARNING: (Skipping .*|Required program .*)", line)
        print(f"SKIPPED {unable[1]}" if unable else line.rstrip(), flush=True)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
