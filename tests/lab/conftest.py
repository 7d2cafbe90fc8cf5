# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all tests that need the lab."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

# The lab is a program first: its modules live beside it.
sys.path.insert(0, str(Path(__file__).parent))

from playout_lab.running import PROGRAM, RunningLab, running

LabFactory: TypeAlias = Callable[[Path | str | Mapping[str, Any]], AbstractContextManager[RunningLab]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the backends of one file be tested side by side, each on a lab of its own, where tests run side by side."""
    for item in items:
        backend = getattr(item, "callspec", None) and item.callspec.params.get("backend", "")
        item.add_marker(pytest.mark.xdist_group(f"{item.path.name} {backend or ''}"))


@pytest.fixture(scope="session")
def lab_possible() -> None:
    """Skip, with the reason, where this machine cannot have a lab."""
    tried = subprocess.run([sys.executable, str(PROGRAM), "check"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no lab on this machine: {tried.stderr.strip()}")


@pytest.fixture(scope="session")
def lab(lab_possible: None, tmp_path_factory: pytest.TempPathFactory) -> LabFactory:
    """``with lab(lab_file_or_mapping) as it:`` builds a lab; see playout_lab.running.RunningLab."""
    del lab_possible

    @contextmanager
    def build(description: Path | str | Mapping[str, Any]) -> Iterator[RunningLab]:
        if isinstance(description, Mapping):
            file = tmp_path_factory.mktemp("lab") / "lab.yml"
            file.write_text(yaml.safe_dump(dict(description)), encoding="utf-8")
        else:
            file = Path(description)
        with running(file) as it:
            yield it

    return build
