# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a verification: what was expected, what the probes found, and a table of both for people.

What is not proven is never ``ok``:

=========  ==============================  ==========
Expected   Found                           Verdict
=========  ==============================  ==========
reachable  passed                          ok
reachable  refused, nothing listens        ok
reachable  refused, something listens      failed
reachable  refused, listener not known     undecided
reachable  filtered                        failed
blocked    filtered                        ok
blocked    unknown, but others got an      ok
           answer at the same port
blocked    passed, refused (it came        failed
           through: our drops are drops)
either     unknown, not tried otherwise    undecided
=========  ==============================  ==========
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

OK = "ok"
FAILED = "failed"
UNDECIDED = "undecided"
# Also the order in which a table shows them: differences first.
VERDICTS = (FAILED, UNDECIDED, OK)

Row = dict[str, Any]
Listening = Mapping[str, Sequence[Mapping[str, Any]]]

_REACHABLE = {"passed": OK, "filtered": FAILED, "unknown": UNDECIDED, "not tried": UNDECIDED}
_BLOCKED = {"passed": FAILED, "refused": FAILED, "filtered": OK, "unknown": UNDECIDED, "not tried": UNDECIDED}
_REFUSED = {
    True: (FAILED, "something listens"),
    False: (OK, "nothing listens"),
    None: (UNDECIDED, "listener not known"),
}
# What the verdict line says about the undecided, by what was found.
_WHY_UNDECIDED = {
    "unknown": "UDP without an answer",
    "not tried": "not tried",
    "refused, listener not known": "refused, not known whether anything listens",
}
_COLUMNS = ("initiator", "listener", "service", "target", "expected", "found", "verdict")


def judge(results: Iterable[Mapping[str, Any]], listening: Listening) -> list[Row]:
    """Compare what was found with what was expected; rows in the order of the results.

    :param results: entries of ``reachability_info``'s results, each with ``initiator`` (the host that probed),
        ``listener`` (the inventory host behind the address, None where it is no inventory host) and ``service``
        (left out: the probe's ``name``). Where a gateway translates, ``listener_port`` is the listener's own port.
    :param listening: host -> ``listeners_info``'s listeners; a host that was not in reach is left out.
    :returns: ``{initiator, listener, service, protocol, address, port, expected, found, reason, verdict}``.
    :raises ValueError: where a result has an unknown word for ``expected`` or ``result``.
    """
    known = list(results)
    answering = {_target(result) for result in known if result["result"] == "passed"}
    return [_judged(result, listening, answering) for result in known]


def _judged(result: Mapping[str, Any], listening: Listening, answering: Container[str]) -> Row:
    expected, found = str(result["expected"]), str(result["result"])
    rules = {"reachable": _REACHABLE, "blocked": _BLOCKED}.get(expected)
    if rules is None:
        raise ValueError(f"{_target(result)}: expected is '{expected}'; write reachable or blocked")
    if found not in _BLOCKED:
        raise ValueError(f"{_target(result)}: '{found}' is not a result; known are {', '.join(_BLOCKED)}")
    if found == "refused" and expected == "reachable":
        verdict, listens = _REFUSED[_listens(result, listening)]
        found = f"refused, {listens}"
    elif found == "unknown" and expected == "blocked" and _target(result) in answering:
        verdict, found = OK, "no answer, others get one"
    else:
        verdict = rules[found]
    return {
        "initiator": result["initiator"],
        "listener": result["listener"],
        "service": result.get("service") or result.get("name"),
        "protocol": result["protocol"],
        "address": result["address"],
        "port": result["port"],
        "expected": expected,
        "found": found,
        "reason": result.get("reason") or "",
        "verdict": verdict,
    }


def _listens(result: Mapping[str, Any], listening: Listening) -> bool | None:
    """Whether something listens where the probe ended, None where that is not known."""
    host = result["listener"]
    if host is None or host not in listening:
        return None
    port = result.get("listener_port") or result["port"]
    probed = ipaddress.ip_address(str(result["address"]))
    answers = {
        _takes(ipaddress.ip_address(str(entry["address"])), probed)
        for entry in listening[host]
        if entry["protocol"] == result["protocol"] and entry["port"] == port
    }
    if True in answers:
        return True
    return None if None in answers else False


def _takes(own: Any, probed: Any) -> bool | None:
    """Whether a listener bound to ``own`` takes what was sent to ``probed``, None where that is not known."""
    if own == probed or (own.is_unspecified and own.version == probed.version):
        return True
    if own.is_unspecified and own.version == 6:
        return None  # "::" takes IPv4 too, unless its program said otherwise, which nobody can see
    if own.is_loopback or own.version != probed.version:
        return False
    return None  # bound to one address, which may be the one that a gateway translates the probed address to


def totals(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count the rows of each verdict, zeros included: ``{ok, failed, undecided}``."""
    counts = Counter(row["verdict"] for row in rows)
    return {verdict: counts[verdict] for verdict in (OK, FAILED, UNDECIDED)}


def verdict_line(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say in one line how the verification ended, and why what is undecided is."""
    if not rows:
        return "nothing was tried"
    count = totals(rows)
    line = f"{count[OK]} as planned, {count[FAILED]} differ, {count[UNDECIDED]} undecided"
    why = Counter(_WHY_UNDECIDED[row["found"]] for row in rows if row["verdict"] == UNDECIDED)
    if len(why) == 1:
        return f"{line} ({next(iter(why))})"
    return f"{line} ({', '.join(f'{number} {reason}' for reason, number in why.most_common())})" if why else line


def table(rows: Sequence[Mapping[str, Any]], limit: int = 50) -> str:
    """Render judged rows as aligned text: differences first, then undecided, then the others, each in their order.

    :param limit: how many rows are shown; the others are counted in a last line. Differences are never left out.
    """
    ordered = sorted(rows, key=lambda row: VERDICTS.index(row["verdict"]))
    shown = ordered[: max(limit, totals(rows)[FAILED])]
    cells = [[column.upper() for column in _COLUMNS], *(_cells(row) for row in shown)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    left = Counter(row["verdict"] for row in ordered[len(shown) :])
    if left:
        kinds = ", ".join(f"{left[verdict]} {verdict}" for verdict in VERDICTS if left[verdict])
        lines.append(f"... and {left.total()} more: {kinds}")
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> list[str]:
    found = row["found"]
    if row["verdict"] != OK and row["reason"]:
        found = f"{found} ({row['reason']})"
    listener, service = row["listener"] or "-", row["service"] or "-"
    return [row["initiator"], listener, service, _target(row), row["expected"], found, row["verdict"]]


def _target(row: Mapping[str, Any]) -> str:
    address = f"[{row['address']}]" if ":" in str(row["address"]) else row["address"]
    return f"{row['protocol']} {address}:{row['port']}"
