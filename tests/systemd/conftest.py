# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that run systemd, each with a firewall manager in use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

from .machine import CHECKOUT, Machine, clear_away, why_not
from .managed import WEB, Managed, rules
from .managers import CLOSED_PORT, MANAGERS, OPEN_PORT

BACKENDS = ("nftables", "iptables", "ufw", "firewalld")

MachineFactory: TypeAlias = Callable[..., AbstractContextManager[Machine]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the machines be tested side by side, where tests run side by side, and the tests of one after each other."""
    for item in items:
        if isinstance(item, pytest.Function) and "managed" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group(f"systemd {item.callspec.params['managed']}"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The directory that every machine's disk is copied from; skip, with the reason, where it cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("no machine with systemd: only root can make one")
    directory = CHECKOUT / ".build" / "systemd"
    build = [CHECKOUT / "tools" / "systemd-image.sh", directory]
    made = subprocess.run(build, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    hindrance = made.stderr.strip() if made.returncode else why_not(directory / "root")
    if hindrance:
        pytest.skip(f"no machine with systemd: {hindrance}")
    clear_away(directory)
    return directory / "root"


@pytest.fixture(scope="session")
def switched_on(root: Path) -> MachineFactory:
    """``with switched_on(80, 443) as it:`` is a machine that listens on these ports."""

    @contextmanager
    def switch_on(*ports: int) -> Iterator[Machine]:
        it = Machine(root)
        try:
            it.listen(*ports)
            it.switch_on()
            yield it
        finally:
            it.scrap()

    return switch_on


@pytest.fixture(scope="session")
def managed_by(switched_on: MachineFactory) -> Iterator[Callable[[str], Managed]]:
    """``managed_by("ufw")`` is the one machine of these tests whose firewall ufw owns."""
    with ExitStack() as stack:

        @cache
        def build(backend: str) -> Managed:
            machine = stack.enter_context(switched_on(WEB, CLOSED_PORT, OPEN_PORT))
            machine.run(MANAGERS[backend].setup)
            machine.reboot()
            machine.run(MANAGERS[backend].wait)
            return Managed(machine, backend, rules(machine))

        yield build


@pytest.fixture(params=BACKENDS)
def managed(request: pytest.FixtureRequest, managed_by: Callable[[str], Managed]) -> Managed:
    """A machine whose firewall one manager owns; of ours is there what the test before has left."""
    return managed_by(request.param)


@pytest.fixture
def enforced(managed: Managed) -> Managed:
    """A managed machine on which the policy is enforced."""
    managed.apply()
    managed.assert_enforced()
    return managed
