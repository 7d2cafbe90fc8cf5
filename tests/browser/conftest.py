# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser, driven by its command line: Debian's package ``chromium``."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Browser:
    """Opens pages, each time with an empty profile."""

    program: str
    scratch: Path

    def open(self, page: Path, *options: str, width: int = 1400) -> tuple[str, str]:
        """Open a page; return what the browser printed and what the page's console received."""
        command = [
            self.program,
            "--headless",
            # These pages are our own; inside a container the browser's sandbox cannot be had.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--enable-logging=stderr",
            "--hide-scrollbars",
            f"--user-data-dir={self.scratch / 'profile'}",
            f"--window-size={width},1000",
            *options,
            page.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return done.stdout, "\n".join(console)


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """Return a browser, or skip and say what is missing."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed (Debian: apt-get install chromium)")
    return Browser(program, tmp_path)
