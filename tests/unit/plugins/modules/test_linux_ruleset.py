# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible packs for most hosts: it is what a run costs, and grows with every import that is not noticed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._backend import Machine, OtherBackend
from ansible_collections.playout.firewall.plugins.module_utils._command import run
from ansible_collections.playout.firewall.plugins.module_utils._managers import BACKENDS
from ansible_collections.playout.firewall.plugins.modules import linux_ruleset

PLUGINS = Path(linux_ruleset.__file__).parents[1]
UTILITIES = "ansible_collections.playout.firewall.plugins.module_utils"


def _packed(module: str) -> set[str]:
    """Return the names of the files that come with a module, because it or they import them, however late."""
    found: set[str] = set()
    waiting = {PLUGINS / "modules" / f"{module}.py"}
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(UTILITIES):
                continue
            rest = (node.module or "").removeprefix(UTILITIES).removeprefix(".")
            new = ({rest} if rest else {alias.name for alias in node.names}) - found
            found |= new
            waiting |= {PLUGINS / "module_utils" / f"{name}.py" for name in new}
    return found


def test_only_nftables_comes_with_the_module_that_most_hosts_get() -> None:
    packed = _packed("linux_ruleset")
    assert "_nft_backend" in packed
    others = ("_firewalld", "_ufw", "_iptables", "_backends", "_detached")
    assert [name for name in sorted(packed) if name.startswith(others)] == []
    assert {f"_{name}_backend" for name in ("nft", *BACKENDS[1:])} <= _packed("linux_ruleset_any")


@pytest.mark.parametrize("name", BACKENDS[1:])
def test_other_backends_are_the_other_modules(name: str) -> None:
    assert linux_ruleset._open("nftables", Machine(run)).name == "nftables"
    with pytest.raises(OtherBackend, match=f"^{name} is needed here"):
        linux_ruleset._open(name, Machine(run))
