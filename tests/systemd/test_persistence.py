# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our rules outlive what happens to a machine and to its firewall manager, and leave nothing once they are removed."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import BACKENDS
from .machine import OUTSIDE, PLANNED, STRANGER, Machine
from .managed import WEB, Managed
from .managers import MANAGERS

# Whose rules are all loaded by a unit of ours, whether or not the manager's own service is enabled.
WITH_UNIT = ("nftables", "iptables")

RESTARTS = [(backend, command) for backend in BACKENDS for command in MANAGERS[backend].all_restarts]
UNIT = "playout-firewall.service"
COMPLAINTS = """
    systemctl --failed --no-legend
    journalctl --boot --quiet --grep='ordering cycle|playout.*(fail|invalid|ignor)' || true
"""


@pytest.mark.parametrize("boot", [Machine.reboot, Machine.cut_power])
def test_all_rules_are_in_force_after_a_boot_that_complains_of_nothing(enforced: Managed, boot: Any) -> None:
    before = enforced.rules()
    boot(enforced.machine)
    enforced.assert_enforced()
    assert enforced.rules() == before
    assert enforced.machine.run(COMPLAINTS) == ""


@pytest.mark.parametrize(("managed", "command"), RESTARTS, indirect=["managed"])
def test_all_rules_are_in_force_after_a_restart_of_the_manager(enforced: Managed, command: str) -> None:
    before = enforced.rules()
    enforced.machine.run(command)
    enforced.assert_enforced()
    assert enforced.rules() == before


@pytest.mark.parametrize("managed", [*WITH_UNIT, "firewalld"], indirect=True)
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
    _assert_ours_in_force(enforced)
    enforced.machine.run(f"systemctl enable --now {service}")
    enforced.assert_enforced()


@pytest.mark.parametrize("managed", WITH_UNIT, indirect=True)
def test_a_service_that_starts_as_late_as_fedoras_makes_no_ordering_cycle(enforced: Managed) -> None:
    drop_in = f"/etc/systemd/system/{enforced.manager.service}.service.d/late.conf"
    enforced.machine.run(f"cat >{drop_in}", "[Unit]\nDefaultDependencies=yes\n")
    enforced.machine.reboot()
    enforced.assert_enforced()
    assert enforced.machine.run(COMPLAINTS) == ""
    enforced.machine.run(f"rm {drop_in}; systemctl daemon-reload")


@pytest.mark.parametrize("managed", ["nftables"], indirect=True)
def test_rules_are_in_force_when_the_managers_own_file_is_broken(enforced: Managed) -> None:
    enforced.machine.run("cp /etc/nftables.conf /root; echo broken >>/etc/nftables.conf")
    # It flushes all rules, ours too, before it looks at the file.
    enforced.machine.run("systemctl restart nftables", may_fail=True)
    _assert_ours_in_force(enforced)
    enforced.machine.reboot()
    _assert_ours_in_force(enforced)
    enforced.machine.run("mv /root/nftables.conf /etc; systemctl start nftables")
    enforced.assert_enforced()


def test_after_a_removal_and_a_boot_only_the_administrators_rules_are_there(enforced: Managed) -> None:
    enforced.remove()
    enforced.assert_only_administrators_rules()
    assert enforced.machine.run("systemctl list-units --all --no-legend '*playout*'") == ""
    enforced.machine.reboot()
    assert enforced.traces() == ""
    enforced.assert_only_administrators_rules()
    assert enforced.rules() == enforced.rules_without_ours
    assert enforced.machine.run(COMPLAINTS) == ""


@pytest.mark.parametrize("managed", ["iptables"], indirect=True)
def test_rules_of_ours_that_the_administrator_saved_as_his_own_do_not_come_twice(enforced: Managed) -> None:
    before = enforced.rules()
    enforced.machine.run("cp -a /etc/iptables /root/iptables; netfilter-persistent save")
    enforced.machine.reboot()
    assert enforced.machine.run(COMPLAINTS) == ""
    enforced.assert_enforced()
    assert enforced.rules() == before
    enforced.machine.run("rm -r /etc/iptables; mv /root/iptables /etc/iptables")


def _assert_ours_in_force(enforced: Managed) -> None:
    """Whatever has become of the administrator's rules."""
    targets = [(sources[0], OUTSIDE[0], WEB) for sources in (PLANNED, STRANGER)]
    assert enforced.machine.probe(*targets) == ["tested", "shut out"]
