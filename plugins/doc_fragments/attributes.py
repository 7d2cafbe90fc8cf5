# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection says about itself in the same words."""

from __future__ import annotations


class ModuleDocFragment:
    """Describes each attribute; a module adds how far it supports it."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode), writes nothing then, and returns what a real run would.
  diff_mode:
    description: Returns what has changed, or would change in C(check_mode), when run with C(--diff).
  idempotent:
    description: Run a second time with the same arguments and on the same state, it changes nothing.
  platform:
    description: The operating systems on which it can run.
"""
