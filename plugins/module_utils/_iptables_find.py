# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the two iptables a host uses: the older one with its own part of the kernel, or the newer one by nftables.

Neither sees the other's rules, and a packet must get through both. So the one that holds rules is used, and where
neither does, the distribution's choice.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._iptables import MARK
from ansible_collections.playout.firewall.plugins.module_utils._iptables_script import Programs
from ansible_collections.playout.firewall.plugins.module_utils._iptables_state import (
    CrashError,
    Iptables,
    NotInstalled,
    Saved,
)

NFT, LEGACY = "-nft", "-legacy"
_OTHER = {NFT: LEGACY, LEGACY: NFT}
# The first that waits for another program's lock while it restores.
_OLDEST = (1, 6, 2)
_LEGACY_TABLES = ("proc/net/ip_tables_names", "proc/net/ip6_tables_names")

Reading = t.Tuple[Iptables, t.Dict[str, Saved]]


def find(machine: Machine) -> Reading:
    """Return the iptables in use, with everything that it holds.

    :raises BackendError: where there is none, it is too old or cannot be read, or both are in use.
    """
    default = _default(machine)
    reading = _read(machine, "")
    other = _other(machine, _OTHER[default])
    if other is None or not _used(other):
        return reading
    if _used(reading):
        names = {NFT: "iptables-nft", LEGACY: "iptables-legacy"}
        raise BackendError(
            f"both {names[default]} and {names[_OTHER[default]]} hold rules, and a packet would have to get through "
            "both: move the rules of one to the other (compare 'iptables-nft-save' and 'iptables-legacy-save')"
        )
    return other


def find_ours(machine: Machine) -> t.Optional[Reading]:
    """Return the iptables that holds chains of ours, or else the distribution's choice; None where there is none.

    :raises BackendError: where there is one that cannot be read.
    """
    try:
        default = _default(machine)
    except NotInstalled:
        return None
    readings = [_read(machine, ""), _other(machine, _OTHER[default])]
    return next((reading for reading in readings if reading and _has_ours(reading)), readings[0])


def _default(machine: Machine) -> str:
    result = machine.run(["iptables", "--version"], "")
    if result.code == 127:
        raise NotInstalled("iptables is not installed: install the package 'iptables', or set playout_backend")
    if result.code:
        raise BackendError(f"iptables cannot be run: {result.reason}")
    version = tuple(int(number) for number in re.findall(r"\d+", result.out.partition("(")[0]))
    if version < _OLDEST:
        raise BackendError(
            f"{result.out.strip() or 'this iptables'} is too old: {'.'.join(map(str, _OLDEST))} or newer is needed"
        )
    return NFT if "nf_tables" in result.out else LEGACY


def _read(machine: Machine, variant: str) -> Reading:
    iptables = Iptables(machine.run, Programs(variant, os.path.isdir(machine.path("proc/sys/net/ipv6"))))
    return iptables, iptables.saved()


def _other(machine: Machine, variant: str) -> t.Optional[Reading]:
    """Read the iptables that is not the distribution's choice, where there may be anything in it.

    The older one is asked only where the kernel has its tables, because asking makes them.
    """
    if variant == LEGACY and not any(machine.read(path).strip() for path in _LEGACY_TABLES):
        return None
    try:
        return _read(machine, variant)
    except CrashError:
        raise
    except BackendError:
        # Not installed: nobody can manage what it may hold.
        return None


def _used(reading: Reading) -> bool:
    return any(saved.used for saved in reading[1].values())


def _has_ours(reading: Reading) -> bool:
    chains = (name for saved in reading[1].values() for table in saved.tables.values() for name in table)
    return any(name.startswith(MARK) for name in chains)
