# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix as a Markdown page (with tables, as GitHub and GitLab show them)."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_page import (
    FORWARD_COLUMNS,
    READINGS,
    RULE_COLUMNS,
    SIGNATURE,
    TITLE,
    Page,
    Point,
    make_page,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_remarks import MODES
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_rows import PlanData, Row, spell_ports
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import listing

_COLUMNS = (
    "Listener",
    "From outside as",
    "Service",
    "Ports",
    "Initiators",
    "Seen as",
    "Mandatory",
    "Direction",
    "Status",
    "Enforced at",
    "Source",
)
_MOST = 8
# An underscore inside a word is no markup, and most names have one.
_MARKUP = re.compile(r"[\\|<>&*`\[\]~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^(?:[#+=-]|\d+[.)](?=\s))")


def render_markdown(plan: PlanData) -> str:
    """Return the whole page as Markdown; long lists of hosts and addresses are cut with a count."""
    page = make_page(plan)
    parts = [f"# {TITLE}", ", ".join(f"{number} {what}" for what, number in page.counts) + "."]
    parts += [f"Plan `{page.digest}`"]
    for title, entries in (("Warnings", page.warnings), ("Before you sign", page.notes)):
        if entries:
            parts += [f"## {title}", "\n".join(f"- {escape(entry)}" for entry in entries)]
    parts.append("## Who may reach whom")
    for group in page.groups:
        cells = [_cells(row, page) for row in group.rows]
        parts += [f"### {escape(group.title)}", _table(_COLUMNS, cells)]
    parts += ["## Enforcement points", MODES]
    for point in page.points:
        parts += list(_point(point))
    if page.idle:
        parts.append(f"Nothing is opened or governed at {escape(', '.join(page.idle))}.")
    parts += ["## Sources", *_sources(page)]
    parts += ["## Signatures", _table(SIGNATURE, [[""] * len(SIGNATURE)] * 2)]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Return a text that Markdown shows as it is, in a table's cell too."""
    return _MARKUP.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", " ".join(text.split()))


def _cells(row: Row, page: Page) -> list[str]:
    reading = f", {row['reading']}" if row["reading"] else ""
    return [
        _with_role(row["listener_role"], row["listener"], row["listener_addresses"]),
        listing(row["outside"], _MOST),
        f"{row['service']}: {row['purpose']}",
        spell_ports(row["protocol"], row["ports"]),
        _with_role(row["initiator_role"], listing(row["initiators"], _MOST)),
        listing(row["seen_as"], _MOST),
        "yes" if row["mandatory"] else "no",
        row["direction"] + reading,
        row["status"],
        ", ".join(row["enforced_at"]),
        page.reference(row["source"]),
    ]


def _with_role(role: str, name: str, addresses: t.Sequence[str] = ()) -> str:
    spelt = f"{name} ({', '.join(addresses)})" if addresses and list(addresses) != [name] else name
    return f"{role}: {spelt}" if role else spelt


def _table(columns: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    lines = [list(columns), ["---"] * len(columns), *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _point(point: Point) -> t.Iterator[str]:
    yield f"### {escape(point.name)}"
    yield f"{escape(point.mode)}."
    for columns, rows in ((RULE_COLUMNS, point.rules), (FORWARD_COLUMNS, point.forwards)):
        if rows:
            yield _table(columns, ([listing(cell, _MOST) for cell in row] for row in rows))
    if point.remarks:
        yield "\n".join(f"- {escape(remark)}" for remark in point.remarks)


def _sources(page: Page) -> t.Iterator[str]:
    for document in page.documents:
        title = escape(document.title)
        yield f"{title}, <{document.url}>" if document.url else title
        yield "\n".join(f"- [{entry.number}] {escape(entry.place)}" for entry in document.statements)
    used = {row["reading"] for group in page.groups for row in group.rows if row["reading"]}
    if used:
        yield "Readings, where a document contradicts itself:"
        yield "\n".join(f"- {name}: {text}" for name, text in READINGS.items() if name in used)
