# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order a host is changed, and what stands when a step fails; the backends are played and keep a diary."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _confirm, _kernel
from ansible_collections.playout.firewall.plugins.module_utils._backend import (
    BackendError,
    Change,
    OtherBackend,
    StateError,
)
from ansible_collections.playout.firewall.plugins.module_utils._confirm import ConfirmError
from ansible_collections.playout.firewall.plugins.module_utils._engine import Wish, carry_out
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import NftCrash
from ansible_collections.playout.firewall.plugins.module_utils._persist import (
    NFT_RULES,
    PRIVATE,
    SCRIPT_RULES,
    BootFile,
    Loader,
    Persistence,
    PersistError,
)
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options
from ansible_collections.playout.firewall.tests.unit.plugins.module_utils.played_host import Diary, Host

RULE = {"id": "web", "services": [], "direction": "in", "family": "ipv4", "protocol": "tcp", "ports": ["80"]}
TOLD: dict[str, Any] = {"rules": [{**RULE, "sources": ["192.0.2.1"], "destinations": [], "comment": ""}]}
OURS = {"table": {"family": "inet", "name": "playout_firewall"}}
OUR_CHAIN = {"chain": {"family": "ip", "table": "filter", "name": "PLAYOUT-INPUT"}}
# Longer than a test takes, and not much longer, because a timer that was disarmed sleeps on.
SECONDS = 20


def _policy(**parts: Any) -> Policy:
    return Policy.from_dict({"host": "h", **parts})


def _loader(path: str = NFT_RULES, text: str = "rules\n") -> Loader:
    return Loader(BootFile(path, text, PRIVATE), ["nft", "-f", f"/{path}"], ("nftables",))


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "diary")


@pytest.fixture
def host(tmp_path: Path, diary: Diary, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host whose backends, timers and boot files write what happens into the diary."""
    host = Host(tmp_path / "host", diary)
    directory = str(host.root / "run/playout-firewall")

    def noted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any, **options: Any) -> Any:
            diary.note(name)
            return call(*arguments, **options)

        return noting

    for name in ("stage", "commit"):
        monkeypatch.setattr(Persistence, name, noted(name, getattr(Persistence, name)))
    for name, word in (("arm", "armed"), ("confirm", "disarmed")):
        monkeypatch.setattr(_confirm, name, noted(word, partial(getattr(_confirm, name), directory=directory)))
    monkeypatch.setattr(_confirm, "tidy", partial(_confirm.tidy, directory))
    return host


# -- what would be done -------------------------------------------------------------------------------------------


def test_a_plan_writes_nothing_and_tells_everything(host: Host, diary: Diary) -> None:
    shown = {"before": "a", "after": "b"}
    host.backend("nftables", Change(True, loader=_loader(), diff=[shown], warnings=["beware"]))
    before = host.files()
    work = host.plan(host.machine(), Wish(_policy(**TOLD), Options("default_deny")))
    assert diary.entries == ["compare nftables default_deny"]
    assert host.files() == before
    assert (work.backend, work.live, work.changed, work.persistent) == ("nftables", True, True, True)
    assert work.diff[:2] == [shown, {"prepared": f"/{NFT_RULES}: brought up to date\n"}]
    assert work.warnings == ["beware"]


def test_files_that_go_are_shown(host: Host) -> None:
    host.backend("nftables", Change(False, loader=_loader()))
    (host.root / SCRIPT_RULES).parent.mkdir(parents=True)
    (host.root / SCRIPT_RULES).touch()
    work = host.plan(host.machine(), Wish(_policy(**TOLD)))
    assert {"prepared": f"/{SCRIPT_RULES}: removed\n"} in work.diff


@pytest.mark.parametrize(
    ("change", "live", "changed"),
    [
        (Change(False), False, False),
        (Change(True), True, True),
        (Change(False, stored=True), False, True),
        (Change(False, loader=_loader()), False, True),
    ],
    ids=["nothing", "the rules in force", "its own program's files", "our files"],
)
def test_anything_that_differs_is_a_change(host: Host, change: Change, live: bool, changed: bool) -> None:
    host.backend("nftables", change)
    work = host.plan(host.machine(), Wish(_policy(**TOLD)))
    assert (work.live, work.changed) == (live, changed)


def test_what_another_backend_left_goes_after_what_is_new(host: Host, diary: Diary) -> None:
    host.backend("nftables", Change(True))
    host.backend("iptables", Change(True))
    work = host.plan(host.machine(OUR_CHAIN, OURS), Wish(_policy(**TOLD), backend="nftables"))
    assert [backend.name for backend, _change in work.parts] == ["nftables", "iptables"]
    assert diary.entries == ["compare nftables scoped", "compare absent iptables"]


def test_no_policy_removes_from_every_backend_what_is_left(host: Host, diary: Diary) -> None:
    host.backend("nftables", Change(True))
    host.backend("iptables", Change(True))
    (host.root / NFT_RULES).parent.mkdir(parents=True)
    (host.root / NFT_RULES).touch()
    work = host.plan(host.machine(OUR_CHAIN, OURS), Wish(None))
    assert diary.entries == ["compare absent nftables", "compare absent iptables"]
    assert list(work.files.remove) == [NFT_RULES]
    assert work.backend == "nftables"


@pytest.mark.parametrize("policy", [_policy(**TOLD), None])
def test_rules_of_an_nft_that_was_removed_are_not_forgotten(host: Host, policy: Policy | None) -> None:
    (host.root / NFT_RULES).parent.mkdir(parents=True)
    (host.root / NFT_RULES).write_text("rules", encoding="utf-8")
    machine = host.machine()._replace(objects=None)
    reason = r"nft is not installed, but rules of ours .*: install the package 'nftables'$"
    with pytest.raises(BackendError, match=reason):
        host.plan(machine, Wish(policy))


def test_no_policy_on_a_bare_host_is_no_work(host: Host, diary: Diary) -> None:
    work = host.plan(host.machine(), Wish(None))
    assert (work.parts, work.changed, diary.entries) == ([], False, [])


@pytest.mark.parametrize(("enforcement", "left"), [("scoped", True), ("default_deny", False)])
def test_a_policy_that_says_nothing_leaves_nothing_unless_all_else_is_denied(
    host: Host, diary: Diary, enforcement: str, left: bool
) -> None:
    host.backend("nftables", Change(True))
    host.plan(host.machine(OURS), Wish(_policy(), Options(enforcement)))
    assert diary.entries == ["compare absent nftables" if left else "compare nftables default_deny"]


def test_the_kernel_is_asked_before_a_backend_is(host: Host, diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(policy: Policy, root: str) -> None:
        raise _kernel.KernelError(f"{policy.host} in {root}")

    monkeypatch.setattr(_kernel, "require", refuse)
    with pytest.raises(_kernel.KernelError, match=f"^h in {host.root}$"):
        host.plan(host.machine(), Wish(_policy(**TOLD)))
    assert diary.entries == []


def test_without_systemd_the_command_to_run_at_boot_is_a_warning(host: Host) -> None:
    (host.root / "lib/systemd/systemd").unlink()
    host.backend("nftables", Change(True, loader=_loader()))
    work = host.plan(host.machine(), Wish(_policy(**TOLD)))
    assert not work.persistent
    assert [warning.endswith(f"run 'nft -f /{NFT_RULES}' there") for warning in work.warnings] == [True]
    # What a program of the host's own loads is that program's affair.
    host.backend("nftables", Change(True, stored=True))
    assert host.plan(host.machine(), Wish(_policy(**TOLD))).persistent


@pytest.mark.parametrize(("sources", "warnings"), [([], 1), (["192.0.2.0/24"], 0)])
def test_denied_transit_without_management_is_a_warning(host: Host, sources: list[str], warnings: int) -> None:
    host.backend("nftables", Change(True))
    policy = _policy(gateway={"transit": "deny"}, management={"ports": ["22"], "sources": sources})
    assert len(host.plan(host.machine(), Wish(policy)).warnings) == warnings


@pytest.mark.parametrize(("backend", "policy"), [("iptables", TOLD), ("nftables", TOLD), ("auto", None)])
def test_a_backend_that_is_missing_is_told_before_any_is_asked(
    host: Host, diary: Diary, backend: str, policy: dict[str, Any] | None
) -> None:
    """It is the one that was chosen, or one that something of ours is left in."""
    host.backend("nftables", Change(True))
    wish = Wish(_policy(**policy) if policy else None, backend=backend)
    with pytest.raises(OtherBackend, match=r"^iptables is needed here, which the module linux_ruleset_any has"):
        host.plan(host.machine(OUR_CHAIN, OURS), wish)
    assert diary.entries == []


# -- the order ----------------------------------------------------------------------------------------------------


def test_a_change_is_undoable_and_its_files_are_written_before_it_is_applied_and_kept(host: Host, diary: Diary) -> None:
    host.backend("ufw", Change(True, stored=True))
    host.backend("nftables", Change(True, stored=True))
    assert carry_out(host.work("ufw", "nftables", loader=_loader()), host.machine()) is None
    assert diary.entries == [
        "undo computed of nftables",
        "undo computed of ufw",
        "stage",
        "apply ufw",
        "apply nftables",
        "commit",
        "store ufw",
        "store nftables",
    ]
    assert (host.root / NFT_RULES).read_text(encoding="utf-8") == "rules\n"


def test_only_what_differs_is_touched(host: Host, diary: Diary) -> None:
    host.backend("ufw", Change(False, stored=True))
    host.backend("nftables", Change(False))
    carry_out(host.work("ufw", "nftables"), host.machine())
    assert diary.entries == ["stage", "commit", "store ufw"]


def test_without_any_difference_no_backend_is_called(host: Host, diary: Diary) -> None:
    host.backend("nftables", Change(False))
    work = host.work("nftables")
    assert not work.changed
    carry_out(work, host.machine())
    assert diary.entries == ["stage", "commit"]


@pytest.mark.parametrize(("live", "stored"), [(True, False), (False, True), (True, True)])
def test_what_applying_and_storing_have_to_say_is_told_once(host: Host, live: bool, stored: bool) -> None:
    change = Change(live, stored, warnings=["before"], plan=["before", "meanwhile"])
    host.backend("nftables", change)
    work = host.plan(host.machine(), Wish(_policy(**TOLD)))
    carry_out(work, host.machine())
    assert work.warnings == ["before", "meanwhile"]


# -- what fails ---------------------------------------------------------------------------------------------------


def test_without_a_way_back_nothing_is_begun(host: Host, diary: Diary) -> None:
    host.backend("nftables", Change(True), "undo computed of")
    with pytest.raises(BackendError, match="nftables refused to undo computed of"):
        carry_out(host.work("nftables", loader=_loader()), host.machine())
    assert diary.entries == ["undo computed of nftables"]


def test_without_room_for_the_boot_files_nothing_is_begun(host: Host, diary: Diary) -> None:
    host.backend("nftables", Change(True))
    (host.root / NFT_RULES).parent.write_text("theirs", encoding="utf-8")
    with pytest.raises(BackendError, match=f"^nothing was changed: /{NFT_RULES} cannot be written: File exists$"):
        carry_out(host.work("nftables", loader=_loader()), host.machine())
    assert diary.entries == ["undo computed of nftables", "stage"]


@pytest.mark.parametrize("seconds", [0, SECONDS])
def test_rules_that_are_refused_leave_nothing_behind(host: Host, diary: Diary, seconds: int) -> None:
    host.backend("nftables", Change(True, stored=True), "apply")
    before = host.files()
    with pytest.raises(BackendError, match=r"^nftables refused to apply$"):
        carry_out(host.work("nftables", loader=_loader()), host.machine(), seconds)
    assert host.files() == before
    assert not {"store nftables", "commit"} & set(diary.entries)


@pytest.mark.parametrize("seconds", [0, SECONDS])
@pytest.mark.parametrize(("ways", "state"), [((), "The old rules are in force"), (("going back",), "may be in force")])
def test_a_program_that_crashed_while_it_changed_the_rules_is_undone(
    host: Host, diary: Diary, monkeypatch: pytest.MonkeyPatch, seconds: int, ways: tuple[str, ...], state: str
) -> None:
    backend = host.backend("nftables", Change(True, loader=_loader()), *ways)

    def crash(_change: Change) -> None:
        raise NftCrash("nft ended by signal 11")

    monkeypatch.setattr(backend, "apply", crash)
    with pytest.raises(StateError, match=rf"^nft ended by signal 11\. .*{state}"):
        carry_out(host.work("nftables", loader=_loader()), host.machine(), seconds)
    assert "undo nftables" in diary.entries
    assert host.files() == {"etc/keep"}


@pytest.mark.parametrize("seconds", [0, SECONDS])
def test_a_second_part_that_is_refused_takes_the_first_back(host: Host, diary: Diary, seconds: int) -> None:
    host.backend("ufw", Change(True))
    host.backend("nftables", Change(True))
    host.backend("iptables", Change(True), "apply")
    reason = "^iptables refused to apply. The old rules are in force again, nothing was changed$"
    with pytest.raises(BackendError, match=reason):
        carry_out(host.work("ufw", "nftables", "iptables"), host.machine(), seconds)
    told = [entry for entry in diary.entries if entry.startswith(("apply", "undo ")) and "computed" not in entry]
    assert told == ["apply ufw", "apply nftables", "apply iptables", "undo nftables", "undo ufw"]
    assert list((host.root / "run").iterdir()) == [host.root / "run/keep"]


@pytest.mark.parametrize("failing", ["store", "commit"])
def test_what_cannot_be_kept_is_taken_back(
    host: Host, diary: Diary, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    host.backend("nftables", Change(True, stored=failing == "store"), failing)
    if failing == "commit":
        monkeypatch.setattr(Persistence, "commit", _no_room)
    before = host.files()
    reason = r"(refused to store|No space left)\. The old rules are in force again, nothing was changed$"
    with pytest.raises(BackendError, match=reason):
        carry_out(host.work("nftables", loader=_loader()), host.machine())
    assert diary.entries[-1] == "undo nftables"
    assert host.files() == before


def _no_room(*_arguments: object) -> None:
    raise PersistError("/etc/x cannot be replaced: No space left")


def test_an_error_that_nobody_expected_is_taken_back_too(host: Host, diary: Diary) -> None:
    backend = host.backend("ufw", Change(True, stored=True))

    def broken(_change: Change) -> None:
        raise ValueError("not a number")

    backend.store = broken  # type: ignore[method-assign]
    with pytest.raises(BackendError, match=r"^not a number\. The old rules are in force again"):
        carry_out(host.work("ufw"), host.machine())
    assert diary.entries[-1] == "undo ufw"


@pytest.mark.parametrize(
    ("live", "failing", "reason"),
    [
        pytest.param(True, (), "The old rules are in force again, but ufw will load the new ones", id="back"),
        pytest.param(True, ("going back",), "The new rules are in force, and ufw will load them", id="not back"),
        pytest.param(False, (), "ufw will load the new rules at the next boot all the same", id="nothing to take back"),
    ],
)
def test_what_a_program_has_stored_before_another_refused_is_not_hidden(
    host: Host, live: bool, failing: tuple[str, ...], reason: str
) -> None:
    host.backend("ufw", Change(live, stored=True), *failing)
    host.backend("firewalld", Change(False, stored=True), "store")
    with pytest.raises(BackendError, match=rf"^firewalld refused to store\. {reason}"):
        carry_out(host.work("ufw", "firewalld"), host.machine())


def test_a_way_back_that_fails_is_told_with_its_words(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.backend("nftables", Change(True), "going back")
    monkeypatch.setattr(Persistence, "commit", _no_room)
    state = "The new rules are in force, but not at the next boot: going back failed: nftables is stuck"
    with pytest.raises(BackendError, match=rf"No space left\. {state}$"):
        carry_out(host.work("nftables", loader=_loader()), host.machine())


def test_a_way_back_that_cannot_be_written_is_told_too(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.backend("nftables", Change(True))
    monkeypatch.setattr(Persistence, "commit", _no_room)
    (host.root / "run/keep").unlink()
    (host.root / "run").rmdir()
    state = "The new rules are in force, but not at the next boot: going back failed: .*No such file"
    with pytest.raises(BackendError, match=rf"No space left\. {state}"):
        carry_out(host.work("nftables"), host.machine())


def test_files_alone_that_cannot_be_kept_say_that_the_old_ones_stand(
    host: Host, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.backend("nftables", Change(False))
    monkeypatch.setattr(Persistence, "commit", _no_room)
    with pytest.raises(BackendError, match=r"No space left\. The old files stand$"):
        carry_out(host.work("nftables", loader=_loader()), host.machine())
    assert diary.entries == ["stage"]


# -- waiting for a confirmation -----------------------------------------------------------------------------------


def test_with_a_timeout_the_timer_is_armed_first_and_nothing_is_kept(host: Host, diary: Diary) -> None:
    host.backend("ufw", Change(True, stored=True))
    before = host.files()
    token = carry_out(host.work("ufw", loader=_loader()), host.machine(), SECONDS)
    assert token is not None
    assert diary.entries == ["undo computed of ufw", "stage", "armed", "apply ufw"]
    assert host.files() == before
    _confirm.confirm(token)


def test_after_the_confirmation_the_second_run_keeps_it(host: Host, diary: Diary) -> None:
    host.backend("ufw", Change(False, stored=True))
    assert carry_out(host.work("ufw", loader=_loader()), host.machine(), SECONDS) is None
    assert diary.entries == ["stage", "commit", "store ufw"]


def test_rules_that_are_refused_disarm_the_timer(host: Host, diary: Diary) -> None:
    host.backend("nftables", Change(True), "apply")
    with pytest.raises(BackendError, match="refused to apply"):
        carry_out(host.work("nftables"), host.machine(), SECONDS)
    assert diary.entries[-3:] == ["armed", "apply nftables", "disarmed"]
    assert _confirm.waiting(str(host.root / "run/playout-firewall")) == 0


def test_a_timer_that_was_first_does_not_hide_why_the_rules_were_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_token: str) -> None:
        raise _confirm.TooLate("too late")

    host.backend("nftables", Change(True), "apply")
    monkeypatch.setattr(_confirm, "confirm", late)
    with pytest.raises(BackendError, match="refused to apply"):
        carry_out(host.work("nftables"), host.machine(), SECONDS)
    # The timer finds nothing to do.
    shutil.rmtree(host.root / "run/playout-firewall")


def test_without_a_timer_nothing_is_applied(host: Host, diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    host.backend("nftables", Change(True))
    before = host.files()
    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(ConfirmError, match=r"^nothing was changed: .* No space left on device$"):
        carry_out(host.work("nftables"), host.machine(), SECONDS)
    assert diary.entries == ["undo computed of nftables", "stage", "armed"]
    assert host.files() == before
