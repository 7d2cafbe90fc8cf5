# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of an enforcement point is what its backend does, in each mode: drops, and what is left open."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._policy import (
    Forward,
    Gateway,
    Governed,
    Helper,
    Keep,
    Management,
    Policy,
    Transit,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_remarks import remarks, spell_mode

MANAGEMENT = Management(("22", "3389", "5985-5986"), ("10.0.0.8",))
NOBODY = Management(MANAGEMENT.ports)
SSH = Transit("ipv4", "tcp", ("21-22", "80"), ("any",), ("10.1.0.10",))
ONLY_SSH = Transit("ipv6", "tcp", ("22",), ("any",), ("2001:db8::10",))
EGRESS = Transit("ipv4", "udp", ("22",), ("10.1.0.0/24",), ("any",))


def _said(enforcement: str = "scoped", **parts: t.Any) -> list[str]:
    policy = Policy("host", **{"management": MANAGEMENT, **parts}).to_dict()
    return list(remarks(policy, {"enforcement": enforcement, "platform": "linux"}))


def _forward(outside: str, inside: str, protocol: str = "tcp") -> Forward:
    return Forward("f", ("s",), "ipv4", protocol, ("203.0.113.1",), (outside,), "10.1.0.10", (inside,), ("any",), "")


def test_scoped_leaves_governed_management_ports_alone() -> None:
    governed = Governed(inbound={"tcp": ("21-22", "80"), "udp": ("22", "514")}, outbound={"tcp": ("22", "25")})
    assert _said(governed=governed, keep=(Keep("udp", ("161",), ("10.0.0.9",)),)) == [
        "To this host, what no rule lets through is dropped: TCP 21, 80; UDP 22, 514.",
        "To this host, nothing is dropped at management ports, planned or not: TCP 22.",
        "From this host, what no rule lets through is dropped: TCP 22, 25.",
    ]


def test_scoped_without_governed_ports_says_nothing() -> None:
    assert _said() == []


def test_default_deny_drops_at_every_port_except_management_and_keep() -> None:
    keep = (Keep("udp", ("161",), ("10.0.0.9", "10.0.0.10")),)
    assert _said("default_deny", governed=Governed(inbound={"tcp": ("80",)}), keep=keep) == [
        "To this host, what no rule lets through is dropped, at every port, except management by "
        "TCP 22, 3389, 5985-5986 from 10.0.0.8; UDP 161 from 10.0.0.9, 10.0.0.10.",
    ]
    assert _said("default_deny", management=NOBODY) == [
        "To this host, what no rule lets through is dropped, at every port."
    ]


def test_governed_transit_leaves_management_ports_and_the_inside_alone() -> None:
    gateway = Gateway(lan_interfaces=("lan0", "lan1"))
    assert _said(governed=Governed(forward=(SSH, ONLY_SSH, EGRESS)), gateway=gateway) == [
        "In transit (IPv4), what no rule lets through is dropped: TCP 21, 80 from any to 10.1.0.10, "
        "unless it comes in by lan0, lan1.",
        "In transit (IPv4), what no rule lets through is dropped: UDP 22 from 10.1.0.0/24 to any.",
        "In transit, nothing is dropped at management ports, planned or not: "
        "TCP 22 from any to 10.1.0.10; TCP 22 from any to 2001:db8::10.",
    ]


@pytest.mark.parametrize(
    ("forward", "is_dropped"),
    [
        (_forward("22", "22"), True),
        (_forward("2222", "22"), True),
        (_forward("22", "80"), False),
        (_forward("22", "22", "udp"), False),
    ],
)
def test_what_a_forward_leads_to_a_management_port_is_dropped(forward: Forward, is_dropped: bool) -> None:
    said = _said(forwards=(forward,), gateway=Gateway())
    sentence = "What a forward leads to a management port and no rule lets through is dropped: TCP 22 of 10.1.0.10."
    assert said == [sentence] * is_dropped


def test_denied_transit_names_what_stays_open() -> None:
    parts: dict[str, t.Any] = {"governed": Governed(forward=(SSH,)), "forwards": (_forward("22", "22"),)}
    hidden = "In transit, what no rule lets through is dropped, at every port"
    management = "management by TCP 22, 3389, 5985-5986 from 10.0.0.8"
    assert _said(gateway=Gateway(transit="deny"), **parts) == [f"{hidden}, except {management}."]
    assert _said(gateway=Gateway(transit="deny", hairpin=True), **parts) == [
        f"{hidden}, except {management}; what comes from inside by a forward."
    ]
    assert _said(gateway=Gateway(transit="deny", hairpin=True), management=NOBODY) == [f"{hidden}."]


def test_helpers_and_source_nat_are_said() -> None:
    helper, masquerade = _said(helpers=(Helper("ftp", "tcp", 21, ("10.1.0.10",)),), masquerade=True)
    assert helper.startswith("Connection tracking helper ftp for TCP 21 of 10.1.0.10: ")
    assert masquerade.startswith("Source NAT")


@pytest.mark.parametrize(
    ("gateway", "host", "spelt"),
    [
        (None, ("scoped", "linux"), "scoped; platform linux"),
        (None, ("scoped", "windows"), "planned only; scoped; platform windows"),
        (Gateway(), ("default_deny", "linux"), "default_deny; transit: leave; platform linux"),
        (Gateway(transit="deny"), ("scoped", "none"), "planned only; scoped; transit: deny; platform none"),
    ],
)
def test_mode(gateway: Gateway | None, host: tuple[str, str], spelt: str) -> None:
    policy = Policy("host", gateway=gateway).to_dict()
    assert spell_mode(policy, dict(zip(("enforcement", "platform"), host, strict=True))) == spelt
