# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nftables as a backend: one table of ours, replaced in one transaction, and the file that brings it back."""

from __future__ import annotations

import contextlib
import shutil
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils import _kernel, _nft_memory
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Change, Machine, Undo
from ansible_collections.playout.firewall.plugins.module_utils._command import SYSTEM_PATH
from ansible_collections.playout.firewall.plugins.module_utils._nft_conflicts import conflicts
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import Nft, NftError, normalise
from ansible_collections.playout.firewall.plugins.module_utils._nftables import CREATION, REMOVAL, TABLE, render
from ansible_collections.playout.firewall.plugins.module_utils._persist import NFT_RULES, PRIVATE, BootFile, Loader
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options


class _Plan(t.NamedTuple):
    """The text to load and the kernel modules that it needs."""

    text: str
    modules: t.Sequence[str] = ()


class NftablesBackend:
    """The nftables of one host, as it was when the machine was read."""

    name = "nftables"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        # At boot nobody searches a path.
        self._nft = Nft(machine.run, shutil.which("nft", path=SYSTEM_PATH) or "nft")

    def compare(self, policy: Policy, options: Options) -> Change:
        if self._machine.objects is None:
            raise BackendError(f"{policy.host}: nft is not installed: install the package 'nftables'")
        found = conflicts(policy, self._machine.objects)
        if found:
            raise BackendError(f"{policy.host}: other nftables chains would drop planned flows:\n" + "\n".join(found))
        text = render(policy, options)
        after = self._after(text)
        modules = _kernel.helper_modules(policy)
        loader = Loader(
            BootFile(NFT_RULES, text, PRIVATE), [self._nft.binary, "-f", f"/{NFT_RULES}"], ("nftables",), modules
        )
        diff = [] if after is None else [self._table_diff(after)]
        return Change(after is not None, loader=loader, diff=diff, plan=_Plan(text, modules))

    def compare_absent(self) -> Change:
        live = bool(self._ours())
        return Change(live, diff=[self._table_diff("")] if live else [], plan=_Plan(REMOVAL))

    def undo(self) -> Undo:
        if not self._ours():
            return Undo([self._nft.binary, "-f"], REMOVAL)
        undo = Undo([self._nft.binary, "-f"], REMOVAL + self._nft.text())
        # A way back that does not work must show before anything changes.
        self._nft.check(undo.text)
        return undo

    def apply(self, change: Change) -> None:
        change.warnings.extend(_kernel.load_modules(change.plan.modules, self._machine.run))
        if change.plan.text == REMOVAL:
            _nft_memory.forget(self._machine)
            self._nft.load(REMOVAL)
            return
        with _nft_memory.remembering(self._machine, change.plan.text):
            self._load(change.plan.text)

    def store(self, change: Change) -> None:
        """Nothing: a unit of ours loads the rules at boot."""

    def _load(self, text: str) -> None:
        if not self._ours():
            # What removes a table, even one that is not there, makes the kernel wait for all of its processors.
            with contextlib.suppress(NftError):
                self._nft.load(text.replace(REMOVAL, CREATION, 1))
                return
            # Somebody was faster, or what is wrong shows once more.
        self._nft.load(text)

    def _ours(self) -> t.Mapping[str, t.Any]:
        return normalise(self._machine.objects or (), TABLE)

    def _after(self, text: str) -> t.Optional[str]:
        """Return how this text would be listed; None where the table is that already."""
        if _nft_memory.remembers(self._machine, text):
            return None
        ours = self._ours()
        if not ours and not self._machine.shown:
            # All of it is new, and loading it tries it well enough: all of it or nothing.
            return ""
        desired = self._nft.desired(text, self._machine.shown)
        return None if desired.objects == ours else desired.text

    def _table_diff(self, after: str) -> t.Dict[str, str]:
        header = f"nftables table inet {TABLE}"
        before = self._nft.text() if self._machine.shown else ""
        return {"before_header": header, "after_header": header, "before": before, "after": after}
