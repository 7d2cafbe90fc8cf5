# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine whose firewall one manager owns, the policy that is enforced on it, and what must hold then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .machine import PLANNED, STRANGER, Machine
from .managers import CLOSED_PORT, MANAGERS, OPEN_PORT

WEB = 80


def _web(family: str, *sources: str) -> dict[str, Any]:
    lists = {"ports": [str(WEB)], "sources": list(sources), "destinations": []}
    names = {"id": f"web-{family}", "services": ["web"], "comment": ""}
    return {"direction": "in", "family": family, "protocol": "tcp", **names, **lists}


POLICY = {
    "host": "tested",
    "rules": [_web("ipv4", PLANNED[0], "192.0.2.0/24"), _web("ipv6", PLANNED[1], "2001:db8:ff::/48")],
    "governed": {"in": {"tcp": [str(WEB)]}},
    "management": {"ports": ["22"], "sources": []},
}

_RULES = """
    nft --stateless list ruleset
    for save in iptables-save ip6tables-save; do $save | sed '/^#/d; s/ \\[.*\\]$//'; done
    ipset save | sed 's/ initval .*//' | sort
"""
# Whatever is left of us, in any firewall and any file.
_TRACES = f"""
    {{ {_RULES} }} 2>&1 | grep -i playout
    grep -ril playout /etc /var/lib
    find /etc /run /usr/lib/systemd /var/lib -iname '*playout*'
    systemctl list-unit-files --no-legend '*playout*'
    systemctl list-units --all --no-legend '*playout*'
    systemctl show --property=DropInPaths '*.service' | grep playout
    true
"""


def rules(machine: Machine) -> str:
    """All rules in force, without counters."""
    return machine.run(_RULES)


@dataclass(frozen=True)
class Managed:
    """A machine whose firewall one manager owns, and all of its rules as they were without ours."""

    machine: Machine
    backend: str
    rules_without_ours: str

    def rules(self) -> str:
        return rules(self.machine)

    def traces(self) -> str:
        return self.machine.run(_TRACES)

    def apply(self) -> None:
        self.machine.drive("apply", self.backend, POLICY)

    def remove(self) -> None:
        self.machine.drive("absent", self.backend)

    def assert_enforced(self) -> None:
        """Packets say so, and our own comparison with the rules in force and with the files."""
        self._assert_answers("tested", "shut out")
        again = self.machine.drive("compare", self.backend, POLICY)
        assert (again["live"], again["boot"]) == (False, False), again["diff"]

    def assert_only_administrators_rules(self) -> None:
        """The administrator of nftables lets in what he does not name, the others shut it out."""
        unnamed = "tested" if self.backend == "nftables" else "shut out"
        self._assert_answers(unnamed, unnamed)

    def _assert_answers(self, planned: str, stranger: str) -> None:
        """Also the administrator's rules are in force."""
        self.machine.run(MANAGERS[self.backend].wait)
        asked = [(sources, port) for port in (WEB, OPEN_PORT, CLOSED_PORT) for sources in (PLANNED, STRANGER)]
        answers = self.machine.probe(*asked)
        assert answers == [planned, stranger, "tested", "tested", "shut out", "shut out"], answers
