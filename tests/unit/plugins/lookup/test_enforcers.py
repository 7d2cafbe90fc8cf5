# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup names the hosts that a play is to run on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.module_utils.common.collections import ImmutableDict
from ansible.plugins.loader import lookup_loader
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.played import (
    TEMPLAR,
    Hostvars,
    begin_run,
    maps,
)

GATEWAY = {"group_names": ["playout_gateway"], "ansible_host": "192.0.2.1", "playout_wan_addresses": ["203.0.113.1"]}
APPLIANCE = {"group_names": ["cayin_smp"], "ansible_host": "192.0.2.40"}


@pytest.fixture(autouse=True)
def _run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begin_run(monkeypatch, tmp_path)


def enforcers(hostvars: Hostvars, *terms: str, **options: Any) -> list[str]:
    lookup = lookup_loader.get("playout.firewall.enforcers", templar=TEMPLAR)
    return list(lookup.run(list(terms), hostvars.task_vars("map1"), **options))


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        ({}, ["engine1", "gateway", "map1"]),
        ({"gateways": False}, ["engine1", "map1"]),
        ({"gateways": True}, ["gateway"]),
    ],
)
def test_gateways_and_other_hosts_are_told_apart_and_appliances_left_out(
    options: dict[str, bool], hosts: list[str]
) -> None:
    assert enforcers(maps(gateway=GATEWAY, player=APPLIANCE), "linux", **options) == hosts


def test_probers_are_those_that_can_send_packets_with_a_role_or_without() -> None:
    assert enforcers(maps(database={"playout_probe": True}, map1={"playout_probe": False}), "probe") == [
        "database",
        "engine1",
    ]


def test_nobody_is_a_pattern_of_which_ansible_does_not_warn() -> None:
    assert enforcers(maps(), "linux", gateways=True) == ["!all"]
    assert enforcers(maps(), "windows") == ["!all"]


def test_nobody_who_can_probe_is_an_error_because_nothing_would_be_proven() -> None:
    silent = {"playout_probe": False}
    with pytest.raises(AnsibleLookupError, match="set playout_probe: true"):
        enforcers(maps(map1=silent, engine1=silent), "probe")


def test_an_unknown_platform_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AnsibleLookupError, match=r"'beos' is not a platform; known are linux, .*probe"):
        enforcers(maps(), "beos")


@pytest.mark.parametrize("option", ["syntax", "listhosts", "listtasks", "listtags"])
def test_a_listing_knows_no_hosts_and_fails_nobody(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict({option: True}))
    lookup = lookup_loader.get("playout.firewall.enforcers", templar=TEMPLAR)
    assert lookup.run(["linux"], {}) == ["!all"]
