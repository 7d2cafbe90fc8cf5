# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Linux firewall has to say for a policy, line by line, in no firewall's language yet.

Pure. Every backend writes these statements down in its own language, so that all of them let the same packets through.
What comes before them in every chain (established, loopback, essential ICMP, DHCP) each has in its own way.
"""

from __future__ import annotations

import ipaddress
import socket
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._intervals import (
    Intervals,
    intersect,
    subtract,
    union,
)
from ansible_collections.playout.firewall.plugins.module_utils._policy import ANY, Forward, Gateway, Policy, Rule
from ansible_collections.playout.firewall.plugins.module_utils._policy_check import parse_network, port_range

FAMILIES = ("ipv4", "ipv6")
ACCEPT, DROP, TRANSLATE, MASQUERADE, HELPER = "accept", "drop", "translate", "masquerade", "helper"
# Addressed to this machine; the same, but not at the address of the interface that it came in by.
LOCAL, ELSEWHERE_LOCAL = "local", "elsewhere"

Texts = t.Sequence[str]


class Connection(t.NamedTuple):
    """The management connection in use: the client's address and the port of this host that it came to (TCP)."""

    client: str
    port: int


class Options(t.NamedTuple):
    """How a policy is enforced: ``scoped`` or ``default_deny``, and what must stay open whatever the policy says."""

    enforcement: str = "scoped"
    connection: t.Optional[Connection] = None


class Original(t.NamedTuple):
    """What a translated packet was sent to before its translation; nothing named is anything."""

    addresses: Texts = ()
    ports: Intervals = ()


class Statement(t.NamedTuple):
    """One line of a chain: the packets that match all of it, and what becomes of them. Empty parts match everything.

    Addresses are merged and in the kernel's spelling, single ones without a prefix length. ``owner`` names the address
    sets that a backend makes for this statement, ``title`` says to people what it is for.
    """

    verdict: str
    title: str
    owner: str = ""
    family: t.Optional[str] = None
    protocol: t.Optional[str] = None
    ports: Intervals = ()
    sources: t.Tuple[str, ...] = ()
    destinations: t.Tuple[str, ...] = ()
    incoming: t.Tuple[str, ...] = ()
    not_incoming: t.Tuple[str, ...] = ()
    outgoing: t.Tuple[str, ...] = ()
    addressed: t.Optional[str] = None
    translated: t.Optional[Original] = None
    to_address: str = ""
    # Without it the port stays what it was.
    to_port: t.Optional[int] = None
    helper: str = ""


class Statements(t.NamedTuple):
    """All of a policy. A chain without statements is not needed at all.

    ``connection`` is what goes in front of the input chain, where it has any statements. ``helpers`` is for the packets
    that come in and for those of the machine's own.
    """

    gateway: bool
    connection: t.Tuple[Statement, ...]
    input: t.Tuple[Statement, ...]
    output: t.Tuple[Statement, ...]
    forward: t.Tuple[Statement, ...]
    translate: t.Tuple[Statement, ...]
    source_nat: t.Tuple[Statement, ...]
    helpers: t.Tuple[Statement, ...]


def statements(policy: Policy, options: Options) -> Statements:
    """Return what a host's firewall has to say for this policy."""
    return _Writer(policy, options).all()


def merge_ports(texts: Texts) -> Intervals:
    """Return the ports as sorted ranges that neither overlap nor touch."""
    return union(map(port_range, texts))


class _Writer:
    """One policy on its way into statements."""

    def __init__(self, policy: Policy, options: Options) -> None:
        self.policy = policy
        self.options = options
        self.gateway = policy.gateway or Gateway()
        self.management_ports = merge_ports(policy.management.ports)

    def all(self) -> Statements:
        return Statements(
            gateway=self.policy.gateway is not None,
            connection=tuple(self._connection_in_use()),
            input=tuple(self._input()),
            output=tuple(self._output()),
            forward=tuple(self._forward()),
            translate=tuple(line for forward in self.policy.forwards for line in self._translate(forward)),
            source_nat=tuple(self._source_nat()),
            helpers=tuple(self._helpers()),
        )

    # -- filter ---------------------------------------------------------------------------------------------------

    def _input(self) -> t.Iterator[Statement]:
        yield from self._accepts("in")
        if self.options.enforcement == "default_deny":
            yield from self._management()
            for index, keep in enumerate(self.policy.keep):
                yield from _accept_mixed(keep.protocol, keep.ports, keep.sources, f"keep.{index}")
            yield Statement(DROP, "default deny")
        else:
            yield from _governed(self.policy.governed.inbound, self.management_ports)

    def _output(self) -> t.Iterator[Statement]:
        yield from self._accepts("out")
        yield from _governed(self.policy.governed.outbound, ())

    def _forward(self) -> t.Iterator[Statement]:
        yield from self._accepts("forward")
        if self.gateway.transit == "deny":
            yield from self._management()
            yield from self._hairpin(ACCEPT)
            yield Statement(DROP, "transit denied")
        else:
            yield from self._published_management()
            yield from self._governed_transit()

    def _accepts(self, direction: str) -> t.Iterator[Statement]:
        for rule in self.policy.rules:
            if rule.direction == direction:
                yield _accept(rule)

    def _management(self) -> t.Iterator[Statement]:
        management = self.policy.management
        return _accept_mixed("tcp", management.ports, management.sources, "management")

    def _governed_transit(self) -> t.Iterator[Statement]:
        for index, transit in enumerate(self.policy.governed.forward):
            ports = _narrowed(transit.protocol, transit.ports, self.management_ports)
            if ports:
                yield Statement(
                    DROP,
                    "governed transit",
                    f"transit.{index}",
                    transit.family,
                    transit.protocol,
                    ports,
                    _merge_addresses(transit.sources),
                    _merge_addresses(transit.destinations),
                    # The site's own hosts reach each other directly, also where that way leads through the gateway.
                    not_incoming=_names(self.gateway.lan_interfaces) if transit.sources == (ANY,) else (),
                )

    def _published_management(self) -> t.Iterator[Statement]:
        """Drop what reaches a management port by a forward of ours and by no rule.

        Transit to management ports is never narrowed, because administrators may use it; but before our forward nobody
        could come this way, so nobody is locked out.
        """
        for forward in self.policy.forwards:
            ports = intersect(merge_ports(forward.to_ports), self.management_ports) if forward.protocol == "tcp" else ()
            if ports:
                same = forward.external_ports == forward.to_ports
                outside = ports if same else merge_ports(forward.external_ports)
                yield Statement(
                    DROP,
                    _titled(forward.id, "management port"),
                    family=forward.family,
                    protocol="tcp",
                    ports=ports,
                    destinations=_addresses([forward.to_address]),
                    translated=Original(_addresses(forward.external_addresses), outside),
                )

    def _connection_in_use(self) -> t.Iterator[Statement]:
        """Yield the accept of the connection in use, where something below could drop it.

        Only there: otherwise every controller that takes its turn would find a difference.
        """
        connection = self.options.connection
        if connection is None:
            return
        if self.options.enforcement == "scoped":
            governed = merge_ports(self.policy.governed.inbound.get("tcp", ()))
            needed = _within(connection.port, subtract(governed, self.management_ports))
        else:
            covered = _within(connection.port, self.management_ports)
            needed = not (covered and _covers(self.policy.management.sources, connection.client))
        if needed:
            yield Statement(
                ACCEPT,
                "the management connection in use",
                family="ipv6" if ":" in connection.client else "ipv4",
                protocol="tcp",
                ports=((connection.port, connection.port),),
                sources=(connection.client,),
            )

    # -- translation ----------------------------------------------------------------------------------------------

    def _translate(self, forward: Forward) -> t.Iterator[Statement]:
        wan, lan = _names(self.gateway.wan_interfaces), _names(self.gateway.lan_interfaces)

        def to_target(**match: t.Any) -> Statement:
            return Statement(
                TRANSLATE,
                _titled(forward.id, forward.comment),
                family=forward.family,
                protocol=forward.protocol,
                ports=merge_ports(forward.external_ports),
                to_address=_spelled(ipaddress.ip_address(forward.to_address)),
                # A range that stays the same is translated as a whole.
                to_port=None if forward.external_ports == forward.to_ports else int(forward.to_ports[0]),
                **match,
            )

        if forward.external_addresses:
            incoming = () if self.gateway.hairpin else wan
            yield to_target(destinations=_addresses(forward.external_addresses), incoming=incoming)
            return
        yield to_target(addressed=LOCAL, incoming=wan)
        if self.gateway.hairpin:
            # The gateway's address on that very LAN interface is its own: its web page, its name server.
            yield to_target(addressed=ELSEWHERE_LOCAL, incoming=lan)

    def _source_nat(self) -> t.Iterator[Statement]:
        yield from self._hairpin(MASQUERADE)
        if self.policy.masquerade:
            wan = _names(self.gateway.wan_interfaces)
            yield Statement(MASQUERADE, "the site hides behind this gateway", family="ipv4", outgoing=wan)

    def _hairpin(self, verdict: str) -> t.Iterator[Statement]:
        """Yield one statement per forward for what comes from inside and was translated by it."""
        if not self.gateway.hairpin:
            return
        for forward in self.policy.forwards:
            # Who manages comes in by a rule, or by playout_management.
            spared = self.management_ports if verdict == ACCEPT else ()
            ports = _narrowed(forward.protocol, forward.to_ports, spared)
            if not ports:
                continue
            yield Statement(
                verdict,
                _titled(forward.id, "from inside"),
                family=forward.family,
                protocol=forward.protocol,
                ports=ports,
                destinations=_addresses([forward.to_address]),
                incoming=_names(self.gateway.lan_interfaces),
                translated=Original(),
            )

    def _helpers(self) -> t.Iterator[Statement]:
        for index, helper in enumerate(self.policy.helpers):
            for family in FAMILIES:
                addresses = _of_family(helper.addresses, family)
                if addresses:
                    yield Statement(
                        HELPER,
                        f"{helper.name} helper",
                        f"helper.{index}",
                        family,
                        helper.protocol,
                        ((helper.port, helper.port),),
                        destinations=_merge_addresses(addresses),
                        helper=helper.name,
                    )


def _accept(rule: Rule) -> Statement:
    return Statement(
        ACCEPT,
        _titled(rule.id, rule.comment),
        f"rule.{rule.id}",
        rule.family,
        rule.protocol,
        merge_ports(rule.ports),
        _merge_addresses(rule.sources),
        _merge_addresses(rule.destinations),
    )


def _accept_mixed(protocol: str, ports: Texts, sources: Texts, owner: str) -> t.Iterator[Statement]:
    """Yield the accepts from a list of addresses of both families."""
    for family in FAMILIES:
        addresses = _of_family(sources, family)
        if addresses and ports:
            merged = _merge_addresses(addresses)
            yield Statement(ACCEPT, owner, owner, family, protocol, merge_ports(ports), merged)


def _governed(by_protocol: t.Mapping[str, Texts], spared: Intervals) -> t.Iterator[Statement]:
    for protocol, texts in sorted(by_protocol.items()):
        ports = _narrowed(protocol, texts, spared)
        if ports:
            yield Statement(DROP, "governed", protocol=protocol, ports=ports)


def _narrowed(protocol: str, texts: Texts, management: Intervals) -> Intervals:
    """Return the ports without those of management, which is TCP."""
    ports = merge_ports(texts)
    return subtract(ports, management) if protocol == "tcp" else ports


def _titled(identifier: str, comment: str) -> str:
    return f"{identifier}: {comment}" if comment else identifier


def _names(interfaces: Texts) -> t.Tuple[str, ...]:
    return tuple(sorted(interfaces))


def _addresses(texts: Texts) -> t.Tuple[str, ...]:
    return tuple(sorted({_spelled(ipaddress.ip_address(text)) for text in texts}))


def _spelled(address: t.Any) -> str:
    """Return it in the C library's spelling, which all these programs print; Python's own changed in 3.13."""
    return socket.inet_ntop(socket.AF_INET6 if address.version == 6 else socket.AF_INET, address.packed)


def _of_family(addresses: Texts, family: str) -> t.List[str]:
    if ANY in addresses:
        return [ANY]
    return [address for address in addresses if (":" in address) == (family == "ipv6")]


def _merge_addresses(addresses: Texts) -> t.Tuple[str, ...]:
    """Return the networks in the kernel's spelling, without overlaps, which an interval set refuses; none for any."""
    if ANY in addresses:
        return ()
    networks = [parse_network(address) for address in addresses]
    wide = any(map(_is_wide, networks))
    merged = ipaddress.collapse_addresses(networks) if wide else sorted(set(networks))
    return tuple(
        _spelled(network.network_address) + (f"/{network.prefixlen}" if _is_wide(network) else "") for network in merged
    )


def _is_wide(network: t.Any) -> bool:
    return bool(network.prefixlen < network.max_prefixlen)


def _within(port: int, ranges: Intervals) -> bool:
    return any(first <= port <= last for first, last in ranges)


def _covers(networks: Texts, client: str) -> bool:
    address = ipaddress.ip_address(client)
    return ANY in networks or any(address in parse_network(network) for network in networks)
