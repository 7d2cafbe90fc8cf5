# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup hands out policies from the run's plan, and says in words why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible_collections.playout.firewall.plugins.plugin_utils import _libraries
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.played import TEMPLAR, begin_run, maps


@pytest.fixture(autouse=True)
def _run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begin_run(monkeypatch, tmp_path)


def look(*hosts: str, **own: Any) -> list[Any]:
    lookup = lookup_loader.get("playout.firewall.policy", templar=TEMPLAR)
    return list(lookup.run(list(hosts), maps().task_vars("map1", **own)))


def test_without_a_name_the_policy_is_the_tasks_hosts_own() -> None:
    [policy] = look()
    assert policy["host"] == "map1"
    assert {"digest", "rules", "forwards", "helpers", "governed", "masquerade"} <= set(policy)


def test_each_name_gives_a_policy_in_their_order() -> None:
    assert [policy["host"] for policy in look("engine1", "map1")] == ["engine1", "map1"]


@pytest.mark.parametrize(
    ("host", "own", "says"),
    [
        ("nobody", {}, "'nobody' is no host of the inventory"),
        ("map1", {"playout_site": "hq"}, "playout_site = hq: is set on the play, role or task"),
    ],
)
def test_why_there_is_no_policy(host: str, own: dict[str, str], says: str) -> None:
    with pytest.raises(AnsibleLookupError, match=says):
        look(host, **own)


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_libraries, "MISSING", "needs the Python library 'netaddr'")
    with pytest.raises(AnsibleLookupError, match="'netaddr'"):
        look()


def test_before_the_first_play_it_says_what_to_begin_with() -> None:
    lookup = lookup_loader.get("playout.firewall.policy", templar=TEMPLAR)
    with pytest.raises(AnsibleLookupError, match="begin with a play on all hosts"):
        lookup.run([], {})
