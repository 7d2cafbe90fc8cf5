# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others do on the host works as before: while we change rules, after it, and when ours are gone again."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playout_lab import managers

from .conftest import BACKENDS
from .neighbours import NEIGHBOURS
from .policies import PLAYERS, policy, rule

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("backend", BACKENDS, indirect=True, scope="module")]

# The stranger may manage the host, as far as we are concerned.
MANAGED = {"management": {"ports": ["22"], "sources": ["203.0.113.0/24"]}}
KEPT = {"keep": [{"protocol": "tcp", "ports": ["9000"], "sources": ["any"]}]}
FIRST = {**PLAYERS, **MANAGED, **KEPT}
SECOND = {**policy(rule("web", "in", "80", "203.0.113.11"), governed={"in": {"tcp": ["80"]}}), **MANAGED, **KEPT}


@pytest.fixture(params=sorted(NEIGHBOURS))
def neighbour(request: pytest.FixtureRequest, site: Any) -> Iterator[Any]:
    """A neighbour that was there before us."""
    it = NEIGHBOURS[request.param]
    if missing := managers.lacking(it.programs):
        pytest.skip(f"{request.param} is not tested: no {', '.join(missing)}")
    if request.param == "podman" and os.geteuid() != 0:
        pytest.skip("podman is not tested: it needs root here")
    it.arrive(site)
    yield it
    it.leave(site)


@contextlib.contextmanager
def _asked_all_the_time(site: Any, *targets: str) -> Iterator[list[list[str]]]:
    """The answers that the stranger gets again and again."""
    answers: list[list[str]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            # Patient: who changes rules may make a packet wait, but not a connection fail.
            answers.append(site.probe("stranger", *targets, patiently=True))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        done.set()
        thread.join()


# A ban may be of all ports and an error instead of silence, so that a stranger is only asserted not to get in.
@pytest.mark.parametrize("enforcement", ["scoped", "default_deny"])
def test_a_neighbour_works_before_during_and_after(site: Any, neighbour: Any, enforcement: str) -> None:
    before = site.probe("stranger", *neighbour.targets, patiently=True)
    rules = site.rules()
    with _asked_all_the_time(site, *neighbour.targets) as answers:
        site.apply("gateway", FIRST, enforcement)
        assert site.probe("player", "tcp 203.0.113.1 80") == ["gateway"]
        assert site.probe("stranger", "tcp 203.0.113.1 80") != ["gateway"]
        site.apply("gateway", SECOND, enforcement)
        site.remove("gateway")
    assert answers
    assert [answer for answer in answers if answer != before] == []
    assert site.rules() == rules


@pytest.mark.parametrize("enforcement", ["scoped", "default_deny"])
def test_a_neighbour_that_starts_anew_is_no_difference_to_us(site: Any, neighbour: Any, enforcement: str) -> None:
    before = site.probe("stranger", *neighbour.targets, patiently=True)
    site.apply("gateway", FIRST, enforcement)
    neighbour.restart(site)
    assert site.probe("stranger", *neighbour.targets, patiently=True) == before
    assert site.probe("player", "tcp 203.0.113.1 80") == ["gateway"]
    assert site.probe("stranger", "tcp 203.0.113.1 80") != ["gateway"]
    change = site.compare("gateway", FIRST, enforcement)
    assert (change["live"], change["boot"], change["diff"]) == (False, False, [])


def test_default_deny_says_that_published_containers_stay_open(site: Any) -> None:
    docker = NEIGHBOURS["simulated docker"]
    docker.arrive(site)
    warnings = site.compare("gateway", FIRST, "default_deny")["warnings"]
    assert any("tcp 8080 stays open" in warning for warning in warnings)
    docker.leave(site)
