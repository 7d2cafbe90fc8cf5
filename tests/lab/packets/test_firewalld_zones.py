# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the outside has a zone of its own, firewalld itself forwards and hides, and the packets see no difference."""

from __future__ import annotations

from typing import Any

import pytest

from .policies import forward, gateway, policy, rule, transit
from .test_gateways import OUTSIDE
from .test_gateways import test_a_dynamic_gateway_forwards_what_arrives_for_it_on_its_wan as test_dynamic
from .test_gateways import test_a_forward_changes_the_port_and_the_filter_decides_who_passes as test_port
from .test_gateways import (
    test_a_management_port_that_the_plan_publishes_is_open_to_the_planned_alone as test_management,
)
from .test_gateways import test_a_whole_range_is_mapped_to_itself as test_range
from .test_gateways import (
    test_the_ftp_helper_opens_data_connections_behind_a_forward_of_port_21_alone as test_helper,
)

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("backend", ["firewalld"], indirect=True, scope="module")]

__all__ = ["test_dynamic", "test_helper", "test_management", "test_port", "test_range"]

ZONES = """
set -e
cmd() { firewall-cmd -q --permanent "$@"; }
cmd --zone public --remove-interface wan0
cmd --zone public --remove-interface lan0
cmd --zone external --add-interface wan0
cmd --zone external --remove-masquerade
cmd --zone internal --add-interface lan0
cmd --new-policy through
cmd --policy through --set-target ACCEPT
cmd --policy through --add-ingress-zone ANY
cmd --policy through --add-egress-zone ANY
firewall-cmd -q --reload
"""


@pytest.fixture
def site(site: Any) -> Any:
    """A gateway whose interfaces each have a zone, and a policy that lets everything through."""
    site.shell("gateway", ZONES)
    return site


def _published(name: str = "web", **more: Any) -> dict[str, Any]:
    return policy(
        rule("web", "forward", "80", "203.0.113.10 203.0.113.11", "10.0.0.10"),
        forwards=[forward(name, OUTSIDE, "8080", "10.0.0.10", "80")],
        governed={"forward": [transit("80", "10.0.0.10")]},
        gateway=gateway(**more),
    )


def test_a_forward_is_firewalls_own_and_limited_to_the_planned(site: Any) -> None:
    site.apply("gateway", _published())
    listed = site.shell("gateway", "firewall-cmd --policy playout-nat --list-rich-rules")
    assert 'destination address="203.0.113.1" forward-port port="8080" protocol="tcp" to-port="80"' in listed
    assert 'source ipset="playout-' in listed
    # Without the table beside firewalld, nobody gets in who was not planned.
    site.nft("gateway", "delete", "table", "inet", "playout_beside")
    assert site.probe("player", f"tcp {OUTSIDE} 8080") == ["cms"]
    assert site.probe("stranger", f"tcp {OUTSIDE} 8080") == ["filtered"]


def test_the_site_hides_behind_the_zone(site: Any) -> None:
    site.shell("player", "ip route del 10.0.0.0/24")
    try:
        site.apply("gateway", policy(masquerade=True, gateway=gateway()))
        assert site.probe("inside", "tcp 203.0.113.10 443") == ["player"]
        assert "masquerade: yes" in site.shell("gateway", "firewall-cmd --info-policy playout-hide")
        assert "playout_beside" not in site.nft("gateway", "list", "tables")
    finally:
        site.shell("player", f"ip route add 10.0.0.0/24 via {OUTSIDE}")


def test_a_zone_that_changes_hands_changes_what_is_said_to_firewalld(site: Any) -> None:
    site.apply("gateway", _published())
    site.shell(
        "gateway", "firewall-cmd -q --permanent --zone external --change-interface lan0 && firewall-cmd -q --reload"
    )
    assert site.apply("gateway", _published())["live"]
    assert "playout-nat" not in site.shell("gateway", "firewall-cmd --get-policies")
    assert site.probe("player", f"tcp {OUTSIDE} 8080") == ["cms"]
    assert site.probe("stranger", f"tcp {OUTSIDE} 8080") == ["filtered"]
    assert not site.compare("gateway", _published())["live"]


def test_a_zone_that_is_deleted_is_named_no_more(site: Any) -> None:
    """Or firewalld could not load its configuration at the next boot."""
    site.shell(
        "gateway",
        "set -e; firewall-cmd -q --permanent --new-zone outside; "
        "firewall-cmd -q --permanent --zone outside --change-interface wan0; firewall-cmd -q --reload",
    )
    site.apply("gateway", _published())
    site.shell("gateway", "firewall-cmd -q --permanent --delete-zone outside")
    assert site.apply("gateway", _published())["boot"]
    assert "outside" not in site.shell("gateway", "cat /etc/firewalld/policies/playout-*.xml")
    site.reboot()
    assert site.probe("player", f"tcp {OUTSIDE} 8080") == ["cms"]
    assert site.probe("stranger", f"tcp {OUTSIDE} 8080") == ["filtered"]
