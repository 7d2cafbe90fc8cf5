# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the values of inventory variables: each function returns a plain typed value or says what to write."""

from __future__ import annotations

import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import (
    ANY,
    AddressError,
    Network,
    family,
    is_nobody,
    parse_address,
    parse_network,
    parse_networks,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortError, PortSet, checked_protocol, union

Parse = t.Callable[[t.Any], t.Any]


class ValueProblem(ValueError):
    """A value of the wrong kind; the message says what to write instead."""


READ_ERRORS = (ValueProblem, AddressError, PortError)


def flag(value: t.Any) -> bool:
    """Read true or false, also in the spelling of an INI inventory or of the command line."""
    if isinstance(value, bool):
        return value
    known = {"true": True, "yes": True, "false": False, "no": False}
    word = str(value).strip().lower()
    if word not in known:
        raise ValueProblem("write true or false")
    return known[word]


def number(least: int, most: int | None = None) -> Parse:
    """Return a reader of whole numbers within bounds."""

    def read(value: t.Any) -> int:
        text = str(value).strip()
        if isinstance(value, bool) or not text.isdecimal() or int(text) < least or (most and int(text) > most):
            raise ValueProblem(f"write a whole number of at least {least}" + (f", at most {most}" if most else ""))
        return int(text)

    return read


def choice(*choices: str) -> Parse:
    """Return a reader of one word out of a few; a number such as 23.0 counts as its text."""

    def read(value: t.Any) -> str:
        if isinstance(value, bool) or str(value) not in choices:
            raise ValueProblem(f"write one of {', '.join(choices)}")
        return str(value)

    return read


def name(value: t.Any) -> str:
    """Read a name."""
    if not isinstance(value, str) or not value.strip():
        raise ValueProblem("write a name")
    return value.strip()


def listing(of: Parse, single: bool = False) -> Parse:
    """Return a reader of lists; with ``single`` one value alone is a list of one."""

    def read(value: t.Any) -> tuple[t.Any, ...]:
        if single and isinstance(value, (str, int)):
            value = [value]
        if not isinstance(value, (list, tuple)):
            raise ValueProblem("write a list" + (", or one value alone" if single else ""))
        return tuple(_all_of((of, entry, "") for entry in value))

    return read


def mapping(of: Parse, key: Parse = name) -> Parse:
    """Return a reader of mappings from keys of one kind to values of another."""

    def read(value: t.Any) -> dict[str, t.Any]:
        if not isinstance(value, t.Mapping):
            raise ValueProblem("write a mapping")
        reads = [read for name, entry in value.items() for read in ((key, name, ""), (of, entry, f"{name}: "))]
        found = _all_of(reads)
        return dict(zip(found[::2], found[1::2], strict=True))

    return read


def _all_of(reads: t.Iterable[tuple[Parse, t.Any, str]]) -> list[t.Any]:
    """Read values, each with what to say before its fault, and say what is wrong with all of them at once."""
    found, wrong = [], []
    for read, value, where in reads:
        try:
            found.append(read(value))
        except READ_ERRORS as error:
            wrong.append(f"{where}{error}")
    if wrong:
        raise ValueProblem("; ".join(wrong))
    return found


def networks(value: t.Any, of: Parse = parse_networks) -> tuple[t.Any, ...]:
    """Read a list of networks; the word ``any`` stands for everything of both families, also alone.

    ``of`` reads one entry into several of what is wanted.
    """
    if value != ANY and not isinstance(value, (list, tuple)):
        raise ValueProblem("write a list of networks, [] for deliberately nobody, or [any]")
    return tuple(network for found in listing(of)([ANY] if value == ANY else value) for network in found)


def keep_item(value: t.Any) -> tuple[str, PortSet, tuple[Network, ...]]:
    """Read one item of ``playout_keep``: protocol, ports and sources, all written out."""
    if not isinstance(value, t.Mapping) or set(value) != {"protocol", "ports", "sources"}:
        raise ValueProblem("write items of protocol, ports and sources: {protocol: tcp, ports: [9100], sources: [any]}")
    ports = value["ports"] if isinstance(value["ports"], (list, tuple)) else [value["ports"]]
    return checked_protocol(value["protocol"]), union(map(PortSet.parse, ports)), networks(value["sources"])


def own_address(value: t.Any) -> Network:
    """Read an address or network by which others know one host."""
    network = parse_network(value)
    if is_nobody(network):
        raise ValueProblem(f"{value!r} is nobody's own: write the address by which others in its site see this host")
    return network


def translated_address(value: t.Any) -> Network:
    """Read a single address of IPv4, the only family that is translated."""
    address = parse_address(value)
    if family(address) != "ipv4":
        raise ValueProblem(f"{value!r} is not of IPv4; IPv6 is never translated: write it in playout_addresses")
    return address


addresses = listing(own_address, single=True)
single_addresses = listing(parse_address, single=True)
names = listing(name)
name_or_names = listing(name, single=True)
