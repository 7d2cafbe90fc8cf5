# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy in the language of nft. Pure: text out of data, nothing is read or run.

Everything lives in one table of our own, which is our mark: nothing outside of it is ever written. Address lists
become named sets, shared where equal; ports stay anonymous sets in the rule; there is never a rule per flow, because a
lookup in a set costs the same for ten and for ten thousand addresses, and rules do not.
"""

from __future__ import annotations

import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._intervals import Intervals
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import (
    ACCEPT,
    DROP,
    ELSEWHERE_LOCAL,
    HELPER,
    MASQUERADE,
    Options,
    Statement,
    Statements,
    statements,
)

TABLE = "playout_firewall"
# What a backend beside another program's rules has no words for there.
BESIDE = "playout_beside"
# Holds new connections up while another program's rules are changed in several steps.
PAUSE = "playout_pause"
TABLES = (TABLE, BESIDE, PAUSE)
FAMILY = "inet"

Lines = t.Sequence[Statement]
Texts = t.Sequence[str]

_KEYWORD = {"ipv4": "ip", "ipv6": "ip6"}
# nft refuses longer comments.
_COMMENT_BYTES = 127
_LINE = 100

# Drops of ours never reach these: without them a host loses its address, its neighbours or the path's MTU.
_ESSENTIAL = (
    (
        "icmp type { echo-reply, destination-unreachable, echo-request, time-exceeded, parameter-problem } accept",
        "essential ICMP",
    ),
    (
        "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, "
        "echo-reply, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report, "
        "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
        "essential ICMPv6",
    ),
    ("ip protocol igmp accept", "group membership, which IPv6 has in ICMPv6"),
    ("meta nfproto ipv4 udp sport { 67, 68 } udp dport { 67, 68 } accept", "DHCP"),
    ("meta nfproto ipv6 udp dport { 546, 547 } accept", "DHCPv6"),
)


def removal(table: str) -> str:
    """Return the text that removes a table of ours, also where it does not exist."""
    return f"table {FAMILY} {table}\ndelete table {FAMILY} {table}\n"


REMOVAL = removal(TABLE)
# Refused where it is there already.
CREATION = f"create table {FAMILY} {TABLE}\n"


def render(policy: Policy, options: Options) -> str:
    """Return the text that replaces our table by this policy, in one transaction, also where it does not exist yet."""
    return render_table(statements(policy, options), TABLE)


def render_table(all_: Statements, name: str) -> str:
    """Return the text that replaces a table of ours by these statements."""
    return removal(name) + _Renderer(all_, name).table()


class _Renderer:
    """One rendering: collects the named sets while it writes the chains that use them."""

    def __init__(self, all_: Statements, name: str) -> None:
        self.statements = all_
        self.name = name
        self.sets: t.Dict[str, t.Sequence[str]] = {}
        self.set_names: t.Dict[t.Tuple[str, ...], str] = {}

    def table(self) -> str:
        all_ = self.statements
        filters = {
            "input": self._filter(all_.input, all_.connection, "iifname"),
            "output": self._filter(all_.output, (), "oifname"),
            "forward": self._filter(all_.forward),
        }
        chains = [_chain("essential", None, self._essential() if any(filters.values()) else [])]
        chains += [_chain(name, f"type filter hook {name} priority filter", lines) for name, lines in filters.items()]
        helpers = self._lines(all_.helpers)
        chains += [
            _chain("translate", "type nat hook prerouting priority dstnat", self._lines(all_.translate)),
            _chain("source_nat", "type nat hook postrouting priority srcnat", self._lines(all_.source_nat)),
            _chain("assign_helper", "type filter hook prerouting priority filter", helpers),
            _chain("assign_helper_output", "type filter hook output priority filter", helpers),
        ]
        sets = [_set(name, elements) for name, elements in self.sets.items()]
        blocks = self._helper_objects() + sets + [chain for chain in chains if chain]
        return f"table {FAMILY} {self.name} {{\n" + "\n".join(blocks) + "}\n"

    def _filter(
        self, body: t.Sequence[Statement], first: t.Sequence[Statement] = (), loopback: str = ""
    ) -> t.List[str]:
        if not body:
            return []
        opening = [_commented("ct state established,related accept", "established")]
        if loopback:
            opening.append(_commented(f'{loopback} "lo" accept', "loopback"))
        opening.append(_commented("jump essential", "always left alone"))
        return self._lines(first) + opening + self._lines(body)

    def _essential(self) -> t.List[str]:
        vrrp = (("meta l4proto 112 accept", "VRRP"),) if self.statements.gateway else ()
        return [_commented(match, text) for match, text in _ESSENTIAL + vrrp]

    def _helper_objects(self) -> t.List[str]:
        objects = {
            _helper_name(statement): f"\tct helper {_helper_name(statement)} {{\n"
            f'\t\ttype "{statement.helper}" protocol {statement.protocol};\n'
            f"\t\tl3proto {_KEYWORD[statement.family or '']};\n\t}}\n"
            for statement in self.statements.helpers
        }
        return list(objects.values())

    def _lines(self, body: Lines) -> t.List[str]:
        return [_commented(" ".join([*self._match(line), *_verdict(line)]), line.title) for line in body]

    def _match(self, line: Statement) -> t.Iterator[str]:
        if line.incoming:
            yield f"iifname {_names(line.incoming)}"
        if line.not_incoming:
            yield f"iifname != {_names(line.not_incoming)}"
        if line.outgoing:
            yield f"oifname {_names(line.outgoing)}"
        yield from self._addresses(line)
        if line.addressed:
            yield "fib daddr type local"
        if line.addressed == ELSEWHERE_LOCAL:
            # Alone it is true of every address that is not this interface's, the whole internet's too.
            yield "fib daddr . iif type != local"
        if line.ports:
            yield f"{line.protocol} dport {_ports(line.ports)}"
        # After "tcp dport": only then nft reads again what it lists of "proto-dst".
        yield from _translated(line)

    def _addresses(self, line: Statement) -> t.Iterator[str]:
        if line.family is None:
            return
        keyword = _KEYWORD[line.family]
        if not (line.sources or line.destinations):
            yield f"meta nfproto {line.family}"
        if line.sources:
            yield f"{keyword} saddr {self._reference(line, line.sources, 'saddr')}"
        if line.destinations:
            yield f"{keyword} daddr {self._reference(line, line.destinations, 'daddr')}"

    def _reference(self, line: Statement, elements: t.Tuple[str, ...], side: str) -> str:
        if len(elements) == 1:
            return elements[0]
        if not line.owner:
            return _braced(elements)
        if elements not in self.set_names:
            name = f"{line.owner}.{side}.{line.family}"
            self.set_names[elements] = name
            self.sets[name] = elements
        return f"@{self.set_names[elements]}"


def _verdict(line: Statement) -> t.Iterator[str]:
    if line.verdict in (ACCEPT, DROP, MASQUERADE):
        yield line.verdict
    elif line.verdict == HELPER:
        yield f'ct helper set "{_helper_name(line)}"'
    else:
        yield f"dnat {_KEYWORD[line.family or '']} to {_target(line)}"


def _translated(line: Statement) -> t.Iterator[str]:
    if line.translated is None:
        return
    yield "ct status dnat"
    if line.translated.addresses:
        yield f"ct original {_KEYWORD[line.family or '']} daddr {_braced(line.translated.addresses)}"
    if line.translated.ports:
        yield f"ct original proto-dst {_ports(line.translated.ports)}"


def _helper_name(line: Statement) -> str:
    return f"{line.helper}-{line.family}"


def _chain(name: str, hook: t.Optional[str], lines: t.List[str]) -> str:
    if not lines:
        return ""
    head = [f"{hook}; policy accept;"] if hook else []
    return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in head + lines) + "\t}\n"


def _set(name: str, elements: Texts) -> str:
    kind = "ipv6_addr" if ":" in elements[0] else "ipv4_addr"
    # Only where needed: the kernel looks up plain addresses in a hash.
    flags = "\t\tflags interval\n" if any("/" in element for element in elements) else ""
    lines = [""]
    for element in elements:
        if len(lines[-1]) + len(element) > _LINE:
            lines.append("")
        lines[-1] += f"{element}, "
    text = "\n\t\t\t".join(line.rstrip() for line in lines).rstrip(",")
    return f"\tset {name} {{\n\t\ttype {kind}\n{flags}\t\telements = {{\n\t\t\t{text}\n\t\t}}\n\t}}\n"


def _commented(match: str, comment: str) -> str:
    text = comment.encode()[:_COMMENT_BYTES].decode(errors="ignore")
    return f'{match} comment "{text}"'


def _ports(ranges: Intervals) -> str:
    return _braced([str(first) if first == last else f"{first}-{last}" for first, last in ranges])


def _names(interfaces: Texts) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in interfaces) + " }"


def _braced(texts: Texts) -> str:
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"


def _target(line: Statement) -> str:
    if line.to_port is None:
        return line.to_address
    return f"[{line.to_address}]:{line.to_port}" if line.family == "ipv6" else f"{line.to_address}:{line.to_port}"
