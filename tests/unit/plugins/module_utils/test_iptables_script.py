# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts for iptables, run by a real shell with played programs: what they load, when, and how they end."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._iptables import AddressSet, Jump, Rules, Table
from ansible_collections.playout.firewall.plugins.module_utils._iptables_script import (
    Programs,
    boot_script,
    change_script,
    load_script,
    tolerated,
)
from hypothesis import given
from hypothesis import strategies as st

COMMENT = '-m comment --comment "playout.firewall"'
PROGRAMS = Programs(ipv6=False)


def _rules(*tables: tuple[str, Mapping[str, tuple[str, ...]]]) -> Rules:
    builtin = {"PLAYOUT-INPUT": "INPUT", "PLAYOUT-FORWARD": "FORWARD", "PLAYOUT-DNAT": "PREROUTING"}
    made = {}
    for name, chains in tables:
        jumps = tuple(Jump(builtin[chain], f"{COMMENT} -j {chain}") for chain in chains if chain in builtin)
        made["ipv4", name] = Table(chains, jumps)
    return Rules(made)


FILTER = _rules(("filter", {"PLAYOUT-INPUT": ("-j DROP",)}))
NAT = _rules(("filter", {"PLAYOUT-FORWARD": ("-j DROP",)}), ("nat", {"PLAYOUT-DNAT": ("-p tcp -j DNAT",)}))
"""A translation, and what it must not be without."""


@dataclass(frozen=True)
class Host:
    """Programs that only note down what they are told; what ``-save`` says is in a file."""

    path: Path

    def run(self, script: str, *arguments: str, stop: bool = True) -> subprocess.CompletedProcess[str]:
        (self.path / "script").write_text(script, encoding="utf-8")
        command = ["sh", *(["-e"] if stop else []), "-u", str(self.path / "script"), *arguments]
        environment = {"PATH": f"{self.path}:/usr/bin:/bin"}
        return subprocess.run(command, env=environment, text=True, capture_output=True, check=False, cwd=self.path)

    def saved(self, text: str) -> None:
        (self.path / "saved").write_text(text, encoding="utf-8")

    def fail(self, program: str, output: str = "") -> None:
        self._program(program, f"cat >/dev/null; printf '%s' '{output}'; exit 1")

    @property
    def restored(self) -> list[str]:
        """What each restore was given."""
        path = self.path / "restored"
        return path.read_text(encoding="utf-8").split("--\n")[:-1] if path.exists() else []

    @property
    def told_ipset(self) -> list[str]:
        path = self.path / "ipset.log"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def _program(self, name: str, text: str) -> None:
        (self.path / name).write_text(f"#!/bin/sh\ncd {self.path}\n{text}\n", encoding="utf-8")
        (self.path / name).chmod(0o755)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    made.saved("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    made._program("iptables-save", "cat saved")
    made._program("iptables-restore", "{ cat; echo --; } >>restored")
    listing = 'if [ "$1" = list ]; then cat sets 2>/dev/null; exit 0; fi'
    made._program("ipset", f'{listing}\necho "$*" >>ipset.log; if [ "$2" = restore ]; then cat >>ipset.log; fi')
    return made


Loading = Callable[[str], str]


@pytest.fixture
def loading(host: Host) -> Loading:
    """What a load of one chain and its jump gives to iptables-restore, in a filter table that holds these lines."""

    def load(lines: str) -> str:
        host.saved(f"*filter\n:INPUT ACCEPT [0:0]\n{lines}COMMIT\n")
        assert host.run(load_script(FILTER, PROGRAMS)).returncode == 0
        return host.restored[-1]

    return load


NEW = ":PLAYOUT-INPUT - [0:0]\n-A PLAYOUT-INPUT -j DROP\n"


def test_rules_are_added_where_nothing_of_ours_is(loading: Loading) -> None:
    assert loading("") == f"*filter\n{NEW}-I INPUT 1 {COMMENT} -j PLAYOUT-INPUT\nCOMMIT\n"


def test_chains_and_jumps_of_ours_are_replaced_whatever_they_are(loading: Loading) -> None:
    there = (
        ":PLAYOUT-INPUT - [0:0]\n:PLAYOUT-OLD - [0:0]\n-A INPUT -i eth0 -j PLAYOUT-INPUT\n-A MINE -g PLAYOUT-OLD\n"
        "-A PLAYOUT-INPUT -j PLAYOUT-OLD\n-A PLAYOUT-OLD -j ACCEPT\n"
    )
    assert loading(there) == (
        "*filter\n-D INPUT -i eth0 -j PLAYOUT-INPUT\n-D MINE -g PLAYOUT-OLD\n"
        f":PLAYOUT-INPUT - [0:0]\n:PLAYOUT-OLD - [0:0]\n{NEW}-I INPUT 1 {COMMENT} -j PLAYOUT-INPUT\n"
        "-X PLAYOUT-OLD\nCOMMIT\n"
    )


def test_what_only_looks_like_ours_is_left_alone(loading: Loading) -> None:
    there = (
        '-A INPUT -m comment --comment "x -j PLAYOUT-INPUT" -j ACCEPT\n-A MY-PLAYOUT-INPUT -j DROP\n'
        ":NOT-PLAYOUT-INPUT - [0:0]\n"
    )
    assert loading(there) == f"*filter\n{NEW}-I INPUT 1 {COMMENT} -j PLAYOUT-INPUT\nCOMMIT\n"


@pytest.mark.parametrize(
    ("lines", "position"),
    [
        pytest.param(["-p tcp -j f2b-sshd", "-j ACCEPT"], 2, id="behind bans"),
        pytest.param(["-j DOCKER-USER", "-p tcp -j f2b-sshd", "-i docker0 -j ACCEPT"], 4, id="behind bans and Docker"),
        pytest.param(["-j ACCEPT", "-j DOCKER-USER"], 1, id="before a Docker that is not at the head"),
        pytest.param(["-j ACCEPT", "-j f2b-sshd"], 1, id="before the first that ends"),
        pytest.param(["-j LOG --log-prefix x", "-m recent --set", "-j ACCEPT"], 3, id="behind what only looks"),
        pytest.param([f"{COMMENT} -j PLAYOUT-INPUT", "-j f2b-sshd", "-j ACCEPT"], 2, id="a ban behind ours"),
    ],
)
def test_the_jump_goes_before_what_ends_and_behind_who_comes_back_to_the_head(
    loading: Loading, lines: list[str], position: int
) -> None:
    there = "".join(f"-A INPUT {line}\n" for line in lines)
    assert f"-I INPUT {position} {COMMENT} -j PLAYOUT-INPUT\n" in loading(there)


@pytest.mark.parametrize(
    ("table", "chain", "rule", "expected"),
    [
        ("filter", "INPUT", "-p tcp -m multiport --dports 22 -j f2b-sshd", True),
        ("filter", "INPUT", "-j LIBVIRT_INP", True),
        ("filter", "FORWARD", "-j DOCKER-FORWARD", True),
        ("filter", "FORWARD", "-o br-0123456789ab -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", True),
        ("filter", "FORWARD", "-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", True),
        ("filter", "FORWARD", "! -o docker0 -j DROP", False),
        ("filter", "FORWARD", "-i br-lan -j ACCEPT", False),
        ("filter", "INPUT", "-j MYCHAIN", False),
        ("filter", "INPUT", '-m comment --comment "for -j f2b-x it is" -j DROP', False),
        ("nat", "PREROUTING", "-m addrtype --dst-type LOCAL -j DOCKER", False),
        ("nat", "POSTROUTING", "-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", True),
        ("nat", "POSTROUTING", "-s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE", True),
        ("nat", "POSTROUTING", "-o eth0 -j MASQUERADE", False),
        ("filter", "INPUT", "", True),
    ],
)
def test_script_and_comparison_agree_on_who_may_stand_before_us(
    host: Host, table: str, chain: str, rule: str, expected: bool
) -> None:
    assert tolerated(table, chain, rule) is expected
    host.saved(f"*{table}\n-A {chain} {rule}\n-A {chain} -j f2b-x\n-A {chain} -j ACCEPT\nCOMMIT\n")
    rules = Rules({("ipv4", table): Table({"PLAYOUT-X": ()}, (Jump(chain, "-j PLAYOUT-X"),))})
    assert host.run(load_script(rules, PROGRAMS)).returncode == 0
    # Behind the ban, unless the rule before it ends the search.
    assert f"-I {chain} {3 if expected else 1} -j PLAYOUT-X\n" in host.restored[0]


def test_a_jump_returns_to_where_it_was_or_to_the_end_of_a_chain_that_became_shorter(host: Host) -> None:
    host.saved("*filter\n-A INPUT -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n")
    jumps = (Jump("INPUT", "-j PLAYOUT-X", 2), Jump("INPUT", "-j PLAYOUT-X", 9))
    assert host.run(load_script(Rules({("ipv4", "filter"): Table({}, jumps)}), PROGRAMS)).returncode == 0
    assert "-I INPUT 2 -j PLAYOUT-X\n-I INPUT 3 -j PLAYOUT-X\n" in host.restored[0]


def _names(text: str) -> list[str]:
    return re.findall(r"^\*(\w+)", text, flags=re.MULTILINE)


def test_a_change_that_leaves_translations_alone_is_one_restore(host: Host) -> None:
    after = _rules(("filter", {"PLAYOUT-FORWARD": ()}), ("nat", {"PLAYOUT-DNAT": ("-p tcp -j DNAT",)}))
    assert host.run(change_script(NAT, after, PROGRAMS)).returncode == 0
    assert [_names(text) for text in host.restored] == [["filter", "nat"]]


@pytest.mark.parametrize(("before", "after"), [(NAT, Rules()), (Rules(), NAT)], ids=["removed", "added"])
def test_while_translations_change_both_filters_stand(host: Host, before: Rules, after: Rules) -> None:
    assert host.run(change_script(before, after, PROGRAMS)).returncode == 0
    first, second = host.restored
    assert _names(first) == ["filter"]
    assert "-j DROP" in first
    assert _names(second) == ["nat", "filter"]


def test_the_way_back_of_one_change_is_the_change_back_and_goes_on_after_a_failure(host: Host) -> None:
    assert host.run(change_script(Rules(), NAT, PROGRAMS, undo=True), stop=False).returncode == 0
    host.fail("ipset")
    sets = AddressSet("ip", "4", ("192.0.2.1",))
    broken = Rules(NAT.tables, {sets.name: sets})
    ended = host.run(change_script(Rules(), broken, PROGRAMS, undo=True), stop=False)
    assert ended.returncode == 1
    assert len(host.restored) == 4


def test_a_step_that_fails_ends_a_change_and_says_which_line_was_refused(host: Host) -> None:
    host.fail("iptables-restore", "iptables-restore: line 3 failed\nTry help\n")
    ended = host.run(change_script(Rules(), FILTER, PROGRAMS))
    assert ended.returncode != 0
    assert ended.stderr == "iptables-restore: line 3 failed\n-A PLAYOUT-INPUT -j DROP\n"


def test_a_listing_that_fails_changes_nothing(host: Host) -> None:
    host.fail("iptables-save")
    assert host.run(change_script(FILTER, NAT, PROGRAMS)).returncode != 0
    assert host.restored == []


def test_sets_are_swapped_in_before_and_old_ones_destroyed_after_the_rules(host: Host) -> None:
    made = AddressSet("net", "6", ("2001:db8::/48",))
    (host.path / "sets").write_text(f"playout-ip4-old\ntheirs\nplayout-theirs\n{made.name}\n", encoding="utf-8")
    rules = Rules(FILTER.tables, {made.name: made})
    assert host.run(change_script(Rules(), rules, PROGRAMS)).returncode == 0
    header = "hash:net family inet6 hashsize 1024 maxelem 1048576"
    assert host.told_ipset == [
        "destroy playout-new",
        "-exist restore",
        f"create {made.name} {header}",
        f"create playout-new {header}",
        "add playout-new 2001:db8::/48",
        f"swap playout-new {made.name}",
        "destroy playout-new",
        "destroy playout-ip4-old",
    ]


def test_the_boot_script_clears_what_an_older_policy_left_in_other_tables(host: Host) -> None:
    host.saved("*raw\n:PLAYOUT-HELPER - [0:0]\n-A OUTPUT -j PLAYOUT-HELPER\nCOMMIT\n*filter\nCOMMIT\n")
    assert host.run(boot_script(FILTER, PROGRAMS), stop=False).returncode == 0
    assert _names(host.restored[0]) == ["filter", "raw"]
    removal = "*raw\n-D OUTPUT -j PLAYOUT-HELPER\n:PLAYOUT-HELPER - [0:0]\n-X PLAYOUT-HELPER\nCOMMIT\n"
    assert host.restored[0].endswith(removal)


def test_a_change_leaves_tables_alone_that_neither_state_has(host: Host) -> None:
    host.saved("*raw\n:PLAYOUT-HELPER - [0:0]\nCOMMIT\n")
    assert host.run(change_script(FILTER, NAT, PROGRAMS)).returncode == 0
    assert not any("*raw" in text for text in host.restored)


def test_before_the_distributions_restore_only_sets_are_made(host: Host) -> None:
    made = AddressSet("ip", "4", ("192.0.2.1",))
    rules = Rules(FILTER.tables, {made.name: made})
    assert host.run(boot_script(rules, PROGRAMS), "sets", stop=False).returncode == 0
    assert host.restored == []
    assert f"swap playout-new {made.name}" in host.told_ipset


def test_texts_of_a_policy_are_nothing_to_the_shell(host: Host) -> None:
    line = '-m comment --comment "$(touch owned) `touch owned` \'; touch owned; PLAYOUT_END" -j DROP'
    rules = _rules(("filter", {"PLAYOUT-INPUT": (line,)}))
    assert host.run(load_script(rules, PROGRAMS)).returncode == 0
    assert f"-A PLAYOUT-INPUT {line}\n" in host.restored[0]
    assert not (host.path / "owned").exists()


# -- While both filters stand ------------------------------------------------------------------------------------------

_VERDICTS = st.sampled_from(["ACCEPT", "DROP", "PLAYOUT-OUTSIDE"])
_CHAIN = st.lists(st.tuples(st.integers(1, 4), _VERDICTS), max_size=4)


def _filter(main: list[tuple[int, str]], outside: list[tuple[int, str]]) -> Rules:
    def lines(body: list[tuple[int, str]]) -> tuple[str, ...]:
        return tuple(f"--dport {port} -j {verdict}" for port, verdict in body)

    simple = [(port, "DROP" if verdict == "PLAYOUT-OUTSIDE" else "RETURN") for port, verdict in outside]
    return _rules(("filter", {"PLAYOUT-INPUT": lines(main), "PLAYOUT-OUTSIDE": lines(simple)}))


def _passes(restored: str, port: int, chain: str) -> str:
    """Follow a packet through the chains that a restore adds; its verdict, or nothing at their end."""
    for line in restored.splitlines():
        match = re.fullmatch(rf"-A {chain} (?:--dport (\d) )?-j (\S+)", line)
        if not match or match.group(1) not in (None, str(port)):
            continue
        target = match.group(2)
        verdict = _passes(restored, port, target) if target.startswith("PLAYOUT") else target
        if verdict:
            return "" if verdict == "RETURN" and not target.startswith("PLAYOUT") else verdict
    return ""


def _accepted(restored: str, port: int) -> bool:
    return _passes(restored, port, "PLAYOUT-INPUT") != "DROP"


@given(_CHAIN, _CHAIN, _CHAIN, _CHAIN)
def test_what_passes_both_filters_at_once_passes_each(
    main: list[tuple[int, str]],
    outside: list[tuple[int, str]],
    other_main: list[tuple[int, str]],
    other_outside: list[tuple[int, str]],
) -> None:
    before, after = _filter(main, outside), _filter(other_main, other_outside)
    translated = Rules({**after.tables, ("ipv4", "nat"): Table({"PLAYOUT-DNAT": ("-j DNAT",)})})
    old = load_script(before, PROGRAMS)
    [both, new] = re.findall(
        r"<<'PLAYOUT_END'\n(.*?)PLAYOUT_END", change_script(before, translated, PROGRAMS), re.DOTALL
    )
    for port in range(1, 5):
        assert _accepted(both, port) == (_accepted(old, port) and _accepted(new, port))
