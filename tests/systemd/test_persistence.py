# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our rules outlive what happens to a machine and to its firewall manager, and leave nothing once they are removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from .conftest import MachineFactory
from .machine import PLANNED, STRANGER, Machine
from .managers import CLOSED_PORT, MANAGERS, OPEN_PORT, Manager

BACKENDS = ("nftables",)
# Whose rules are loaded by a unit of ours, whether or not the manager's own service is enabled.
WITH_UNIT = tuple(backend for backend in BACKENDS if backend in ("nftables", "iptables"))

RESTARTS = [(backend, command) for backend in BACKENDS for command in MANAGERS[backend].all_restarts]
UNIT = "playout-firewall.service"
COMPLAINT = "ordering cycle|playout.*(fail|invalid|ignor)"
WEB = 80


def _web(source: str, family: str) -> dict[str, Any]:
    lists = {"ports": [str(WEB)], "sources": [source], "destinations": []}
    names = {"id": f"web-{family}", "services": ["web"], "comment": ""}
    return {"direction": "in", "family": family, "protocol": "tcp", **names, **lists}


POLICY = {
    "host": "tested",
    "rules": [_web(PLANNED[0], "ipv4"), _web(PLANNED[1], "ipv6")],
    "governed": {"in": {"tcp": [str(WEB)]}},
    "management": {"ports": ["22"], "sources": []},
}

_RULES = """
    nft --stateless list ruleset
    for save in iptables-save ip6tables-save; do $save | sed '/^#/d; s/ \\[.*\\]$//'; done
    ipset save | sort
"""
_TRACES = f"""
    {{ {_RULES} }} 2>&1 | grep -i playout
    grep -ril playout /etc /var/lib
    find /etc /run /usr/lib/systemd /var/lib -iname '*playout*'
    systemctl list-unit-files --no-legend '*playout*'
    systemctl list-units --all --no-legend '*playout*'
    systemctl show --property=DropInPaths '*.service' | grep playout
    true
"""


@dataclass(frozen=True)
class Managed:
    """A machine whose firewall one manager owns, and all of its rules as they were without ours."""

    machine: Machine
    backend: str
    rules_without_ours: str

    @property
    def manager(self) -> Manager:
        return MANAGERS[self.backend]

    def rules(self) -> str:
        return self.machine.run(_RULES)

    def apply(self) -> None:
        self.machine.drive("apply", self.backend, POLICY)

    def remove(self) -> None:
        self.machine.drive("absent", self.backend)

    def assert_enforced(self) -> None:
        """Packets say so, and our own comparison with the rules in force and with the files."""
        self._assert_answers("tested", "filtered")
        again = self.machine.drive("compare", self.backend, POLICY)
        assert (again["live"], again["boot"]) == (False, False), again["diff"]

    def assert_as_without_ours(self) -> None:
        """Whoever does not want our port governed has it closed, or open, as everything that nobody named."""
        unnamed = "tested" if self.backend == "nftables" else self.manager.closed
        self._assert_answers(unnamed, unnamed)

    def _assert_answers(self, planned: str, stranger: str) -> None:
        """Also the administrator's rules are in force."""
        asked = [(sources, port) for port in (WEB, OPEN_PORT, CLOSED_PORT) for sources in (PLANNED, STRANGER)]
        closed = self.manager.closed
        assert self.machine.probe(*asked) == [planned, stranger, "tested", "tested", closed, closed]


@pytest.fixture(scope="module", params=BACKENDS)
def managed(request: pytest.FixtureRequest, switched_on: MachineFactory) -> Iterator[Managed]:
    with switched_on(WEB, CLOSED_PORT, OPEN_PORT) as machine:
        machine.run(MANAGERS[request.param].setup)
        machine.reboot()
        it = Managed(machine, request.param, machine.run(_RULES))
        it.assert_as_without_ours()
        yield it


@pytest.fixture
def enforced(managed: Managed) -> Managed:
    """A managed machine on which the policy is enforced."""
    managed.apply()
    managed.assert_enforced()
    return managed


@pytest.mark.parametrize("boot", [Machine.reboot, Machine.cut_power])
def test_all_rules_are_in_force_after_a_boot_that_complains_of_nothing(enforced: Managed, boot: Any) -> None:
    before = enforced.rules()
    boot(enforced.machine)
    enforced.assert_enforced()
    assert enforced.rules() == before
    assert enforced.machine.run("systemctl --failed --no-legend") == ""
    assert enforced.machine.run(f"journalctl --boot --quiet --grep='{COMPLAINT}' || true") == ""


@pytest.mark.parametrize(("managed", "command"), RESTARTS, indirect=["managed"])
def test_all_rules_are_in_force_after_a_restart_of_the_manager(enforced: Managed, command: str) -> None:
    before = enforced.rules()
    enforced.machine.run(command)
    enforced.assert_enforced()
    assert enforced.rules() == before


@pytest.mark.parametrize("managed", WITH_UNIT, indirect=True)
def test_a_unit_of_ours_has_loaded_the_rules_before_there_is_a_network(enforced: Managed) -> None:
    enforced.machine.reboot()
    times = [
        int(enforced.machine.run(f"systemctl show --value --property=ActiveEnterTimestampMonotonic {unit}"))
        for unit in (UNIT, "network-pre.target")
    ]
    assert 0 < times[0] <= times[1]
    assert enforced.machine.run(f"systemd-analyze verify {UNIT} 2>&1") == ""


@pytest.mark.parametrize("managed", WITH_UNIT, indirect=True)
def test_rules_are_in_force_after_a_boot_without_the_managers_service(enforced: Managed) -> None:
    service = enforced.manager.service
    enforced.machine.run(f"systemctl disable {service}")
    enforced.machine.reboot()
    assert enforced.machine.run(f"systemctl is-active {service} || true").strip() == "inactive"
    assert enforced.machine.probe((PLANNED, WEB), (STRANGER, WEB)) == ["tested", "filtered"]
    enforced.machine.run(f"systemctl enable --now {service}")
    enforced.assert_enforced()


def test_after_a_removal_and_a_boot_only_the_administrators_rules_are_there(enforced: Managed) -> None:
    enforced.remove()
    enforced.assert_as_without_ours()
    enforced.machine.reboot()
    assert enforced.machine.run(_TRACES) == ""
    enforced.assert_as_without_ours()
    assert enforced.rules() == enforced.rules_without_ours
    assert enforced.machine.run("systemctl --failed --no-legend") == ""
