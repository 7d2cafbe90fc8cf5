# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of inventory variables: what each reader takes, and what it says about the rest."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils import _values as values
from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import AddressError, text
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortError, PortSet


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (values.flag, True, True),
        (values.flag, "Yes", True),
        (values.flag, " false ", False),
        (values.number(1, 200), "200", 200),
        (values.number(1), 7, 7),
        (values.choice("17.0", "23.0"), 17.0, "17.0"),
        (values.name, " hq ", "hq"),
        (values.name_or_names, "a", ("a",)),
        (values.name_or_names, ["a", "b"], ("a", "b")),
        (values.mapping(values.number(1)), {"a": "1"}, {"a": 1}),
        (values.networks, [], ()),
    ],
)
def test_a_good_value_is_read(read: values.Parse, value: t.Any, expected: t.Any) -> None:
    assert read(value) == expected


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (values.flag, 1, "write true or false"),
        (values.flag, "on?", "write true or false"),
        (values.number(1, 200), 0, "write a whole number of at least 1, at most 200"),
        (values.number(1, 200), "201", "at most 200"),
        (values.number(1), True, "whole number"),
        (values.number(1), -1, "whole number"),
        (values.number(1), 1.5, "whole number"),
        (values.choice("helper", "range"), "activ", "write one of helper, range"),
        (values.choice("True"), True, "write one of True"),
        (values.name, "", "write a name"),
        (values.name, 5, "write a name"),
        (values.names, "a", "write a list"),
        (values.name_or_names, {"a": 1}, "write a list, or one value alone"),
        (values.mapping(values.name), ["a"], "write a mapping"),
        (values.networks, "10.0.0.0/8", r"write a list of networks, \[\] for deliberately nobody"),
        (values.keep_item, {"protocol": "tcp", "ports": [1]}, "write items of protocol, ports and sources"),
        (values.translated_address, "2001:db8::1", "IPv6 is never translated"),
    ],
)
def test_a_bad_value_says_what_to_write(read: values.Parse, value: t.Any, message: str) -> None:
    with pytest.raises(values.ValueProblem, match=message):
        read(value)


def test_any_stands_for_both_families_alone_or_in_a_list() -> None:
    assert values.networks("any") == values.networks(["any"])
    assert [str(network) for network in values.networks("any")] == ["0.0.0.0/0", "::/0"]


@pytest.mark.parametrize("value", ["127.0.0.1", "::1", "0.0.0.0", "::", "0.0.0.0/0", "::/0", "224.0.0.1", "ff02::1"])
def test_an_address_that_is_nobody_s_own_is_none(value: str) -> None:
    with pytest.raises(values.ValueProblem, match="nobody's own"):
        values.addresses([value])


def test_a_single_address_or_network_is_a_list_of_one() -> None:
    assert [text(network) for network in values.addresses("10.0.0.0/24")] == ["10.0.0.0/24"]


def test_all_that_is_wrong_is_said_at_once_with_its_key() -> None:
    read = values.mapping(values.listing(values.number(1)))
    with pytest.raises(values.ValueProblem) as caught:
        read({"a": [0, 1, -1], "b": 5, "c": [1]})
    number = "write a whole number of at least 1"
    assert str(caught.value) == f"a: {number}; {number}; b: write a list"


def test_an_item_to_keep_has_merged_ports_of_one_protocol() -> None:
    item = {"protocol": "TCP", "ports": [9100, "9101-9110", "9105"], "sources": ["10.0.0.0/8"]}
    protocol, ports, sources = values.keep_item(item)
    assert (protocol, ports, list(map(str, sources))) == ("tcp", PortSet.of((9100, 9110)), ["10.0.0.0/8"])


def test_an_item_to_keep_of_unknown_protocol_or_network_is_refused() -> None:
    with pytest.raises(PortError, match="sctp"):
        values.keep_item({"protocol": "sctp", "ports": [1], "sources": ["any"]})
    with pytest.raises((AddressError, values.ValueProblem), match="office"):
        values.keep_item({"protocol": "tcp", "ports": [1], "sources": ["office"]})
