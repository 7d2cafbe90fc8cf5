# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the two iptables is used, by what each of them holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import Result
from ansible_collections.playout.firewall.plugins.module_utils._iptables_find import find, find_ours

RULE = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n"
OURS = "*filter\n:PLAYOUT-INPUT - [0:0]\n-A PLAYOUT-INPUT -j DROP\nCOMMIT\n"


class Host:
    """Plays the programs; a listing that is not given is of a program that is not installed."""

    def __init__(self, version: str = "iptables v1.8.9 (nf_tables)", **saved: str) -> None:
        self.version = version
        self.saved = saved
        self.asked: list[str] = []

    def __call__(self, arguments: Sequence[str], _text: str) -> Result:
        if list(arguments) == ["iptables", "--version"]:
            return Result(0, f"{self.version}\n") if self.version else Result(127)
        name = arguments[0].removesuffix("-save").replace("-", "_")
        self.asked.append(name)
        return Result(0, self.saved[name]) if name in self.saved else Result(127)


def _machine(root: Path, host: Host, legacy: str = "", ipv6: bool = False) -> Machine:
    (root / "proc/net").mkdir(parents=True)
    (root / "proc/net/ip_tables_names").write_text(legacy, encoding="ascii")
    if ipv6:
        (root / "proc/sys/net/ipv6").mkdir(parents=True)
    return Machine(host, None, str(root))


def test_the_distributions_choice_is_used_where_neither_holds_rules(tmp_path: Path) -> None:
    host = Host(iptables="", iptables_legacy="")
    iptables, _saved = find(_machine(tmp_path, host, "filter\n"))
    assert iptables.programs.variant == ""


def test_the_older_one_is_not_even_asked_where_the_kernel_has_no_tables_of_it(tmp_path: Path) -> None:
    host = Host(iptables=RULE, iptables_legacy="")
    find(_machine(tmp_path, host))
    assert host.asked == ["iptables"]


@pytest.mark.parametrize(
    ("version", "other"), [("iptables v1.8.9 (nf_tables)", "-legacy"), ("iptables v1.8.9 (legacy)", "-nft")]
)
def test_the_one_that_holds_rules_is_used(tmp_path: Path, version: str, other: str) -> None:
    host = Host(version, **{"iptables": "", f"iptables{other.replace('-', '_')}": RULE})
    iptables, saved = find(_machine(tmp_path, host, "filter\n"))
    assert iptables.programs.variant == other
    assert iptables.programs.of("ipv4") == (f"iptables{other}-save", f"iptables{other}-restore")
    assert saved["ipv4"].used


@pytest.mark.parametrize("version", ["iptables v1.8.9 (nf_tables)", "iptables v1.8.9 (legacy)", "iptables v1.6.2"])
def test_both_in_use_are_refused_by_name(tmp_path: Path, version: str) -> None:
    host = Host(version, iptables=RULE, iptables_legacy=RULE, iptables_nft=RULE)
    with pytest.raises(
        BackendError, match=r"both iptables-(nft and iptables-legacy|legacy and iptables-nft) hold rules"
    ):
        find(_machine(tmp_path, host, "filter\n"))


def test_what_nobody_can_look_at_does_not_count(tmp_path: Path) -> None:
    iptables, _saved = find(_machine(tmp_path, Host(iptables=RULE), "filter\n"))
    assert iptables.programs.variant == ""


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("", "iptables is not installed: install the package 'iptables'"),
        ("iptables v1.4.21", r"iptables v1\.4\.21 is too old: 1\.6\.2 or newer is needed"),
    ],
)
def test_a_missing_or_old_iptables_is_an_error_that_says_what_to_do(tmp_path: Path, version: str, reason: str) -> None:
    with pytest.raises(BackendError, match=reason):
        find(_machine(tmp_path, Host(version, iptables="")))


def test_an_iptables_that_cannot_be_run_is_not_called_old(tmp_path: Path) -> None:
    machine = Machine(lambda _arguments, _text: Result(126, "", "Permission denied"), None, str(tmp_path))
    with pytest.raises(BackendError, match="iptables cannot be run: Permission denied"):
        find(machine)


def test_ipv6_is_left_out_where_the_kernel_has_none_and_an_error_where_only_the_program_is_missing(
    tmp_path: Path,
) -> None:
    without, _saved = find(_machine(tmp_path / "without", Host(iptables="")))
    assert without.programs.families == ("ipv4",)
    with pytest.raises(BackendError, match="ip6tables-save is not installed"):
        find(_machine(tmp_path / "with", Host(iptables=""), ipv6=True))


def test_for_a_removal_the_one_that_holds_ours_counts(tmp_path: Path) -> None:
    reading = find_ours(_machine(tmp_path / "a", Host(iptables=RULE, iptables_legacy=OURS), "filter\n"))
    assert reading is not None
    assert reading[0].programs.variant == "-legacy"
    reading = find_ours(_machine(tmp_path / "b", Host(iptables=OURS, iptables_legacy=RULE), "filter\n"))
    assert reading is not None
    assert reading[0].programs.variant == ""


@pytest.mark.parametrize("crashing", ["iptables", "iptables-save"])
def test_a_removal_whose_program_crashes_does_not_say_that_there_is_nothing(tmp_path: Path, crashing: str) -> None:
    host = Host(iptables=OURS)

    def crash(arguments: Sequence[str], text: str) -> Result:
        return Result(-11) if arguments[0] == crashing else host(arguments, text)

    with pytest.raises(BackendError, match="ended by signal 11"):
        find_ours(Machine(crash, None, str(tmp_path)))


def test_a_removal_where_there_is_no_iptables_finds_nothing(tmp_path: Path) -> None:
    assert find_ours(_machine(tmp_path, Host(""))) is None
