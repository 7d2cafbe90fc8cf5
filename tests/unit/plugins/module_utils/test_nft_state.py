# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing, comparing and loading, with nft played by a function; the packet tests do the same with the real one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._command import Result
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import (
    Listing,
    Nft,
    NftCrash,
    NftError,
    normalise,
    read_ruleset,
)
from ansible_collections.playout.firewall.plugins.module_utils._nftables import REMOVAL

TABLE = "playout_firewall"
TEXT = REMOVAL + f"table inet {TABLE} {{\n\tset a {{\n\t}}\n}}\n"


def _objects(table: str = TABLE, **changed: Any) -> list[dict[str, Any]]:
    where = {"family": "inet", "table": table}
    parts: dict[str, Any] = {
        "table": {"family": "inet", "name": table, "handle": 1},
        "set": {**where, "name": "a", "handle": 2, "type": "ipv4_addr", "elem": ["10.0.0.2", "10.0.0.1"]},
        "chain": {**where, "name": "input", "handle": 3, "hook": "input", "policy": "accept"},
        "rule": {**where, "chain": "input", "handle": 4, "comment": "a", "expr": [{"accept": None}]},
        **changed,
    }
    return [{"metainfo": {"version": "1"}}, *({kind: body} for kind, body in parts.items())]


class Machine:
    """Plays the programs: each answer belongs to the first program's name, or to the options of unshare."""

    def __init__(self, **answers: Result) -> None:
        self.answers = answers
        self.calls: list[tuple[list[str], str]] = []

    def __call__(self, arguments: Sequence[str], text: str) -> Result:
        self.calls.append((list(arguments), text))
        name = "user" if "--user" in arguments else arguments[0]
        return self.answers.get(name, Result(1, "", f"{name}: not permitted"))


def _listed(table: str = TABLE, text: str = "table\n") -> Result:
    return Result(0, f"begun\n{json.dumps({'nftables': _objects(table)})}\n{text}")


def test_handles_counters_and_the_order_of_elements_make_no_difference() -> None:
    rule = {"family": "inet", "table": TABLE, "chain": "input", "handle": 40, "comment": "a"}
    counted = {**rule, "expr": [{"counter": {"packets": 9, "bytes": 9}}, {"accept": None}]}
    elements = {"family": "inet", "table": TABLE, "name": "a", "type": "ipv4_addr", "elem": ["10.0.0.1", "10.0.0.2"]}
    assert normalise(_objects(rule=counted, set=elements), TABLE) == normalise(_objects(), TABLE)


@pytest.mark.parametrize(
    "changed",
    [
        {"set": {"family": "inet", "table": TABLE, "name": "a", "type": "ipv4_addr", "elem": ["10.0.0.1"]}},
        {"chain": {"family": "inet", "table": TABLE, "name": "input", "hook": "input", "policy": "drop"}},
        {"rule": {"family": "inet", "table": TABLE, "chain": "input", "comment": "b", "expr": [{"accept": None}]}},
        {"rule": {"family": "inet", "table": TABLE, "chain": "input", "comment": "a", "expr": [{"drop": None}]}},
        {"table": {"family": "inet", "name": TABLE, "flags": "dormant"}},
        {"counter": {"family": "inet", "table": TABLE, "name": "theirs"}},
    ],
    ids=["element", "policy", "comment", "verdict", "switched off", "another object"],
)
def test_everything_else_does(changed: dict[str, Any]) -> None:
    assert normalise(_objects(**changed), TABLE) != normalise(_objects(), TABLE)


def test_rules_keep_their_order() -> None:
    rules = [{"rule": {"family": "inet", "table": TABLE, "chain": "c", "expr": [{name: None}]}} for name in ("a", "b")]
    assert normalise(rules, TABLE) != normalise(rules[::-1], TABLE)


def test_other_tables_are_not_ours() -> None:
    assert normalise(_objects("theirs"), TABLE) == {}


def test_the_desired_listing_comes_from_a_namespace_of_its_own() -> None:
    machine = Machine(unshare=_listed(text="table inet\n"))
    listing = Nft(machine).desired(TEXT)
    assert listing.objects == normalise(_objects(), TABLE)
    assert listing.text == "table inet\n"
    [(arguments, text)] = machine.calls
    assert arguments[:3] == ["unshare", "--net", "--"]
    # In an empty namespace there is no table to remove first.
    assert REMOVAL + text == TEXT


def test_what_nobody_will_see_is_not_listed_as_text() -> None:
    machine = Machine(unshare=_listed(text=""))
    assert Nft(machine).desired(TEXT, shown=False) == Listing(normalise(_objects(), TABLE), "")
    [(arguments, _text)] = machine.calls
    assert " ".join(arguments).count("list table") == 1


def test_without_that_permission_a_user_namespace_is_tried() -> None:
    machine = Machine(user=_listed())
    assert Nft(machine).desired(TEXT).objects == normalise(_objects(), TABLE)
    assert [arguments[1] for arguments, _text in machine.calls] == ["--net", "--user"]


def test_without_any_a_dormant_copy_stands_in_and_is_removed_again() -> None:
    listed = _listed(f"{TABLE}_probe", f"table inet {TABLE}_probe {{\n\tflags dormant\n\n\tset a {{\n\t}}\n}}\n")
    machine = Machine(nft=Result(0), sh=listed)
    listing = Nft(machine).desired(TEXT)
    assert listing.objects == normalise(_objects(), TABLE)
    assert listing.text == f"table inet {TABLE} {{\n\tset a {{\n\t}}\n}}\n"
    loaded = next(text for arguments, text in machine.calls if arguments[0] == "sh")
    assert loaded.count(f"{TABLE}_probe") == loaded.count(TABLE) == 3
    assert "flags dormant;" in loaded
    assert machine.calls[-1][1] == f"table inet {TABLE}_probe\ndelete table inet {TABLE}_probe\n"


def test_rules_that_nft_refuses_are_an_error_and_no_other_way_is_tried() -> None:
    machine = Machine(unshare=Result(1, "begun\n", "line 3: no such thing"))
    with pytest.raises(NftError, match="line 3: no such thing"):
        Nft(machine).desired(TEXT)
    assert len(machine.calls) == 1


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Result(-11), "signal 11"),
        (Result(1, "", "Operation not permitted"), "root is needed"),
        (Result(0, "no JSON"), "cannot be read"),
    ],
)
def test_a_listing_that_fails_says_what_to_do(result: Result, reason: str) -> None:
    with pytest.raises(NftError, match=reason):
        read_ruleset(Machine(nft=result))


def test_the_whole_ruleset_is_read_at_once_and_without_nft_there_is_none() -> None:
    machine = Machine(nft=Result(0, json.dumps({"nftables": _objects()})))
    assert read_ruleset(machine) == _objects()
    assert [arguments for arguments, _text in machine.calls] == [["nft", "-j", "list", "ruleset"]]
    assert read_ruleset(Machine(nft=Result(127))) is None


def test_rules_that_would_be_refused_show_before_they_are_loaded() -> None:
    machine = Machine(nft=Result(1, "", "bad\n"))
    with pytest.raises(NftError, match="nft would refuse these rules: bad"):
        Nft(machine).check(TEXT)
    assert machine.calls == [(["nft", "-c", "-f", "-"], TEXT)]


def test_a_load_that_crashed_does_not_say_that_nothing_changed() -> None:
    with pytest.raises(NftCrash, match=r"^nft ended by signal 11 while it loaded the rules$"):
        Nft(Machine(nft=Result(-11))).load(TEXT)


def test_a_refused_load_says_that_nothing_changed() -> None:
    with pytest.raises(NftError, match=r"nothing was changed: bad"):
        Nft(Machine(nft=Result(1, "", "bad\n"))).load(TEXT)
