# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on the page that a security team signs, whatever it is written in.

Nothing here depends on when or where it is made: the same plan always gives the same page.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from itertools import groupby

from ansible_collections.playout.firewall.plugins.plugin_utils._flows import OWN_ROLE
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_remarks import remarks, spell_family, spell_mode
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_rows import (
    Data,
    PlanData,
    Row,
    is_nowhere,
    is_planned_only,
    names_planned_only,
    natural,
    rests_on_plan,
    rows,
    spell_ports,
)

TITLE = "Playout firewall matrix"
SIGNATURE = ("Name", "Date", "Signature")
READINGS = {
    "formula": "as the document's table and formulas say",
    "example": "as the document's worked example says",
    "union": "named by one passage only and opened so that every reading works",
}
RULE_COLUMNS = ("Direction", "Family", "Ports", "From", "To", "Services")
FORWARD_COLUMNS = ("Arrives at", "Ports", "Goes to", "Ports there", "Services")

Cells = tuple[t.Sequence[str], ...]


@dataclass(frozen=True)
class Group:
    """The rows of one product at one site."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Point:
    """One enforcement point: rules and forwards as rows of cells (a cell is a list of texts), the rest as sentences.

    ``mode``: how strictly it is ruled, and on which platform.
    """

    name: str
    mode: str
    rules: tuple[Cells, ...]
    forwards: tuple[Cells, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """One place of a document on which rows rest, with the number by which they refer to it."""

    number: int
    place: str
    source: str


@dataclass(frozen=True)
class Document:
    """A source document and its statements."""

    title: str
    url: str | None
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Page:
    """The whole page. ``idle``: enforcement points at which the plan opens and governs nothing."""

    digest: str
    counts: tuple[tuple[str, int], ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    groups: tuple[Group, ...]
    points: tuple[Point, ...]
    idle: tuple[str, ...]
    documents: tuple[Document, ...]

    def reference(self, source: str) -> str:
        """Return ``[3]`` for a statement of a document, or the source itself when it is none."""
        numbers = {entry.source: entry.number for document in self.documents for entry in document.statements}
        return f"[{numbers[source]}]" if source in numbers else source


def make_page(plan: PlanData) -> Page:
    """Gather the page of a plan (what ``Plan.to_dict`` returned)."""
    found = rows(plan)
    points = [_point(plan["policies"][name], plan["hosts"][name]) for name in sorted(plan["policies"], key=natural)]
    busy = [point for point in points if point.rules or point.forwards or point.remarks]
    return Page(
        digest=plan["digest"],
        counts=tuple(_counts(plan, len(found))),
        warnings=tuple(plan["warnings"]),
        notes=tuple(_notes(found)),
        groups=tuple(_groups(found)),
        points=tuple(busy),
        idle=tuple(point.name for point in points if point not in busy),
        documents=tuple(_documents(plan["products"])),
    )


def _counts(plan: PlanData, row_count: int) -> t.Iterator[tuple[str, int]]:
    counts = plan["counts"]
    planned_only = sum(is_planned_only(plan["hosts"][name]) for name in plan["policies"])
    yield "hosts", counts["hosts"]
    yield f"enforcement points{f' ({planned_only} planned only)' if planned_only else ''}", counts["enforcement_points"]
    yield "planned flows", counts["flows"]
    yield "rows of the matrix", row_count
    yield "rules", counts["rules"]
    yield "forwards", counts["forwards"]


def _notes(found: t.Sequence[Row]) -> t.Iterator[str]:
    """Yield what a signer should know before signing, each with the number of rows that it is about."""
    notes = (
        (is_nowhere, "planned and enforced nowhere: neither end and no gateway between them is ruled by this plan"),
        (
            rests_on_plan,
            "resting on planned-only points alone: nothing is enforced until somebody writes their rules there",
        ),
        (
            lambda row: row["direction"] == "inferred",
            "with an inferred direction: a document names the port, but does not say who connects to whom",
        ),
        (
            lambda row: bool(row["reading"]),
            "open because a document can be read in more than one way; each says which reading it follows",
        ),
        (
            lambda row: row["status"] == "not published",
            "not published: the listener stands behind a translating gateway that does not forward this service",
        ),
        (
            lambda row: row["status"] == OWN_ROLE,
            "of the site's own: let in by playout_allow of the inventory, asked for by no document",
        ),
        (lambda row: row["status"] == "local", "local: both ends are one machine, no rule is needed"),
    )
    for applies, text in notes:
        count = sum(map(applies, found))
        if count:
            yield f"{count} {'row' if count == 1 else 'rows'} {text}."
    if any(map(names_planned_only, found)):
        yield "A point marked as planned only has a platform to which this version writes nothing."


def _groups(found: t.Sequence[Row]) -> t.Iterator[Group]:
    for (product, site), members in groupby(found, key=lambda row: (row["product_title"], row["site"])):
        yield Group(
            f"{product}, listeners at site {site}" if site else f"{product}, listeners without a site", tuple(members)
        )


def _point(policy: Data, host: Data) -> Point:
    rules = tuple(
        (
            [rule["direction"]],
            [spell_family(rule["family"])],
            [spell_ports(rule["protocol"], rule["ports"])],
            rule["sources"] or ["this host"],
            rule["destinations"] or ["this host"],
            rule["services"],
        )
        for rule in policy["rules"]
    )
    forwards = tuple(
        (
            forward["external_addresses"] or ["its outside address"],
            [spell_ports(forward["protocol"], forward["external_ports"])],
            [forward["to_address"]],
            [", ".join(forward["to_ports"])],
            forward["services"],
        )
        for forward in policy["forwards"]
    )
    return Point(policy["host"], spell_mode(policy, host), rules, forwards, tuple(remarks(policy, host)))


def _documents(products: t.Sequence[Data]) -> t.Iterator[Document]:
    number = 0
    for product in products:
        for document in product["documents"]:
            statements = []
            for entry in document["statements"]:
                number += 1
                statements.append(Statement(number, entry["place"], entry["source"]))
            title = f"{product['title']}: {document['title']} ({document['edition']})"
            yield Document(title, document["url"], tuple(statements))
