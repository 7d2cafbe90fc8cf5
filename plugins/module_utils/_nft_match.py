# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one expression of somebody else's nft rule says about the first packet of a planned flow.

An honest reading: what is not understood is said to be unknown, never guessed.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._intervals import Intervals, Region, subtract, union

PORTS: Intervals = ((0, 65535),)
_BITS = {"ipv4": 32, "ipv6": 128}
_NETWORK = {"ip": "ipv4", "ip6": "ipv6"}
_NUMBERS: t.Dict[t.Any, str] = {6: "tcp", 17: "udp"}

# Statements and iptables matches that change nothing about whether a rule applies.
_TRANSPARENT = {"counter", "log", "notrack", "mangle", "ct helper", "ct timeout", "flow", "xt-comment"}
# They hit some packets of any flow: what they accept is not counted on, what they drop is not a flow as a whole.
_NARROWING = {"limit", "quota", "ct count", "set", "meter", "xt-limit", "xt-hashlimit", "xt-recent", "xt-connlimit"}
_PASSING_TARGETS = {"LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "CT", "SET", "CLASSIFY", "DSCP", "TOS", "AUDIT"}

Expression = t.Mapping[str, t.Any]
Lookup = t.Callable[[str], t.Optional[t.List[t.Any]]]


class Subject(t.NamedTuple):
    """The kind of packet that is asked about. The host's own address is unknown: nothing is assumed about it."""

    hook: str
    family: str
    protocol: str

    def everything(self) -> Region:
        return Region(self.addresses, self.addresses, PORTS)

    @property
    def addresses(self) -> Intervals:
        return ((0, 2 ** _BITS[self.family] - 1),)


class Condition(t.NamedTuple):
    """When a rule applies: to these packets, perhaps only to some of them, perhaps by something not understood."""

    region: Region
    narrow: bool = False
    unknown: bool = False

    @property
    def sure(self) -> bool:
        return not self.narrow and not self.unknown

    def both(self, other: Condition) -> Condition:
        return Condition(self.region.meet(other.region), self.narrow or other.narrow, self.unknown or other.unknown)


class _NotUnderstood(Exception):
    pass


class Reader:
    """Reads the expressions of one table's rules for one kind of packet."""

    def __init__(self, subject: Subject, lookup: Lookup) -> None:
        self._subject = subject
        self._lookup = lookup
        self._always = Condition(subject.everything())
        self._never = Condition(Region((), (), ()))
        self._narrow = Condition(subject.everything(), narrow=True)
        self._unknown = Condition(subject.everything(), unknown=True)

    def rule(self, expressions: t.Sequence[Expression]) -> t.Iterator[t.Tuple[Condition, str, str]]:
        """Yield the condition, the verdict and its target for each way a rule can end, in order."""
        condition = self._always
        for expression in expressions:
            name, body = _only(expression)
            if name == "match":
                condition = condition.both(self.match(body))
            elif name == "vmap":
                for case, verdict, target in self._verdict_map(body):
                    yield condition.both(case), verdict, target
            elif name == "xt":
                if body.get("type") == "target" and body.get("name") not in _PASSING_TARGETS:
                    yield condition, "reject", ""
                    return
                if body.get("type") != "target":
                    condition = condition.both(self._statement(f"xt-{body.get('name')}"))
            elif name in ("accept", "drop", "reject", "return", "queue", "jump", "goto"):
                yield condition, name, body["target"] if name in ("jump", "goto") else ""
                return
            else:
                condition = condition.both(self._statement(name))

    def match(self, body: t.Mapping[str, t.Any]) -> Condition:
        """Return when a match holds."""
        operator, left, right = body["op"], body["left"], body["right"]
        try:
            return self._match(operator, left, right)
        except _NotUnderstood:
            return self._unknown

    def _match(self, operator: str, left: t.Any, right: t.Any) -> Condition:
        if not isinstance(left, dict):
            raise _NotUnderstood
        if "&" in left:
            inner = self._match(operator, left["&"][0], right)
            return inner if inner.narrow or not inner.region else self._unknown
        if "payload" in left and "protocol" in left["payload"]:
            return self._payload(left["payload"]["protocol"], left["payload"].get("field"), operator, right)
        if "meta" in left:
            return self._meta(left["meta"]["key"], operator, right)
        if left.get("ct", {}).get("key") == "state":
            return self._is("new", operator, right)
        if "fib" in left or "tcp option" in left or "ip option" in left or "exthdr" in left:
            return self._narrow
        raise _NotUnderstood

    def _payload(self, protocol: str, field: str, operator: str, right: t.Any) -> Condition:
        subject = self._subject
        if protocol in _NETWORK:
            if _NETWORK[protocol] != subject.family:
                return self._never
            if field in ("saddr", "daddr"):
                return self._address(field, operator, right)
            if field in ("protocol", "nexthdr"):
                return self._is(subject.protocol, operator, right)
            return self._narrow
        if protocol in ("tcp", "udp", "th"):
            if protocol not in ("th", subject.protocol):
                return self._never
            if field == "dport":
                region = Region(subject.addresses, subject.addresses, self._numbers(operator, right, PORTS))
                return Condition(region)
            return self._narrow
        if protocol in ("icmp", "icmpv6", "igmp", "udplite", "sctp", "dccp", "esp", "ah"):
            return self._never
        raise _NotUnderstood

    def _address(self, field: str, operator: str, right: t.Any) -> Condition:
        subject = self._subject
        numbers = self._numbers(operator, right, subject.addresses)
        own = (subject.hook, field) in (("input", "daddr"), ("output", "saddr"))
        if own:
            return self._always if numbers == subject.addresses else self._unknown if numbers else self._never
        sides = (numbers, subject.addresses) if field == "saddr" else (subject.addresses, numbers)
        return Condition(Region(*sides, PORTS))

    def _meta(self, key: str, operator: str, right: t.Any) -> Condition:
        subject = self._subject
        if key == "l4proto":
            return self._is(subject.protocol, operator, right)
        if key == "nfproto":
            return self._is(subject.family, operator, right)
        if key == "protocol":
            return self._is("ip" if subject.family == "ipv4" else "ip6", operator, right)
        if key in ("iifname", "iif", "oifname", "oif") and right == "lo":
            return self._is("a real interface", operator, right)
        if key == "pkttype":
            return self._narrow
        raise _NotUnderstood

    def _is(self, actual: str, operator: str, right: t.Any) -> Condition:
        """Return whether one known word is among those on the right."""
        if operator not in ("==", "!=", "in"):
            raise _NotUnderstood
        words = {_NUMBERS.get(word, word) for word in self._elements(right) if isinstance(word, (str, int))}
        return self._always if (actual in words) is (operator != "!=") else self._never

    def _numbers(self, operator: str, right: t.Any, domain: Intervals) -> Intervals:
        values = union(_interval(element) for element in self._elements(right))
        lowest, highest = domain[0]
        if operator in ("==", "in"):
            return values
        if operator == "!=":
            return subtract(domain, values)
        if len(values) != 1:
            raise _NotUnderstood
        first, last = values[0]
        bounds = {"<": (lowest, first - 1), "<=": (lowest, last), ">": (last + 1, highest), ">=": (first, highest)}
        if operator not in bounds:
            raise _NotUnderstood
        return union([bounds[operator]] if bounds[operator][0] <= bounds[operator][1] else [])

    def _elements(self, right: t.Any) -> t.List[t.Any]:
        if isinstance(right, str) and right.startswith("@"):
            named = self._lookup(right[1:])
            if named is None:
                raise _NotUnderstood
            return [_value(element) for element in named]
        if isinstance(right, dict) and "set" in right:
            return self._elements(right["set"])
        return [_value(element) for element in right] if isinstance(right, list) else [_value(right)]

    def _verdict_map(self, body: t.Mapping[str, t.Any]) -> t.Iterator[t.Tuple[Condition, str, str]]:
        data = body["data"]
        pairs = self._lookup(data[1:]) if isinstance(data, str) else data.get("set", data)
        for pair in pairs or []:
            if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], dict):
                yield self._unknown, "drop", ""
                continue
            verdict, detail = _only(pair[1])
            target = detail["target"] if isinstance(detail, dict) else ""
            yield self.match({"op": "==", "left": body["key"], "right": _value(pair[0])}), verdict, target

    def _statement(self, name: str) -> Condition:
        if name in _TRANSPARENT:
            return self._always
        return self._narrow if name in _NARROWING else self._unknown


def _only(item: t.Mapping[str, t.Any]) -> t.Tuple[str, t.Any]:
    """Return the one key and value of what nft writes as ``{kind: body}``."""
    return next(iter(item.items()))


def _value(element: t.Any) -> t.Any:
    """Take an element out of what nft wraps it in (timeouts, comments)."""
    return element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element


def _interval(element: t.Any) -> t.Tuple[int, int]:
    if isinstance(element, bool):
        raise _NotUnderstood
    if isinstance(element, int):
        return element, element
    try:
        if isinstance(element, str):
            number = int(ipaddress.ip_address(element))
            return number, number
        if "prefix" in element:
            network = ipaddress.ip_network(f"{element['prefix']['addr']}/{element['prefix']['len']}", strict=False)
            return int(network.network_address), int(network.broadcast_address)
        if "range" in element:
            first, last = element["range"]
            return _interval(first)[0], _interval(last)[1]
    except (ValueError, TypeError, KeyError) as error:
        raise _NotUnderstood from error
    raise _NotUnderstood
