# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The old state of every fault and the new one, as the module's arguments and as packets that tell them apart."""

from __future__ import annotations

from typing import Any

TARGET, TARGET6 = "203.0.113.1", "2001:db8:1::1"
ADMIN, ADMIN6 = "203.0.113.10", "2001:db8:1::10"
STRANGER, STRANGER6 = "203.0.113.66", "2001:db8:1::66"
NETWORKS = ("203.0.113.0/24", "2001:db8:1::/64")
LISTENERS = {"tcp": ["80", "9000"]}

# Who may connect to what: in the old state and in the new one.
OLD_OPEN = {("admin", TARGET, 80), ("admin", TARGET6, 80)}
NEW_OPEN = {("stranger", TARGET, 9000), ("stranger", TARGET6, 9000), ("admin", TARGET, 9000)}
# Both states manage the host from both.
SSH = {("admin", TARGET, 22), ("admin", TARGET6, 22)}
PROBES = sorted(
    {(host, address, port) for host in ("admin", "stranger") for address in (TARGET, TARGET6) for port in (80, 9000)}
    | SSH
)
OPEN = {"old": OLD_OPEN | SSH, "new": NEW_OPEN | SSH}


def rule(name: str, port: str, *sources: str) -> dict[str, Any]:
    family = "ipv6" if ":" in sources[0] else "ipv4"
    base = {"id": name, "services": ["web"], "direction": "in", "family": family, "protocol": "tcp", "comment": ""}
    return {**base, "ports": [port], "sources": list(sources), "destinations": []}


def policy(*rules: dict[str, Any], managers: tuple[str, ...] = NETWORKS) -> dict[str, Any]:
    """A policy that governs the ports 80 and 9000."""
    return {
        "host": "target",
        "rules": list(rules),
        "governed": {"in": {"tcp": ["80", "9000"]}},
        "management": {"ports": ["22"], "sources": list(managers)},
    }


ARGUMENTS: dict[str, dict[str, Any]] = {
    "old": {"policy": policy(rule("web4", "80", ADMIN), rule("web6", "80", ADMIN6))},
    "new": {
        "policy": policy(rule("api4", "9000", STRANGER, ADMIN), rule("api6", "9000", STRANGER6)),
        "enforcement": "default_deny",
    },
    "none": {"state": "absent"},
    # Locks out everybody but the connection in use.
    "locked": {"policy": policy(rule("web", "80", ADMIN), managers=("192.0.2.0/24",)), "enforcement": "default_deny"},
}
