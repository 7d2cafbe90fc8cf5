# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iptables as a backend: chains of ours beside everybody else's, changed by a script that always comes to its end."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.module_utils import _detached, _kernel
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Change, Machine, Undo
from ansible_collections.playout.firewall.plugins.module_utils._iptables import MARK, Rules, render
from ansible_collections.playout.firewall.plugins.module_utils._iptables_find import find, find_ours
from ansible_collections.playout.firewall.plugins.module_utils._iptables_script import (
    SAVED,
    SETS,
    Programs,
    boot_script,
    change_script,
)
from ansible_collections.playout.firewall.plugins.module_utils._iptables_state import (
    CrashError,
    Iptables,
    Saved,
    State,
    state,
)
from ansible_collections.playout.firewall.plugins.module_utils._managers import IPTABLES_TABLES
from ansible_collections.playout.firewall.plugins.module_utils._nft_conflicts import conflicts
from ansible_collections.playout.firewall.plugins.module_utils._persist import PRIVATE, SCRIPT_RULES, BootFile, Loader
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options

# Whose start flushes what iptables wrote; nft's "flush ruleset" takes the newer iptables' rules along.
_SERVICES = ("netfilter-persistent", "iptables", "ip6tables", "nftables")
# From how many addresses on it costs to have a rule for each.
_MANY = 100


@dataclass(frozen=True)
class _Plan:
    """From what to what, by which programs, with which kernel modules."""

    programs: Programs
    before: Rules
    after: Rules
    modules: t.Sequence[str] = ()

    @property
    def forth(self) -> str:
        return change_script(self.before, self.after, self.programs)

    @property
    def back(self) -> str:
        return change_script(self.after, self.before, self.programs, undo=True)


class IptablesBackend:
    """The iptables of one host, as it was when it was compared."""

    name = "iptables"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._plan = _Plan(Programs(), Rules(), Rules())

    def compare(self, policy: Policy, options: Options) -> Change:
        try:
            return self._compare(policy, options)
        except BackendError as error:
            raise BackendError(f"{policy.host}: {error}") from error

    def compare_absent(self) -> Change:
        warnings = [
            f"/{path} holds rules of ours, which were in force when it was saved: the next boot brings them back, or "
            "fails to load any of it. Save it anew ('netfilter-persistent save', or 'service iptables save')"
            for path in SAVED
            if f"\n:{MARK}" in self._machine.read(path)
        ]
        reading = find_ours(self._machine)
        if reading is None:
            _refuse_orphans(self._machine)
            return Change(False, warnings=warnings)
        iptables, saved = reading
        live = state(saved, iptables.sets())
        self._plan = _Plan(iptables.programs, live.rules, Rules())
        diff = [_diff(live, State())] if live else []
        return Change(bool(live), diff=diff, warnings=warnings, plan=self._plan)

    def undo(self) -> Undo:
        return Undo(["/bin/sh"], self._plan.back)

    def apply(self, change: Change) -> None:
        change.warnings.extend(_kernel.load_modules(change.plan.modules, self._machine.run))
        _detached.carry_out(change.plan.forth, change.plan.back)

    def store(self, change: Change) -> None:
        """Nothing: what the administrator saves is the administrator's, and a unit of ours loads the rules at boot."""

    def _compare(self, policy: Policy, options: Options) -> Change:
        iptables, saved = find(self._machine)
        rules, desired, warnings = self._desired(iptables, policy, options)
        _refuse(policy, self._machine, saved, rules)
        live = state(saved, iptables.sets())
        # As they are listed, so that the two can be compared.
        self._plan = _Plan(iptables.programs, live.rules, desired.unplaced, _kernel.helper_modules(policy))
        differs = not live.equals(desired)
        command = ["/bin/sh", f"/{SCRIPT_RULES}"]
        script = BootFile(SCRIPT_RULES, boot_script(rules, iptables.programs), PRIVATE)
        loader = Loader(script, command, _SERVICES, self._plan.modules, [*command, SETS])
        diff = [_diff(live, desired)] if differs else []
        return Change(differs, loader=loader, diff=diff, warnings=warnings, plan=self._plan)

    def _desired(self, iptables: Iptables, policy: Policy, options: Options) -> t.Tuple[Rules, State, t.List[str]]:
        """Return the rules of a policy, how they would be listed, and what is worth a warning."""
        families = iptables.programs.families
        rules = render(policy, options, families)
        if not rules.sets or iptables.has_sets():
            try:
                return rules, iptables.desired(rules), []
            except BackendError as error:
                # Whatever else was refused must not cost the sets.
                if isinstance(error, CrashError) or not rules.sets or iptables.takes_sets():
                    raise
        addresses = sum(len(made.elements) for made in rules.sets.values())
        rules = render(policy, options, families, with_sets=False)
        desired = iptables.desired(rules)
        if addresses <= _MANY:
            return rules, desired, []
        warning = f"{addresses} addresses cost a rule each: ipset is not installed, or the kernel has no address sets"
        return rules, desired, [f"{policy.host}: {warning}"]


def _refuse(policy: Policy, machine: Machine, saved: t.Mapping[str, Saved], rules: Rules) -> None:
    """Raise an error for what is in the way of these rules."""
    for family, table in rules.tables:
        if table in saved[family].mixed:
            raise BackendError(
                f"the {family} table '{table}' of iptables holds chains that nft wrote and iptables does not see: set "
                "playout_backend to 'nftables', or move them to a table of another name ('nft list ruleset')"
            )
    found = conflicts(policy, machine.objects or (), IPTABLES_TABLES)
    if found:
        raise BackendError("nftables chains beside iptables would drop planned flows:\n" + "\n".join(found))


def _refuse_orphans(machine: Machine) -> None:
    """Raise an error where chains of ours are in force and the program that would remove them is gone."""
    chains = (entry["chain"]["name"] for entry in machine.objects or () if "chain" in entry)
    found = next((name for name in chains if name.startswith(MARK)), None)
    if found:
        raise BackendError(f"the chain {found} of ours is in force, and iptables is not installed: install 'iptables'")


def _diff(before: State, after: State) -> t.Dict[str, str]:
    return {"before_header": "iptables", "after_header": "iptables", "before": before.text(), "after": after.text()}
