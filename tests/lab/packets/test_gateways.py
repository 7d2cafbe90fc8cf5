# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway's policy translates and lets through, proved with packets, the same with every backend."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import GATEWAY_BACKENDS
from .policies import forward, gateway, policy, rule, transit

pytestmark = [pytest.mark.lab, pytest.mark.parametrize("backend", GATEWAY_BACKENDS, indirect=True, scope="module")]

OUTSIDE = "203.0.113.1"


def test_a_forward_changes_the_port_and_the_filter_decides_who_passes(site: Any) -> None:
    site.apply(
        "gateway",
        policy(
            rule("web", "forward", "80", "203.0.113.10", "10.0.0.10"),
            forwards=[forward("web", OUTSIDE, "8080", "10.0.0.10", "80")],
            governed={"forward": [transit("80", "10.0.0.10")]},
            gateway=gateway(),
        ),
    )
    assert site.probe("player", f"tcp {OUTSIDE} 8080", f"tcp {OUTSIDE} 80") == ["cms", site.unopened()]
    assert site.probe("stranger", f"tcp {OUTSIDE} 8080", "tcp 10.0.0.10 80") == ["filtered", "filtered"]
    # Transit that the plan does not govern, and the site's own hosts, are left alone.
    assert site.probe("stranger", "tcp 10.0.0.10 443") == ["cms"]
    assert site.probe("inside", "tcp 10.0.0.10 80", f"tcp {OUTSIDE} 8080") == ["cms", site.unheard]


def test_a_whole_range_is_mapped_to_itself(site: Any) -> None:
    site.apply(
        "gateway",
        policy(
            rule("range", "forward", "443 30000-30005", "any", "10.0.0.10"),
            forwards=[forward("range", OUTSIDE, "443 30000-30005", "10.0.0.10", "443 30000-30005")],
            governed={"forward": [transit("443 30000-30005", "10.0.0.10")]},
            gateway=gateway(),
        ),
    )
    answers = site.probe("stranger", *(f"tcp {OUTSIDE} {port}" for port in (443, 30000, 30003, 30005, 30006)))
    assert answers == ["cms", "cms", "cms", "cms", site.unheard]


def test_ipv6_is_routed_and_filtered(site: Any) -> None:
    listener = "2001:db8:2::10"
    site.apply(
        "gateway",
        policy(
            rule("web", "forward", "80", "2001:db8:1::10", listener),
            governed={"forward": [transit("80", listener)]},
            gateway=gateway(),
        ),
    )
    assert site.probe("player", f"tcp {listener} 80") == ["cms"]
    assert site.probe("stranger", f"tcp {listener} 80", f"tcp {listener} 443") == ["filtered", "cms"]


def test_a_dynamic_gateway_forwards_what_arrives_for_it_on_its_wan(site: Any) -> None:
    site.apply(
        "gateway",
        policy(
            rule("web", "forward", "80", "any", "10.0.0.10"),
            forwards=[forward("web", "", "80", "10.0.0.10", "80")],
            governed={"forward": [transit("80", "10.0.0.10")]},
            gateway=gateway(),
        ),
    )
    assert site.probe("player", f"tcp {OUTSIDE} 80") == ["cms"]
    assert site.probe("inside", f"tcp {OUTSIDE} 80", "tcp 10.0.0.1 80") == [site.unopened(), site.unopened()]


@pytest.mark.parametrize("address", [OUTSIDE, ""], ids=["fixed address", "dynamic address"])
@pytest.mark.parametrize("mode", ["leave", "deny"])
def test_hairpin_lets_inside_hosts_use_the_outside_address(site: Any, address: str, mode: str) -> None:
    site.apply(
        "gateway",
        policy(
            rule("web", "forward", "80", "203.0.113.10", "10.0.0.10"),
            forwards=[forward("web", address, "8080", "10.0.0.10", "80")],
            governed={"forward": [transit("80", "10.0.0.10")]},
            gateway=gateway(hairpin=True, transit=mode),
        ),
    )
    assert site.probe("inside", f"tcp {OUTSIDE} 8080") == ["cms"]
    assert site.probe("player", f"tcp {OUTSIDE} 8080") == ["cms"]
    assert site.probe("stranger", f"tcp {OUTSIDE} 8080") == ["filtered"]


def test_hairpin_on_a_dynamic_gateway_spares_its_inside_address(site: Any) -> None:
    site.apply(
        "gateway",
        policy(
            forwards=[forward("web", "", "80", "10.0.0.10", "80")],
            gateway=gateway(hairpin=True),
        ),
    )
    assert site.probe("inside", "tcp 10.0.0.1 80", f"tcp {OUTSIDE} 80") == [site.unopened(), "cms"]


def test_hairpin_on_a_dynamic_gateway_spares_the_internet(site: Any) -> None:
    site.apply(
        "gateway",
        policy(
            forwards=[forward("web", "", "443", "10.0.0.10", "443")],
            gateway=gateway(hairpin=True),
        ),
    )
    assert site.probe("inside", "tcp 203.0.113.10 443", f"tcp {OUTSIDE} 443") == ["player", "cms"]


def test_masquerade_hides_the_site(site: Any) -> None:
    """The player has no route back to an inside address here, so that an answer proves the translation."""
    site.shell("player", "ip route del 10.0.0.0/24")
    try:
        assert site.probe("inside", "tcp 203.0.113.10 443") == ["filtered"]
        site.apply("gateway", policy(masquerade=True, gateway=gateway()))
        assert site.probe("inside", "tcp 203.0.113.10 443") == ["player"]
    finally:
        site.shell("player", f"ip route add 10.0.0.0/24 via {OUTSIDE}")


def test_denied_transit_leaves_plan_and_management(site: Any) -> None:
    site.apply(
        "gateway",
        policy(
            rule("web", "forward", "80", "any", "10.0.0.10"),
            gateway=gateway(transit="deny"),
            management={"ports": ["22"], "sources": ["203.0.113.10", "2001:db8:1::10"]},
        ),
    )
    targets = ("tcp 10.0.0.10 80", "tcp 10.0.0.10 443", "tcp 10.0.0.10 22", "tcp 2001:db8:2::10 22")
    assert site.probe("player", *targets) == ["cms", "filtered", "cms", "cms"]
    assert site.probe("stranger", *targets) == ["cms", "filtered", "filtered", "filtered"]


def test_scoped_transit_never_narrows_management(site: Any) -> None:
    scoped = policy(governed={"forward": [transit("20-23 80", "10.0.0.10")]}, gateway=gateway())
    site.apply("gateway", scoped)
    assert site.probe("stranger", "tcp 10.0.0.10 22", "tcp 10.0.0.10 21", "tcp 10.0.0.10 80") == [
        "cms",
        "filtered",
        "filtered",
    ]


@pytest.mark.parametrize("address", [OUTSIDE, ""], ids=["fixed address", "dynamic address"])
@pytest.mark.parametrize("outside", ["22", "8022"], ids=["same port", "another port"])
def test_a_management_port_that_the_plan_publishes_is_open_to_the_planned_alone(
    site: Any, address: str, outside: str
) -> None:
    site.apply(
        "gateway",
        policy(
            rule("site", "forward", "22", "203.0.113.10", "10.0.0.10"),
            forwards=[forward("site", address, outside, "10.0.0.10", "22")],
            governed={"forward": [transit("22", "10.0.0.10")]},
            gateway=gateway(),
        ),
    )
    assert site.probe("player", f"tcp {OUTSIDE} {outside}") == ["cms"]
    assert site.probe("stranger", f"tcp {OUTSIDE} {outside}") == ["filtered"]
    # The way that administrators had before stays theirs.
    assert site.probe("stranger", "tcp 10.0.0.10 22") == ["cms"]


def test_governed_egress_counts_from_inside_too(site: Any) -> None:
    ruled = policy(
        rule("mail", "forward", "25", "10.0.0.10", "203.0.113.10"),
        governed={"forward": [transit("25 443", "any", "10.0.0.10")]},
        gateway=gateway(),
    )
    site.apply("gateway", ruled)
    assert site.probe("cms", "tcp 203.0.113.10 25", "tcp 203.0.113.10 443") == ["player", "filtered"]
    assert site.probe("inside", "tcp 203.0.113.10 443") == ["player"]


def test_the_ftp_helper_opens_data_connections_behind_a_forward_of_port_21_alone(site: Any) -> None:
    translated: dict[str, Any] = {
        "forwards": [forward("ftp", OUTSIDE, "21", "10.0.0.10", "21")],
        "governed": {"forward": [transit("21 20001-20099", "10.0.0.10")]},
        "gateway": gateway(transit="deny"),
    }
    planned = rule("ftp", "forward", "21", "203.0.113.10", "10.0.0.10")
    modes = ("epsv", "pasv", "pasv-address")
    site.apply("gateway", policy(planned, **translated))
    assert site.ftp("player", OUTSIDE, *modes) == [False, False, False]
    helper = {"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["10.0.0.10", "2001:db8:2::10"]}
    site.apply("gateway", policy(planned, helpers=[helper], **translated))
    assert site.ftp("player", OUTSIDE, *modes) == [True, True, True]


def test_forwarding_that_is_off_in_the_kernel_is_an_error(site: Any) -> None:
    site.shell("gateway", "echo 0 > /proc/sys/net/ipv4/ip_forward")
    try:
        error = site.compare("gateway", policy(rule("web", "forward", "80", "any", "10.0.0.10")))["error"]
    finally:
        site.shell("gateway", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    assert "net.ipv4.ip_forward" in error
