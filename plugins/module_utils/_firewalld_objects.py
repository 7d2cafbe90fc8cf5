# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies, ipsets, services and helpers of firewalld that are ours.

Pure. Each as the file that firewalld loads at boot, and as what it says of it while it runs.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

# Begins the name of everything that is ours.
MARK = "playout-"
# What a policy refers to is there before it.
KINDS = ("helpers", "services", "ipsets", "policies")

# What firewalld says of its objects: lists, texts, numbers.
Settings = t.Dict[str, t.Any]
Attributes = t.Tuple[t.Tuple[str, str], ...]
# An element of firewalld's rich language, which is spelled alike in a line and in XML.
Element = t.Tuple[str, Attributes]

_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'
_NOTE = "Written by playout.firewall; changes are overwritten."


@dataclass(frozen=True)
class RichRule:
    """One rule of a policy; ``title`` says to people what it is for."""

    title: str
    priority: int
    elements: t.Tuple[Element, ...]
    family: t.Optional[str] = None

    @property
    def text(self) -> str:
        """The rule as firewalld itself spells it."""
        return " ".join([_tag("rule", self._attributes), *(_tag(*element) for element in self.elements)])

    @property
    def xml(self) -> str:
        body = "".join(f"    <{_tag(*element)}/>\n" for element in self.elements)
        return f"  <!-- {_comment(self.title)} -->\n  <{_tag('rule', self._attributes)}>\n{body}  </rule>\n"

    @property
    def filters(self) -> int:
        """How many rules of a filter chain it is in the kernel."""
        names = [name for name, _attributes in self.elements]
        if "forward-port" in names:
            return 0
        return 2 if "icmp-type" in names and self.family is None else 1

    @property
    def _attributes(self) -> Attributes:
        family = (("family", self.family),) if self.family else ()
        return (("priority", str(self.priority)), *family)


@dataclass(frozen=True)
class PolicyObject:
    """Rules for the packets that come from some zones and go to others."""

    name: str
    short: str
    priority: int
    ingress: t.Tuple[str, ...]
    egress: t.Tuple[str, ...]
    rules: t.Tuple[RichRule, ...] = ()
    services: t.Tuple[str, ...] = ()
    masquerade: bool = False

    @property
    def xml(self) -> str:
        lines = [f"  <service name={quoteattr(name)}/>\n" for name in self.services]
        lines += ["  <masquerade/>\n"] if self.masquerade else []
        lines += [rule.xml for rule in self.rules]
        lines += [f"  <ingress-zone name={quoteattr(zone)}/>\n" for zone in self.ingress]
        lines += [f"  <egress-zone name={quoteattr(zone)}/>\n" for zone in self.egress]
        return _document(f'policy priority="{self.priority}" target="CONTINUE"', self.short, lines)

    @property
    def settings(self) -> Settings:
        return {
            "target": "CONTINUE",
            "priority": self.priority,
            "ingress_zones": list(self.ingress),
            "egress_zones": list(self.egress),
            "rich_rules": [rule.text for rule in self.rules],
            "services": list(self.services),
            "masquerade": self.masquerade,
        }

    @property
    def filter_chain(self) -> str:
        """The chain of the kernel in which firewalld writes our rules: their priorities are positive."""
        place = "IN" if self.egress == ("HOST",) else "OUT" if self.ingress == ("HOST",) else "FWD"
        return f"filter_{place}_policy_{self.name}_post"


@dataclass(frozen=True)
class IpSet:
    """Addresses or networks of one family."""

    name: str
    short: str
    family: str
    entries: t.Tuple[str, ...]

    @property
    def xml(self) -> str:
        options = [f'  <option name="{name}" value="{value}"/>\n' for name, value in self._options.items()]
        entries = [f"  <entry>{entry}</entry>\n" for entry in self.entries]
        return _document('ipset type="hash:net"', self.short, options + entries)

    @property
    def settings(self) -> Settings:
        return {"type": "hash:net", "options": self._options, "entries": list(self.entries)}

    @property
    def _options(self) -> t.Dict[str, str]:
        return {"family": "inet6" if self.family == "ipv6" else "inet"}


@dataclass(frozen=True)
class Service:
    """Connections whose helper is set: no port is opened by it."""

    name: str
    short: str
    helper: str
    destinations: t.Tuple[t.Tuple[str, str], ...]

    @property
    def xml(self) -> str:
        lines = [f"  <helper name={quoteattr(self.helper)}/>\n"]
        lines += [f"  <{_tag('destination', self.destinations)}/>\n"] if self.destinations else []
        return _document("service", self.short, lines)

    @property
    def settings(self) -> Settings:
        return {"helpers": [self.helper], "destination": dict(self.destinations)}


@dataclass(frozen=True)
class Helper:
    """A connection-tracking helper at a port that is not its usual one."""

    name: str
    short: str
    module: str
    protocol: str
    port: int

    @property
    def xml(self) -> str:
        line = f'  <port protocol="{self.protocol}" port="{self.port}"/>\n'
        return _document(f'helper module="{self.module}"', self.short, [line])

    @property
    def settings(self) -> Settings:
        return {"module": self.module, "ports": [[str(self.port), self.protocol]]}


@dataclass(frozen=True)
class Objects:
    """Everything of ours in firewalld."""

    policies: t.Tuple[PolicyObject, ...] = ()
    ipsets: t.Tuple[IpSet, ...] = ()
    services: t.Tuple[Service, ...] = ()
    helpers: t.Tuple[Helper, ...] = ()

    @property
    def files(self) -> t.Dict[str, str]:
        """The files below /etc/firewalld, by path, in an order in which nothing refers to what is not there yet."""
        return {f"{kind}/{item.name}.xml": item.xml for kind in KINDS for item in self.of(kind)}

    @property
    def settings(self) -> t.Dict[str, t.Dict[str, Settings]]:
        """What firewalld says of them while it runs, by kind and name, made comparable."""
        return {kind: {item.name: comparable(item.settings) for item in self.of(kind)} for kind in KINDS}

    def of(self, kind: str) -> t.Sequence[t.Any]:
        return t.cast(t.Sequence[t.Any], getattr(self, kind))


def comparable(settings: t.Mapping[str, t.Any]) -> Settings:
    """Return settings without what means nothing: texts for people, what is empty, the order of lists.

    Rules of one priority have one verdict in a policy of ours, so that their order means nothing either.
    """
    told = {key: value for key, value in settings.items() if key not in ("version", "short", "description") and value}
    return {key: sorted(value) if isinstance(value, list) else value for key, value in told.items()}


def _document(root: str, short: str, lines: t.Sequence[str]) -> str:
    name = root.split(" ", 1)[0]
    about = f"  <short>{escape(short)}</short>\n  <description>{_NOTE}</description>\n"
    return f"{_HEAD}<{root}>\n{about}{''.join(lines)}</{name}>\n"


def _tag(name: str, attributes: Attributes) -> str:
    return " ".join([name, *(f"{key}={quoteattr(value)}" for key, value in attributes)])


def _comment(text: str) -> str:
    """Return a text as XML takes it in a comment: without two dashes in a row, and without one at the end."""
    return re.sub("-(?=-|$)", "- ", text)
