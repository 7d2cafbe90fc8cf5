# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interval sets and products of them, against sets of numbers."""

from __future__ import annotations

from itertools import product

from ansible_collections.playout.firewall.plugins.module_utils._intervals import (
    Intervals,
    Region,
    intersect,
    subtract,
    union,
)
from hypothesis import given
from hypothesis import strategies as st

INTERVALS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair)))).map(union)
SMALL = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)).map(lambda pair: (pair[0], sum(pair)))).map(union)
REGIONS = st.builds(Region, SMALL, SMALL, SMALL)


def _numbers(intervals: Intervals) -> set[int]:
    return {number for first, last in intervals for number in range(first, last + 1)}


def _points(region: Region) -> set[tuple[int, ...]]:
    return set(product(*map(_numbers, (region.sources, region.destinations, region.ports))))


@given(INTERVALS, INTERVALS)
def test_intervals_behave_as_sets_of_numbers(left: Intervals, right: Intervals) -> None:
    assert _numbers(subtract(left, right)) == _numbers(left) - _numbers(right)
    assert _numbers(intersect(left, right)) == _numbers(left) & _numbers(right)
    assert _numbers(union(left + right)) == _numbers(left) | _numbers(right)


@given(REGIONS, REGIONS)
def test_regions_behave_as_sets_of_packets(left: Region, right: Region) -> None:
    assert _points(left.meet(right)) == _points(left) & _points(right)
    parts = left.without(right)
    points = [point for part in parts for point in _points(part)]
    assert set(points) == _points(left) - _points(right)
    assert len(points) == len(set(points))
