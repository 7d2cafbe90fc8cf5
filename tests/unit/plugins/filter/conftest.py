# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's real templating engine, with variables as an inventory brings them: tagged and not yet templated."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

Template: TypeAlias = Callable[[str, str], Any]

PLAIN = (dict, list, str, int, bool, type(None))


def assert_plain(value: Any) -> None:
    """Fail for a value of a class that merely derives from a plain one, as tagged values do."""
    assert type(value) in PLAIN, type(value)
    for entry in (
        [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        assert_plain(entry)


@pytest.fixture
def template() -> Template:
    """``template(expression, variables)`` with the variables in YAML; they must be the same afterwards."""

    def run(expression: str, variables: str = "{}") -> Any:
        loader = DataLoader()
        text = trust_as_template(textwrap.dedent(variables))
        known = loader.load(text, file_name="/inventory.yml")
        result = Templar(loader=loader, variables=known).template(trust_as_template("{{ " + expression + " }}"))
        assert known == loader.load(text, file_name="/inventory.yml")
        assert_plain(result)
        return result

    return run
