# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every backend of a Linux host does, and which one a host gets: the one of the program that owns its firewall."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.playout.firewall.plugins.module_utils._command import Run
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options

BACKENDS = ("auto", "nftables", "firewalld", "ufw", "iptables")
_AVAILABLE = ("nftables",)

Objects = t.Sequence[t.Mapping[str, t.Any]]


class BackendError(RuntimeError):
    """No backend can or may serve this host; nothing was changed."""


@dataclass(frozen=True)
class Change:
    """What a backend would do: decided once, in memory, and then carried out or only shown.

    ``live`` and ``boot`` say whether the rules in force and the files for the next boot would change; ``plan`` is the
    backend's own.
    """

    live: bool
    boot: bool
    persistent: bool
    diff: t.List[t.Dict[str, str]] = field(default_factory=list)
    warnings: t.List[str] = field(default_factory=list)
    plan: t.Any = None


@dataclass(frozen=True)
class Undo:
    """How to return to the rules in force now: a command that takes the path of a file with this text."""

    command: t.Sequence[str]
    text: str


class Backend(t.Protocol):
    """The state of one firewall: read once, compared in memory, changed once, or not at all."""

    name: str

    def compare(self, policy: Policy, options: Options) -> Change:
        """Return what would make the host enforce this policy. Writes nothing."""

    def compare_absent(self) -> Change:
        """Return what would remove everything of ours. Writes nothing."""

    def undo(self) -> Undo:
        """Return the way back to the rules in force now. Writes nothing."""

    def apply(self, change: Change) -> None:
        """Change the rules in force, all or nothing."""

    def persist(self, change: Change) -> None:
        """Change what the next boot loads."""


def choose(option: str, managers: t.Sequence[str]) -> str:
    """Return the name of the backend for this host.

    :param option: the user's choice, one of ``BACKENDS``.
    :param managers: the programs that own this host's firewall, from ``active_managers``.
    :raises BackendError: naming the program and the way out.
    """
    if option not in ("auto", *_AVAILABLE):
        raise BackendError(f"backend '{option}' is not available in this version: use 'nftables', or 'auto'")
    if managers:
        owner = managers[0]
        chosen = "is chosen" if option != "auto" else "would have to work beside it"
        raise BackendError(
            f"{owner} is active and owns this host's firewall; the backend '{owner}' is not available in this version, "
            f"and nftables, which {chosen}, cannot open what {owner} drops. Either stop and disable {owner} where the "
            "plan is all that this host needs, or leave the host out with playout_platform: none"
        )
    return _AVAILABLE[0]


def active_managers(objects: Objects, run: Run, root: str = "/") -> t.List[str]:
    """Return which of firewalld and ufw are at work, also without systemd.

    :param objects: the elements of ``nft -j list ruleset``.
    """
    found = {"firewalld": _firewalld(objects, run, root), "ufw": _ufw(objects, run, root)}
    return [name for name, active in found.items() if active]


def _firewalld(objects: Objects, run: Run, root: str) -> bool:
    if any(entry["table"].get("name") == "firewalld" for entry in objects if "table" in entry):
        return True
    pid = _text(os.path.join(root, "run/firewalld.pid")).strip()
    if pid.isdigit() and "firewalld" in _text(os.path.join(root, "proc", pid, "cmdline")):
        return True
    if not os.path.isdir(os.path.join(root, "run/systemd/system")):
        return False
    return run(["systemctl", "is-active", "--quiet", "firewalld"], "").code == 0


def _ufw(objects: Objects, run: Run, root: str) -> bool:
    """Whether ufw is enabled and its chains are there: enabled alone is only a wish."""
    settings = [line.strip().lower() for line in _text(os.path.join(root, "etc/ufw/ufw.conf")).splitlines()]
    if "enabled=yes" not in [line.replace('"', "").replace("'", "") for line in settings]:
        return False
    if any(entry["chain"].get("name") == "ufw-user-input" for entry in objects if "chain" in entry):
        return True
    # The chains of the old iptables are not in nft's listing.
    return run(["iptables", "-n", "-L", "ufw-user-input"], "").code == 0


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError:
        return ""
