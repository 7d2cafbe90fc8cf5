# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy in the language of iptables. Pure: rules out of data, nothing is read or run.

Everything lives in chains of our own, whose names begin with our mark, and one jump leads into each. Address lists
become ipsets, named after what they hold: old and new ones exist side by side while the rules change hands. Ports are
chunks of the multiport match; there is a rule per address only where no ipset can be had.
"""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.playout.firewall.plugins.module_utils._intervals import Intervals
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import (
    ACCEPT,
    DROP,
    ELSEWHERE_LOCAL,
    FAMILIES,
    HELPER,
    MASQUERADE,
    Options,
    Statement,
    Statements,
    statements,
)

MARK = "PLAYOUT-"
SET_MARK = "playout-"
# As a shell has it; other backends may have sets of other names.
SET_PATTERN = f"{SET_MARK}ip[46]-* | {SET_MARK}net[46]-*"
# As iptables-save spells it.
JUMP_COMMENT = '-m comment --comment "playout.firewall"'

INPUT, OUTPUT, FORWARD = f"{MARK}INPUT", f"{MARK}OUTPUT", f"{MARK}FORWARD"
DNAT, SNAT = f"{MARK}DNAT", f"{MARK}SNAT"
# What comes in is also looked at before it is translated, which an output chain may not do.
HELPER_IN, HELPER_OUT = f"{MARK}HELPER", f"{MARK}HELPER-OUT"
ESSENTIAL, OUTSIDE = f"{MARK}ESSENTIAL", f"{MARK}OUTSIDE"

# The kernel's limits: of a comment, and of the multiport match, where a range takes two slots.
_COMMENT_BYTES = 255
_PORT_SLOTS = 15
# The same for all, because a set that is there already must be made alike; room is only taken when it is needed.
SET_SIZES = "hashsize 1024 maxelem 1048576"

Texts = t.Sequence[str]
Lines = t.Tuple[str, ...]


@dataclass(frozen=True)
class AddressSet:
    """An ipset: ``ip`` of single addresses, or ``net`` of networks."""

    kind: str
    version: str
    elements: Lines

    @property
    def name(self) -> str:
        """Its kind and a digest, so that whoever knows only the name can create it, and another list has another."""
        digest = hashlib.sha256(" ".join(self.elements).encode()).hexdigest()
        return f"{SET_MARK}{self.kind}{self.version}-{digest[:16]}"

    @property
    def header(self) -> str:
        family = "inet6" if self.version == "6" else "inet"
        return f"hash:{self.kind} family {family} {SET_SIZES}"


@dataclass(frozen=True)
class Jump:
    """A rule of a built-in chain that leads into one of ours; without a position it goes where it belongs."""

    chain: str
    rule: str
    position: t.Optional[int] = None


@dataclass(frozen=True)
class Table:
    """What is ours in one table of one family: chains of rules without their chain's name, and the jumps to them."""

    chains: t.Mapping[str, Lines] = field(default_factory=dict)
    jumps: t.Tuple[Jump, ...] = ()


@dataclass(frozen=True)
class Rules:
    """Everything of ours: tables by family and name, sets by name."""

    tables: t.Mapping[t.Tuple[str, str], Table] = field(default_factory=dict)
    sets: t.Mapping[str, AddressSet] = field(default_factory=dict)


def render(policy: Policy, options: Options, families: Texts = FAMILIES, with_sets: bool = True) -> Rules:
    """Return the rules of a policy.

    :param families: those that the kernel has.
    :param with_sets: without, there is a rule for each address.
    """
    all_ = statements(policy, options)
    sets: t.Dict[str, AddressSet] = {}
    tables: t.Dict[t.Tuple[str, str], Table] = {}
    for family in families:
        writer = _Writer(family, sets if with_sets else None)
        for name, table in (("filter", writer.filter(all_)), ("nat", writer.nat(all_)), ("raw", writer.raw(all_))):
            if table.chains:
                tables[family, name] = table
    return Rules(tables, sets)


class _Writer:
    """The rules of one family; collects the sets that they use."""

    def __init__(self, family: str, sets: t.Optional[t.Dict[str, AddressSet]]) -> None:
        self._family = family
        self._sets = sets
        self._outside: t.Dict[t.Tuple[str, ...], str] = {}

    def filter(self, all_: Statements) -> Table:
        main = {
            "INPUT": (INPUT, self._opened(all_.input, all_.connection, "-i lo")),
            "OUTPUT": (OUTPUT, self._opened(all_.output, (), "-o lo")),
            "FORWARD": (FORWARD, self._opened(all_.forward)),
        }
        chains = _table(main)
        if not chains.chains:
            return chains
        helping = {ESSENTIAL: tuple(_essential(self._family, all_.gateway))}
        helping.update({name: _outside(interfaces) for interfaces, name in self._outside.items()})
        return replace(chains, chains={**helping, **chains.chains})

    def nat(self, all_: Statements) -> Table:
        translate, source_nat = self._lines(all_.translate), self._lines(all_.source_nat)
        return _table({"PREROUTING": (DNAT, translate), "POSTROUTING": (SNAT, source_nat)})

    def raw(self, all_: Statements) -> Table:
        """The helper is only assigned in this table, where nothing is translated yet."""
        before = [line for helper in all_.helpers for line in _untranslated(helper, all_.translate)]
        return _table(
            {
                "PREROUTING": (HELPER_IN, self._lines([*all_.helpers, *before])),
                "OUTPUT": (HELPER_OUT, self._lines(all_.helpers)),
            }
        )

    def _opened(self, body: t.Sequence[Statement], first: t.Sequence[Statement] = (), loopback: str = "") -> Lines:
        lines = self._lines(body)
        if not lines:
            return ()
        opening = [_commented("-m conntrack --ctstate RELATED,ESTABLISHED", "established", "ACCEPT")]
        if loopback:
            opening.append(_commented(loopback, "loopback", "ACCEPT"))
        opening.append(_commented("", "always left alone", ESSENTIAL))
        return (*self._lines(first), *opening, *lines)

    def _lines(self, body: t.Sequence[Statement]) -> Lines:
        return tuple(line for statement in body if self._speaks(statement) for line in self._rules(statement))

    def _speaks(self, statement: Statement) -> bool:
        return statement.family in (None, self._family)

    def _rules(self, line: Statement) -> t.Iterator[str]:
        """Yield one rule for each combination of what iptables can only say one by one."""
        parts = [
            self._addresses(line, line.sources, "-s", "src"),
            self._addresses(line, line.destinations, "-d", "dst"),
            [f"-i {name}" for name in line.incoming] or [""],
            [f"! -i {name}" for name in line.not_incoming] if len(line.not_incoming) == 1 else [""],
            [f"-o {name}" for name in line.outgoing] or [""],
            _ports(line.protocol, line.ports),
            [_addressed(line)],
            _translated(line),
        ]
        for combination in itertools.product(*parts):
            yield _commented(" ".join(filter(None, combination)), line.title, self._target(line))

    def _addresses(self, line: Statement, elements: Lines, option: str, side: str) -> t.List[str]:
        if len(elements) < 2 or not line.owner or self._sets is None:
            return [f"{option} {element}" for element in elements] or [""]
        kind = "net" if any("/" in element for element in elements) else "ip"
        # The order in which the kernel lists them says nothing.
        made = AddressSet(kind, self._family[-1], tuple(sorted(elements)))
        self._sets[made.name] = made
        return [f"-m set --match-set {made.name} {side}"]

    def _target(self, line: Statement) -> str:
        if len(line.not_incoming) > 1:
            return self._outside.setdefault(line.not_incoming, f"{OUTSIDE}{len(self._outside) or ''}")
        if line.verdict == HELPER:
            return f"CT --helper {line.helper}"
        return _VERDICTS.get(line.verdict) or f"DNAT --to-destination {_destination(line)}"


_VERDICTS = {ACCEPT: "ACCEPT", DROP: "DROP", MASQUERADE: "MASQUERADE"}


def _table(main: t.Mapping[str, t.Tuple[str, Lines]]) -> Table:
    """Return a table of these chains, by the built-in chains that lead to them; those without rules are left out."""
    filled = [(builtin, name, lines) for builtin, (name, lines) in main.items() if lines]
    jumps = tuple(Jump(builtin, f"{JUMP_COMMENT} -j {name}") for builtin, name, _lines in filled)
    return Table({name: lines for _builtin, name, lines in filled}, jumps)


def _essential(family: str, gateway: bool) -> t.Iterator[str]:
    """Yield what drops of ours never reach: without it a host loses its address, its neighbours or the path's MTU."""
    if family == "ipv4":
        for number in (0, 3, 8, 11, 12):
            yield _commented(f"-p icmp --icmp-type {number}", "essential ICMP", "ACCEPT")
        # Numbers, because not every host has /etc/protocols.
        yield _commented("-p 2", "group membership, which IPv6 has in ICMPv6", "ACCEPT")
        yield _commented("-p udp --sport 67:68 --dport 67:68", "DHCP", "ACCEPT")
    else:
        for number in (1, 2, 3, 4, 128, 129, 130, 131, 132, 143, 133, 134, 135, 136):
            yield _commented(f"-p icmpv6 --icmpv6-type {number}", "essential ICMPv6", "ACCEPT")
        yield _commented("-p udp --dport 546:547", "DHCPv6", "ACCEPT")
    if gateway:
        yield _commented("-p 112", "VRRP", "ACCEPT")


def _outside(interfaces: t.Sequence[str]) -> Lines:
    """A rule can leave out one interface only, so that a chain leaves out several."""
    spared = [_commented(f"-i {name}", "from inside", "RETURN") for name in interfaces]
    return (*spared, _commented("", "from outside", "DROP"))


def _untranslated(helper: Statement, translate: t.Sequence[Statement]) -> t.Iterator[Statement]:
    """Yield what leads to the helper's addresses as it is before its translation."""
    port = helper.ports[0][0]
    networks = [ipaddress.ip_network(text) for text in helper.destinations]
    for line in translate:
        if (line.family, line.protocol) != (helper.family, helper.protocol):
            continue
        if networks and not any(ipaddress.ip_address(line.to_address) in network for network in networks):
            continue
        same = line.to_port is None and any(first <= port <= last for first, last in line.ports)
        if same or line.to_port == port:
            ports = ((port, port),) if same else line.ports
            yield line._replace(verdict=HELPER, helper=helper.helper, title=helper.title, ports=ports)


def _ports(protocol: t.Optional[str], ports: Intervals) -> t.List[str]:
    if not protocol:
        return [""]
    chunks: t.List[t.List[str]] = [[]]
    for first, last in ports:
        text = str(first) if first == last else f"{first}:{last}"
        if sum(map(_slots, (*chunks[-1], text))) > _PORT_SLOTS:
            chunks.append([])
        chunks[-1].append(text)
    return [f"-p {protocol}{_destination_ports(chunk)}" for chunk in chunks]


def _destination_ports(chunk: Texts) -> str:
    if not chunk:
        return ""
    return f" --dport {chunk[0]}" if len(chunk) == 1 else f" -m multiport --dports {','.join(chunk)}"


def _slots(text: str) -> int:
    return 2 if ":" in text else 1


def _addressed(line: Statement) -> str:
    if not line.addressed:
        return ""
    here = "-m addrtype --dst-type LOCAL"
    return f"{here} -m addrtype ! --dst-type LOCAL --limit-iface-in" if line.addressed == ELSEWHERE_LOCAL else here


def _translated(line: Statement) -> t.List[str]:
    """Say what a packet was sent to before its translation; the match knows one address and one range of ports."""
    if line.translated is None:
        return [""]
    addresses = [f" --ctorigdst {address}" for address in line.translated.addresses] or [""]
    ranges = [f"{first}:{last}" if first != last else str(first) for first, last in line.translated.ports]
    ports = [f" --ctorigdstport {text}" for text in ranges] or [""]
    return [f"-m conntrack --ctstate DNAT{address}{port}" for address in addresses for port in ports]


def _destination(line: Statement) -> str:
    if line.to_port is None:
        return line.to_address
    return f"[{line.to_address}]:{line.to_port}" if line.family == "ipv6" else f"{line.to_address}:{line.to_port}"


def _commented(match: str, comment: str, target: str) -> str:
    text = comment.encode()[:_COMMENT_BYTES].decode(errors="ignore")
    return f'{match} -m comment --comment "{text}" -j {target}'.lstrip()
