# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The molecule scenarios pass from create to destroy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
MOLECULE = Path(sys.executable).with_name("molecule")

pytestmark = pytest.mark.lab


@pytest.mark.usefixtures("lab_possible")
def test_scenarios_pass(tmp_path: Path) -> None:
    if not MOLECULE.exists():
        pytest.skip("molecule is not installed beside this Python: pip install -r tests/requirements.txt")
    path = f"{MOLECULE.parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path), "NO_COLOR": "1"}

    done = subprocess.run(
        [MOLECULE, "test", "--all"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
