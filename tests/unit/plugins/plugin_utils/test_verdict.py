# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict: every pair of expected and found, with what is known of the listener; and its text."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils import _verdict

WEB = {"protocol": "tcp", "family": "ipv4", "address": "0.0.0.0", "port": 80, "process": "nginx"}


def probed(result: str, expected: str = "reachable", **more: Any) -> dict[str, Any]:
    row = {
        "initiator": "player",
        "listener": "cms",
        "name": "cayin_content",
        "protocol": "tcp",
        "address": "192.0.2.10",
        "port": 80,
        "expected": expected,
        "result": result,
        "reason": "why",
        "seconds": 0.1,
    }
    return {**row, **more}


def one(result: dict[str, Any], listening: dict[str, list[dict[str, Any]]] | None = None) -> tuple[str, str]:
    (row,) = _verdict.judge([result], listening or {})
    return row["found"], row["verdict"]


@pytest.mark.parametrize(
    ("expected", "result", "verdict"),
    [
        ("reachable", "passed", "ok"),
        ("reachable", "filtered", "failed"),
        ("reachable", "unknown", "undecided"),
        ("reachable", "not tried", "undecided"),
        ("blocked", "passed", "failed"),
        ("blocked", "refused", "failed"),
        ("blocked", "filtered", "ok"),
        ("blocked", "unknown", "undecided"),
        ("blocked", "not tried", "undecided"),
    ],
)
@pytest.mark.parametrize("listening", [{}, {"cms": []}, {"cms": [WEB]}])
def test_these_do_not_depend_on_what_listens(
    expected: str, result: str, verdict: str, listening: dict[str, list[dict[str, Any]]]
) -> None:
    assert one(probed(result, expected), listening) == (result, verdict)


NOTHING = ("refused, nothing listens", "ok")
SOMETHING = ("refused, something listens", "failed")
NOT_KNOWN = ("refused, listener not known", "undecided")


@pytest.mark.parametrize(
    ("listeners", "found"),
    [
        ([], NOTHING),
        ([WEB], SOMETHING),
        ([{**WEB, "port": 81}], NOTHING),
        ([{**WEB, "protocol": "udp"}], NOTHING),
        ([{**WEB, "address": "127.0.0.1"}], NOTHING),
        ([{**WEB, "address": "192.0.2.10"}], SOMETHING),
        ([{**WEB, "address": "10.0.0.5"}], NOT_KNOWN),
        ([{**WEB, "address": "::", "family": "ipv6"}], NOT_KNOWN),
        ([{**WEB, "address": "2001:db8::1", "family": "ipv6"}], NOTHING),
        ([{**WEB, "address": "::", "family": "ipv6"}, WEB], SOMETHING),
    ],
)
def test_refused_is_as_planned_only_where_nothing_listens(
    listeners: list[dict[str, Any]], found: tuple[str, str]
) -> None:
    assert one(probed("refused"), {"cms": listeners}) == found


def test_an_ipv4_listener_takes_no_ipv6() -> None:
    assert one(probed("refused", address="2001:db8::10"), {"cms": [WEB]}) == NOTHING
    assert one(probed("refused", address="2001:db8::10"), {"cms": [{**WEB, "address": "::"}]}) == SOMETHING


def test_refused_is_undecided_where_the_listener_was_not_in_reach_or_is_no_host() -> None:
    assert one(probed("refused"), {"other": []}) == NOT_KNOWN
    assert one(probed("refused", listener=None), {"cms": []}) == NOT_KNOWN


def test_behind_a_translation_the_listeners_own_port_counts() -> None:
    translated = probed("refused", port=8080, listener_port=80)
    assert one(translated, {"cms": [WEB]}) == SOMETHING
    assert one(translated, {"cms": [{**WEB, "port": 8080}]}) == NOTHING


def test_a_row_has_the_services_name_or_the_probes() -> None:
    rows = _verdict.judge([probed("passed"), probed("passed", service="cayin_web")], {})
    assert rows[0] == {
        "initiator": "player",
        "listener": "cms",
        "service": "cayin_content",
        "protocol": "tcp",
        "address": "192.0.2.10",
        "port": 80,
        "expected": "reachable",
        "found": "passed",
        "reason": "why",
        "verdict": "ok",
    }
    assert rows[1]["service"] == "cayin_web"


@pytest.mark.parametrize("wrong", [{"expected": "open"}, {"expected": None}, {"result": "fine"}])
def test_a_word_that_nobody_knows_is_an_error_that_names_the_target(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"tcp 192\.0\.2\.10:80: .*known|tcp 192\.0\.2\.10:80: expected is"):
        _verdict.judge([{**probed("passed"), **wrong}], {})


def judged(**numbers: int) -> list[dict[str, Any]]:
    words = [word.replace("_", " ") for word, count in numbers.items() for _time in range(count)]
    return _verdict.judge([probed(word) for word in words], {})


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (judged(), "nothing was tried"),
        (judged(passed=3), "3 as planned, 0 differ, 0 undecided"),
        (judged(passed=214, unknown=12), "214 as planned, 0 differ, 12 undecided (UDP without an answer)"),
        (
            judged(passed=1, filtered=2, unknown=2, not_tried=1),
            "1 as planned, 2 differ, 3 undecided (2 UDP without an answer, 1 not tried)",
        ),
        (judged(refused=1), "0 as planned, 0 differ, 1 undecided (refused, not known whether anything listens)"),
    ],
)
def test_the_verdict_line_counts_everything_and_says_why(rows: list[dict[str, Any]], line: str) -> None:
    assert _verdict.verdict_line(rows) == line
    assert sum(_verdict.totals(rows).values()) == len(rows)


def test_the_table_is_aligned_and_begins_with_the_differences() -> None:
    rows = _verdict.judge(
        [
            probed("passed"),
            probed("unknown", protocol="udp", address="2001:db8::20", listener=None, name=None, port=8100),
            probed("filtered", initiator="a-long-player", reason="ICMP type 3 code 13 from 192.0.2.1"),
        ],
        {},
    )
    lines = _verdict.table(rows).splitlines()
    assert [line.split()[-1] for line in lines] == ["VERDICT", "failed", "undecided", "ok"]
    assert len({line.rindex(line.split()[-1]) for line in lines}) == 1, "the last column starts in one place"
    assert "filtered (ICMP type 3 code 13 from 192.0.2.1)" in lines[1]
    assert "udp [2001:db8::20]:8100" in lines[2]
    assert "why" not in lines[3], "what is as planned needs no reason"


def test_a_long_table_is_cut_with_a_count_but_never_within_the_differences() -> None:
    lines = _verdict.table(judged(passed=60, unknown=5, filtered=2), limit=4).splitlines()
    assert len(lines) == 1 + 4 + 1
    assert lines[-1] == "... and 63 more: 3 undecided, 60 ok"
    lines = _verdict.table(judged(passed=1, filtered=9), limit=4).splitlines()
    assert len(lines) == 1 + 9 + 1
    assert lines[-1] == "... and 1 more: 1 ok"
    assert "more" not in _verdict.table(judged(passed=4), limit=4)


def test_silence_to_an_unplanned_udp_probe_counts_as_blocked_where_others_are_answered() -> None:
    answered = probed("passed", protocol="udp", port=10200, initiator="map1", expected="reachable")
    silent = probed("unknown", protocol="udp", port=10200, initiator="engine1", expected="blocked")
    elsewhere = probed("unknown", protocol="udp", port=10201, initiator="engine1", expected="blocked")

    found = _verdict.judge([silent, answered, elsewhere], {})

    assert [row["verdict"] for row in found] == ["ok", "ok", "undecided"]


def test_silence_to_a_planned_udp_probe_never_counts_as_passed() -> None:
    answered = probed("passed", protocol="udp", port=10200, initiator="map1", expected="reachable")
    silent = probed("unknown", protocol="udp", port=10200, initiator="map2", expected="reachable")

    assert [row["verdict"] for row in _verdict.judge([answered, silent], {})] == ["ok", "undecided"]
