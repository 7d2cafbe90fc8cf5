# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and networks of both families: parse, merge, spell."""

from __future__ import annotations

import typing as t
from functools import cache, lru_cache

from ansible_collections.playout.firewall.plugins.plugin_utils._libraries import netaddr

ANY = "any"
FAMILIES = ("ipv4", "ipv6")

Network: t.TypeAlias = "netaddr.IPNetwork"
Texts = tuple[str, ...]

_EVERYTHING = ("0.0.0.0/0", "::/0")
# Addresses that nobody outside can reach without translation or a route of one's own. Documentation
# networks are not among them: in examples they stand for public ones.
_PRIVATE = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
)


class AddressError(ValueError):
    """A value that is no address or network; the message names it and what to write instead."""


def parse_network(value: t.Any) -> Network:
    """Read ``10.0.0.5``, ``10.0.5.0/24`` or their IPv6 likes.

    :raises AddressError: also for a network with host bits set, which is a mistake more often than not.
    """
    if not isinstance(value, str):
        raise AddressError(f"{value!r} is not an address: write it as text, such as '10.0.0.5' or '10.0.5.0/24'")
    return _parse_text(str(value))


@lru_cache(maxsize=1 << 16)
def _parse_text(value: str) -> Network:
    """Read a network. Cached: every host of an inventory carries the networks of all."""
    try:
        network = netaddr.IPNetwork(value.strip())
    except (netaddr.AddrFormatError, ValueError) as error:
        raise AddressError(f"{value!r} is not an address or network such as '10.0.0.5' or '10.0.5.0/24'") from error
    if network.ip != network.network:
        raise AddressError(f"{value!r} has host bits set: write the network {network.cidr} or the address {network.ip}")
    return network


def parse_networks(value: t.Any) -> tuple[Network, ...]:
    """Read one entry of a list of parties: a network, or the word ``any`` for everything of both families."""
    if value == ANY:
        return tuple(netaddr.IPNetwork(text) for text in _EVERYTHING)
    return (parse_network(value),)


def parse_address(value: t.Any) -> Network:
    """Read a single address.

    :raises AddressError: for a network too.
    """
    network = parse_network(value)
    if not is_single(network):
        raise AddressError(f"{value!r} is a network; a single address is needed here")
    return network


def is_address(value: t.Any) -> bool:
    """Whether the text is a single address (and not, say, a name)."""
    try:
        parse_address(value)
    except AddressError:
        return False
    return True


def is_single(network: Network) -> bool:
    """Whether the network is one address."""
    return bool(network.size == 1)


def is_nobody(network: Network) -> bool:
    """Whether no single party can be known by it: loopback, multicast, unspecified, or every address there is."""
    return bool(network.prefixlen == 0 or network.is_loopback() or network.is_multicast() or not network.value)


def is_private(network: Network) -> bool:
    """Whether the outside cannot reach it as it is written. ``any`` is not private."""
    return any(network in private for private in _private_networks())


def family(network: Network) -> str:
    """Return ``ipv4`` or ``ipv6``."""
    return f"ipv{network.version}"


def text(network: Network) -> str:
    """Spell a network: a single address without its prefix length, everything of a family as ``any``."""
    if network.prefixlen == 0:
        return ANY
    return str(network.ip) if is_single(network) else str(network)


def spell(by_family: t.Mapping[str, Texts]) -> Texts:
    """Spell networks of both families in one list, where ``any`` alone stands for everything of both families."""
    if all(by_family.get(name) == (ANY,) for name in FAMILIES):
        return (ANY,)
    return tuple(
        _EVERYTHING[FAMILIES.index(name)] if entry == ANY else entry
        for name, entries in by_family.items()
        for entry in entries
    )


def merge(networks: t.Iterable[Network]) -> dict[str, Texts]:
    """Merge networks into the smallest sorted list for each family that occurs, as text."""
    by_family: dict[str, Texts] = {}
    merged = netaddr.cidr_merge(list(networks))
    for name in FAMILIES:
        texts = tuple(text(network) for network in merged if family(network) == name)
        if texts:
            by_family[name] = texts
    return by_family


@cache
def merge_texts(name: str, parts: frozenset[Texts]) -> Texts:
    """Merge lists of one family that :func:`merge` has spelt. Cached: many rules share the same few lists."""
    if len(parts) == 1:
        return next(iter(parts))
    everything = _EVERYTHING[FAMILIES.index(name)]
    networks = [netaddr.IPNetwork(everything if entry == ANY else entry) for part in parts for entry in part]
    return merge(networks).get(name, ())


@cache
def _private_networks() -> tuple[Network, ...]:
    return tuple(netaddr.IPNetwork(entry) for entry in _PRIVATE)
