# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that a lab host listens on: numbers and ranges, as a lab file or a plan spells them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from .errors import LabError

Range: TypeAlias = tuple[int, int]

# A longer range is listened on at its first, middle and last port: ten thousand sockets would prove no more.
WHOLE_RANGE = 256


@dataclass(frozen=True)
class Ports:
    """First and last port of every range, each protocol by itself."""

    tcp: tuple[Range, ...]
    udp: tuple[Range, ...]


def parse_range(value: Any) -> Range:
    """``80`` or ``"80"`` or ``"20001-29999"`` as first and last port; ValueError says what is wrong."""
    first, _dash, last = str(value).partition("-")
    try:
        low, high = int(first), int(last or first)
    except ValueError:
        raise ValueError(f"{value!r} is neither a port nor a range; write 80 or 20001-29999") from None
    if isinstance(value, bool) or not 1 <= low <= high <= 65535:
        raise ValueError(f"{value!r} is no port; ports are 1 to 65535, ranges ascend")
    return low, high


def parse_ports(value: Any) -> Ports:
    """``{"tcp": ["80", "10101-10103"], "udp": []}``; ValueError says what is wrong."""
    if not isinstance(value, Mapping) or set(value) - {"tcp", "udp"}:
        raise ValueError(f"{value!r}: write a mapping with tcp and udp, each a list of ports")
    for protocol, items in value.items():
        if not isinstance(items, list):
            raise ValueError(f"{protocol}: {items!r}: write a list of ports")
    return Ports(
        tcp=tuple(parse_range(item) for item in value.get("tcp", [])),
        udp=tuple(parse_range(item) for item in value.get("udp", [])),
    )


def sample(ranges: tuple[Range, ...]) -> list[int]:
    """The ports that are really listened on: all of a short range; first, middle and last of a long one."""
    chosen: set[int] = set()
    for first, last in ranges:
        if last - first < WHOLE_RANGE:
            chosen.update(range(first, last + 1))
        else:
            chosen.update((first, (first + last) // 2, last))
    return sorted(chosen)


def load_listeners(path: Path) -> dict[str, Any]:
    """A JSON file, host -> ``{"tcp": [...], "udp": [...]}``, checked, as it is sent to the hosts."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LabError(f"{path}: {getattr(error, 'strerror', error)}") from error
    if not isinstance(data, dict):
        raise LabError(f"{path}: write an object: host -> {{'tcp': [...], 'udp': [...]}}")
    check_listeners(data, str(path))
    return data


def check_listeners(data: Mapping[str, Any], origin: str) -> None:
    """LabError with every host whose ports cannot be read."""
    problems = []
    for host, value in data.items():
        try:
            parse_ports(value)
        except ValueError as error:
            problems.append(f"{origin}: {host}: {error}")
    if problems:
        raise LabError("\n".join(problems))
