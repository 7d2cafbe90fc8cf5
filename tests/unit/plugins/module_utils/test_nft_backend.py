# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nftables backend decides from what it read; nft is played, and lists what it was last told to load."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError
from ansible_collections.playout.firewall.plugins.module_utils._command import Result
from ansible_collections.playout.firewall.plugins.module_utils._nft_backend import NftablesBackend
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import Nft, Ruleset
from ansible_collections.playout.firewall.plugins.module_utils._nftables import REMOVAL
from ansible_collections.playout.firewall.plugins.module_utils._persist import RULESET, Persistence
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options

OURS = {"table": {"family": "inet", "name": "playout_firewall"}}


class Machine:
    """Plays the programs and remembers what nft loaded."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def __call__(self, arguments: Sequence[str], text: str) -> Result:
        if arguments[0] == "unshare":
            return Result(0, f"begun\n{json.dumps({'nftables': [OURS]})}\ntable inet playout_firewall {{\n}}\n")
        if list(arguments[1:]) == ["-f", "-"]:
            self.loaded.append(text)
        listing = list(arguments[1:]) == ["list", "table", "inet", "playout_firewall"]
        return Result(0, "the live table\n" if listing else "")


def _backend(root: Path, *objects: dict[str, Any], systemd: bool = True) -> tuple[NftablesBackend, Machine]:
    machine = Machine()
    if systemd:
        (root / "lib/systemd").mkdir(parents=True)
        (root / "lib/systemd/systemd").touch()
    persistence = Persistence(machine, str(root))
    return NftablesBackend(Nft(machine), Ruleset(list(objects)), persistence, machine), machine


def _policy(**parts: Any) -> Policy:
    return Policy.from_dict({"host": "h", **parts})


def test_comparing_writes_nothing_and_applying_does_live_before_boot(tmp_path: Path) -> None:
    backend, machine = _backend(tmp_path)
    change = backend.compare(_policy(), Options())
    assert (change.live, change.boot, change.persistent) == (True, True, True)
    assert machine.loaded == []
    assert not (tmp_path / RULESET).exists()
    backend.apply(change)
    assert not (tmp_path / RULESET).exists()
    backend.persist(change)
    assert [(tmp_path / RULESET).read_text(encoding="utf-8")] == machine.loaded


def test_the_same_rules_with_lost_boot_files_are_only_a_change_for_the_next_boot(tmp_path: Path) -> None:
    backend, _machine = _backend(tmp_path, OURS)
    change = backend.compare(_policy(), Options())
    assert (change.live, change.boot) == (False, True)
    backend.persist(change)
    assert not backend.compare(_policy(), Options()).boot


def test_other_chains_that_drop_are_an_error_that_names_the_host(tmp_path: Path) -> None:
    where = {"family": "ip", "table": "filter", "name": "INPUT"}
    chain = {"chain": {**where, "type": "filter", "hook": "input", "policy": "drop"}}
    rule: dict[str, Any] = {"id": "a", "services": [], "direction": "in", "family": "ipv4", "protocol": "tcp"}
    rule |= {"ports": ["80"], "sources": ["any"], "destinations": [], "comment": ""}
    backend, _machine = _backend(tmp_path, chain)
    with pytest.raises(BackendError, match=r"(?s)^h: .*table ip filter, chain INPUT"):
        backend.compare(_policy(rules=[rule]), Options())


def test_what_the_next_boot_will_lack_is_a_warning(tmp_path: Path) -> None:
    backend, _machine = _backend(tmp_path, systemd=False)
    change = backend.compare(_policy(), Options())
    assert not change.persistent
    assert [f"nft -f /{RULESET}" in warning for warning in change.warnings] == [True]


@pytest.mark.parametrize(("sources", "warnings"), [([], 1), (["192.0.2.0/24"], 0)])
def test_denied_transit_without_management_is_a_warning(tmp_path: Path, sources: list[str], warnings: int) -> None:
    backend, _machine = _backend(tmp_path)
    management = {"ports": ["22"], "sources": sources}
    change = backend.compare(_policy(gateway={"transit": "deny"}, management=management), Options())
    assert len(change.warnings) == warnings


def test_the_way_back_is_the_live_table_or_none(tmp_path: Path) -> None:
    backend, _machine = _backend(tmp_path, OURS)
    undo = backend.undo()
    assert undo.text == f"{REMOVAL}the live table\n"
    assert list(undo.command) == ["nft", "-f"]


def test_removal_takes_table_and_files_and_is_nothing_when_they_are_gone(tmp_path: Path) -> None:
    backend, machine = _backend(tmp_path, OURS)
    backend.persist(backend.compare(_policy(), Options()))
    change = backend.compare_absent()
    assert (change.live, change.boot) == (True, True)
    backend.apply(change)
    backend.persist(change)
    assert machine.loaded == [REMOVAL]
    assert not (tmp_path / "etc/playout-firewall").exists()
    gone, _machine = _backend(tmp_path / "bare")
    change = gone.compare_absent()
    assert (change.live, change.boot, change.diff) == (False, False, [])
