# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy as rules of ufw. Pure: text out of data, nothing is read or run.

A rule is written exactly as ufw writes it, so that ufw can read it, show it, delete it and write it again without a
difference. ufw knows no sets: there is one rule for each source (or destination) and each fifteen ports.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.module_utils._intervals import Intervals, intersect
from ansible_collections.playout.firewall.plugins.module_utils._statements import ACCEPT, DROP, Statement, Statements

# Every comment of ours begins with it.
MARK = "playout.firewall"
ANY = "any"
IN, OUT = "in", "out"
CHAINS = {IN: "input", OUT: "output"}

# iptables' multiport; a range counts twice.
_PORTS_OF_A_RULE = 15
_TITLE_BYTES = 120


@dataclass(frozen=True)
class Family:
    """What ufw has twice: once for IPv4, once for IPv6."""

    name: str
    prefix: str
    anywhere: str
    path: str
    program: str

    def chain(self, direction: str) -> str:
        """Return the chain that holds the rules of a direction."""
        return f"{self.prefix}-user-{CHAINS[direction]}"


IPV4 = Family("ipv4", "ufw", "0.0.0.0/0", "etc/ufw/user.rules", "iptables")
IPV6 = Family("ipv6", "ufw6", "::/0", "etc/ufw/user6.rules", "ip6tables")
FAMILIES = (IPV4, IPV6)


@dataclass(frozen=True)
class UfwRule:
    """A rule as the line that ufw keeps of it has it; ``any`` and the family's whole network match everything."""

    action: str
    protocol: str
    dport: str
    dst: str
    sport: str
    src: str
    direction: str
    comment: str = ""

    @property
    def packets(self) -> t.Tuple[str, ...]:
        """What ufw knows a rule by: two rules that differ in action and comment only are one to it."""
        return (self.protocol, self.dport, self.dst, self.sport, self.src, self.direction)

    def written(self, family: Family) -> str:
        """Return the rule's lines in ufw's file."""
        comment = self.comment.encode().hex()
        fields = f"{self.action} {self.protocol} {self.dport} {self.dst} {self.sport} {self.src} {self.direction}"
        chain = family.chain(self.direction)
        matches = " ".join(self._matches(family))
        return f"\n### tuple ### {fields} comment={comment}\n-A {chain} {matches}\n"

    def _matches(self, family: Family) -> t.Iterator[str]:
        several = any(mark in self.dport + self.sport for mark in ",:")
        if self.protocol != ANY:
            yield f"-p {self.protocol}"
        if several and self.dport != ANY:
            yield f"-m multiport --dports {self.dport}"
        if several and self.sport != ANY:
            yield f"-m multiport --sports {self.sport}"
        if self.dst != family.anywhere:
            yield f"-d {self.dst}"
        if not several and self.dport != ANY:
            yield f"--dport {self.dport}"
        if self.src != family.anywhere:
            yield f"-s {self.src}"
        if not several and self.sport != ANY:
            yield f"--sport {self.sport}"
        yield "-j ACCEPT" if self.action == "allow" else "-j DROP"


# What ufw's own before.rules do not accept already, and a drop of ours must not reach.
_ESSENTIAL = {
    IPV4: (("igmp", ANY, ANY, "group membership"), ("udp", "67,68", "67,68", "DHCP")),
    IPV6: (("udp", "546,547", ANY, "DHCPv6"),),
}


def render(said: Statements, family: Family) -> t.List[UfwRule]:
    """Return the rules of a family for what a host's policy says, in their order, each only once."""
    rules: t.Dict[t.Tuple[str, ...], UfwRule] = {}
    for direction, first, body in ((IN, said.connection, said.input), (OUT, (), said.output)):
        for rule in (
            *_rules(first, direction, family),
            *_essential(body, direction, family),
            *_rules(body, direction, family),
        ):
            # What a rule before it decided already, ufw would take for the same rule.
            rules.setdefault(rule.packets, rule)
    return list(rules.values())


def _rules(body: t.Iterable[Statement], direction: str, family: Family) -> t.Iterator[UfwRule]:
    for line in body:
        if line.family not in (None, family.name):
            continue
        for ports in _chunks(line.ports):
            for dst in line.destinations or (family.anywhere,):
                for src in line.sources or (family.anywhere,):
                    action = "allow" if line.verdict == ACCEPT else "deny"
                    protocol = line.protocol or ANY
                    yield UfwRule(action, protocol, ports, dst, ANY, src, direction, _comment(line.title))


def _essential(body: t.Sequence[Statement], direction: str, family: Family) -> t.Iterator[UfwRule]:
    drops = [line for line in body if line.verdict == DROP and line.family in (None, family.name)]
    for protocol, dport, sport, title in _ESSENTIAL[family]:
        if any(_drops(line, protocol, dport) for line in drops):
            anywhere = family.anywhere
            yield UfwRule("allow", protocol, dport, anywhere, sport, anywhere, direction, _comment(title))


def _drops(line: Statement, protocol: str, ports: str) -> bool:
    if line.protocol not in (None, protocol):
        return False
    return not line.ports or ports == ANY or bool(intersect(line.ports, port_ranges(ports)))


def port_ranges(text: str) -> Intervals:
    """Return the ports of ufw's ``80,20001:29999``."""
    bounds = (part.split(":") for part in text.split(","))
    return tuple(sorted((int(part[0]), int(part[-1])) for part in bounds))


def _chunks(ports: Intervals) -> t.Iterator[str]:
    """Yield the ports as ufw writes them, as many as one rule takes."""
    if not ports:
        yield ANY
        return
    chunk: t.List[str] = []
    room = _PORTS_OF_A_RULE
    for first, last in ports:
        size = 1 if first == last else 2
        if size > room:
            yield ",".join(chunk)
            chunk, room = [], _PORTS_OF_A_RULE
        chunk.append(str(first) if first == last else f"{first}:{last}")
        room -= size
    yield ",".join(chunk)


def _comment(title: str) -> str:
    # ufw refuses apostrophes in comments when it is asked to write them.
    text = title.replace("'", "").encode()[:_TITLE_BYTES].decode(errors="ignore")
    return f"{MARK}: {text}"
