# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine whose firewall one manager owns, the policy that is enforced on it, and what must hold then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .machine import BEHIND, OUTSIDE, PLANNED, STRANGER, Machine
from .managers import CLOSED_PORT, MANAGERS, OPEN_PORT, Manager

WEB, FORWARDED = 80, 8080


def _web(direction: str, family: str, sources: list[str], destinations: list[str]) -> dict[str, Any]:
    names = {"id": f"web.{direction}.{family}", "services": ["web"], "comment": ""}
    what = {"direction": direction, "family": family, "protocol": "tcp", "ports": [str(WEB)]}
    return {**names, **what, "sources": sources, "destinations": destinations}


_FORWARD = {
    "id": "web.dnat",
    "services": ["web"],
    "family": "ipv4",
    "protocol": "tcp",
    "external_addresses": [OUTSIDE[0]],
    "external_ports": [str(FORWARDED)],
    "to_address": BEHIND[0],
    "to_ports": [str(WEB)],
    "sources": [PLANNED[0], "192.0.2.0/24"],
    "comment": "",
}
HOST: dict[str, Any] = {
    "host": "tested",
    "rules": [
        _web("in", "ipv4", [PLANNED[0], "192.0.2.0/24"], []),
        _web("in", "ipv6", [PLANNED[1], "2001:db8:ff::/48"], []),
    ],
    "governed": {"in": {"tcp": [str(WEB)]}},
    "management": {"ports": ["22"], "sources": []},
}
_TRANSIT = {"family": "ipv4", "protocol": "tcp", "ports": [str(WEB)], "sources": ["any"], "destinations": [BEHIND[0]]}
# Of everything that a backend may have to bring back: a host's rules, transit, translation, a helper.
GATEWAY = {
    **HOST,
    "rules": [*HOST["rules"], _web("forward", "ipv4", [PLANNED[0], "192.0.2.0/24"], [BEHIND[0]])],
    "forwards": [_FORWARD],
    "helpers": [{"name": "ftp", "protocol": "tcp", "port": 21, "addresses": [BEHIND[0]]}],
    "governed": {**HOST["governed"], "forward": [_TRANSIT]},
    "masquerade": True,
    "gateway": {"wan_interfaces": ["eth0"], "lan_interfaces": ["lan0"], "transit": "leave", "hairpin": False},
}

# The tables of one family only belong to iptables, which lists them in an order of its own.
_RULES = """
    nft --stateless list ruleset inet
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

    @property
    def manager(self) -> Manager:
        return MANAGERS[self.backend]

    @property
    def policy(self) -> dict[str, Any]:
        return GATEWAY if self.manager.translates else HOST

    def apply(self) -> None:
        self.machine.drive("apply", self.backend, self.policy)

    def remove(self) -> None:
        self.machine.drive("absent", self.backend)

    def assert_enforced(self) -> None:
        """Packets say so, and our own comparison with the rules in force and with the files."""
        forwarded = ("behind", "shut out") if self.policy is GATEWAY else ("shut out", "shut out")
        self._assert_answers(("tested", "shut out"), forwarded)
        again = self.machine.drive("compare", self.backend, self.policy)
        assert (again["live"], again["boot"]) == (False, False), again["diff"]

    def assert_only_administrators_rules(self) -> None:
        """The administrator of nftables lets in what he does not name, the others shut it out."""
        if self.backend == "nftables":
            self._assert_answers(("tested", "tested"), ("refused", "refused"))
        else:
            self._assert_answers(("shut out", "shut out"), ("shut out", "shut out"))

    def _assert_answers(self, web: tuple[str, str], forwarded: tuple[str, str]) -> None:
        """What the planned source and the stranger get; the administrator's rules are in force in any case."""
        self.machine.run(self.manager.wait)
        wanted = {}
        for port, words in ((WEB, web), (OPEN_PORT, ("tested", "tested")), (CLOSED_PORT, ("shut out", "shut out"))):
            for sources, word in zip((PLANNED, STRANGER), words, strict=True):
                wanted.update({(source, address, port): word for source, address in zip(sources, OUTSIDE, strict=True)})
        for sources, word in zip((PLANNED, STRANGER), forwarded, strict=True):
            wanted[sources[0], OUTSIDE[0], FORWARDED] = word
        answers = dict(zip(wanted, self.machine.probe(*wanted), strict=True))
        assert answers == wanted, answers
