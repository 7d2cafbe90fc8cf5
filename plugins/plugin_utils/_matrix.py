# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix that a security team signs: a plan written for people and for their tools."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_csv import render_csv
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_html import render_html
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_markdown import render_markdown
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_rows import PlanData, Row, rows
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_table import table

__all__ = ["EXTENSIONS", "FORMATS", "PlanData", "Row", "render", "rows", "table"]

EXTENSIONS = {"json": "json", "csv": "csv", "markdown": "md", "html": "html"}
FORMATS = tuple(EXTENSIONS)


def render_json(plan: PlanData) -> str:
    """Return the whole plan as JSON: what every other format can be made from again."""
    return json.dumps(plan, indent=2, ensure_ascii=False) + "\n"


_RENDERERS: dict[str, t.Callable[[PlanData], str]] = {
    "json": render_json,
    "csv": render_csv,
    "markdown": render_markdown,
    "html": render_html,
}


def render(plan: PlanData, form: str) -> str:
    """Write a plan (what ``Plan.to_dict`` returned, or a saved plan.json holds) in one of ``FORMATS``.

    The same plan gives the same text, byte for byte.

    :raises ValueError: for an unknown format.
    """
    if form not in _RENDERERS:
        raise ValueError(f"'{form}' is not a format of the matrix: write {', '.join(FORMATS)}")
    return _RENDERERS[form](plan)
