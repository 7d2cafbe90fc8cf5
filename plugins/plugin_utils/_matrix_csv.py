# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix as CSV: every field of every row, nothing cut, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_rows import PlanData, Row, rows

# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def render_csv(plan: PlanData) -> str:
    """Return the matrix as CSV with a header line; lists are joined by a comma and a space."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = list(Row.__annotations__)
    writer.writerow(columns)
    for row in rows(plan):
        values: t.Mapping[str, t.Any] = row
        writer.writerow([safe_cell(values[column]) for column in columns])
    return text.getvalue()


def safe_cell(value: t.Any) -> str:
    """Spell a value so that no spreadsheet takes it for a formula: such a text gets an apostrophe in front."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text
