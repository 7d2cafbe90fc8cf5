# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nftables as a backend: one table of ours, replaced in one transaction, and the files that bring it back."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.module_utils import _kernel
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Change, Undo
from ansible_collections.playout.firewall.plugins.module_utils._command import Run
from ansible_collections.playout.firewall.plugins.module_utils._nft_conflicts import conflicts
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import Nft, Ruleset
from ansible_collections.playout.firewall.plugins.module_utils._nftables import REMOVAL, TABLE, render
from ansible_collections.playout.firewall.plugins.module_utils._persist import RULESET, BootFile, Persistence
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options


@dataclass(frozen=True)
class _Plan:
    """The text to load, the boot files to write (None: all of ours are removed), the kernel modules to load."""

    text: str
    files: t.Optional[t.Sequence[BootFile]]
    modules: t.Sequence[str] = ()


class NftablesBackend:
    """The nftables of one host, as it was when the ruleset was listed."""

    name = "nftables"

    def __init__(self, nft: Nft, ruleset: Ruleset, persistence: Persistence, run: Run) -> None:
        self._nft = nft
        self._ruleset = ruleset
        self._persistence = persistence
        self._run = run

    def compare(self, policy: Policy, options: Options) -> Change:
        found = conflicts(policy, self._ruleset.objects)
        if found:
            raise BackendError(f"{policy.host}: other nftables chains would drop planned flows:\n" + "\n".join(found))
        text = render(policy, options)
        desired = self._nft.desired(text)
        live = desired.objects != self._ruleset.ours()
        modules = _kernel.helper_modules(policy)
        files = self._persistence.differing(self._persistence.wanted(text, self._nft.binary, modules))
        change = Change(live, bool(files), self._persistence.supported, plan=_Plan(text, files, modules))
        if not change.persistent:
            change.warnings.append(
                f"{policy.host}: no systemd here, so nothing loads the rules at boot: run 'nft -f /{RULESET}' there"
            )
        if policy.gateway and policy.gateway.transit == "deny" and not policy.management.sources:
            change.warnings.append(
                f"{policy.host}: transit is denied and there are no management networks: hosts behind it can no longer "
                "be managed through it, unless playout_management names who may"
            )
        if live:
            change.diff.append(self._table_diff(desired.text))
        change.diff.extend(_file_diff(file.path, True) for file in files)
        return change

    def compare_absent(self) -> Change:
        live = bool(self._ruleset.ours())
        paths = self._persistence.existing()
        change = Change(live, bool(paths), self._persistence.supported, plan=_Plan(REMOVAL, None))
        if live:
            change.diff.append(self._table_diff(""))
        change.diff.extend(_file_diff(path, False) for path in paths)
        return change

    def undo(self) -> Undo:
        undo = Undo([self._nft.binary, "-f"], REMOVAL + self._nft.text())
        # A way back that does not work must show before anything changes.
        self._nft.check(undo.text)
        return undo

    def apply(self, change: Change) -> None:
        change.warnings.extend(_kernel.load_modules(change.plan.modules, self._run))
        self._nft.load(change.plan.text)

    def persist(self, change: Change) -> None:
        if change.plan.files is None:
            self._persistence.remove()
        else:
            self._persistence.write(change.plan.files)

    def _table_diff(self, after: str) -> t.Dict[str, str]:
        header = f"nftables table inet {TABLE}"
        return {"before_header": header, "after_header": header, "before": self._nft.text(), "after": after}


def _file_diff(path: str, after: bool) -> t.Dict[str, str]:
    """Name a boot file that differs; the rules themselves are shown once, as the table."""
    return {"prepared": f"/{path}: {'brought up to date' if after else 'removed'}\n"}
