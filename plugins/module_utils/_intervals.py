# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of whole numbers as sorted, disjoint, closed intervals, and products of them: packets by address and port."""

from __future__ import annotations

import typing as t

Intervals = t.Tuple[t.Tuple[int, int], ...]


def union(items: t.Iterable[t.Tuple[int, int]]) -> Intervals:
    """Return any intervals sorted and merged."""
    merged: t.List[t.Tuple[int, int]] = []
    for first, last in sorted(items):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def subtract(left: Intervals, right: Intervals) -> Intervals:
    """Return what of the left is not in the right."""
    result: t.List[t.Tuple[int, int]] = []
    position = 0
    for first, last in left:
        while position < len(right) and right[position][1] < first:
            position += 1
        index = position
        while index < len(right) and right[index][0] <= last:
            if first < right[index][0]:
                result.append((first, right[index][0] - 1))
            first = right[index][1] + 1
            index += 1
        if first <= last:
            result.append((first, last))
    return tuple(result)


def intersect(left: Intervals, right: Intervals) -> Intervals:
    """Return what is in both."""
    return subtract(left, subtract(left, right))


class Region(t.NamedTuple):
    """The packets whose source, destination and port each lie in their intervals."""

    sources: Intervals
    destinations: Intervals
    ports: Intervals

    def __bool__(self) -> bool:
        return bool(self.sources and self.destinations and self.ports)

    def meet(self, other: Region) -> Region:
        """Return the packets that are in both."""
        return Region(
            intersect(self.sources, other.sources),
            intersect(self.destinations, other.destinations),
            intersect(self.ports, other.ports),
        )

    def without(self, other: Region) -> t.List[Region]:
        """Return the packets that are not in the other, as disjoint regions."""
        both = self.meet(other)
        if not both:
            return [self]
        parts = [
            self._replace(sources=subtract(self.sources, other.sources)),
            self._replace(sources=both.sources, destinations=subtract(self.destinations, other.destinations)),
            both._replace(ports=subtract(self.ports, other.ports)),
        ]
        return [part for part in parts if part]
