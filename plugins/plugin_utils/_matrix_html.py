# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix as one HTML file to read, print and sign: no scripts, and nothing that is fetched from elsewhere."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from html import escape
from string import hexdigits

from ansible_collections.playout.firewall.plugins.plugin_utils._flows import OWN_ROLE
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
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_rows import (
    PlanData,
    Row,
    is_nowhere,
    spell_ports,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_style import SHEET, STYLE

_COLUMNS = ("Listener", "Service", "Ports", "Initiators", "Seen as", "Direction", "Status", "Enforced at", "Source")
_TAGS = {"planned": "good", OWN_ROLE: "care", "not published": "plain", "local": "plain"}
_MOST = 6

Lines = t.Iterator[str]


@dataclass
class _Lists:
    """Long lists: cut where they occur, and written out once at the end of the page."""

    numbers: dict[tuple[str, ...], int] = field(default_factory=dict)

    def cell(self, entries: t.Sequence[str]) -> str:
        """Return a list as HTML, cut with a count and a reference where it is long."""
        if len(entries) <= _MOST:
            return ", ".join(map(escape, entries))
        number = self.numbers.setdefault(tuple(entries), len(self.numbers) + 1)
        first = ", ".join(map(escape, entries[: _MOST - 2]))
        return f'{first} … <a href="#list-{number}">{len(entries)} in all, list {number}</a>'

    def section(self) -> Lines:
        """Yield every list that was cut."""
        if self.numbers:
            yield "<h2>Lists</h2>"
        for entries, number in self.numbers.items():
            yield f'<p id="list-{number}"><b>List {number}</b>: {", ".join(map(escape, entries))}</p>'


def render_html(plan: PlanData) -> str:
    """Return the whole page as one self-contained HTML file."""
    page, lists = make_page(plan), _Lists()
    digest = "".join(character for character in page.digest if character in hexdigits)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        # The browser itself sees to it that the page runs nothing and fetches nothing.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{TITLE}</title>",
        f"<style>{STYLE}{SHEET % digest}</style>",
        "</head>",
        "<body>",
        *_head(page),
        *_matrix(page, lists),
        *_points(page, lists),
        *lists.section(),
        *_sources(page),
        *_signatures(page),
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _head(page: Page) -> Lines:
    yield f"<h1>{TITLE}</h1>"
    yield f'<p class="soft">Plan <code>{escape(page.digest)}</code></p>'
    counts = "".join(f"<li><b>{number}</b> {what}</li>" for what, number in page.counts)
    yield f'<ul class="counts">{counts}</ul>'
    for title, kind, entries in (("Warnings", "box warning", page.warnings), ("Before you sign", "box", page.notes)):
        if entries:
            items = "".join(f"<li>{escape(entry)}</li>" for entry in entries)
            yield f'<section class="{kind}"><h2>{title}</h2><ul>{items}</ul></section>'


def _matrix(page: Page, lists: _Lists) -> Lines:
    yield "<h2>Who may reach whom</h2>"
    yield '<div class="wide"><table id="matrix">'
    yield _header(_COLUMNS)
    for group in page.groups:
        yield f'<tbody><tr><th colspan="{len(_COLUMNS)}" scope="rowgroup">{escape(group.title)}</th></tr>'
        for row in group.rows:
            yield f'<tr class="row">{"".join(_cells(row, page, lists))}</tr>'
        yield "</tbody>"
    yield "</table></div>"


def _cells(row: Row, page: Page, lists: _Lists) -> Lines:
    own = [] if row["listener_addresses"] == [row["listener"]] else row["listener_addresses"]
    outside = f'<div class="small">outside: <span class="mono">{lists.cell(row["outside"])}</span></div>'
    yield (
        f'<td><b>{escape(row["listener"])}</b><div class="small soft">{escape(row["listener_role"])}</div>'
        f'<div class="mono">{lists.cell(own)}</div>{outside if row["outside"] else ""}</td>'
    )
    mandatory = ' <span class="tag plain">mandatory</span>' if row["mandatory"] else ""
    yield f'<td><b>{escape(row["service"])}</b>{mandatory}<div class="small">{escape(row["purpose"])}</div></td>'
    yield f'<td class="ports">{escape(spell_ports(row["protocol"], row["ports"]))}</td>'
    yield f'<td>{lists.cell(row["initiators"])}<div class="small soft">{escape(row["initiator_role"])}</div></td>'
    yield f'<td class="mono">{lists.cell(row["seen_as"])}</td>'
    reading = f'<div><span class="tag care">reading: {escape(row["reading"])}</span></div>' if row["reading"] else ""
    yield f"<td>{_tag(row['direction'], 'care' if row['direction'] == 'inferred' else 'plain')}{reading}</td>"
    yield f"<td>{_tag(row['status'], _TAGS[row['status']])}</td>"
    at = lists.cell(row["enforced_at"])
    yield f"<td>{_tag('nowhere', 'bad') if is_nowhere(row) else at}</td>"
    reference = page.reference(row["source"])
    number = reference.strip("[]")
    yield (
        f'<td><a href="#source-{number}">{reference}</a></td>' if number.isdigit() else f"<td>{escape(reference)}</td>"
    )


def _tag(text: str, kind: str) -> str:
    return f'<span class="tag {kind}">{escape(text)}</span>'


def _points(page: Page, lists: _Lists) -> Lines:
    yield f"<h2>Enforcement points</h2><p>{MODES}</p>"
    for point in page.points:
        yield from _point(point, lists)
    if page.idle:
        yield f"<p>Nothing is opened or governed at {escape(', '.join(page.idle))}.</p>"


def _point(point: Point, lists: _Lists) -> Lines:
    yield f'<section class="point"><h3>{escape(point.name)}</h3><p>{escape(point.mode)}.</p>'
    tables = (("Rules", RULE_COLUMNS, point.rules), ("Forwards", FORWARD_COLUMNS, point.forwards))
    for title, columns, rows in tables:
        if rows:
            yield f'<p class="small soft">{title}</p><div class="wide"><table>{_header(columns)}<tbody>'
            for row in rows:
                yield f"<tr>{''.join(f'<td>{lists.cell(cell)}</td>' for cell in row)}</tr>"
            yield "</tbody></table></div>"
    if point.remarks:
        yield f"<ul>{''.join(f'<li>{escape(remark)}</li>' for remark in point.remarks)}</ul>"
    yield "</section>"


def _header(columns: t.Iterable[str]) -> str:
    cells = "".join(f'<th scope="col">{column}</th>' for column in columns)
    return f"<thead><tr>{cells}</tr></thead>"


def _sources(page: Page) -> Lines:
    yield "<h2>Sources</h2>"
    yield (
        "<p><b>stated</b>: the document says who connects to whom. <b>inferred</b>: it names the port, and the "
        "direction was concluded from what the port is for.</p>"
    )
    used = {row["reading"] for group in page.groups for row in group.rows if row["reading"]}
    readings = "".join(f"<li><b>{name}</b>: {text}</li>" for name, text in READINGS.items() if name in used)
    if readings:
        yield f"<p>Where a document contradicts itself, a row names the reading that it follows:</p><ul>{readings}</ul>"
    for document in page.documents:
        yield f'<section class="document"><h3>{escape(document.title)}</h3>'
        # A user's own catalogue may hold any text here; only what a browser opens as a page becomes a link.
        if document.url and document.url.startswith(("https://", "http://")):
            yield f'<p><a href="{escape(document.url)}">{escape(document.url)}</a></p>'
        yield "<ul>"
        for entry in document.statements:
            yield f'<li id="source-{entry.number}">[{entry.number}] {escape(entry.place)}</li>'
        yield "</ul></section>"


def _signatures(page: Page) -> Lines:
    yield '<section class="signing"><h2>Signatures</h2>'
    yield f"<p>For the security team, on the plan <code>{escape(page.digest)}</code>:</p>"
    empty = f"<tr>{'<td></td>' * len(SIGNATURE)}</tr>"
    yield f'<table class="signatures">{_header(SIGNATURE)}<tbody>{empty * 2}</tbody></table></section>'
