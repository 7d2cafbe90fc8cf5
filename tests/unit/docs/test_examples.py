# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation shows is so: its inventories plan, what it says they become is computed, its links lead on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import _FILE as FILE
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._inventory_reader import NUMBERING_SUFFIXES, VARIABLES
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import InventoryError
from ansible_collections.playout.firewall.plugins.plugin_utils._schema import Schema
from ansible_collections.playout.firewall.tests.unit.docs import pages, service_tables

WORKED = sorted(pages.ROOT.glob("inventories/*/hosts.yml"))
# What else begins like a variable of the fleet.
OTHER_WORDS = {
    "playout_plan_dest",
    "playout_plan_formats",
    "playout_firewall",
    "playout_beside",
    "playout_listeners",
    "playout_reachability",
}


def name(page: Path) -> str:
    return str(page.relative_to(pages.ROOT))


@pytest.mark.parametrize("page", pages.PAGES, ids=name)
def test_inventories_on_a_page_plan_or_have_the_problems_that_the_page_shows(page: Path, tmp_path: Path) -> None:
    for source, has_problems in pages.inventories(page, tmp_path):
        if has_problems:
            with pytest.raises(InventoryError):
                pages.plan_inventory(source)
        else:
            assert pages.plan_inventory(source).flows


def test_inventories_on_pages_are_found(tmp_path: Path) -> None:
    assert len(list(pages.inventories(pages.ROOT / "docs" / "inventory.md", tmp_path))) > 7


@pytest.mark.parametrize("source", WORKED, ids=name)
def test_a_worked_inventory_plans(source: Path) -> None:
    assert pages.plan_inventory(source).flows


@pytest.mark.parametrize("page", [page for page in pages.PAGES if "<!-- computed:" in page.read_text()], ids=name)
def test_what_a_page_says_is_what_is_computed(page: Path, tmp_path: Path, golden) -> None:
    golden(page, pages.computed(page, tmp_path, {**pages.KINDS, **service_tables.KINDS}))


@pytest.mark.parametrize("page", pages.PAGES, ids=name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL))
    for target in targets:
        path, _hash, anchor = target.partition("#")
        if "://" in target:
            continue
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{name(page)}: {target}"
        if anchor:
            assert anchor in anchors(found), f"{name(page)}: {target}"


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages.PAGES, ids=name)
def test_variables_on_a_page_exist(page: Path) -> None:
    catalogue = load_catalogue()
    known = VARIABLES | OTHER_WORDS | catalogue.role_ids
    words = set(re.findall(r"\bplayout_[a-z_]+[a-z]\b", page.read_text(encoding="utf-8")))
    unknown = {word for word in words - known if not word.startswith("playout_networks_")}
    assert not unknown, f"{name(page)}: {unknown}"


def test_every_variable_is_explained() -> None:
    text = (pages.ROOT / "docs" / "inventory.md").read_text(encoding="utf-8")
    catalogue = load_catalogue()
    numbered = [product.id for product in catalogue.products.values() if product.numbering]
    needed = {*VARIABLES, *(f"{product}{suffix}" for product in numbered for suffix in NUMBERING_SUFFIXES)}
    needed |= catalogue.role_ids
    assert not {word for word in needed if f"`{word}`" not in text}


def test_every_field_of_a_catalogue_file_is_explained() -> None:
    text = (pages.ROOT / "docs" / "own-products.md").read_text(encoding="utf-8")
    assert not {field for field in fields(FILE) if f"`{field}`" not in text}


def fields(schema: Schema) -> set[str]:
    """Return the names of all fields of a schema, those of its parts included."""
    own = {field for field in schema if field != "*"}
    return own.union(*(fields(field.schema) for field in schema.values() if field.schema))
