# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publication: which outside address and port, and who claims what."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import InventoryError
from ansible_collections.playout.firewall.plugins.plugin_utils._publication import is_published
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import fleet_of, plan_of

SERVICES = load_catalogue().services


@pytest.mark.parametrize(
    ("publish", "service", "expected"),
    [
        (None, "cayin_content", True),
        (None, "cayin_web", False),
        (None, "cayin_ftp_data", False),
        (["cayin_web"], "cayin_web", True),
        (["cayin_web"], "cayin_content", False),  # a list replaces the default
        (["cayin_ftp"], "cayin_ftp_data", True),  # its data connections belong to it
        (["cayin_ftp_data"], "cayin_ftp", False),
    ],
)
def test_what_is_published(publish: list[str] | None, service: str, expected: bool) -> None:
    host = fleet_of({"cms": {"groups": "cayin_cms", "playout_publish": publish}}).hosts["cms"]
    assert is_published(SERVICES[service], host, SERVICES) is expected


def test_a_network_that_listens_publishes_what_is_mandatory() -> None:
    assert is_published(SERVICES["cayin_content"], None, SERVICES)
    assert not is_published(SERVICES["cayin_mail"], None, SERVICES)


def shop(players: int, **forward_ports: int) -> dict[str, dict[str, t.Any]]:
    """Players of one shop, all published at one address."""
    return {
        "people": {"groups": "cayin_operator", "playout_site": "office", "playout_addresses": ["203.0.113.9"]},
        "gateway": {"groups": "playout_gateway", "playout_site": "shop", "playout_wan_addresses": ["198.51.100.1"]},
        **{
            f"smp{number}": {
                "groups": "cayin_smp",
                "playout_site": "shop",
                "playout_addresses": [f"192.168.1.{number + 10}"],
                "playout_publish": ["cayin_web_player"],
                "playout_forward_ports": (
                    {"cayin_web_player": forward_ports[f"smp{number}"]} if f"smp{number}" in forward_ports else {}
                ),
            }
            for number in range(players)
        },
    }


def proposals(hosts: dict[str, t.Any]) -> dict[str, int]:
    """Return host -> the outside port that its error proposes."""
    with pytest.raises(InventoryError) as caught:
        plan_of(hosts)
    found = {}
    for problem in caught.value.problems:
        assert problem.variable == "playout_forward_ports"
        found[problem.host] = int(problem.message.partition("{cayin_web_player: ")[2].partition("}")[0])
    return found


def test_following_the_proposals_of_a_collision_ends_it() -> None:
    found = proposals(shop(5))
    assert found == {"smp1": 8080, "smp2": 8081, "smp3": 8082, "smp4": 8083}
    assert len(plan_of(shop(5, **found)).policies["gateway"].forwards) == 5


def test_a_proposal_is_neither_taken_nor_a_management_port() -> None:
    assert proposals(shop(3, smp0=5984, smp1=5984, smp2=5984)) == {"smp1": 5987, "smp2": 5988}
    assert proposals(shop(3, smp0=8081, smp1=8081, smp2=8082)) == {"smp1": 8083}


def test_above_the_last_port_the_search_goes_on_below() -> None:
    assert proposals(shop(3, smp0=65535, smp1=65535, smp2=1024)) == {"smp1": 1025}


def test_a_management_port_of_the_gateway_is_refused_with_another_proposed() -> None:
    with pytest.raises(InventoryError, match=r"would take port 5985 .* such as \{cayin_web_player: 5987\}"):
        plan_of(shop(1, smp0=5985))


def test_one_listener_may_claim_one_port_for_two_services_of_one_port() -> None:
    hosts = shop(0)
    hosts["gateway"]["playout_site"] = "hq"
    hosts["cms"] = {
        "groups": "cayin_cms",
        "playout_site": "hq",
        "playout_addresses": ["10.1.0.1"],
        "playout_publish": ["cayin_content", "cayin_registration", "cayin_cms_pro", "cayin_web"],
        "playout_features": ["web"],
        "playout_networks": {"cayin_smp": ["192.0.2.0/24"]},
    }
    (forward,) = plan_of(hosts).policies["gateway"].forwards
    assert forward.external_ports == ("80", "20000-20001")
    assert forward.sources == ("192.0.2.0/24", "203.0.113.9")
