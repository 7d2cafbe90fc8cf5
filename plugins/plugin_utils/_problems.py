# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with an inventory, collected so that all of it is said at once."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, which variable, its value, and what to write instead."""

    host: str
    variable: str
    message: str
    value: t.Any = None

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.host, self.variable) if part)
        value = "" if self.value is None else f" = {_short(self.value)}"
        return f"{where}{value}: {self.message}" if where else self.message


class InventoryError(ValueError):
    """The inventory cannot be planned; ``problems`` lists every reason, in the order found.

    The message says once what is wrong in the same way at many hosts.
    """

    def __init__(self, problems: t.Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        alike: dict[Problem, list[str]] = {}
        for problem in self.problems:
            alike.setdefault(replace(problem, host=""), []).append(problem.host)
        count = len(alike)
        lines = "\n".join(f"- {replace(problem, host=listing(hosts))}" for problem, hosts in alike.items())
        super().__init__(
            f"{count} problem{'s' if count > 1 else ''} in the inventory; nothing has been changed:\n{lines}"
        )


@dataclass
class Problems:
    """Collects errors and warnings; the same one twice counts once."""

    errors: dict[Problem, None] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)

    def error(self, host: str, variable: str, message: str, value: t.Any = None) -> None:
        """Note an error; ``value`` is spelt at once, so it may be of any type."""
        self.errors.setdefault(Problem(host, variable, message, None if value is None else _Spelt(value)))

    def warn(self, message: str) -> None:
        """Note something that a person should know and that changes nothing."""
        self.warnings.setdefault(message)

    def raise_errors(self) -> None:
        """Raise all errors noted so far, if any.

        :raises InventoryError: with all of them.
        """
        if self.errors:
            raise InventoryError(list(self.errors))


class _Spelt(str):
    """A value in the spelling that an error message shows."""

    def __new__(cls, value: t.Any) -> _Spelt:
        return super().__new__(cls, value if isinstance(value, str) else repr(value))


def _short(value: t.Any, most: int = 120) -> str:
    spelt = str(value)
    return spelt if len(spelt) <= most else spelt[: most - 1] + "…"


def listing(names: t.Iterable[str], most: int = 5) -> str:
    """Spell a list of names for a message: the first few, then how many more."""
    known = list(names)
    rest = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + rest
