# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the checkout: what git knows or would add."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def names() -> list[str]:
    """List the files that are there, relative to the checkout."""
    # Root may test a checkout that belongs to somebody else: listing its files is harmless.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    return [name for name in filter(None, listing.split("\0")) if (CHECKOUT / name).exists()]


def copy(name: str, target: Path) -> None:
    """Copy one file below a directory."""
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(CHECKOUT / name, target / name, follow_symlinks=False)
