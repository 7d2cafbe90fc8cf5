# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""firewalld as a backend: policies of ours among its own, and a table beside it for what it has no words for.

firewalld creates policies and ipsets only by reading its files anew. So the rules in force change by new files, a
reload, and the old files again, which the next boot would load; the new ones come to stay when the change is stored.
"""

from __future__ import annotations

import shutil
import typing as t
from dataclasses import dataclass, field

from ansible_collections.playout.firewall.plugins.module_utils import _kernel
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Change, Machine, Undo
from ansible_collections.playout.firewall.plugins.module_utils._command import SYSTEM_PATH
from ansible_collections.playout.firewall.plugins.module_utils._detached import carry_out
from ansible_collections.playout.firewall.plugins.module_utils._firewalld import settle
from ansible_collections.playout.firewall.plugins.module_utils._firewalld_objects import Objects
from ansible_collections.playout.firewall.plugins.module_utils._firewalld_state import (
    DIRECTORY,
    TABLE,
    Files,
    Firewalld,
    State,
    answer,
    fed,
    in_kernel,
)
from ansible_collections.playout.firewall.plugins.module_utils._nft_conflicts import conflicts
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import Listing, Nft, normalise
from ansible_collections.playout.firewall.plugins.module_utils._nftables import BESIDE, PAUSE, removal, render_table
from ansible_collections.playout.firewall.plugins.module_utils._persist import NFT_RULES, PRIVATE, BootFile, Loader
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options, Statements, statements

# Policies are older than the newest firewalld that a supported distribution has.
_OLDEST = (0, 9)
_SPARED = (TABLE, ("ip", "firewalld"), ("ip6", "firewalld"), ("inet", "firewalld_policy_drop"))
_OTHERWISE = "or stop and disable firewalld and set playout_backend to 'nftables'"


@dataclass(frozen=True)
class _Plan:
    """What changes: files of firewalld, whether it reads them anew, and the text that replaces the table beside it."""

    files: Files = field(default_factory=dict)
    former: Files = field(default_factory=dict)
    reload: bool = False
    beside: str = ""
    beside_former: str = ""
    modules: t.Sequence[str] = ()


class FirewalldBackend:
    """The firewalld of one host, as it was when the machine was read."""

    name = "firewalld"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._firewalld = Firewalld(machine)
        # At boot nobody searches a path.
        self._nft = Nft(machine.run, shutil.which("nft", path=SYSTEM_PATH) or "nft", BESIDE)
        self._plan = _Plan()

    def compare(self, policy: Policy, options: Options) -> Change:
        state = self._firewalld.read()
        _require(policy.host, state)
        found = conflicts(policy, self._machine.objects or (), _SPARED)
        if found:
            raise BackendError(f"{policy.host}: other nftables chains would drop planned flows:\n" + "\n".join(found))
        objects, rest = settle(statements(policy, options), t.cast(State, state).site)
        if _says(rest) and self._machine.objects is None:
            raise BackendError(
                f"{policy.host}: firewalld has no words for a part of this policy, and nft, which has, is not there: "
                "install the package 'nftables'"
            )
        return self._change(objects, rest, state, _kernel.helper_modules(policy))

    def compare_absent(self) -> Change:
        return self._change(Objects(), None, self._firewalld.read())

    def undo(self) -> Undo:
        return Undo(["/bin/sh"], self._way_back(self._plan))

    def apply(self, change: Change) -> None:
        plan = t.cast(_Plan, change.plan)
        change.warnings.extend(_kernel.load_modules(plan.modules, self._machine.run))
        if not plan.reload:
            self._nft.load(plan.beside)
            return
        request = {"action": "activate", "files": plan.files, "stored": plan.former, "needed": True}
        script = self._load(plan.beside) + self._firewalld.command(request)
        told = answer(carry_out(script, self._way_back(plan)))
        for lost in told["lost"]:
            change.warnings.append(
                f"firewalld was reloaded, and what somebody had set while it ran could not be set again: {lost}"
            )
        if told["endless"]:
            change.warnings.append(
                f"firewalld forgot at its reload when {told['endless']} settings of somebody else should end: they "
                "stay until they are removed by hand (see 'firewall-cmd --list-all-zones')"
            )

    def store(self, change: Change) -> None:
        plan = t.cast(_Plan, change.plan)
        new, old = ({"action": "write", "files": files} for files in (plan.files, plan.former))
        carry_out(self._firewalld.command(new), self._firewalld.command(old))

    # -- comparing ------------------------------------------------------------------------------------------------

    def _change(
        self, objects: Objects, rest: t.Optional[Statements], state: t.Optional[State], modules: t.Sequence[str] = ()
    ) -> Change:
        former = self._firewalld.files()
        wanted: Files = {**dict.fromkeys(former), **objects.files}
        files = {path: text for path, text in wanted.items() if text != former.get(path)}
        reload = state is not None and self._outdated(objects, state)
        text = render_table(rest, BESIDE) if rest and _says(rest) else removal(BESIDE)
        beside = self._nft.desired(text) if rest and _says(rest) else Listing({}, "")
        # A run that was killed during a reload leaves its table, which has no effect any more.
        left = removal(PAUSE) if normalise(self._machine.objects or (), PAUSE) else ""
        moved = bool(left) or beside.objects != normalise(self._machine.objects or (), BESIDE)
        if files and state is not None:
            self._firewalld.check(files)
        self._plan = _Plan(
            files,
            {path: former.get(path) for path in files},
            reload,
            left + text if moved else "",
            removal(BESIDE) + self._nft.text() if moved else "",
            modules,
        )
        loader = None
        if beside.objects:
            load = [self._nft.binary, "-f", f"/{NFT_RULES}"]
            loader = Loader(BootFile(NFT_RULES, text, PRIVATE), load, ("nftables",), modules)
        change = Change(reload or moved, bool(files), loader, plan=self._plan)
        change.diff.extend(self._diff(objects, state, beside.text))
        if reload and state is not None and state.waiting:
            change.warnings.append(
                "firewalld has to be reloaded, which also brings into force what waits in its files: "
                + ", ".join(state.waiting)
            )
        return change

    def _outdated(self, objects: Objects, state: State) -> bool:
        if state.differs(objects):
            return True
        return self._machine.objects is not None and not in_kernel(objects, self._machine.objects)

    def _diff(self, objects: Objects, state: t.Optional[State], beside: str) -> t.Iterator[t.Dict[str, str]]:
        plan = self._plan
        for path, text in plan.files.items():
            header = f"/{DIRECTORY}/{path}"
            yield _difference(header, plan.former[path] or "", text or "")
        if plan.reload and state is not None and not plan.files:
            wanted = State("", "", "", ours=objects.settings)
            if state.text() == wanted.text():
                yield {"prepared": "firewalld: reloaded, because the kernel does not have its rules\n"}
            else:
                yield _difference("firewalld, policies in force", state.text(), wanted.text())
        if plan.beside:
            yield _difference(f"nftables table inet {BESIDE}", self._nft.text(), beside)

    # -- scripts --------------------------------------------------------------------------------------------------

    def _way_back(self, plan: _Plan) -> str:
        """Return a script that does all that it can, and fails when a part of it did."""
        request = {"action": "activate", "files": plan.former, "stored": plan.former, "needed": False}
        failed = "|| failed=1"
        back = self._firewalld.command(request, failed) if plan.reload else ""
        return "failed=0\n" + self._load(plan.beside_former, failed) + back + "exit $failed\n"

    def _load(self, text: str, then: str = "") -> str:
        return fed(f"{self._nft.binary} -f -", text, then) if text else ""


def _require(host: str, state: t.Optional[State]) -> None:
    """Check that this firewalld can enforce a policy."""
    if state is None:
        raise BackendError(
            f"{host}: firewalld does not run: start it ('systemctl enable --now firewalld'), or set playout_backend to "
            "'auto'"
        )
    if state.state != "RUNNING":
        raise BackendError(
            f"{host}: firewalld could not load its own configuration (its state is {state.state}) and enforces a "
            "stock one: 'journalctl -u firewalld' says why; correct it and run 'firewall-cmd --reload'"
        )
    if state.site.version < _OLDEST:
        raise BackendError(
            f"{host}: firewalld {state.version} has no policies: update it to 0.9 or newer, {_OTHERWISE}"
        )
    if state.backend != "nftables":
        raise BackendError(
            f"{host}: FirewallBackend is '{state.backend}' in /etc/firewalld/firewalld.conf: its rules are mixed with "
            "everybody else's there, and a reload empties all of them. Set it to 'nftables' and restart firewalld, "
            f"{_OTHERWISE}"
        )


def _says(rest: Statements) -> bool:
    """Whether anything is left over for the table beside firewalld."""
    return any((rest.input, rest.output, rest.forward, rest.translate, rest.source_nat, rest.helpers))


def _difference(header: str, before: str, after: str) -> t.Dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}
