# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema checker: every fault is reported with its path, none hides another."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._schema import Field, check

SCHEMA = {
    "title": Field("text", True),
    "colour": Field("text", choices=("red", "blue")),
    "size": Field("number"),
    "open": Field("flag"),
    "default": Field("word"),
    "names": Field("texts"),
    "inner": Field("mapping", schema={"*": Field("mapping", schema={"title": Field("text", True)})}),
    "items": Field("mappings", schema={"size": Field("number", True)}),
}


def faults(value: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    check(value, SCHEMA, "", lambda path, message: found.append((path, message)))
    return found


def test_what_fits_has_no_fault() -> None:
    value = {
        "title": "a",
        "colour": "red",
        "size": 1,
        "open": False,
        "default": "exists",
        "names": ["a", "b"],
        "inner": {"any": {"title": "b"}},
        "items": [{"size": 2}],
    }
    assert faults(value) == []
    assert faults({"title": "a", "default": True}) == []


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"title": ""}, "title"),
        ({"title": 5}, "title"),
        ({"colour": "green"}, "colour"),
        ({"size": "5"}, "size"),
        ({"size": True}, "size"),
        ({"size": 5.0}, "size"),
        ({"open": 1}, "open"),
        ({"default": 1}, "default"),
        ({"names": "a"}, "names"),
        ({"names": []}, "names"),
        ({"names": ["a", 1]}, "names[1]"),
        ({"inner": []}, "inner"),
        ({"inner": {"any": None}}, "inner.any"),
        ({"inner": {"any": {}}}, "inner.any.title"),
        ({"inner": {5: {"title": "b"}}}, "inner.5"),
        ({"items": [{"size": 1}, {}]}, "items[1].size"),
        ({"items": [{"size": 1, "hight": 2}]}, "items[0].hight"),
        ({"tittle": "a"}, "tittle"),
    ],
)
def test_a_fault_has_its_path(more: dict[str, Any], path: str) -> None:
    assert [where for where, _message in faults({"title": "a", **more})] == [path]


def test_every_fault_is_reported() -> None:
    found = faults({"colour": "green", "size": "5"})
    assert sorted(path for path, _message in found) == ["colour", "size", "title"]


@pytest.mark.parametrize("value", [None, [], "text"])
def test_a_file_that_is_no_mapping_is_a_fault(value: Any) -> None:
    assert faults(value) == [("", f"a mapping is needed, not {value!r}")]


def test_a_message_says_what_is_known() -> None:
    assert faults({"title": "a", "colour": "green"}) == [("colour", "'green' is not one of red, blue")]
    assert "colour, default" in faults({"title": "a", "kolour": "red"})[0][1]
