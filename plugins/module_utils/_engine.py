# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run on one host: the firewall is read once, compared in memory, and changed in an order that can be undone."""

from __future__ import annotations

import contextlib
import tempfile
import typing as t
from dataclasses import dataclass, field

from ansible_collections.playout.firewall.plugins.module_utils import (
    _confirm,
    _kernel,
    _managers,
    _undo,
)
from ansible_collections.playout.firewall.plugins.module_utils._backend import (
    Backend,
    BackendError,
    Change,
    Machine,
    Open,
    StateError,
    Undo,
)
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import NftError
from ansible_collections.playout.firewall.plugins.module_utils._persist import (
    NFT_RULES,
    Differences,
    Persistence,
    PersistError,
)
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options

Parts = t.Sequence[t.Tuple[Backend, Change]]


class Wish(t.NamedTuple):
    """What the user wants of a host; without a policy, nothing of ours is to be there."""

    policy: t.Optional[Policy]
    options: Options = Options()
    backend: str = _managers.AUTO

    @property
    def enforced(self) -> t.Optional[Policy]:
        """The policy to enforce: one that says nothing leaves nothing on the host."""
        if self.policy is None or (self.policy.says_nothing and self.options.enforcement == "scoped"):
            return None
        return self.policy


@dataclass
class Work:
    """Everything that would change on a host. ``parts`` begins with what is new and goes on with what is left over."""

    backend: str
    parts: t.List[t.Tuple[Backend, Change]]
    files: Differences
    persistent: bool = True
    diff: t.List[t.Dict[str, str]] = field(default_factory=list)
    warnings: t.List[str] = field(default_factory=list)

    @property
    def live(self) -> bool:
        return any(change.live for _backend, change in self.parts)

    @property
    def changed(self) -> bool:
        return self.live or bool(self.files) or any(change.stored for _backend, change in self.parts)


def plan_work(machine: Machine, wish: Wish, open_backend: Open) -> Work:
    """Return what would bring the host to the wanted state. Writes nothing.

    :raises OtherBackend: where a backend is needed that cannot be opened.
    :raises BackendError: and the errors of the backends' own programs, naming what is wrong and the way out.
    """
    persistence = Persistence(machine.run, machine.root)
    policy = wish.enforced
    if machine.objects is None and machine.read(NFT_RULES):
        # Without it nobody sees, and nobody removes, what it loaded.
        raise BackendError(
            f"{policy.host + ': ' if policy else ''}nft is not installed, but rules of ours were written for it "
            f"(/{NFT_RULES}): install the package 'nftables'"
        )
    left = _managers.remains(machine)
    managers = _managers.active(machine)
    if policy is None:
        name = (left or managers or ["nftables"])[0]
        wanted = None
    else:
        _kernel.require(policy, machine.root)
        name = _managers.choose(wish.backend, managers, machine, policy)
        wanted = open_backend(name, machine)
    others = [open_backend(other, machine) for other in left if policy is None or other != name]
    parts = [(wanted, wanted.compare(policy, wish.options))] if wanted and policy else []
    parts += [(other, other.compare_absent()) for other in others]
    loader = parts[0][1].loader if parts else None
    work = Work(name, parts, persistence.compare(loader))
    _tell(work, policy, persistence)
    if policy is not None and any(entry.get("chain", {}).get("type") == "nat" for entry in machine.objects or ()):
        # Late, as on most hosts nobody translates anything and every run would have to compile it.
        from ansible_collections.playout.firewall.plugins.module_utils import _nft_published

        work.warnings += _nft_published.warnings(policy, wish.options.enforcement, machine.objects or ())
    return work


def carry_out(work: Work, machine: Machine, confirm_timeout: int = 0) -> t.Optional[str]:
    """Change the rules in force, then what the next boot loads, or nothing at all.

    :returns: with a timeout, the token to confirm with, where the rules in force changed; what the next boot loads is
        then left for the confirmation.
    :raises BackendError: saying which state stands.
    """
    _confirm.tidy()
    persistence = Persistence(machine.run, machine.root)
    changing = [(backend, change) for backend, change in work.parts if change.live]
    # The way back is found, and what the boot needs is written, before anything changes.
    undos = [backend.undo() for backend, _change in reversed(changing)]
    try:
        persistence.stage(work.files)
    except PersistError as error:
        raise BackendError(f"nothing was changed: {error}") from error
    token = None
    try:
        if changing and confirm_timeout:
            token = _try_out(changing, undos, machine, confirm_timeout)
        else:
            _apply(changing, undos, machine)
            _keep(work, persistence, undos, machine)
    finally:
        # What was put in place is not there any more.
        persistence.discard(work.files)
    # Applying and storing may have found something to say.
    told = [text for _backend, change in work.parts for text in change.warnings]
    work.warnings = list(dict.fromkeys(work.warnings + told))
    return token


def _tell(work: Work, policy: t.Optional[Policy], persistence: Persistence) -> None:
    """Collect what the user is shown of the work."""
    for _backend, change in work.parts:
        work.diff += change.diff
        work.warnings += change.warnings
    work.diff += [{"prepared": f"/{file.path}: brought up to date\n"} for file in work.files.write]
    work.diff += [{"prepared": f"/{path}: removed\n"} for path in work.files.remove]
    if policy is None:
        return
    loader = work.parts[0][1].loader
    if loader and not persistence.supported:
        work.persistent = False
        command = " ".join(loader.command)
        work.warnings.append(
            f"{policy.host}: no systemd here, so nothing loads the rules at boot: run '{command}' there"
        )
    if policy.gateway and policy.gateway.transit == "deny" and not policy.management.sources:
        work.warnings.append(
            f"{policy.host}: transit is denied and there are no management networks: hosts behind it can no longer be "
            "managed through it, unless playout_management names who may"
        )


def _try_out(changing: Parts, undos: t.Sequence[Undo], machine: Machine, seconds: int) -> str:
    """Apply with the timer armed; return its token."""
    token = _confirm.arm(seconds, undos)
    try:
        _apply(changing, undos, machine)
    except Exception:
        # The old rules stand already: nobody has to wait for them.
        with contextlib.suppress(_confirm.ConfirmError):
            _confirm.confirm(token)
        raise
    return token


def _apply(changing: Parts, undos: t.Sequence[Undo], machine: Machine) -> None:
    """Change the rules in force: what is new before what is left over goes, so that no moment is without any."""
    for number, (backend, change) in enumerate(changing):
        try:
            backend.apply(change)
        except Exception as error:
            # Who refuses has changed nothing; what anybody else did before failing is not known.
            refused = isinstance(error, (BackendError, NftError))
            if refused and number == 0:
                raise
            ways = undos[-number:] if refused else undos[-number - 1 :]
            raise _returned(ways, machine, error, sure=refused) from error


def _keep(work: Work, persistence: Persistence, undos: t.Sequence[Undo], machine: Machine) -> None:
    """Have the next boot load the new rules, or go back."""
    stored: t.List[str] = []
    try:
        with persistence.commit(work.files):
            for backend, change in work.parts:
                if change.stored:
                    backend.store(change)
                    stored.append(backend.name)
    except Exception as error:
        raise _returned(undos, machine, error, stored) from error


def _returned(
    undos: t.Sequence[Undo], machine: Machine, error: Exception, stored: t.Sequence[str] = (), sure: bool = True
) -> StateError:
    """Go the way back and return the error that says which state stands.

    :param stored: whose program has the new rules for the next boot already.
    :param sure: whether the new rules are in force until then.
    """
    names = " and ".join(stored)
    reason = _go_back(undos, machine)
    if not undos:
        state = f"{names} will load the new rules at the next boot all the same" if stored else "The old files stand"
    elif reason:
        boot = f"and {names} will load them at the next boot" if stored else "but not at the next boot"
        state = f"The new rules {'are' if sure else 'may be'} in force, {boot}: going back failed: {reason}"
    else:
        boot = f"but {names} will load the new ones at the next boot" if stored else "nothing was changed"
        state = f"The old rules are in force again, {boot}"
    return StateError(f"{error}. {state}")


def _go_back(undos: t.Sequence[Undo], machine: Machine) -> str:
    """Return why the rules before could not be brought back; nothing when they were."""
    if not undos:
        return ""
    try:
        with tempfile.TemporaryDirectory(prefix="playout-firewall-", dir=machine.path("run")) as directory:
            _undo.write(undos, directory)
            result = machine.run(["sh", "-c", f'cd "$1" && sh {_undo.SCRIPT}', "sh", directory], "")
    except OSError as error:
        return str(error)
    return result.reason if result.code else ""
