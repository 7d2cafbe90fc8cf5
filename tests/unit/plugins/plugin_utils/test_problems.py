# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems: all of them, each once, in words."""

from __future__ import annotations

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import (
    InventoryError,
    Problem,
    Problems,
    listing,
)


def test_a_problem_names_host_variable_value_and_way_out() -> None:
    assert str(Problem("cms", "playout_site", "write a name", 5)) == "cms: playout_site = 5: write a name"
    assert str(Problem("", "", "no host has a role")) == "no host has a role"


def test_a_long_value_is_cut() -> None:
    assert len(str(Problem("cms", "x", "", "y" * 500))) < 150


def test_the_same_problem_twice_counts_once_and_values_may_be_of_any_kind() -> None:
    problems = Problems()
    for _time in range(2):
        problems.error("cms", "x", "wrong", {"a": [1]})
        problems.warn("careful")
    with pytest.raises(InventoryError) as caught:
        problems.raise_errors()
    assert [str(problem) for problem in caught.value.problems] == ["cms: x = {'a': [1]}: wrong"]
    assert list(problems.warnings) == ["careful"]


def test_without_errors_nothing_is_raised() -> None:
    problems = Problems()
    problems.warn("careful")
    problems.raise_errors()


def test_the_message_says_once_what_is_wrong_in_the_same_way_at_many_hosts() -> None:
    found = [Problem(f"smp{number}", "playout_features", "wrong", "x") for number in range(7)]
    error = InventoryError([*found, Problem("cms", "playout_site", "write a name")])
    assert str(error) == (
        "2 problems in the inventory; nothing has been changed:\n"
        "- smp0, smp1, smp2, smp3, smp4 and 2 more: playout_features = x: wrong\n"
        "- cms: playout_site: write a name"
    )
    assert len(error.problems) == 8


def test_a_listing_says_how_many_it_leaves_out() -> None:
    assert listing("abc") == "a, b, c"
    assert listing("abcdefg", most=2) == "a, b and 5 more"
