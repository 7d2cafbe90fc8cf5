# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which ufw keeps its rules, and our place in it. Pure.

Our rules stand before all others, so that nobody's deny shuts out who is planned and nobody's allow opens what the plan
governs. Only bans stay in front: denied addresses, none of which is an initiator (or listener) of the plan as a whole.
"""

from __future__ import annotations

import bisect
import ipaddress
import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError
from ansible_collections.playout.firewall.plugins.module_utils._intervals import intersect
from ansible_collections.playout.firewall.plugins.module_utils._ufw import (
    ANY,
    CHAINS,
    IN,
    MARK,
    OUT,
    Family,
    UfwRule,
    port_ranges,
)

_HEADING = "### RULES ###"
_TUPLE = re.compile(r"### tuple ###\s*(?P<fields>.*?)(?: comment=(?P<comment>\S*))?\s*")
# A file that ufw has not written since its installation goes on with other chains.
_LINE = re.compile(r"-A ufw6?-user-(logging-)?(input|output|forward) ")

Rules = t.Sequence[UfwRule]


class UfwFileError(BackendError):
    """This is no file of ufw's."""


@dataclass(frozen=True)
class Piece:
    """A part of the file as it is: a rule (its line for ufw and its lines for iptables) or what is between rules."""

    text: str
    rule: t.Optional[UfwRule] = None

    @property
    def ours(self) -> bool:
        return self.rule is not None and self.rule.comment.startswith(MARK)


def splice(text: str, rules: Rules, family: Family) -> str:
    """Return the file with these rules of ours instead of those in it; everything else is as it was, byte for byte.

    :raises UfwFileError: where the heading is missing below which the rules are.
    """
    pieces = [piece for piece in parse(text) if not piece.ours]
    if not rules:
        return "".join(piece.text for piece in pieces)
    headings = [index for index, piece in enumerate(pieces) if piece.text.endswith(f"{_HEADING}\n")]
    if not headings:
        raise UfwFileError(f"/{family.path} has no line '{_HEADING}': let ufw write it anew ('ufw logging on')")
    place = headings[0] + 1
    bans = _Bans(rules)
    while place < len(pieces) and bans.may_precede(pieces[place].rule):
        place += 1
    before, after = pieces[:place], pieces[place:]
    return "".join([*(p.text for p in before), *(rule.written(family) for rule in rules), *(p.text for p in after)])


def parse(text: str) -> t.List[Piece]:
    """Return the file in pieces, which joined are the file again."""
    pieces: t.List[Piece] = []
    between: t.List[str] = []
    lines = text.splitlines(keepends=True)
    index = 0
    while index < len(lines):
        match = _TUPLE.fullmatch(lines[index].rstrip("\n"))
        if match is None:
            between.append(lines[index])
            if lines[index] == f"{_HEADING}\n":
                pieces.append(Piece("".join(between)))
                between = []
            index += 1
            continue
        # ufw begins every rule with an empty line.
        block = [between.pop()] if between and between[-1] == "\n" else []
        if between:
            pieces.append(Piece("".join(between)))
            between = []
        block.append(lines[index])
        index += 1
        piece = Piece("", _rule(match))
        while index < len(lines) and _LINE.match(lines[index]):
            block.append(lines[index])
            index += 1
            if piece.ours:
                # Ours need no more than one; what somebody wrote below is not ours.
                break
        pieces.append(replace(piece, text="".join(block)))
    return [*pieces, Piece("".join(between))] if between else pieces


def chain_lines(text: str, family: Family) -> t.List[str]:
    """Return the iptables lines of the chains in which rules of ours may be, in their order."""
    starts = tuple(f"-A {family.chain(direction)} " for direction in CHAINS)
    return [line for line in text.splitlines() if line.startswith(starts)]


def _rule(match: t.Match[str]) -> UfwRule:
    """Read a rule, anybody's; what ufw itself would not understand becomes a rule that is nobody's and no ban."""
    fields = match["fields"].split()
    # Rules of old versions name no direction.
    direction = fields[-1] if len(fields) in (7, 9) else IN
    action, protocol, dport, dst, sport, src = (fields + [""] * 6)[:6]
    return UfwRule(action, protocol, dport, dst, sport, src, direction, _decoded(match["comment"] or ""))


def _decoded(text: str) -> str:
    try:
        return bytes.fromhex(text).decode(errors="replace")
    except ValueError:
        return ""


class _Bans:
    """Which rules of others may stay in front of these of ours."""

    def __init__(self, rules: Rules) -> None:
        self._ours = {direction: [rule for rule in rules if rule.direction == direction] for direction in CHAINS}
        self._planned: t.Dict[str, t.List[_End]] = {}

    def may_precede(self, other: t.Optional[UfwRule]) -> bool:
        if other is None:
            return False
        direction = OUT if other.direction.startswith(OUT) else IN
        if ":" in other.action or not self._ours[direction]:
            # It is in a chain that has none of ours.
            return True
        if other.action.split("_")[0] not in ("deny", "reject"):
            return False
        banned = _range(_end(other, direction))
        return banned is not None and not self._shuts_out(banned, other, direction)

    def _shuts_out(self, banned: t.Tuple[int, int], other: UfwRule, direction: str) -> bool:
        if direction not in self._planned:
            self._planned[direction] = self._ends(direction)
        planned = self._planned[direction]
        for end in planned[bisect.bisect_left(planned, (banned[0],)) :]:
            if end.first > banned[1]:
                return False
            if end.last <= banned[1] and _meet(end.rule, other):
                return True
        return False

    def _ends(self, direction: str) -> t.List[_End]:
        """Return the initiators of what we let in, or the listeners of what we let out; anybody cannot be banned."""
        ends = []
        for rule in self._ours[direction]:
            bounds = _range(_end(rule, direction))
            if rule.action == "allow" and bounds is not None:
                ends.append(_End(*bounds, rule))
        return sorted(ends, key=lambda end: end[:2])


class _End(t.NamedTuple):
    """A planned initiator or listener: its first and last address as numbers, and the rule that names it."""

    first: int
    last: int
    rule: UfwRule


def _end(rule: UfwRule, direction: str) -> str:
    return rule.src if direction == IN else rule.dst


def _range(address: str) -> t.Optional[t.Tuple[int, int]]:
    """Return the first and last address as numbers; None for anywhere, and where it cannot be read."""
    try:
        network = ipaddress.ip_network(address, strict=False)
    except ValueError:
        return None
    if network.prefixlen == 0:
        return None
    return int(network.network_address), int(network.broadcast_address)


def _meet(left: UfwRule, right: UfwRule) -> bool:
    """Whether some packets' protocol and port match both."""
    if ANY not in (left.protocol, right.protocol) and left.protocol != right.protocol:
        return False
    if ANY in (left.dport, right.dport):
        return True
    try:
        return bool(intersect(port_ranges(left.dport), port_ranges(right.dport)))
    except ValueError:
        return True
