# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy in the language of nft. Pure: text out of data, nothing is read or run.

Everything lives in one table of our own, which is our mark: nothing outside of it is ever written. Address lists
become named sets, shared where equal; ports stay anonymous sets in the rule; there is never a rule per flow, because a
lookup in a set costs the same for ten and for ten thousand addresses, and rules do not.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.module_utils._intervals import (
    Intervals,
    intersect,
    subtract,
    union,
)
from ansible_collections.playout.firewall.plugins.module_utils._policy import ANY, Forward, Gateway, Policy, Rule
from ansible_collections.playout.firewall.plugins.module_utils._policy_check import port_range

TABLE = "playout_firewall"
FAMILY = "inet"
REMOVAL = f"table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n"

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


@dataclass(frozen=True)
class Connection:
    """The management connection in use: the client's address and the port of this host that it came to (TCP)."""

    client: str
    port: int


@dataclass(frozen=True)
class Options:
    """How a policy is enforced: ``scoped`` or ``default_deny``, and what must stay open whatever the policy says."""

    enforcement: str = "scoped"
    connection: t.Optional[Connection] = None


def render(policy: Policy, options: Options) -> str:
    """Return the text that replaces our table by this policy, in one transaction, also where it does not exist yet."""
    return REMOVAL + _Renderer(policy, options).table()


def merge_ports(texts: Texts) -> Intervals:
    """Return the ports as sorted ranges that neither overlap nor touch."""
    return union(map(port_range, texts))


class _Renderer:
    """One rendering: collects the named sets while it writes the chains that use them."""

    def __init__(self, policy: Policy, options: Options) -> None:
        self.policy = policy
        self.options = options
        self.gateway = policy.gateway or Gateway()
        self.management_ports = merge_ports(policy.management.ports)
        self.sets: t.Dict[str, t.List[str]] = {}
        self.set_names: t.Dict[t.Tuple[str, ...], str] = {}

    def table(self) -> str:
        filters = {"input": self._input(), "output": self._output(), "forward": self._forward()}
        chains = [_chain("essential", None, self._essential() if any(filters.values()) else [])]
        chains += [_chain(name, f"type filter hook {name} priority filter", lines) for name, lines in filters.items()]
        chains += [
            _chain("translate", "type nat hook prerouting priority dstnat", self._translate()),
            _chain("source_nat", "type nat hook postrouting priority srcnat", self._source_nat()),
            _chain("assign_helper", "type filter hook prerouting priority filter", self._assign_helpers()),
            _chain("assign_helper_output", "type filter hook output priority filter", self._assign_helpers()),
        ]
        sets = [_set(name, elements) for name, elements in self.sets.items()]
        blocks = self._helper_objects() + sets + [chain for chain in chains if chain]
        return f"table {FAMILY} {TABLE} {{\n" + "\n".join(blocks) + "}\n"

    # -- chains ---------------------------------------------------------------------------------------------------

    def _essential(self) -> t.List[str]:
        vrrp = (("meta l4proto 112 accept", "VRRP"),) if self.policy.gateway else ()
        return [_commented(match, text) for match, text in _ESSENTIAL + vrrp]

    def _opening(self, loopback: str = "") -> t.List[str]:
        lines = [_commented("ct state established,related accept", "established")]
        if loopback:
            lines.append(_commented(f'{loopback} "lo" accept', "loopback"))
        lines.append(_commented("jump essential", "always left alone"))
        return lines

    def _input(self) -> t.List[str]:
        lines = [line for rule in self.policy.rules if rule.direction == "in" for line in self._accept(rule)]
        if self.options.enforcement == "default_deny":
            lines += self._accept_management()
            for index, keep in enumerate(self.policy.keep):
                lines += self._accept_mixed(keep.protocol, keep.ports, keep.sources, f"keep.{index}")
            lines.append(_commented("drop", "default deny"))
        else:
            lines += self._governed(self.policy.governed.inbound, self.management_ports)
        return self._connection_in_use() + self._opening("iifname") + lines if lines else []

    def _output(self) -> t.List[str]:
        lines = [line for rule in self.policy.rules if rule.direction == "out" for line in self._accept(rule)]
        lines += self._governed(self.policy.governed.outbound, ())
        return self._opening("oifname") + lines if lines else []

    def _forward(self) -> t.List[str]:
        lines = [line for rule in self.policy.rules if rule.direction == "forward" for line in self._accept(rule)]
        deny = self.gateway.transit == "deny"
        if deny:
            lines += self._accept_management()
            lines += self._hairpin("accept")
            lines.append(_commented("drop", "transit denied"))
        else:
            lines += self._published_management()
            lines += self._governed_transit()
        return self._opening() + lines if lines else []

    def _governed(self, by_protocol: t.Mapping[str, Texts], spared: Intervals) -> t.List[str]:
        lines = []
        for protocol, texts in sorted(by_protocol.items()):
            ports = subtract(merge_ports(texts), spared)
            if ports:
                lines.append(_commented(f"{protocol} dport {_ports(ports)} drop", "governed"))
        return lines

    def _governed_transit(self) -> t.List[str]:
        lines = []
        for index, transit in enumerate(self.policy.governed.forward):
            ports = subtract(merge_ports(transit.ports), self.management_ports)
            if not ports:
                continue
            # The site's own hosts reach each other directly, also where that way leads through the gateway.
            lan = self.gateway.lan_interfaces if transit.sources == (ANY,) else ()
            outside = [f"iifname != {_names(lan)}"] if lan else []
            where = self._addresses(transit.family, transit.sources, transit.destinations, f"transit.{index}")
            words = outside + where + [f"{transit.protocol} dport {_ports(ports)} drop"]
            lines.append(_commented(" ".join(words), "governed transit"))
        return lines

    def _published_management(self) -> t.List[str]:
        """Drop what reaches a management port by a forward of ours and by no rule.

        Transit to management ports is never narrowed, because administrators may use it; but before our forward nobody
        could come this way, so nobody is locked out.
        """
        lines = []
        for forward in self.policy.forwards:
            ports = intersect(merge_ports(forward.to_ports), self.management_ports) if forward.protocol == "tcp" else ()
            if not ports:
                continue
            keyword = _KEYWORD[forward.family]
            same = forward.external_ports == forward.to_ports
            outside = ports if same else merge_ports(forward.external_ports)
            # "tcp dport" before "proto-dst": only then nft reads again what it lists.
            words = [f"{keyword} daddr {_canonical(forward.to_address)} tcp dport {_ports(ports)} ct status dnat"]
            if forward.external_addresses:
                words.append(f"ct original {keyword} daddr {_inline(forward.external_addresses)}")
            words.append(f"ct original proto-dst {_ports(outside)} drop")
            lines.append(_commented(" ".join(words), _titled(forward.id, "management port")))
        return lines

    def _connection_in_use(self) -> t.List[str]:
        """Return the accept of the connection in use, where something below could drop it.

        Only there: otherwise every controller that takes its turn would find a difference.
        """
        connection = self.options.connection
        if connection is None:
            return []
        family = "ipv6" if ":" in connection.client else "ipv4"
        if self.options.enforcement == "scoped":
            governed = merge_ports(self.policy.governed.inbound.get("tcp", ()))
            needed = _within(connection.port, subtract(governed, self.management_ports))
        else:
            covered = _within(connection.port, self.management_ports)
            needed = not (covered and _covers(self.policy.management.sources, connection.client))
        if not needed:
            return []
        match = f"{_KEYWORD[family]} saddr {connection.client} tcp dport {connection.port} accept"
        return [_commented(match, "the management connection in use")]

    # -- translation ----------------------------------------------------------------------------------------------

    def _translate(self) -> t.List[str]:
        return [line for forward in self.policy.forwards for line in self._translate_one(forward)]

    def _translate_one(self, forward: Forward) -> t.List[str]:
        keyword = _KEYWORD[forward.family]
        wan, lan = self.gateway.wan_interfaces, self.gateway.lan_interfaces
        ports = f"{forward.protocol} dport {_ports(merge_ports(forward.external_ports))}"
        target = f"dnat {keyword} to {_target(forward)}"
        comment = _titled(forward.id, forward.comment)
        inbound = [f"iifname {_names(wan)}"] if wan else []
        if forward.external_addresses:
            addresses = _inline(forward.external_addresses)
            matches = [([] if self.gateway.hairpin else inbound) + [f"{keyword} daddr {addresses}"]]
        else:
            local = [f"meta nfproto {forward.family}", "fib daddr type local"]
            matches = [inbound + local]
            if self.gateway.hairpin:
                # The gateway's address on that very LAN interface is its own: its web page, its name server.
                matches.append([f"iifname {_names(lan)}", *local, "fib daddr . iif type != local"])
        return [_commented(" ".join([*match, ports, target]), comment) for match in matches]

    def _source_nat(self) -> t.List[str]:
        lines = self._hairpin("masquerade")
        if self.policy.masquerade:
            match = f"meta nfproto ipv4 oifname {_names(self.gateway.wan_interfaces)} masquerade"
            lines.append(_commented(match, "the site hides behind this gateway"))
        return lines

    def _hairpin(self, verdict: str) -> t.List[str]:
        """Return one line per forward for what comes from inside and was translated by it."""
        if not self.gateway.hairpin:
            return []
        return [
            _commented(
                f"iifname {_names(self.gateway.lan_interfaces)} ct status dnat "
                f"{_KEYWORD[forward.family]} daddr {_canonical(forward.to_address)} "
                f"{forward.protocol} dport {_ports(merge_ports(forward.to_ports))} {verdict}",
                _titled(forward.id, "from inside"),
            )
            for forward in self.policy.forwards
        ]

    # -- helpers --------------------------------------------------------------------------------------------------

    def _helper_families(self) -> t.Iterator[t.Tuple[str, str, t.Any, t.List[str]]]:
        """Yield name of the object, family, helper and addresses, once per helper and family."""
        for index, helper in enumerate(self.policy.helpers):
            for family in ("ipv4", "ipv6"):
                addresses = _of_family(helper.addresses, family)
                if addresses:
                    yield f"{helper.name}-{family}", family, (index, helper), addresses

    def _helper_objects(self) -> t.List[str]:
        objects = {
            name: f'\tct helper {name} {{\n\t\ttype "{helper.name}" protocol {helper.protocol};\n'
            f"\t\tl3proto {_KEYWORD[family]};\n\t}}\n"
            for name, family, (_index, helper), _addresses in self._helper_families()
        }
        return list(objects.values())

    def _assign_helpers(self) -> t.List[str]:
        lines = []
        for name, family, (index, helper), addresses in self._helper_families():
            where = self._addresses(family, (), addresses, f"helper.{index}")
            match = " ".join([*where, f"{helper.protocol} dport {helper.port}"])
            lines.append(_commented(f'{match} ct helper set "{name}"', f"{helper.name} helper"))
        return lines

    # -- addresses ------------------------------------------------------------------------------------------------

    def _accept(self, rule: Rule) -> t.List[str]:
        where = self._addresses(rule.family, rule.sources, rule.destinations, f"rule.{rule.id}")
        ports = f"{rule.protocol} dport {_ports(merge_ports(rule.ports))} accept"
        return [_commented(" ".join([*where, ports]), _titled(rule.id, rule.comment))]

    def _accept_management(self) -> t.List[str]:
        management = self.policy.management
        return self._accept_mixed("tcp", management.ports, management.sources, "management")

    def _accept_mixed(self, protocol: str, ports: Texts, sources: Texts, owner: str) -> t.List[str]:
        """Accept from a list of addresses of both families."""
        lines = []
        for family in ("ipv4", "ipv6"):
            addresses = _of_family(sources, family)
            if addresses and ports:
                where = self._addresses(family, addresses, (), owner)
                match = " ".join([*where, f"{protocol} dport {_ports(merge_ports(ports))} accept"])
                lines.append(_commented(match, owner))
        return lines

    def _addresses(self, family: str, sources: Texts, destinations: Texts, owner: str) -> t.List[str]:
        """Return the words that match the family and the addresses; the owner names a set that is made for it."""
        words = [
            f"{_KEYWORD[family]} {name} {self._reference(family, addresses, f'{owner}.{name}')}"
            for name, addresses in (("saddr", sources), ("daddr", destinations))
            if addresses and ANY not in addresses
        ]
        return words or [f"meta nfproto {family}"]

    def _reference(self, family: str, addresses: Texts, owner: str) -> str:
        elements = _merge_addresses(addresses)
        if len(elements) == 1:
            return elements[0]
        key = tuple(elements)
        if key not in self.set_names:
            name = f"{owner}.{family}"
            self.set_names[key] = name
            self.sets[name] = elements
        return f"@{self.set_names[key]}"


def _chain(name: str, hook: t.Optional[str], lines: t.List[str]) -> str:
    if not lines:
        return ""
    head = [f"{hook}; policy accept;"] if hook else []
    return f"\tchain {name} {{\n" + "".join(f"\t\t{line}\n" for line in head + lines) + "\t}\n"


def _set(name: str, elements: t.List[str]) -> str:
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


def _titled(identifier: str, comment: str) -> str:
    return f"{identifier}: {comment}" if comment else identifier


def _ports(ranges: Intervals) -> str:
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"


def _names(interfaces: Texts) -> str:
    return "{ " + ", ".join(f'"{name}"' for name in sorted(interfaces)) + " }"


def _target(forward: Forward) -> str:
    """Return the internal end; without a port where external and internal are equal, so that a range stays one rule."""
    address = _canonical(forward.to_address)
    if forward.external_ports == forward.to_ports:
        return address
    return f"[{address}]:{forward.to_ports[0]}" if forward.family == "ipv6" else f"{address}:{forward.to_ports[0]}"


def _inline(addresses: Texts) -> str:
    elements = sorted({_canonical(address) for address in addresses})
    return elements[0] if len(elements) == 1 else "{ " + ", ".join(elements) + " }"


def _canonical(address: str) -> str:
    return str(ipaddress.ip_address(address))


def _of_family(addresses: Texts, family: str) -> t.List[str]:
    if ANY in addresses:
        return [ANY]
    return [address for address in addresses if (":" in address) == (family == "ipv6")]


def _merge_addresses(addresses: Texts) -> t.List[str]:
    """Return the networks in nft's spelling, without overlaps, which an interval set refuses."""
    networks: t.List[t.Any] = [ipaddress.ip_network(address) for address in addresses]
    if any(network.num_addresses > 1 for network in networks):
        merged = list(ipaddress.collapse_addresses(networks))
    else:
        merged = sorted(set(networks))
    return [str(network.network_address if network.num_addresses == 1 else network) for network in merged]


def _within(port: int, ranges: Intervals) -> bool:
    return any(first <= port <= last for first, last in ranges)


def _covers(networks: Texts, client: str) -> bool:
    address = ipaddress.ip_address(client)
    return ANY in networks or any(address in ipaddress.ip_network(network) for network in networks)
