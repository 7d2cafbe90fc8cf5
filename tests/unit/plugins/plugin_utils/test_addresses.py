# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses against Python's ipaddress; spellings and their errors."""

from __future__ import annotations

import ipaddress
from typing import Any, TypeAlias

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils import _addresses
from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import AddressError
from hypothesis import given
from hypothesis import strategies as st

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# Not all of IPv6: the libraries differ in how they spell addresses that have an IPv4 address inside.
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(network="2001:db8::/32"))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Networks out of a small space of each family, so that they often meet, or contain each other."""
    if draw(st.booleans()):
        v4 = (0xCB007100 + draw(st.integers(0, 255)), draw(st.integers(22, 32)))
        return ipaddress.IPv4Network(v4, strict=False)
    v6 = ((0x20010DB8 << 96) + draw(st.integers(0, 255)), draw(st.integers(118, 128)))
    return ipaddress.IPv6Network(v6, strict=False)


def spelt(network: Network) -> str:
    """The spelling that is wanted: no prefix length for a single address."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


@given(addresses)
def test_an_address_is_spelt_as_python_spells_it(address: Any) -> None:
    parsed = _addresses.parse_address(str(address))
    assert _addresses.text(parsed) == str(address)
    assert _addresses.family(parsed) == f"ipv{address.version}"
    assert _addresses.is_address(str(address))


@given(networks())
def test_a_network_is_spelt_as_python_spells_it(network: Network) -> None:
    assert _addresses.text(_addresses.parse_network(str(network))) == spelt(network)
    assert _addresses.is_single(_addresses.parse_network(str(network))) == (network.num_addresses == 1)


@given(addresses, st.integers(1, 127))
def test_host_bits_are_refused_with_what_to_write_instead(address: Any, prefix: int) -> None:
    value = f"{address}/{min(prefix, address.max_prefixlen - 1)}"
    network = ipaddress.ip_network(value, strict=False)
    if network.network_address == address:
        assert _addresses.text(_addresses.parse_network(value)) == str(network)
        return
    with pytest.raises(AddressError, match="host bits") as caught:
        _addresses.parse_network(value)
    assert str(network) in str(caught.value)


@given(st.lists(networks(), max_size=8))
def test_merging_keeps_every_address_and_is_the_shortest_list(given_networks: list[Network]) -> None:
    merged = _addresses.merge(map(_addresses.parse_network, map(str, given_networks)))
    for version, family in ((4, "ipv4"), (6, "ipv6")):
        of_family: Any = [network for network in given_networks if network.version == version]
        expected = tuple(spelt(network) for network in ipaddress.collapse_addresses(of_family))
        assert merged.get(family, ()) == expected


@given(st.lists(st.lists(networks(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_merging_merged_lists_is_merging_all_at_once(lists: list[list[Network]]) -> None:
    parsed = [[_addresses.parse_network(str(network)) for network in networks] for networks in lists]
    whole = _addresses.merge(network for part in parsed for network in part)
    for family in _addresses.FAMILIES:
        parts = frozenset(merged[family] for merged in map(_addresses.merge, parsed) if family in merged)
        if parts:
            assert _addresses.merge_texts(family, parts) == whole[family]


@pytest.mark.parametrize("family", _addresses.FAMILIES)
def test_any_swallows_the_rest_of_its_family_only(family: str) -> None:
    everything = _addresses.merge([*_addresses.parse_networks("any"), _addresses.parse_network("192.0.2.1")])
    assert everything == {"ipv4": ("any",), "ipv6": ("any",)}
    address = {"ipv4": ("192.0.2.1",), "ipv6": ("2001:db8::1",)}[family]
    assert _addresses.merge_texts(family, frozenset({("any",), address})) == ("any",)


@pytest.mark.parametrize(
    ("value", "private"),
    [
        ("10.1.2.3", True),
        ("172.16.0.0/12", True),
        ("172.32.0.1", False),
        ("192.168.0.0/24", True),
        ("100.64.0.1", True),
        ("fd00::1", True),
        ("fe80::1", True),
        ("203.0.113.5", False),  # documentation networks stand for public ones
        ("2001:db8::1", False),
        ("10.0.0.0/7", False),
    ],
)
def test_private_is_what_nobody_outside_can_reach(value: str, private: bool) -> None:
    assert _addresses.is_private(_addresses.parse_network(value)) is private


def test_any_is_not_private() -> None:
    assert not any(map(_addresses.is_private, _addresses.parse_networks("any")))


@pytest.mark.parametrize(
    "value",
    [None, 10, 10.5, True, "", "cms", "10.0.0", "10.0.0.256", "10.0.0.0/33", "fe80::1%eth0", ["10.0.0.1"], "any"],
)
def test_what_is_no_network_is_refused_by_its_value(value: Any) -> None:
    with pytest.raises(AddressError) as caught:
        _addresses.parse_network(value)
    assert repr(value) in str(caught.value)
    assert not _addresses.is_address(value)


def test_a_network_is_no_single_address() -> None:
    with pytest.raises(AddressError, match="single address"):
        _addresses.parse_address("10.0.5.0/24")
