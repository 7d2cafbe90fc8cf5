# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenarios: each document of tests/golden/plan, in YAML, says what becomes of an inventory: the specification."""

from __future__ import annotations

import re
import textwrap
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import TABLES, describe

GOLDEN = Path(__file__).parents[3] / "golden" / "plan"
FILES = sorted(GOLDEN.glob("*.txt"))
EXPECT = re.compile(r"^expect: \|\n(?:(?:  .*)?\n)*", re.MULTILINE)
KEYS = {"title", "inventory", "show", "expect"}


def documents(text: str) -> t.Iterator[str]:
    """Split a file at its document markers and keep them, so that the joined documents are the file."""
    return (f"---\n{part}" for part in re.split(r"^---\n", text, flags=re.MULTILINE)[1:])


def computed(document: str) -> str:
    """Return a document with what is expected written anew."""
    scenario = yaml.safe_load(document)
    assert scenario.keys() == KEYS or scenario.keys() == KEYS - {"show"}, scenario["title"]
    tables = str(scenario.get("show", "flows rules forwards")).split()
    assert set(tables) <= set(TABLES), scenario["title"]
    found = describe(scenario["inventory"], tables) or "nothing\n"
    block = "expect: |\n" + "".join(map(wrapped, found.splitlines()))
    new, count = EXPECT.subn(lambda _match: block, document)
    assert count == 1, scenario["title"]
    return new


def wrapped(line: str) -> str:
    """Return a line as one or more of the block, none too long to be read."""
    options: dict[str, t.Any] = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(line, 118, initial_indent="  ", subsequent_indent="      ", **options) + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_inventory_becomes_exactly_what_its_scenario_says(path: Path, golden: t.Any) -> None:
    golden(path, "".join(map(computed, documents(path.read_text(encoding="utf-8")))))


def test_there_are_scenarios_and_each_has_its_own_title() -> None:
    titles = [yaml.safe_load(document)["title"] for path in FILES for document in documents(path.read_text())]
    assert len(titles) > 80
    assert len(set(titles)) == len(titles)
