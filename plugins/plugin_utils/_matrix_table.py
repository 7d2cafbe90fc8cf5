# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix as plain text for a terminal."""

from __future__ import annotations

import textwrap
import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._flows import OWN_ROLE
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_page import Page, make_page
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_rows import (
    PLANNED_ONLY,
    PlanData,
    Row,
    names_planned_only,
    spell_ports,
)

NARROWEST = 120

_GAP = "  "
# Column: its least and its greatest width.
_COLUMNS = {
    "LISTENER": (10, 24),
    "PORTS": (15, 19),
    "SERVICE": (16, 28),
    "INITIATORS": (12, 34),
    "SEEN AS": (15, 34),
    "OUTSIDE": (21, 28),
    "ENFORCED AT": (13, 24),
}
_FLAGS = {
    "M": "mandatory",
    "I": "inferred direction",
    "S": "the site's own",
    "F": "reading: formula",
    "E": "reading: example",
    "U": "reading: union",
    "*": "planned only",
}

Cell = t.Sequence[str]


def table(plan: PlanData, width: int = 140) -> str:
    """Return the matrix as aligned columns, one group for each product and site, no line longer than ``width``.

    Lists that do not fit end with a count of what is left out. The columns need 120 characters, whatever ``width``.
    """
    page, width = make_page(plan), max(width, NARROWEST)
    grid = [[_cells(row) for row in group.rows] for group in page.groups]
    widths = _widths([cells for rows in grid for cells in rows], width - len(_GAP) - len("MIE"))
    lines = []
    for group, rows in zip(page.groups, grid, strict=True):
        lines += [group.title, _line([[name] for name in _COLUMNS], widths, "")]
        for row, cells in zip(group.rows, rows, strict=True):
            lines.append(_line(cells, widths, _flags(row), row["initiator_role"]))
        lines.append("")
    for line in _legend(page):
        lines += textwrap.wrap(line, width, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> list[Cell]:
    where = map(_starred, row["enforced_at"]) if row["status"] in ("planned", OWN_ROLE) else [row["status"]]
    ports = spell_ports(row["protocol"], row["ports"])
    return [
        [row["listener"]],
        [ports],
        [row["service"]],
        row["initiators"],
        row["seen_as"],
        row["outside"],
        list(where),
    ]


def _starred(point: str) -> str:
    """Mark a planned-only point in front, where a narrow column does not cut it off."""
    return f"*{point.removesuffix(PLANNED_ONLY)}" if point.endswith(PLANNED_ONLY) else point


def _flags(row: Row) -> str:
    own, inferred = row["status"] == OWN_ROLE, row["direction"] == "inferred"
    return (
        ("M" if row["mandatory"] else "")
        + ("S" if own else "")
        + ("I" if inferred else "")
        + row["reading"][:1].upper()
    )


def _widths(grid: t.Sequence[t.Sequence[Cell]], room: int) -> list[int]:
    """Make each column as wide as its longest cell, within its bounds, then narrow the widest until the line fits.

    A column without any content gets no width.
    """
    widths = []
    for place, (name, (_least, most)) in enumerate(_COLUMNS.items()):
        longest = max((len(", ".join(cells[place])) for cells in grid), default=0)
        widths.append(min(max(longest, len(name)), most) if longest else 0)
    least = [min(bounds[0], natural) for bounds, natural in zip(_COLUMNS.values(), widths, strict=True)]
    room -= len(_GAP) * (len(widths) - 1)
    while sum(widths) > room:
        place = max(range(len(widths)), key=lambda index: widths[index] - least[index])
        widths[place] -= 1
    return widths


def _line(cells: t.Sequence[Cell], widths: t.Sequence[int], flags: str, role: str = "") -> str:
    kinds = [role if name == "INITIATORS" else "" for name in _COLUMNS]
    fitted = [
        fit(cell, width, kind).ljust(width) for cell, width, kind in zip(cells, widths, kinds, strict=True) if width
    ]
    return _GAP.join([*fitted, flags]).rstrip()


def fit(items: Cell, width: int, kind: str = "") -> str:
    """Join as many items as fit, then say how many more there are; a single one too long ends with an ellipsis.

    Items of a named kind that do not all fit are counted instead: ``14 viz_world_client``.
    """
    whole = ", ".join(items)
    if len(whole) <= width:
        return whole
    if kind and len(items) > 1:
        return fit([f"{len(items)} {kind}"], width)
    for count in range(len(items) - 1, 0, -1):
        cut = f"{', '.join(items[:count])} +{len(items) - count}"
        if len(cut) <= width:
            return cut
    rest = f" +{len(items) - 1}" if len(items) > 1 else ""
    return items[0][: width - len(rest) - 1] + "…" + rest


def _legend(page: Page) -> t.Iterator[str]:
    rows = [row for group in page.groups for row in group.rows]
    used = {flag for row in rows for flag in _flags(row) + "*" * names_planned_only(row)}
    if used:
        yield "; ".join(f"{flag} {meaning}" for flag, meaning in _FLAGS.items() if flag in used)
    yield from page.notes
    yield from (f"Warning: {warning}" for warning in page.warnings)
    yield ", ".join(f"{number} {what}" for what, number in page.counts)
