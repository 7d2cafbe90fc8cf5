# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small schema checker for catalogue files: every fault is reported with its path, none stops the others.

A schema is a mapping of field -> :class:`Field`; ``"*"`` stands for names that the author chooses.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

Report = t.Callable[[str, str], None]
Schema = t.Mapping[str, "Field"]


@dataclass(frozen=True)
class Field:
    """What one field holds: text, number, flag, a list of such, a mapping or a list of mappings."""

    kind: str
    required: bool = False
    choices: tuple[str, ...] = ()
    schema: Schema | None = None


def check(value: t.Any, schema: Schema, path: str, report: Report) -> None:
    """Check a mapping against a schema; ``report(path, message)`` is called for each fault."""
    if not isinstance(value, t.Mapping):
        report(path, f"a mapping is needed, not {value!r}")
        return
    for name, field in schema.items():
        if name != "*" and field.required and name not in value:
            report(_join(path, name), "is missing")
    for name, entry in value.items():
        chosen = schema.get(name) or schema.get("*")
        if chosen is None:
            report(_join(path, str(name)), f"unknown field; known are {', '.join(sorted(schema))}")
        elif not isinstance(name, str):
            report(_join(path, str(name)), f"a name must be text, not {name!r}")
        else:
            _check_field(entry, chosen, _join(path, name), report)


def _check_field(value: t.Any, field: Field, path: str, report: Report) -> None:
    plain, is_list = field.kind.removesuffix("s"), field.kind.endswith("s")
    if is_list and (not isinstance(value, list) or not value):
        report(path, f"a list with at least one entry is needed, not {value!r}")
        return
    entries = [(f"{path}[{index}]", entry) for index, entry in enumerate(value)] if is_list else [(path, value)]
    for where, entry in entries:
        if plain == "mapping":
            check(entry, t.cast(Schema, field.schema), where, report)
        elif not _is(plain, entry):
            report(where, f"{_NAMES[plain]} is needed, not {entry!r}")
        elif field.choices and entry not in field.choices:
            report(where, f"{entry!r} is not one of {', '.join(field.choices)}")


_NAMES = {"text": "text", "number": "a whole number", "flag": "true or false", "word": "text or true or false"}


def _is(kind: str, value: t.Any) -> bool:
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "word":
        return isinstance(value, (str, bool))
    return isinstance(value, str) and bool(value.strip())


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
