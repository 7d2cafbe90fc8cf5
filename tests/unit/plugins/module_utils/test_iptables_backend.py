# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the iptables backend decides from what was read; the programs are played, and scripts are noted down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _detached
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import Result
from ansible_collections.playout.firewall.plugins.module_utils._iptables_backend import IptablesBackend
from ansible_collections.playout.firewall.plugins.module_utils._persist import PRIVATE, SCRIPT_RULES
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options

RULE = {"id": "a", "services": [], "direction": "in", "family": "ipv4", "protocol": "tcp", "ports": ["80"]}
RULE |= {"destinations": [], "comment": ""}
SAVED = """\
*filter
:INPUT ACCEPT [0:0]
:PLAYOUT-INPUT - [0:0]
-A INPUT -m comment --comment "playout.firewall" -j PLAYOUT-INPUT
-A PLAYOUT-INPUT -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
"""
FEW, MANY = ([f"192.0.2.{low}" for low in range(1, last)] for last in (3, 200))


class Host:
    """Plays the programs: lists the same desired rules whatever they are, unless they hold a word that is refused."""

    def __init__(self, live: str = "", refused: str = "\0", ipset: bool = True) -> None:
        self.live = live
        self.refused = refused
        self.ipset = ipset
        self.calls: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], text: str) -> Result:
        self.calls.append(list(arguments))
        if arguments[0] == "unshare":
            return Result(1, "#begun\n", "refused") if self.refused in text else Result(0, f"#begun\n{SAVED}#section\n")
        if arguments[-1] == "--version":
            return Result(0, "iptables v1.8.9 (nf_tables)\n")
        if arguments[0] == "ipset":
            return Result(0 if self.ipset else 127)
        return Result(0, self.live if arguments[0] == "iptables-save" else "")


def _backend(root: Path, host: Host, *objects: dict[str, Any]) -> IptablesBackend:
    return IptablesBackend(Machine(host, objects, str(root)))


def _policy(sources: Sequence[str] = ("any",), **parts: Any) -> Policy:
    return Policy.from_dict({"host": "h", "rules": [{**RULE, "sources": list(sources)}], **parts})


def test_comparing_tells_what_would_change_and_what_the_next_boot_has_to_load(tmp_path: Path) -> None:
    change = _backend(tmp_path, Host()).compare(_policy(), Options())
    assert (change.live, change.stored, change.warnings) == (True, False, [])
    [difference] = change.diff
    assert difference["before"] == ""
    assert "-A PLAYOUT-INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n" in difference["after"]
    assert change.loader is not None
    assert (change.loader.rules.path, change.loader.rules.mode) == (SCRIPT_RULES, PRIVATE)
    assert change.loader.command == ["/bin/sh", f"/{SCRIPT_RULES}"]
    assert change.loader.prepare == ["/bin/sh", f"/{SCRIPT_RULES}", "sets"]
    assert set(change.loader.services) == {"netfilter-persistent", "iptables", "ip6tables", "nftables"}
    assert '-A PLAYOUT-INPUT -p tcp --dport 80 -m comment --comment "a" -j ACCEPT\n' in change.loader.rules.content


def test_equal_rules_are_no_change_and_a_mere_comparison_runs_no_script(tmp_path: Path) -> None:
    host = Host(SAVED)
    change = _backend(tmp_path, host).compare(_policy(), Options())
    assert (change.live, change.diff) == (False, [])
    assert not any("restore" in word for call in host.calls for word in call)


def test_applying_carries_out_a_script_and_has_the_way_back_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried: list[tuple[str, str]] = []
    monkeypatch.setattr(_detached, "carry_out", lambda script, undo: carried.append((script, undo)))
    backend = _backend(tmp_path, Host(SAVED.replace("ACCEPT\nCOMMIT", "DROP\nCOMMIT")))
    change = backend.compare(_policy(), Options())
    undo = backend.undo()
    backend.apply(change)
    [(script, back)] = carried
    assert "-A PLAYOUT-INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n@INPUT 0 " in script
    # The jump returns to where it is.
    assert "-A PLAYOUT-INPUT -p tcp -m tcp --dport 80 -j DROP\n@INPUT 1 " in back
    assert (list(undo.command), undo.text) == (["/bin/sh"], back)
    backend.store(change)


def test_a_removal_takes_what_is_ours_and_is_nothing_where_that_is_gone(tmp_path: Path) -> None:
    change = _backend(tmp_path, Host(SAVED)).compare_absent()
    assert (change.live, change.loader) == (True, None)
    assert change.diff[0]["after"] == ""
    change = _backend(tmp_path, Host()).compare_absent()
    assert (change.live, change.diff, change.warnings) == (False, [], [])


def test_chains_of_ours_without_the_program_that_removes_them_are_not_left_behind_in_silence(tmp_path: Path) -> None:
    def nothing(_arguments: Sequence[str], _text: str) -> Result:
        return Result(127)

    chain = {"chain": {"family": "ip", "table": "filter", "name": "PLAYOUT-INPUT"}}
    with pytest.raises(
        BackendError, match="the chain PLAYOUT-INPUT of ours is in force, and iptables is not installed"
    ):
        IptablesBackend(Machine(nothing, [chain], str(tmp_path))).compare_absent()
    assert not IptablesBackend(Machine(nothing, [], str(tmp_path))).compare_absent().live


@pytest.mark.parametrize("crashing", ["ipset", "unshare"])
def test_a_crash_is_not_taken_for_a_kernel_without_sets(tmp_path: Path, crashing: str) -> None:
    host = Host()

    def crash(arguments: Sequence[str], text: str) -> Result:
        return Result(139, "#begun\n", "Segmentation fault") if arguments[0] == crashing else host(arguments, text)

    backend = IptablesBackend(Machine(crash, (), str(tmp_path)))
    with pytest.raises(BackendError, match=r"h: iptables or ipset crashed while .*: Segmentation fault"):
        backend.compare(_policy(FEW), Options())


def test_a_removal_warns_of_rules_that_the_administrator_saved(tmp_path: Path) -> None:
    (tmp_path / "etc/iptables").mkdir(parents=True)
    (tmp_path / "etc/iptables/rules.v4").write_text(SAVED, encoding="utf-8")
    (tmp_path / "etc/iptables/rules.v6").write_text("*filter\nCOMMIT\n", encoding="utf-8")
    [warning] = _backend(tmp_path, Host()).compare_absent().warnings
    assert warning.startswith("/etc/iptables/rules.v4 holds rules of ours")


@pytest.mark.parametrize("host", [Host(ipset=False), Host(refused="--match-set")], ids=["program", "kernel"])
@pytest.mark.parametrize(("sources", "warned"), [(FEW, False), (MANY, True)], ids=["few", "many"])
def test_without_address_sets_there_is_a_rule_for_each_address_and_a_word_when_they_are_many(
    tmp_path: Path, host: Host, sources: list[str], warned: bool
) -> None:
    change = _backend(tmp_path, host).compare(_policy(sources), Options())
    assert change.loader is not None
    assert change.loader.rules.content.count("-A PLAYOUT-INPUT -s 192.0.2.") == len(sources)
    assert ["199 addresses cost a rule each" in warning for warning in change.warnings] == ([True] if warned else [])


@pytest.mark.parametrize("refused", ["PLAYOUT-ESSENTIAL", "ICMPv6"])
def test_rules_that_are_refused_for_another_reason_are_an_error_that_names_the_host(
    tmp_path: Path, refused: str
) -> None:
    with pytest.raises(BackendError, match=r"^h: iptables would refuse these rules, nothing was changed: refused"):
        _backend(tmp_path, Host(refused=refused)).compare(_policy(FEW, governed={"in": {"tcp": ["80"]}}), Options())


def test_a_table_that_nft_wrote_into_is_an_error_only_where_it_is_needed(tmp_path: Path) -> None:
    mixed = "# Table `{}' contains incompatible base-chains, use 'nft' tool to list them.\n"
    with pytest.raises(BackendError, match=r"^h: the ipv4 table 'filter' of iptables .* nft wrote"):
        _backend(tmp_path, Host(mixed.format("filter"))).compare(_policy(), Options())
    assert _backend(tmp_path, Host(mixed.format("nat"))).compare(_policy(), Options()).live


def test_chains_beside_iptables_that_drop_are_an_error_and_those_of_iptables_are_not(tmp_path: Path) -> None:
    def chain(family: str, table: str) -> dict[str, Any]:
        where = {"family": family, "table": table, "name": "INPUT"}
        return {"chain": {**where, "type": "filter", "hook": "input", "policy": "drop"}}

    with pytest.raises(BackendError, match=r"(?s)^h: nftables chains beside iptables .*table inet theirs"):
        _backend(tmp_path, Host(), chain("inet", "theirs")).compare(_policy(), Options())
    assert _backend(tmp_path, Host(), chain("ip", "filter")).compare(_policy(), Options()).live
