# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw as a backend: rules of ours among those that ufw keeps, all of them put in force and stored in one step.

ufw itself loads them at boot, shows them and keeps them when it writes its files. What it cannot say, the helper of
FTP's control connections, is a chain of our own that a unit of ours loads.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.playout.firewall.plugins.module_utils import _kernel, _ufw_disk
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Change, Machine, Undo
from ansible_collections.playout.firewall.plugins.module_utils._detached import carry_out
from ansible_collections.playout.firewall.plugins.module_utils._managers import IPTABLES_TABLES, UFW_APPLIED
from ansible_collections.playout.firewall.plugins.module_utils._nft_conflicts import conflicts
from ansible_collections.playout.firewall.plugins.module_utils._persist import PRIVATE, SCRIPT_RULES, BootFile, Loader
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import (
    DROP,
    Options,
    Statements,
    statements,
)
from ansible_collections.playout.firewall.plugins.module_utils._ufw import (
    CHAINS,
    FAMILIES,
    IPV6,
    Family,
    UfwRule,
    render,
)
from ansible_collections.playout.firewall.plugins.module_utils._ufw_file import chain_lines, parse, splice
from ansible_collections.playout.firewall.plugins.module_utils._ufw_script import (
    Wanted,
    boot_script,
    change_script,
    helper_lines,
    undo_script,
)
from ansible_collections.playout.firewall.plugins.module_utils._ufw_state import Kernel, Ufw

_MANY_RULES = 500
_ATTEMPTS = 10

Texts = t.Dict[Family, str]
Kernels = t.Mapping[Family, Kernel]


@dataclass(frozen=True)
class _Plan:
    """Our rules, and the lines and kernel modules of the helpers; everything else is read again when it is needed."""

    rules: t.Mapping[Family, t.Sequence[UfwRule]] = field(default_factory=dict)
    helpers: t.Mapping[Family, t.Tuple[str, ...]] = field(default_factory=dict)
    modules: t.Sequence[str] = ()
    changing_helpers: t.FrozenSet[Family] = frozenset()

    def spliced(self, texts: Texts) -> Texts:
        """Return ufw's files with our rules instead of those in them."""
        return {family: splice(text, self.rules.get(family, ()), family) for family, text in texts.items()}


class UfwBackend:
    """The ufw of one host."""

    name = "ufw"

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._ufw = Ufw(machine)

    def compare(self, policy: Policy, options: Options) -> Change:
        host = policy.host
        _refuse_gateway(policy)
        try:
            kernels = self._ufw.kernels()
            self._ufw.require(kernels)
            self._refuse_ipv6(policy)
            found = conflicts(policy, self._machine.objects or (), IPTABLES_TABLES)
            if found:
                raise BackendError("other nftables chains would drop planned flows:\n" + "\n".join(found))
            said = statements(policy, options)
            change = self._change(self._plan(policy, said), kernels)
        except BackendError as error:
            raise BackendError(f"{host}: {error}") from error
        change.warnings.extend(f"{host}: {warning}" for warning in self._warnings(said, change.plan, kernels))
        return change

    def compare_absent(self) -> Change:
        return self._change(_Plan(), self._ufw.kernels())

    def undo(self) -> Undo:
        kernels = self._ufw.kernels()
        # A way back that does not work must show before anything changes.
        self._ufw.listed(_in_force(kernels), kernels)
        return Undo(["/bin/sh"], self._way_back(kernels))

    def apply(self, change: Change) -> None:
        plan: _Plan = change.plan
        change.warnings.extend(_kernel.load_modules(plan.modules, self._machine.run))
        with _ufw_disk.locked(self._machine):
            # Read again: the administrator may have added a rule meanwhile.
            kernels = self._ufw.kernels()
            wanted = self._wanted(plan, self._texts(), kernels)
            way_back = self._way_back(kernels)
            _ufw_disk.write_mark(self._machine, UFW_APPLIED)
            carry_out(change_script(wanted, plan.changing_helpers), way_back)
            if not change.stored:
                # ufw's files say it already.
                _ufw_disk.remove_mark(self._machine, UFW_APPLIED)

    def store(self, change: Change) -> None:
        marked = _ufw_disk.has_mark(self._machine, UFW_APPLIED)
        _ufw_disk.write_mark(self._machine, UFW_APPLIED)
        try:
            running = self._store(change.plan)
        except Exception:
            if not marked:
                _ufw_disk.remove_mark(self._machine, UFW_APPLIED)
            raise
        try:
            for _attempt in range(_ATTEMPTS):
                if not running:
                    break
                _ufw_disk.wait_for(self._machine, running)
                running = self._store(change.plan)
        except BackendError as error:
            change.warnings.append(f"what commands of ufw did at the same time cannot be looked at: {error}")
        if running:
            change.warnings.append("commands of ufw run all the time and may have undone what was changed: look again")
        _ufw_disk.remove_mark(self._machine, UFW_APPLIED)

    def _store(self, plan: _Plan) -> t.Sequence[int]:
        """Store the rules, and put them in force again where that was undone; return who may undo it next.

        ufw reads its files before it takes its lock: what such a command writes and loads knows nothing of ours.
        """
        with _ufw_disk.locked(self._machine):
            # The files come last: whoever fails before has stored nothing.
            self._enforce_again(plan)
            self._write(plan)
            return _ufw_disk.commands(self._machine)

    def _write(self, plan: _Plan) -> None:
        old = self._texts()
        new = plan.spliced(old)
        changed = {family.path: new[family] for family in old if new[family] != old[family]}
        if changed or _ufw_disk.left_over(self._machine):
            _ufw_disk.replace(self._machine, changed)

    def _enforce_again(self, plan: _Plan) -> None:
        kernels = self._ufw.kernels()
        wanted = self._wanted(plan, self._texts(), kernels)
        users, helpers = _differences(self._ufw.listed(wanted, kernels), _in_force(kernels))
        if users or helpers:
            carry_out(change_script(wanted, helpers), self._way_back(kernels))

    def _way_back(self, kernels: Kernels) -> str:
        mark = "" if _ufw_disk.has_mark(self._machine, UFW_APPLIED) else self._machine.path(UFW_APPLIED)
        return undo_script(_in_force(kernels), mark)

    def _plan(self, policy: Policy, said: Statements) -> _Plan:
        texts = self._texts()
        missing = [family.path for family in self._ufw.families if family not in texts]
        if missing:
            raise BackendError(f"/{missing[0]} is missing, in which ufw keeps its rules: install ufw anew")
        rules = {family: render(said, family) for family in self._ufw.families}
        if not self._ufw.knows_protocol("igmp"):
            rules = {family: [rule for rule in ours if rule.protocol != "igmp"] for family, ours in rules.items()}
        helpers = {family: helper_lines(said.helpers, family) for family in self._ufw.families}
        return _Plan(rules, helpers, _kernel.helper_modules(policy))

    def _change(self, plan: _Plan, kernels: Kernels) -> Change:
        old = self._texts()
        new = plan.spliced(old)
        now = _in_force(kernels)
        wanted = self._ufw.listed(self._wanted(plan, old, kernels), kernels)
        users, helpers = _differences(wanted, now)
        diff = [_rules_diff(family, now[family].user or (), wanted[family].user or ()) for family in users]
        diff += [_rules_diff(family, now[family].helper, wanted[family].helper) for family in helpers]
        written = [family.path for family in old if old[family] != new[family]]
        diff += [{"prepared": f"/{path}: rules of ours brought up to date\n"} for path in written]
        left = _ufw_disk.left_over(self._machine)
        if not any(plan.rules.values()) and _ufw_disk.has_mark(self._machine, UFW_APPLIED):
            left.append(self._machine.path(UFW_APPLIED))
        diff += [{"prepared": f"{path}: removed\n"} for path in left]
        return Change(
            live=bool(users or helpers),
            stored=bool(written or left),
            loader=_loader(plan),
            diff=diff,
            plan=replace(plan, changing_helpers=frozenset(helpers)),
        )

    def _wanted(self, plan: _Plan, texts: Texts, kernels: Kernels) -> t.Dict[Family, Wanted]:
        """Return what is to be in force; of chains in which nothing of ours is or should be, nothing is said."""
        new = plan.spliced(texts)
        applied = _ufw_disk.has_mark(self._machine, UFW_APPLIED)
        wanted = {}
        for family, kernel in kernels.items():
            ours = plan.rules.get(family) or applied or any(piece.ours for piece in parse(texts.get(family, "")))
            decided = ours and family in new and kernel.has_user_chains(family)
            user = tuple(chain_lines(new[family], family)) if decided else None
            wanted[family] = Wanted(user, plan.helpers.get(family, ()))
        return wanted

    def _texts(self) -> Texts:
        """Return ufw's files; where ufw was removed there are none."""
        texts = {family: _ufw_disk.read(self._machine, family.path) for family in FAMILIES}
        return {family: text for family, text in texts.items() if text is not None}

    def _refuse_ipv6(self, policy: Policy) -> None:
        if IPV6 in self._ufw.families:
            return
        lost = [rule.id for rule in policy.rules if rule.family == IPV6.name]
        if lost and self._ufw.kernel_knows_ipv6:
            raise BackendError(
                f"rule '{lost[0]}' is about IPv6, and ufw drops all of IPv6 here: set IPV6=yes in /etc/default/ufw and "
                "run 'ufw disable' and 'ufw enable', or take the IPv6 addresses out of playout_addresses"
            )
        if lost:
            raise BackendError(
                f"rule '{lost[0]}' is about IPv6, and this kernel has none: take the host's IPv6 addresses out of "
                "playout_addresses"
            )

    def _warnings(self, said: Statements, plan: _Plan, kernels: Kernels) -> t.Iterator[str]:
        count = sum(map(len, plan.rules.values()))
        if count > _MANY_RULES:
            yield (
                f"{count} rules of ufw, which has no sets: every packet is compared with one after the other. Without "
                "ufw ('ufw disable', playout_backend: nftables) they are a few sets"
            )
        for family, direction in itertools.product(self._ufw.families, CHAINS):
            first = kernels[family].before_ufw(family, direction)
            if first and any(rule.direction == direction for rule in plan.rules[family]):
                yield f"{family.name} rules that stand before ufw's decide before the plan does: {'; '.join(first[:3])}"
        if IPV6 not in self._ufw.families and any(line.family == IPV6.name for line in said.input):
            yield "management and playout_keep name IPv6 networks, and ufw drops all of IPv6 here (IPV6=no)"
        drops_all = any(line.verdict == DROP and not line.protocol for line in said.input)
        if drops_all and not self._ufw.knows_protocol("igmp"):
            yield "group membership (IGMP) is dropped, because /etc/protocols does not name it: install 'netbase'"


def _differences(
    listed: t.Mapping[Family, Wanted], now: t.Mapping[Family, Wanted]
) -> t.Tuple[t.Sequence[Family], t.Sequence[Family]]:
    """Return the families whose user chains differ from what is wanted, and those whose helpers do."""
    users = [family for family, one in listed.items() if one.user not in (None, now[family].user)]
    return users, [family for family, one in listed.items() if one.helper != now[family].helper]


def _in_force(kernels: Kernels) -> t.Dict[Family, Wanted]:
    return {family: kernel.wanted(family) for family, kernel in kernels.items()}


def _refuse_gateway(policy: Policy) -> None:
    passing = policy.forwards or policy.masquerade or policy.governed.forward
    if policy.gateway or passing or any(rule.direction == "forward" for rule in policy.rules):
        raise BackendError(
            f"{policy.host}: ufw neither translates nor can it rule transit as the plan needs it: gateways want "
            "playout_backend 'nftables' and ufw switched off ('ufw disable')"
        )


def _loader(plan: _Plan) -> t.Optional[Loader]:
    """Return what our own unit has to load at boot, which is only what ufw cannot."""
    if not any(plan.helpers.values()):
        return None
    rules = BootFile(SCRIPT_RULES, boot_script(plan.helpers), PRIVATE)
    return Loader(rules, ["/bin/sh", f"/{SCRIPT_RULES}"], ("ufw",), plan.modules)


def _rules_diff(family: Family, before: t.Sequence[str], after: t.Sequence[str]) -> t.Dict[str, str]:
    header = f"{family.name} rules of ufw"
    texts = {"before": "".join(f"{line}\n" for line in before), "after": "".join(f"{line}\n" for line in after)}
    return {"before_header": header, "after_header": header, **texts}
