# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may pass for remembered: only a load that nobody else's transaction came near, of this text, by this nft."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _nft_memory
from ansible_collections.playout.firewall.plugins.module_utils._backend import Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import run
from ansible_collections.playout.firewall.plugins.module_utils._nft_memory import PATH, forget, remembering, remembers

VERSION = {"metainfo": {"version": "1.0.6"}}


class Kernel:
    """Counts what it is told to."""

    def __init__(self) -> None:
        self.counted: tuple[str, int] | None = ("namespace", 1)

    def change(self) -> None:
        if self.counted:
            self.counted = (self.counted[0], self.counted[1] + 1)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """The kernel whose transactions are counted."""
    kernel = Kernel()
    monkeypatch.setattr(_nft_memory, "transactions", lambda: kernel.counted)
    return kernel


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A host with nothing of ours."""
    (tmp_path / "run").mkdir()
    return Machine(run, (VERSION,), str(tmp_path))


def _load(machine: Machine, kernel: Kernel) -> None:
    with remembering(machine, "text"):
        kernel.change()


def test_a_text_that_was_loaded_is_remembered_until_anything_changes(machine: Machine, kernel: Kernel) -> None:
    assert not remembers(machine, "text")
    _load(machine, kernel)
    assert remembers(machine, "text")
    assert not remembers(machine, "other text")
    kernel.change()
    assert not remembers(machine, "text")


def test_another_nft_or_network_namespace_remembers_nothing(machine: Machine, kernel: Kernel) -> None:
    _load(machine, kernel)
    assert not remembers(machine._replace(objects=({"metainfo": {"version": "1.1.0"}},)), "text")
    kernel.counted = ("another", 2)
    assert not remembers(machine, "text")


@pytest.mark.parametrize("changes", [0, 2])
def test_a_load_that_was_not_the_only_transaction_is_not_remembered(
    machine: Machine, kernel: Kernel, changes: int
) -> None:
    with remembering(machine, "text"):
        for _number in range(changes):
            kernel.change()
    assert not Path(machine.path(PATH)).exists()


def test_a_load_that_failed_forgets_what_was_there(machine: Machine, kernel: Kernel) -> None:
    _load(machine, kernel)
    with pytest.raises(ZeroDivisionError), remembering(machine, "text"):
        raise ZeroDivisionError
    assert not remembers(machine, "text")


def test_a_kernel_that_does_not_count_and_a_directory_that_is_not_there_remember_nothing(
    machine: Machine, kernel: Kernel, tmp_path: Path
) -> None:
    kernel.counted = None
    _load(machine, kernel)
    assert not remembers(machine, "text")
    kernel.counted = ("namespace", 1)
    elsewhere = machine._replace(root=str(tmp_path / "missing"))
    _load(elsewhere, kernel)
    assert not remembers(elsewhere, "text")


def test_what_is_forgotten_leaves_no_file(machine: Machine, kernel: Kernel) -> None:
    _load(machine, kernel)
    forget(machine)
    assert not Path(machine.path(PATH)).exists()
    forget(machine)
