# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy in the terms of firewalld. Pure: objects out of data, nothing is read or run.

What is let through must be said to firewalld, because nobody else can open what it drops. It also drops, forwards
ports and sets helpers for us as far as it can tell the packets apart. It cannot where interfaces matter that have no
zone of their own, behind a translation, because whatever was translated it lets through before it asks any policy, and
where all but little is dropped. What it has no words for is left over as statements, for a table beside it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.module_utils._firewalld_objects import (
    MARK,
    Element,
    Helper,
    IpSet,
    Objects,
    PolicyObject,
    RichRule,
    Service,
)
from ansible_collections.playout.firewall.plugins.module_utils._intervals import (
    Intervals,
    intersect,
    subtract,
    union,
)
from ansible_collections.playout.firewall.plugins.module_utils._statements import (
    ACCEPT,
    DROP,
    FAMILIES,
    Statement,
    Statements,
)

ANY_ZONE, HOST = "ANY", "HOST"

Lines = t.Sequence[Statement]
Texts = t.Tuple[str, ...]

# Before every zone and every policy of others; what drops in the way of a forward is asked before our own accepts.
_FIRST, _SECOND = -32768, -32767
# After the zones' own rules, among which are bans, and before their last word.
_LATE = 1
# Above zero, where the helpers of a policy come before its rules. Each change of the verdict is a step.
_STEP = 100
# The oldest version that knows ipsets as destinations.
_DESTINATION_SETS = (1, 0)
# UDP ports that no drop of ours may reach, whoever sends.
_DHCP: Intervals = ((67, 68), (546, 547))

# The place, the ingress and the egress of our policies.
_WAYS = {
    "in": (_SECOND, ANY_ZONE, HOST),
    "out": (_SECOND, HOST, ANY_ZONE),
    "forward": (_SECOND, ANY_ZONE, ANY_ZONE),
    "open": (_LATE, ANY_ZONE, HOST),
}


@dataclass(frozen=True)
class Zone:
    """What is bound to a zone while firewalld runs."""

    interfaces: Texts = ()
    sources: Texts = ()


@dataclass(frozen=True)
class Site:
    """What a rendering has to know of the firewalld that it is for."""

    zones: t.Mapping[str, Zone]
    version: t.Tuple[int, ...]

    def zones_of(self, interfaces: Texts) -> Texts:
        """Return the zones that hold these interfaces, all of them and nothing else; none where there are none such."""
        found = {name: zone for name, zone in self.zones.items() if set(zone.interfaces) & set(interfaces)}
        held = [interface for zone in found.values() for interface in zone.interfaces]
        alone = sorted(held) == sorted(interfaces) and not any(zone.sources for zone in found.values())
        return tuple(sorted(found)) if alone else ()


@dataclass(frozen=True)
class Way:
    """Ports of a forward, before the translation, with the only sources that may use them; none are any."""

    line: Statement
    ports: Intervals
    sources: Texts


def settle(all_: Statements, site: Site) -> t.Tuple[Objects, Statements]:
    """Return what firewalld is told, and what it has no words for."""
    return _Writer(all_, site).settle()


def ways(line: Statement, forward: Lines) -> t.Optional[t.List[Way]]:
    """Return who may use a forward: whoever gets through the forward chain behind it.

    None where firewalld, which lets everything through that was translated, cannot be told so by sources alone.
    """
    left = line.ports if line.to_port is None else ((line.to_port, line.to_port),)
    unclear: Intervals = ()
    found = []
    for rule in forward:
        hit = () if rule.incoming else _hit(rule, line, left)
        if hit and rule.verdict == ACCEPT:
            found.append(Way(line, hit if line.to_port is None else line.ports, rule.sources))
        if rule.verdict == DROP and (rule.sources or (rule.not_incoming and not line.incoming)):
            unclear = union([*unclear, *hit])
        elif rule.verdict == DROP or not rule.sources:
            left = subtract(left, hit)
    if intersect(left, unclear):
        return None
    if left:
        found.append(Way(line, left if line.to_port is None else line.ports, ()))
    return found


class _Writer:
    """One policy on its way into firewalld: collects the ipsets while it writes the rules that use them."""

    def __init__(self, all_: Statements, site: Site) -> None:
        self.all = all_
        self.site = site
        self.ipsets: t.Dict[str, IpSet] = {}

    def settle(self) -> t.Tuple[Objects, Statements]:
        forwarding = self._forwarding()
        hiding = self._hiding()
        services, helpers = ([], []) if self.all.translate else self._helpers()
        names = tuple(service.name for service in services)
        shut = {"in": any(map(_beyond_ports, self.all.input)), "out": any(map(_beyond_ports, self.all.output))}
        first = self.all.connection if self.all.input else ()
        policies = [
            *forwarding,
            self._policy("in", "to this host", [*first, *_told(self.all.input, shut["in"])], names),
            self._policy("out", "from this host", _told(self.all.output, shut["out"]), names),
            self._policy("forward", "through this host", self._transit(), names if self.all.gateway else ()),
            self._policy("open", "left open, except for bans", [line for line in self.all.input if _kept(line)]),
            *hiding,
        ]
        said = [policy for policy in policies if policy.rules or policy.services or policy.masquerade]
        objects = Objects(tuple(said), tuple(self.ipsets.values()), tuple(services), tuple(helpers))
        rest = self.all._replace(
            connection=self.all.connection if shut["in"] else (),
            input=self.all.input if shut["in"] else (),
            output=self.all.output if shut["out"] else (),
            forward=self.all.forward if any(line.verdict == DROP for line in self.all.forward) else (),
            translate=() if forwarding else self.all.translate,
            source_nat=() if hiding else self.all.source_nat,
            helpers=self.all.helpers if self.all.translate else (),
        )
        return objects, rest

    def _transit(self) -> t.List[Statement]:
        """Return what is let through this host: firewalld by itself lets through what was translated."""
        return [line for line in self.all.forward if line.verdict == ACCEPT and not line.incoming]

    # -- filter ---------------------------------------------------------------------------------------------------

    def _policy(self, name: str, short: str, body: Lines, services: Texts = ()) -> PolicyObject:
        """Return a policy in whose rules' priorities the order of the statements is kept."""
        rules: t.List[RichRule] = []
        priority, verdict = _STEP, ACCEPT
        for line in body:
            if line.verdict != verdict:
                priority, verdict = priority + _STEP, line.verdict
            rules += self._rules(line, priority)
        place, ingress, egress = _WAYS[name]
        return PolicyObject(MARK + name, short, place, (ingress,), (egress,), _distinct(rules), services)

    def _rules(self, line: Statement, priority: int) -> t.Iterator[RichRule]:
        for destination in self._destinations(line):
            for element in _ports(line):
                yield self._rule(line, priority, [*self._sources(line), *destination, *element, (line.verdict, ())])

    def _rule(self, line: Statement, priority: int, elements: t.Sequence[Element]) -> RichRule:
        return RichRule(line.title, priority, tuple(elements), line.family)

    def _sources(self, line: Statement) -> t.List[Element]:
        return self._end(line, "source", line.sources)

    def _destinations(self, line: Statement) -> t.List[t.List[Element]]:
        if len(line.destinations) > 1 and self.site.version < _DESTINATION_SETS:
            return [[("destination", (("address", address),))] for address in line.destinations]
        return [self._end(line, "destination", line.destinations)]

    def _end(self, line: Statement, side: str, addresses: Texts) -> t.List[Element]:
        if not addresses:
            return []
        if len(addresses) == 1:
            return [(side, (("address", addresses[0]),))]
        # The name says the content: a set that somebody uses never changes under his rules.
        name = MARK + hashlib.sha256("\n".join(addresses).encode()).hexdigest()[:12]
        self.ipsets.setdefault(name, IpSet(name, f"{line.title} ({side}s)", line.family or "", addresses))
        return [(side, (("ipset", name),))]

    # -- translation ----------------------------------------------------------------------------------------------

    def _forwarding(self) -> t.List[PolicyObject]:
        """Return the policies that forward ports; none where firewalld cannot be told all of it.

        Who may not use a forward is not translated, and must then not reach the gateway itself at that port.
        """
        hairpin = any(line.translated is not None for line in self.all.source_nat)
        zones = {self._wan_zones(line) for line in self.all.translate}
        if hairpin or len(zones) != 1 or () in zones:
            return []
        ingress = zones.pop()
        rules: t.List[RichRule] = []
        drops: t.List[RichRule] = []
        for line in self.all.translate:
            found = ways(line, self.all.forward)
            if found is None:
                return []
            rules += [rule for way in found for rule in self._forward_ports(way)]
            if not any(way.ports == line.ports and not way.sources for way in found):
                drops += self._rules(line._replace(verdict=DROP, title=f"{line.title}: not planned"), _STEP)
        return [
            PolicyObject(f"{MARK}nat", "forwards", _FIRST, ingress, (ANY_ZONE,), _distinct(rules)),
            PolicyObject(f"{MARK}wan", "who may not use a forward", _FIRST, ingress, (HOST,), _distinct(drops)),
        ]

    def _wan_zones(self, line: Statement) -> Texts:
        if line.addressed or not line.destinations:
            return ()
        return self.site.zones_of(line.incoming) if line.incoming else (ANY_ZONE,)

    def _forward_ports(self, way: Way) -> t.Iterator[RichRule]:
        line = way.line._replace(sources=way.sources)
        for destination in line.destinations:
            for first, last in way.ports:
                to_port = (("to-port", str(line.to_port)),) if line.to_port is not None else ()
                target = (("port", _range(first, last)), ("protocol", line.protocol or ""), *to_port)
                element = ("forward-port", (*target, ("to-addr", line.to_address)))
                where = ("destination", (("address", destination),))
                yield self._rule(line, _STEP, [*self._sources(line), where, element])

    def _hiding(self) -> t.List[PolicyObject]:
        """Return the policy that hides the site; none where there is nothing to hide or firewalld cannot be told so."""
        plain = [line for line in self.all.source_nat if line.translated is None and line.outgoing]
        zones = {self.site.zones_of(line.outgoing) for line in plain}
        if len(plain) != len(self.all.source_nat) or len(zones) != 1 or () in zones:
            return []
        return [PolicyObject(f"{MARK}hide", plain[0].title, _SECOND, (ANY_ZONE,), zones.pop(), masquerade=True)]

    # -- helpers --------------------------------------------------------------------------------------------------

    def _helpers(self) -> t.Tuple[t.List[Service], t.List[Helper]]:
        """Return the services whose connections a helper follows, and the helpers that firewalld does not bring."""
        services, helpers = [], []
        kinds = {(line.helper, line.protocol or "", line.ports[0][0]) for line in self.all.helpers}
        for name, protocol, port in sorted(kinds):
            lines = [line for line in self.all.helpers if (line.helper, line.ports[0][0]) == (name, port)]
            helper = name
            if (name, port) != ("ftp", 21):
                helper = f"{MARK}{name}-{port}"
                helpers.append(Helper(helper, f"{name} helper", f"nf_conntrack_{name}", protocol, port))
            for index, ends in enumerate(_pairs(lines)):
                services.append(Service(f"{MARK}{name}-{port}-{index}", f"{name} helper", helper, ends))
        return services, helpers


def _distinct(rules: t.Sequence[RichRule]) -> t.Tuple[RichRule, ...]:
    """Return rules without repetitions, which firewalld would not keep."""
    return tuple({rule.text: rule for rule in reversed(rules)}.values())[::-1]


def _pairs(lines: Lines) -> t.List[t.Tuple[t.Tuple[str, str], ...]]:
    """Return the destinations of helpers one by one: a service of firewalld has at most one for each family."""
    if not all(line.destinations for line in lines):
        return [()]
    families = {
        family: [end for line in lines if line.family == family for end in line.destinations] for family in FAMILIES
    }
    count = max(map(len, families.values()))
    return [
        tuple((family, ends[index]) for family, ends in families.items() if index < len(ends)) for index in range(count)
    ]


def _hit(rule: Statement, line: Statement, ports: Intervals) -> Intervals:
    """Return which ports of a forward, behind its translation, a statement of the forward chain is about."""
    if rule.family not in (None, line.family) or rule.protocol not in (None, line.protocol):
        return ()
    if rule.destinations and not any(_within(line.to_address, network) for network in rule.destinations):
        return ()
    if rule.translated is not None and not _same_original(rule, line):
        return ()
    return intersect(ports, rule.ports) if rule.ports else ports


def _same_original(rule: Statement, line: Statement) -> bool:
    """Whether what a forward translates is what a statement means by the packet's original destination."""
    original = rule.translated
    if original is None or (original.ports and not intersect(original.ports, line.ports)):
        return False
    return not original.addresses or bool(set(original.addresses) & set(line.destinations))


def _within(address: str, network: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)


def _beyond_ports(line: Statement) -> bool:
    """Whether a drop could hit what is always left alone, which is more than firewalld has words for."""
    if line.verdict != DROP:
        return False
    return not line.ports or (line.protocol == "udp" and bool(intersect(line.ports, _DHCP)))


def _told(lines: Lines, shut: bool) -> t.List[Statement]:
    """Return what of a chain firewalld is told before its zones: all of it, or what is planned where others drop."""
    return [line for line in lines if not _kept(line) and (line.verdict == ACCEPT or not shut)]


def _planned(line: Statement) -> bool:
    return line.owner.startswith("rule.")


def _kept(line: Statement) -> bool:
    """Whether a statement only says what a drop spares: others' bans come before it."""
    return line.verdict == ACCEPT and not _planned(line)


def _ports(line: Statement) -> t.List[t.List[Element]]:
    if line.ports:
        protocol = ("protocol", line.protocol or "")
        return [[("port", (("port", _range(first, last)), protocol))] for first, last in line.ports]
    return [[("protocol", (("value", line.protocol),))] if line.protocol else []]


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
