# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port sets: parse, merge, subtract, contain. A range stays a range and is never expanded."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

PROTOCOLS = ("tcp", "udp")
FIRST, LAST = 1, 65535

Range = tuple[int, int]

_TEXT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


class PortError(ValueError):
    """A value that is no port, range or protocol; the message names it."""


@dataclass(frozen=True)
class PortSet:
    """An immutable set of ports: sorted inclusive ranges that neither overlap nor touch."""

    ranges: tuple[Range, ...] = ()

    @classmethod
    def of(cls, *ranges: Range) -> PortSet:
        """Make a set of inclusive ranges in any order; overlapping and adjacent ones merge.

        :raises PortError: for a bound outside 1 to 65535 or a range whose end comes before its start.
        """
        merged: list[Range] = []
        for first, last in sorted(ranges):
            if not FIRST <= first <= last <= LAST:
                what = f"{first} is not a port" if first == last else f"{first}-{last} is not a port range"
                raise PortError(f"{what}: ports go from {FIRST} to {LAST}, first to last")
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def parse(cls, value: int | str) -> PortSet:
        """Read ``80``, ``"80"`` or ``"20001-29999"``.

        :raises PortError: for anything else.
        """
        if isinstance(value, int) and not isinstance(value, bool):
            return cls.of((value, value))
        match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise PortError(f"{value!r} is not a port: write 80 or '20001-29999'")
        first, last = match.groups()
        return cls.of((int(first), int(last or first)))

    def __or__(self, other: PortSet) -> PortSet:
        return PortSet.of(*self.ranges, *other.ranges)

    def __sub__(self, other: PortSet) -> PortSet:
        left = list(self.ranges)
        for cut_first, cut_last in other.ranges:
            pieces: list[Range] = []
            for first, last in left:
                if last < cut_first or cut_last < first:
                    pieces.append((first, last))
                    continue
                if first < cut_first:
                    pieces.append((first, cut_first - 1))
                if cut_last < last:
                    pieces.append((cut_last + 1, last))
            left = pieces
        return PortSet(tuple(left))

    def __and__(self, other: PortSet) -> PortSet:
        return self - (self - other)

    def __le__(self, other: PortSet) -> bool:
        """Whether every port of this set is in the other one."""
        return not self - other

    def __contains__(self, port: int) -> bool:
        return any(first <= port <= last for first, last in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def texts(self) -> tuple[str, ...]:
        """Return the ranges as text, in order: ``("80", "20000-29999")``."""
        return tuple(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)

    def __str__(self) -> str:
        return ", ".join(self.texts())


def union(sets: t.Iterable[PortSet]) -> PortSet:
    """Merge any number of port sets at once."""
    return PortSet.of(*(part for ports in sets for part in ports.ranges))


def parse_with_protocol(value: int | str) -> tuple[str, PortSet]:
    """Read ``80``, ``"80"``, ``"80/tcp"`` or ``"20001-29999/udp"``; a bare number is TCP.

    :raises PortError: for an unknown protocol or a value that is no port.
    """
    ports, slash, protocol = value.partition("/") if isinstance(value, str) else (value, "", "")
    if not slash:
        protocol = "tcp"
    return checked_protocol(protocol), PortSet.parse(ports)


def checked_protocol(value: str) -> str:
    """Return the protocol in lower case.

    :raises PortError: when it is neither tcp nor udp.
    """
    protocol = str(value).strip().lower()
    if protocol not in PROTOCOLS:
        raise PortError(f"{value!r} is not a protocol: write {' or '.join(PROTOCOLS)}")
    return protocol


def collapse(items: t.Iterable[t.Any]) -> dict[str, PortSet]:
    """Merge ports of many spellings into one set for each protocol that occurs, tcp before udp.

    An item is what :func:`parse_with_protocol` reads, or a mapping with ``ports`` (one text) and ``protocol``.

    :raises PortError: naming the item that is neither.
    """
    found: dict[str, list[PortSet]] = {protocol: [] for protocol in PROTOCOLS}
    for item in items:
        if isinstance(item, t.Mapping):
            if "ports" not in item:
                raise PortError(f"{dict(item)!r} has no 'ports'")
            found[checked_protocol(item.get("protocol", "tcp"))].append(PortSet.parse(item["ports"]))
        else:
            protocol, ports = parse_with_protocol(item)
            found[protocol].append(ports)
    return {protocol: union(sets) for protocol, sets in found.items() if sets}
