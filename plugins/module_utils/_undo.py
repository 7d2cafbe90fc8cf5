# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back to the old rules as files that need nothing but a shell: who goes it may know nothing of us any more."""

from __future__ import annotations

import os
import shlex
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._backend import Undo

SCRIPT = "undo"
LOG = "undo.log"


def write(undos: t.Sequence[Undo], directory: str) -> None:
    """Write a script that goes all these ways, one after the other, and fails when one of them did.

    It is run in that directory by ``sh undo``.
    """
    lines = ["failed=0"]
    for number, undo in enumerate(undos):
        name = f"{SCRIPT}-{number}"
        write_private(os.path.join(directory, name), undo.text)
        lines.append(f"{shlex.join([*undo.command, name])} || failed=1")
    write_private(os.path.join(directory, SCRIPT), "\n".join([*lines, "exit $failed", ""]))


def write_private(path: str, text: str) -> None:
    """Write a new file that only its owner may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
