# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nftables backend decides from what was read; nft is played, and remembers what it was told to load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _kernel, _nft_memory
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import SYSTEM_PATH, Result
from ansible_collections.playout.firewall.plugins.module_utils._nft_backend import NftablesBackend
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import NftError
from ansible_collections.playout.firewall.plugins.module_utils._nftables import CREATION, REMOVAL
from ansible_collections.playout.firewall.plugins.module_utils._persist import NFT_RULES, PRIVATE
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options

OURS = {"table": {"family": "inet", "name": "playout_firewall"}}
RULE = {"id": "a", "services": [], "direction": "in", "family": "ipv4", "protocol": "tcp", "ports": ["80"]}
HELPER = {"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["any"]}


class Nft:
    """Plays the programs: lists our table as empty whatever it would load; refuses to change what holds a word."""

    def __init__(self, refused: str = "\0") -> None:
        self.refused = refused
        self.loaded: list[str] = []
        self.called: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], text: str) -> Result:
        self.called.append(list(arguments))
        if arguments[0] == "unshare":
            return Result(0, f"begun\n{json.dumps({'nftables': [OURS]})}\ntable inet playout_firewall {{\n}}\n")
        if arguments[-2:] == ["-f", "-"] and self.refused in text:
            return Result(1, "", "Operation not supported")
        if list(arguments[1:]) == ["-f", "-"]:
            self.loaded.append(text)
        listing = list(arguments[1:]) == ["list", "table", "inet", "playout_firewall"]
        return Result(0, "the live table\n" if listing else "")


@pytest.fixture(autouse=True)
def _unremembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that does not count, so that nothing is written below /run."""
    monkeypatch.setattr(_nft_memory, "transactions", lambda: None)
    monkeypatch.setattr(_nft_memory, "forget", lambda _machine: None)


def _backend(*objects: dict[str, Any], refused: str = "\0", shown: bool = True) -> tuple[NftablesBackend, Nft]:
    nft = Nft(refused)
    return NftablesBackend(Machine(nft, objects, shown=shown)), nft


def _policy(**parts: Any) -> Policy:
    return Policy.from_dict({"host": "h", **parts})


def test_comparing_writes_nothing_and_applying_loads_what_the_next_boot_will() -> None:
    backend, nft = _backend(OURS, {"chain": {"family": "inet", "table": "playout_firewall", "name": "old"}})
    change = backend.compare(_policy(), Options())
    assert (change.live, change.stored) == (True, False)
    assert nft.loaded == []
    backend.apply(change)
    backend.store(change)
    assert change.loader is not None
    assert nft.loaded == [change.loader.rules.content]
    assert nft.loaded[0].startswith(REMOVAL)


def test_a_table_that_is_not_there_is_created_and_not_removed_first() -> None:
    backend, nft = _backend()
    change = backend.compare(_policy(), Options())
    backend.apply(change)
    assert change.loader is not None
    assert nft.loaded == [change.loader.rules.content.replace(REMOVAL, CREATION)]


def test_a_table_that_somebody_else_created_meanwhile_is_replaced() -> None:
    backend, nft = _backend(refused=CREATION)
    change = backend.compare(_policy(), Options())
    backend.apply(change)
    assert change.loader is not None
    assert nft.loaded == [change.loader.rules.content]


def test_what_the_next_boot_loads_is_loaded_by_a_full_path_after_the_service_that_flushes() -> None:
    backend, _nft = _backend(OURS)
    change = backend.compare(_policy(helpers=[HELPER]), Options())
    assert not change.live
    loader = change.loader
    assert loader is not None
    assert (loader.rules.path, loader.rules.mode) == (NFT_RULES, PRIVATE)
    assert list(loader.command) == [shutil.which("nft", path=SYSTEM_PATH) or "nft", "-f", f"/{NFT_RULES}"]
    assert list(loader.services) == ["nftables"]
    assert list(loader.modules) == ["nf_conntrack_ftp", "nf_nat_ftp"]


def test_a_difference_is_shown_as_the_table_before_and_after() -> None:
    backend, _nft = _backend({**OURS}, {"chain": {"family": "inet", "table": "playout_firewall", "name": "theirs"}})
    [shown] = backend.compare(_policy(), Options()).diff
    assert (shown["before"], shown["after"]) == ("the live table\n", "table inet playout_firewall {\n}\n")
    unchanged, _nft = _backend(OURS)
    assert unchanged.compare(_policy(), Options()).diff == []


def test_a_table_that_is_all_new_is_tried_by_loading_it_where_nobody_looks() -> None:
    backend, nft = _backend(shown=False, refused="table inet")
    change = backend.compare(_policy(), Options())
    assert (change.live, backend.undo().text) == (True, REMOVAL)
    assert nft.called == []
    with pytest.raises(NftError, match="nothing was changed: Operation not supported"):
        backend.apply(change)


def test_a_change_that_nobody_looks_at_is_tried_and_not_listed_for_people() -> None:
    backend, nft = _backend(
        OURS, {"chain": {"family": "inet", "table": "playout_firewall", "name": "theirs"}}, shown=False
    )
    assert backend.compare(_policy(), Options()).live
    [tried] = nft.called
    assert tried[0] == "unshare"


def test_what_was_loaded_is_remembered_and_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    nft = Nft()
    monkeypatch.setattr(_nft_memory, "transactions", lambda: ("here", len(nft.loaded)))
    machine = Machine(nft, (OURS,), str(tmp_path))
    other, empty = (_policy(rules=[{**RULE, "sources": ["any"], "destinations": [], "comment": ""}]), _policy())
    backend = NftablesBackend(machine)
    backend.apply(replace(backend.compare(empty, Options()), live=True))
    nft.called.clear()
    assert not backend.compare(empty, Options()).live
    assert nft.called == []
    backend.compare(other, Options())
    assert [call[0] for call in nft.called] == ["unshare"]


def test_other_chains_that_drop_are_an_error_that_names_the_host() -> None:
    where = {"family": "ip", "table": "filter", "name": "INPUT"}
    chain = {"chain": {**where, "type": "filter", "hook": "input", "policy": "drop"}}
    rule = {**RULE, "sources": ["any"], "destinations": [], "comment": ""}
    backend, _nft = _backend(chain)
    with pytest.raises(BackendError, match=r"(?s)^h: .*table ip filter, chain INPUT"):
        backend.compare(_policy(rules=[rule]), Options())


def test_without_nft_the_error_names_the_package_and_there_is_nothing_to_remove() -> None:
    backend = NftablesBackend(Machine(Nft(), None))
    with pytest.raises(BackendError, match=r"^h: .*install the package 'nftables'"):
        backend.compare(_policy(), Options())
    assert not backend.compare_absent().live


def test_the_way_back_is_the_live_table_or_none() -> None:
    backend, nft = _backend(OURS)
    undo = backend.undo()
    assert undo.text == f"{REMOVAL}the live table\n"
    assert undo.command[-1] == "-f"
    assert nft.loaded == []


def test_a_way_back_that_nft_would_refuse_shows_before_anything_changes() -> None:
    backend, nft = _backend(OURS, refused="the live table")
    with pytest.raises(NftError, match="nft would refuse these rules: Operation not supported"):
        backend.undo()
    assert nft.loaded == []


def test_modules_are_loaded_before_the_rules_that_need_them_and_missing_ones_are_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend, nft = _backend()

    def missing(names: Sequence[str], _run: object) -> list[str]:
        assert nft.loaded == []
        return [f"no {name}" for name in names]

    monkeypatch.setattr(_kernel, "load_modules", missing)
    change = backend.compare(_policy(helpers=[HELPER]), Options())
    backend.apply(change)
    assert change.warnings == ["no nf_conntrack_ftp", "no nf_nat_ftp"]
    assert len(nft.loaded) == 1


def test_removal_takes_the_table_and_is_nothing_when_it_is_gone() -> None:
    backend, nft = _backend(OURS)
    change = backend.compare_absent()
    assert (change.live, change.loader, change.diff[0]["after"]) == (True, None, "")
    backend.apply(change)
    assert nft.loaded == [REMOVAL]
    gone, _nft = _backend()
    change = gone.compare_absent()
    assert (change.live, change.loader, change.diff) == (False, None, [])
