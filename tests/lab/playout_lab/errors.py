# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab says when it cannot do something."""

from __future__ import annotations


class LabError(Exception):
    """Something that the person at the keyboard can put right; the message says how."""
