# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of policies, as the backends' tests put them together."""

from __future__ import annotations

from typing import Any


def rule_with(**parts: Any) -> dict[str, Any]:
    """Return a rule that lets everybody in to port 80, but for these parts."""
    base = {"id": "a", "services": ["a"], "direction": "in", "family": "ipv4", "protocol": "tcp", "ports": ["80"]}
    return {**base, "sources": ["any"], "destinations": [], "comment": "", **parts}


def forward_with(**parts: Any) -> dict[str, Any]:
    """Return a forward of port 8080 to port 80 inside, but for these parts."""
    base = {"id": "f", "services": ["f"], "family": "ipv4", "protocol": "tcp", "external_addresses": ["203.0.113.1"]}
    ends = {"external_ports": ["8080"], "to_address": "10.0.0.1", "to_ports": ["80"], "sources": ["any"], "comment": ""}
    return {**base, **ends, **parts}
