# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam between the module and the firewalls of Linux: what every backend is given, and what it does."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.playout.firewall.plugins.module_utils._command import Run
from ansible_collections.playout.firewall.plugins.module_utils._persist import Loader
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options

Objects = t.Sequence[t.Mapping[str, t.Any]]


class BackendError(RuntimeError):
    """A backend can or may not serve this host; nothing was changed."""


class StateError(BackendError):
    """Something failed when a change had begun; the message says which state stands."""


class OtherBackend(RuntimeError):
    """A backend is needed that this module does not have; nothing was changed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is needed here, which the module linux_ruleset_any has and this one has not")


class Machine(t.NamedTuple):
    """The host as a backend finds it: how to run its programs, its files, and everything that nft shows of its rules.

    ``objects`` are the elements of ``nft -j list ruleset``, read once for all; None where nft is not installed.
    ``shown`` says whether anybody looks at a change before it is made, or at its difference.
    """

    run: Run
    objects: t.Optional[Objects] = None
    root: str = "/"
    shown: bool = True

    def path(self, *parts: str) -> str:
        """Return where a file of the host is."""
        return os.path.join(self.root, *parts)

    def read(self, *parts: str) -> str:
        """Return the text of a file of the host; empty where it cannot be read."""
        try:
            with open(self.path(*parts), encoding="utf-8", errors="replace") as handle:
                return handle.read()
        except OSError:
            return ""


class Undo(t.NamedTuple):
    """How to return to the rules in force now: a command that takes the path of a file with this text.

    It must work whatever has become of the new rules by then, and may run twice.
    """

    command: t.Sequence[str]
    text: str


@dataclass(frozen=True)
class Change:
    """What a backend would do: decided once, in memory, and then carried out or only shown.

    ``live`` and ``stored`` say whether the rules in force, and what the firewall's own program loads at boot, would
    change; ``loader`` is what a unit of ours has to load at boot, if anything; ``plan`` is the backend's own.
    """

    live: bool
    stored: bool = False
    loader: t.Optional[Loader] = None
    diff: t.List[t.Dict[str, str]] = field(default_factory=list)
    warnings: t.List[str] = field(default_factory=list)
    plan: t.Any = None


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
        """Change the rules in force, all or nothing, also when this process is killed meanwhile."""

    def store(self, change: Change) -> None:
        """Change what the firewall's own program loads at boot, all or nothing; nothing to do without one."""


# Returns a backend by its name, or raises OtherBackend.
Open = t.Callable[[str, Machine], Backend]
