# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of the documentation's page on the lab runs as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
# The tests' own Python may lie where hosts see no files.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
PAGE = (ROOT / "docs" / "lab.md").read_text(encoding="utf-8")
FIELDS = ("segments", "hosts", "interfaces", "routes", "forward", "masquerade", "listeners", "ftp", "firewall")


def test_the_example_of_the_page_runs(lab_possible: None, tmp_path: Path) -> None:
    del lab_possible
    files = re.findall(r"^```yaml\n# (\w+\.yml)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert [name for name, _text in files] == ["lab.yml", "inventory.yml", "test.yml"]
    for name, text in files:
        content = yaml.safe_load(text)
        if name == "inventory.yml":
            content["all"]["vars"]["ansible_python_interpreter"] = PYTHON
        (tmp_path / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    line = re.search(r"^\$ (python tests/lab/lab.py run .*)$", PAGE, re.MULTILINE)
    assert line
    words = shlex.split(line[1])
    command = [sys.executable, str(ROOT / words[1]), "run", "--directory", str(tmp_path / "lab"), *words[3:]]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 differ" in done.stdout
    assert "unreachable=0" in done.stdout


def test_the_page_explains_every_field_of_a_lab_file() -> None:
    from playout_lab.topology import _HOST_FIELDS

    assert set(FIELDS) >= _HOST_FIELDS
    assert not {field for field in FIELDS if f"| `{field}` |" not in PAGE}
