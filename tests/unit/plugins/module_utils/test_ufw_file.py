# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our place in ufw's file, and that everything else in it stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._ufw import IPV4, IPV6, UfwRule
from ansible_collections.playout.firewall.plugins.module_utils._ufw_file import (
    UfwFileError,
    chain_lines,
    parse,
    splice,
)
from hypothesis import given
from hypothesis import strategies as st

GOLDEN = Path(__file__).parents[3] / "golden" / "ufw"
FILES = sorted(GOLDEN.glob("*.rules"))
HEAD, TAIL = "*filter\n### RULES ###\n", "\n### END RULES ###\nCOMMIT\n"

ALLOW = UfwRule("allow", "tcp", "102", "0.0.0.0/0", "any", "10.2.0.31", "in", "playout.firewall: a")
DENY = UfwRule("deny", "tcp", "102", "0.0.0.0/0", "any", "0.0.0.0/0", "in", "playout.firewall: governed")
OUT = UfwRule("allow", "tcp", "25", "10.2.0.25", "any", "0.0.0.0/0", "out", "playout.firewall: mail")

LINES = st.sampled_from(
    [
        "\n",
        "### RULES ###\n",
        "### END RULES ###\n",
        "-A ufw-user-input -j DROP\n",
        "-A ufw-user-limit -j REJECT\n",
        "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n",
        "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0\n",
        "### tuple ### nonsense comment=zz\n",
        ALLOW.written(IPV4),
        "# a comment\r\n",
    ]
)
TEXTS = st.lists(LINES | st.text(max_size=9), max_size=20).map("".join)


def _place(*others: str, ours: tuple[UfwRule, ...] = (ALLOW, DENY)) -> int:
    """Return how many of the others' rules stand before ours."""
    blocks = "".join(f"\n### tuple ### {other}\n-A ufw-user-input -j ACCEPT\n" for other in others)
    pieces = [piece for piece in parse(splice(HEAD + blocks + TAIL, ours, IPV4)) if piece.rule]
    places = [index for index, piece in enumerate(pieces) if piece.ours]
    assert places == list(range(places[0], places[0] + len(ours)))
    assert len(pieces) == len(others) + len(ours)
    return places[0]


@given(TEXTS)
def test_the_pieces_of_any_file_are_the_file(text: str) -> None:
    assert "".join(piece.text for piece in parse(text)) == text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_of_ufw_are_their_pieces_with_a_rule_for_each_tuple(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    pieces = parse(text)
    assert "".join(piece.text for piece in pieces) == text
    assert sum(piece.rule is not None for piece in pieces) == text.count("### tuple ###")
    # What is between rules has no line of a rule.
    assert not any("-A ufw-user-input" in piece.text for piece in pieces if not piece.rule)


@given(TEXTS, TEXTS)
def test_whatever_is_in_the_file_outlasts_our_coming_and_going(before: str, after: str) -> None:
    file = splice(before + HEAD + after, [], IPV4)
    spliced = splice(file, [ALLOW, DENY], IPV4)
    assert splice(spliced, [], IPV4) == file
    assert splice(spliced, [ALLOW, DENY], IPV4) == spliced
    assert splice(spliced, [DENY], IPV4) == splice(file, [DENY], IPV4)


def test_lines_after_the_rules_of_a_file_as_installed_are_not_ours() -> None:
    installed = HEAD + "-A ufw-user-limit -j REJECT\nCOMMIT\n"
    assert splice(splice(installed, [ALLOW], IPV4), [], IPV4) == installed


@pytest.mark.parametrize(
    ("other", "before"),
    [
        pytest.param("allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", False, id="an allow"),
        pytest.param("limit tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", False, id="a limit"),
        pytest.param("allow any any 0.0.0.0/0 any 198.51.100.1 in", False, id="an allowed address"),
        pytest.param("deny any any 0.0.0.0/0 any 198.51.100.1 in", True, id="a ban"),
        pytest.param(
            "deny_log-all any any 0.0.0.0/0 any 198.51.100.0/24 in_eth0", True, id="a logged ban of a network"
        ),
        pytest.param("reject tcp 80,443 0.0.0.0/0 any 198.51.100.1 in", True, id="a ban from ports"),
        pytest.param("deny any any 0.0.0.0/0 any 198.51.100.1 Web - in", True, id="a ban from an application"),
        pytest.param("deny any any 0.0.0.0/0 any 198.51.100.1", True, id="a ban of an old version"),
        pytest.param("deny tcp 102 0.0.0.0/0 any 0.0.0.0/0 in", False, id="a denied port"),
        pytest.param("deny any any 0.0.0.0/0 any 10.2.0.31 in", False, id="a planned address banned"),
        pytest.param("deny any any 0.0.0.0/0 any 10.0.0.0/8 in", False, id="a planned network banned"),
        pytest.param("deny tcp 22 0.0.0.0/0 any 10.2.0.31 in", True, id="a planned address banned elsewhere"),
        pytest.param("deny udp any 0.0.0.0/0 any 10.2.0.31 in", True, id="a planned address banned otherwise"),
        pytest.param("deny tcp ssh 0.0.0.0/0 any 10.2.0.31 in", False, id="a port that cannot be judged"),
        pytest.param(
            "deny any any 0.0.0.0/0 any 10.2.0.31/255.0.255.0 in", False, id="an address that cannot be judged"
        ),
        pytest.param("route:allow any any 0.0.0.0/0 any 0.0.0.0/0 in", True, id="a rule of transit"),
        pytest.param("allow any any 0.0.0.0/0 any 0.0.0.0/0 out_eth0", True, id="a rule of what goes out"),
        pytest.param("nonsense", False, id="nonsense"),
    ],
)
def test_only_bans_and_rules_of_other_chains_stay_before_us(other: str, before: bool) -> None:
    assert _place(other) == int(before)
    assert _place(other, other, "allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", other) == 2 * int(before)


@pytest.mark.parametrize(
    ("other", "before"),
    [
        ("deny any any 10.2.0.99 any 0.0.0.0/0 out", True),
        ("deny any any 10.2.0.25 any 0.0.0.0/0 out", False),
        ("allow any any 10.2.0.99 any 0.0.0.0/0 out", False),
    ],
)
def test_what_goes_out_is_banned_by_its_destination(other: str, before: bool) -> None:
    assert _place(other, ours=(OUT,)) == int(before)


def test_a_ban_in_a_planned_network_stays_and_one_of_the_whole_network_does_not() -> None:
    network = replace(ALLOW, src="10.2.0.0/16")
    assert _place("deny any any 0.0.0.0/0 any 10.2.0.31 in", ours=(network, DENY)) == 1
    assert _place("deny any any 0.0.0.0/0 any 10.2.0.0/16 in", ours=(network, DENY)) == 0
    assert _place("deny any any 0.0.0.0/0 any 10.2.0.0/16 in", ours=(replace(ALLOW, src="0.0.0.0/0"),)) == 1


def test_a_file_without_ufws_heading_is_refused_unless_there_is_nothing_to_write() -> None:
    with pytest.raises(UfwFileError, match=r"^/etc/ufw/user.rules has no line '### RULES ###'.*ufw logging on"):
        splice("*filter\nCOMMIT\n", [ALLOW], IPV4)
    assert splice("*filter\nCOMMIT\n", [], IPV4) == "*filter\nCOMMIT\n"


def test_only_the_chains_that_hold_rules_of_ours_are_looked_at() -> None:
    text = (GOLDEN / "administrator.user6.rules").read_text(encoding="utf-8")
    assert {line.split()[1] for line in chain_lines(text, IPV6)} == {"ufw6-user-input", "ufw6-user-output"}
    assert chain_lines(text, IPV4) == []
