# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether every value of a policy may reach a firewall's command language.

The shapes are checked where a policy is read; here are the values: a policy may come from a user, so that nothing in
it may be able to end a statement, and nothing empty may silently widen a rule. Each function returns nothing and raises
``PolicyValueError``, whose message is the path of the element, its value, and what it should be.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.playout.firewall.plugins.module_utils._policy import Forward, Helper, Policy, Rule

ANY = "any"
VERSIONS = {"ipv4": 4, "ipv6": 6}
HELPERS = {"ftp": "tcp"}

_ID = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_PORTS = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?")
_INTERFACE = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.:@-]{1,15}")

Texts = t.Sequence[str]


class PolicyValueError(ValueError):
    """A value that no backend may apply."""


def check(policy: Policy) -> None:
    """Check every value of a policy.

    :raises PolicyValueError: for the first that is wrong.
    """
    _comment(policy.host, "host")
    _unique(policy.rules, "rules")
    _unique(policy.forwards, "forwards")
    for index, rule in enumerate(policy.rules):
        _rule(rule, f"rules[{index}]")
    for index, forward in enumerate(policy.forwards):
        _forward(forward, f"forwards[{index}]")
    for index, helper in enumerate(policy.helpers):
        _helper(helper, f"helpers[{index}]")
    for name, by_protocol in (("in", policy.governed.inbound), ("out", policy.governed.outbound)):
        for protocol, texts in by_protocol.items():
            _ports(texts, f"governed.{name}.{protocol}")
    for index, transit in enumerate(policy.governed.forward):
        path = f"governed.forward[{index}]"
        _ports(transit.ports, f"{path}.ports", empty=False)
        _networks(transit.sources, f"{path}.sources", transit.family, empty=False)
        _networks(transit.destinations, f"{path}.destinations", transit.family, empty=False)
    _ports(policy.management.ports, "management.ports")
    _networks(policy.management.sources, "management.sources")
    for index, keep in enumerate(policy.keep):
        _ports(keep.ports, f"keep[{index}].ports", empty=False)
        _networks(keep.sources, f"keep[{index}].sources", empty=False)
    _gateway(policy)


@functools.lru_cache(maxsize=None)
def parse_network(text: str) -> t.Any:
    """Return the network of an address or a network, from a memory: most initiators are those of many rules."""
    return ipaddress.ip_network(text)


def address_range(text: str) -> t.Tuple[int, int]:
    """Return the first and the last address of an address or a network, as numbers."""
    network = parse_network(text)
    return int(network.network_address), int(network.broadcast_address)


@functools.lru_cache(maxsize=None)
def port_range(text: str) -> t.Tuple[int, int]:
    """Return the first and the last port of ``"80"`` or ``"20000-29999"``.

    :raises PolicyValueError: when it is neither.
    """
    match = _PORTS.fullmatch(text)
    if match:
        first, last = int(match.group(1)), int(match.group(2) or match.group(1))
        if first <= last <= 65535:
            return first, last
    raise PolicyValueError(f"'{text}' is not a port or a range of ports: write '80' or '20000-29999', within 1-65535")


def _rule(rule: Rule, path: str) -> None:
    _comment(rule.comment, f"{path}.comment")
    _ports(rule.ports, f"{path}.ports", empty=False)
    for side, absent in (("sources", "out"), ("destinations", "in")):
        addresses = getattr(rule, side)
        if rule.direction == absent and addresses:
            raise PolicyValueError(f"{path}.{side}: a rule with direction '{absent}' has none, not {list(addresses)!r}")
        _networks(addresses, f"{path}.{side}", rule.family, empty=rule.direction == absent)


def _forward(forward: Forward, path: str) -> None:
    _comment(forward.comment, f"{path}.comment")
    _ports(forward.external_ports, f"{path}.external_ports", empty=False)
    _ports(forward.to_ports, f"{path}.to_ports", empty=False)
    single = all(len(ports) == 1 and "-" not in ports[0] for ports in (forward.external_ports, forward.to_ports))
    if not single and forward.external_ports != forward.to_ports:
        raise PolicyValueError(
            f"{path}.to_ports: {list(forward.to_ports)!r} must equal external_ports {list(forward.external_ports)!r}, "
            "unless each is one single port"
        )
    for index, address in enumerate(forward.external_addresses):
        _address(address, f"{path}.external_addresses[{index}]", forward.family)
    _address(forward.to_address, f"{path}.to_address", forward.family)
    _networks(forward.sources, f"{path}.sources", forward.family)


def _helper(helper: Helper, path: str) -> None:
    if HELPERS.get(helper.name) != helper.protocol:
        known = ", ".join(f"{name} ({protocol})" for name, protocol in HELPERS.items())
        raise PolicyValueError(f"{path}: no helper '{helper.name}' for {helper.protocol} is known, known is {known}")
    _ports([str(helper.port)], f"{path}.port")
    _networks(helper.addresses, f"{path}.addresses", empty=False)


def _gateway(policy: Policy) -> None:
    wan = policy.gateway.wan_interfaces if policy.gateway else ()
    lan = policy.gateway.lan_interfaces if policy.gateway else ()
    for name, interfaces in (("wan_interfaces", wan), ("lan_interfaces", lan)):
        for index, interface in enumerate(interfaces):
            if not _INTERFACE.fullmatch(interface):
                raise PolicyValueError(f"gateway.{name}[{index}]: '{interface}' is not the name of a network interface")
    for index, forward in enumerate(policy.forwards):
        if not forward.external_addresses and not wan:
            raise PolicyValueError(
                f"forwards[{index}]: without external_addresses the gateway's wan_interfaces are needed: declare "
                "playout_wan_addresses or playout_wan_interfaces"
            )
    if policy.masquerade and not wan:
        raise PolicyValueError("masquerade: needs the gateway's wan_interfaces: declare playout_wan_interfaces")
    if policy.gateway and policy.gateway.hairpin and policy.forwards and not lan:
        raise PolicyValueError("gateway.hairpin: needs the gateway's lan_interfaces: declare playout_lan_interfaces")


def _unique(items: t.Iterable[t.Any], path: str) -> None:
    seen: t.Set[str] = set()
    for index, item in enumerate(items):
        if not _ID.fullmatch(item.id):
            raise PolicyValueError(f"{path}[{index}].id: {item.id!r} must be 1 to 200 letters, digits, '_', '.', '-'")
        if item.id in seen:
            raise PolicyValueError(f"{path}[{index}].id: '{item.id}' is there twice, each {path[:-1]} needs its own")
        seen.add(item.id)


def _comment(text: str, path: str) -> None:
    if not text.isprintable() or '"' in text or "\\" in text:
        raise PolicyValueError(f"{path}: {text!r} must be printable, without double quotes and backslashes")


def _ports(texts: Texts, path: str, empty: bool = True) -> None:
    if not texts and not empty:
        raise PolicyValueError(f"{path}: at least one port is needed")
    for index, text in enumerate(texts):
        try:
            port_range(text)
        except PolicyValueError as error:
            raise PolicyValueError(f"{path}[{index}]: {error}") from None


def _networks(texts: Texts, path: str, family: t.Optional[str] = None, empty: bool = True) -> None:
    if not texts and not empty:
        raise PolicyValueError(f"{path}: empty, which would mean everybody: write '{ANY}' when that is meant")
    if ANY in texts and len(texts) > 1:
        raise PolicyValueError(f"{path}: '{ANY}' stands alone, not beside {[text for text in texts if text != ANY]!r}")
    if ANY in texts:
        return
    for index, text in enumerate(texts):
        _no_zone(text, f"{path}[{index}]")
        try:
            network = parse_network(text)
        except ValueError as error:
            raise PolicyValueError(f"{path}[{index}]: {error}") from None
        _version(network.version, text, f"{path}[{index}]", family)


def _address(text: str, path: str, family: str) -> None:
    _no_zone(text, path)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise PolicyValueError(f"{path}: '{text}' is not a single address") from None
    _version(address.version, text, path, family)


def _no_zone(text: str, path: str) -> None:
    if "%" in text:
        raise PolicyValueError(f"{path}: {text!r} has a zone, which no firewall rule can have")


def _version(version: int, text: str, path: str, family: t.Optional[str]) -> None:
    if family is not None and VERSIONS[family] != version:
        raise PolicyValueError(f"{path}: '{text}' is not an {family} address")
