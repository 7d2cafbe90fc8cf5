# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet: who has a role, who shares a system, which functions are on."""

from __future__ import annotations

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import ALL_SYSTEMS, Host
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import fleet_of

FLEET = fleet_of(
    {
        "cms": {"groups": "cayin_cms", "playout_site": "hq", "playout_features": ["https"]},
        "backup": {"groups": "cayin_backup_server", "playout_site": "hq"},
        "gateway2": {"groups": "playout_gateway", "playout_site": "hq"},
        "gateway1": {"groups": "playout_gateway", "playout_site": "hq"},
    }
)


def test_hosts_are_found_by_the_roles_they_have_and_not_by_those_they_stand_in_for() -> None:
    assert [host.name for host in FLEET.by_role["cayin_cms"]] == ["cms"]
    assert FLEET.hosts["backup"].listens_as == {"cayin_backup_server", "cayin_cms"}


def test_gateways_are_found_by_site_in_the_order_of_their_names() -> None:
    assert [host.name for host in FLEET.gateways["hq"]] == ["gateway1", "gateway2"]


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ({"a", "b"}, {"b", "c"}, True),
        ({"a"}, {"b"}, False),
        (ALL_SYSTEMS, {"b"}, True),
        ({"a"}, ALL_SYSTEMS, True),
        (ALL_SYSTEMS, ALL_SYSTEMS, True),
    ],
)
def test_systems_are_shared_or_not(one: set[str] | None, other: set[str] | None, shared: bool) -> None:
    hosts = [Host("x", frozenset(), systems=None if names is None else frozenset(names)) for names in (one, other)]
    assert hosts[0].shares_system(hosts[1]) is shared


@pytest.mark.parametrize(
    ("service", "host", "side", "used"),
    [
        ("cayin_https", "cms", "listener", True),
        ("cayin_https", "cms", "sender", True),  # it is not the sender's to declare
        ("cayin_web", "cms", "listener", False),  # a list replaces the defaults
        ("cayin_web", "backup", "listener", True),
        ("cayin_https", "backup", "listener", False),
        ("cayin_mail", "backup", "sender", False),
        ("cayin_backup", "cms", "listener", True),  # on wherever the role exists
        ("cayin_content", "cms", "listener", True),
    ],
)
def test_a_function_is_on_where_the_side_that_declares_it_says_so(
    service: str, host: str, side: str, used: bool
) -> None:
    assert FLEET.uses(FLEET.catalogue.services[service], FLEET.hosts[host], side) is used
