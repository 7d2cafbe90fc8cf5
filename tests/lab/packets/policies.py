# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies for the packet tests, written as short as a test wants to read them."""

from __future__ import annotations

from typing import Any


def rule(
    name: str, direction: str, ports: str, sources: str = "", destinations: str = "", **more: Any
) -> dict[str, Any]:
    """A rule; lists are texts with blanks, the family follows the addresses unless given."""
    family = "ipv6" if ":" in sources + destinations else "ipv4"
    base = {"id": name, "services": [name], "direction": direction, "family": family, "protocol": "tcp", "comment": ""}
    lists = {"ports": ports.split(), "sources": sources.split(), "destinations": destinations.split()}
    return {**base, **lists, **more}


def forward(name: str, external: str, ports: str, to: str, to_ports: str, **more: Any) -> dict[str, Any]:
    """A forward; ``external`` may be empty for a gateway without fixed addresses."""
    family = "ipv6" if ":" in to else "ipv4"
    base = {"id": name, "services": [name], "family": family, "protocol": "tcp", "sources": ["any"], "comment": ""}
    ends = {"external_addresses": external.split(), "external_ports": ports.split(), "to_address": to}
    return {**base, **ends, "to_ports": to_ports.split(), **more}


def transit(ports: str, destinations: str, sources: str = "any", **more: Any) -> dict[str, Any]:
    """Governed transit."""
    family = "ipv6" if ":" in sources + destinations else "ipv4"
    lists = {"ports": ports.split(), "sources": sources.split(), "destinations": destinations.split()}
    return {"family": family, "protocol": "tcp", **lists, **more}


def policy(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A policy with these rules; the management ports are those of a Linux host."""
    return {"host": "tested", "rules": list(rules), "management": {"ports": ["22"], "sources": []}, **more}


def gateway(**more: Any) -> dict[str, Any]:
    """A gateway between wan0 and lan0."""
    base = {"wan_interfaces": ["wan0"], "lan_interfaces": ["lan0"], "transit": "leave", "hairpin": False}
    return {**base, **more}


# A host that two players may use, and nobody else.
PLAYERS = policy(
    rule("web", "in", "80", "203.0.113.10"),
    rule("web6", "in", "80", "2001:db8:1::10"),
    rule("log", "in", "514", "203.0.113.10 203.0.113.11", protocol="udp"),
    governed={"in": {"tcp": ["22", "80"], "udp": ["514"]}},
)
