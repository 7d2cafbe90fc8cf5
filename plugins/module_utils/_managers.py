# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns a host's firewall, which backend it gets, and in which backends something of ours is left."""

from __future__ import annotations

import glob
import os
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._nft_conflicts import conflicts
from ansible_collections.playout.firewall.plugins.module_utils._nftables import BESIDE, TABLE
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy

AUTO = "auto"
BACKENDS = ("nftables", "firewalld", "ufw", "iptables")

# The tables in which iptables keeps its rules, where it is the newer one that writes them by nftables.
IPTABLES_TABLES = tuple((family, table) for family in ("ip", "ip6") for table in ("filter", "nat", "raw", "mangle"))
# What begins the names of everything that a backend of ours creates there.
CHAIN_MARK = "PLAYOUT-"
FIREWALLD_MARK = "playout-"
UFW_MARK = "playout.firewall"
# Says that rules of ours may be in force that are not in ufw's files yet: a run was killed, or nobody confirmed.
UFW_APPLIED = "run/playout-firewall.ufw"

_UFW_RULES = ("etc/ufw/user.rules", "etc/ufw/user6.rules")
_SAVED_RULES = ("etc/iptables/rules.v4", "etc/iptables/rules.v6", "etc/sysconfig/iptables", "etc/sysconfig/ip6tables")
_RESTORING = ("netfilter-persistent", "iptables", "ip6tables")
_WAY_OUT = {
    "firewalld": "start it ('systemctl enable --now firewalld')",
    "ufw": "allow SSH and enable it ('ufw allow ssh', 'ufw enable')",
}


def active(machine: Machine) -> t.List[str]:
    """Return the programs that own the host's firewall, also without systemd."""
    found = {"firewalld": _firewalld, "ufw": _ufw, "iptables": _iptables_service}
    return [name for name, is_active in found.items() if is_active(machine)]


def choose(option: str, managers: t.Sequence[str], machine: Machine, policy: Policy) -> str:
    """Return the name of the backend for this host.

    :param option: the user's choice, ``auto`` or one of ``BACKENDS``.
    :param managers: from ``active``.
    :raises BackendError: naming the programs and the way out.
    """
    if len(managers) > 1:
        raise BackendError(
            f"{policy.host}: {' and '.join(managers)} are active and each would undo what the other does: stop and "
            f"disable all but one of them ('systemctl disable --now {managers[0]}')"
        )
    if option == AUTO:
        return managers[0] if managers else _unowned(machine, policy)
    owner = managers[0] if managers else ""
    # What the iptables service loads is rules like any others; the other two own every hook.
    if owner not in ("", option) and not (option == "nftables" and owner == "iptables"):
        raise BackendError(
            f"{policy.host}: {owner} is active and owns this host's firewall, and {option} cannot open what it drops: "
            f"set playout_backend to 'auto' or '{owner}', or stop and disable {owner}"
        )
    if option in ("firewalld", "ufw") and owner != option:
        raise BackendError(
            f"{policy.host}: playout_backend is '{option}', but {option} is not active: {_WAY_OUT[option]}, or set "
            "playout_backend to 'auto'"
        )
    return option


def remains(machine: Machine) -> t.List[str]:
    """Return the backends in which something of ours is, by its marks; our own boot files are not looked at."""
    found: t.Dict[str, t.Callable[[], t.Any]] = {
        "nftables": lambda: _has(machine, "table", TABLE),
        "firewalld": lambda: (
            glob.glob(machine.path("etc/firewalld/policies", f"{FIREWALLD_MARK}*.xml"))
            or _has(machine, "table", BESIDE)
        ),
        "ufw": lambda: (
            any(UFW_MARK.encode().hex() in machine.read(path) for path in _UFW_RULES)
            or os.path.exists(machine.path(UFW_APPLIED))
        ),
        "iptables": lambda: _has_chain(machine, CHAIN_MARK) or _has_legacy_chain(machine) or _has_unlisted(machine),
    }
    return [name for name, is_there in found.items() if is_there()]


def _unowned(machine: Machine, policy: Policy) -> str:
    """Choose for a host that no program owns: nftables, unless only iptables can open what its rules drop."""
    if machine.objects is None or _has_chain(machine, CHAIN_MARK) or _has_legacy_chain(machine):
        return "iptables"
    drops = conflicts(policy, machine.objects)
    if drops and len(conflicts(policy, machine.objects, IPTABLES_TABLES)) < len(drops):
        return "iptables"
    return "nftables"


def _firewalld(machine: Machine) -> bool:
    pid = machine.read("run/firewalld.pid").strip()
    if pid.isdigit() and "firewalld" in machine.read("proc", pid, "cmdline"):
        return True
    if _has(machine, "table", "firewalld"):
        return True
    if not os.path.isdir(machine.path("run/systemd/system")):
        return False
    return machine.run(["systemctl", "is-active", "--quiet", "firewalld"], "").code == 0


def _ufw(machine: Machine) -> bool:
    """Whether ufw is enabled and its chains are there: enabled alone is only a wish."""
    settings = [line.strip().lower() for line in machine.read("etc/ufw/ufw.conf").splitlines()]
    if "enabled=yes" not in [line.replace('"', "").replace("'", "") for line in settings]:
        return False
    if _has_chain(machine, "ufw-user-input"):
        return True
    # The chains of the old iptables are not in nft's listing.
    return machine.run(["iptables", "-n", "-L", "ufw-user-input"], "").code == 0


def _iptables_service(machine: Machine) -> bool:
    """Whether a service loads saved iptables rules at boot, and there are any."""
    links = (machine.path(f"etc/systemd/system/*.wants/{name}.service") for name in _RESTORING)
    return any(map(glob.glob, links)) and any("\n-A " in f"\n{machine.read(path)}" for path in _SAVED_RULES)


def _has(machine: Machine, kind: str, name: str) -> bool:
    return any(entry[kind].get("name") == name for entry in machine.objects or () if kind in entry)


def _has_chain(machine: Machine, start: str) -> bool:
    return any(entry["chain"].get("name", "").startswith(start) for entry in machine.objects or () if "chain" in entry)


def _has_unlisted(machine: Machine) -> bool:
    """Whether iptables has chains of ours where there is no nft to list them."""
    return machine.objects is None and _saves_ours(machine, ("iptables-save", "ip6tables-save"))


def _has_legacy_chain(machine: Machine) -> bool:
    """Whether the old iptables, which nft does not show, has chains of ours."""
    tables = machine.read("proc/net/ip_tables_names") + machine.read("proc/net/ip6_tables_names")
    if not tables.strip():
        return False
    return _saves_ours(machine, ("iptables-legacy-save", "ip6tables-legacy-save"))


def _saves_ours(machine: Machine, commands: t.Sequence[str]) -> bool:
    results = {command: machine.run([command], "") for command in commands}
    for command, result in results.items():
        if result.crashed:
            raise BackendError(f"{command} cannot tell whether chains of ours are in force: {result.reason}")
    return any(f"\n:{CHAIN_MARK}" in result.out for result in results.values())
