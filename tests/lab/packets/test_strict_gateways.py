# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway whose administrator lets nothing pass: what is planned passes, and nothing else begins to.

nftables has no place before other people's chains: it refuses such a gateway, which its own tests show.
"""

from __future__ import annotations

from typing import Any

import pytest

from .administrators import ADMINISTRATORS
from .conftest import GATEWAY_BACKENDS
from .policies import forward, gateway, policy, rule, transit

STRICT = [name for name in GATEWAY_BACKENDS if ADMINISTRATORS[name].no_transit]
pytestmark = [pytest.mark.lab, pytest.mark.parametrize("backend", STRICT, indirect=True, scope="module")]

OUTSIDE = "203.0.113.1"


@pytest.fixture
def strict_site(site: Any) -> Any:
    site.shell("gateway", f"set -e; {site.administrator.no_transit}")
    assert site.probe("player", "tcp 10.0.0.10 443", "tcp 2001:db8:2::10 443") == [site.unheard, "filtered"]
    return site


@pytest.mark.parametrize("mode", ["leave", "deny"])
def test_planned_transit_passes_in_both_families(strict_site: Any, mode: str) -> None:
    strict_site.apply(
        "gateway",
        policy(
            rule("web", "forward", "80", "203.0.113.10", "10.0.0.10"),
            rule("web6", "forward", "80", "2001:db8:1::10", "2001:db8:2::10"),
            governed={"forward": [transit("80", "10.0.0.10"), transit("80", "2001:db8:2::10")]},
            gateway=gateway(transit=mode),
            management={"ports": ["22"], "sources": ["203.0.113.10"]},
        ),
    )
    targets = ("tcp 10.0.0.10 80", "tcp 2001:db8:2::10 80")
    assert strict_site.probe("player", *targets) == ["cms", "cms"]
    assert strict_site.probe("stranger", *targets) == ["filtered", "filtered"]
    other = strict_site.unheard if mode == "leave" else "filtered"
    assert strict_site.probe("player", "tcp 10.0.0.10 443") == [other]


def test_a_planned_forward_passes(strict_site: Any) -> None:
    strict_site.apply(
        "gateway",
        policy(
            rule("web", "forward", "80", "203.0.113.10", "10.0.0.10"),
            forwards=[forward("web", OUTSIDE, "8080", "10.0.0.10", "80")],
            governed={"forward": [transit("80", "10.0.0.10")]},
            gateway=gateway(),
        ),
    )
    assert strict_site.probe("player", f"tcp {OUTSIDE} 8080") == ["cms"]
    assert strict_site.probe("stranger", f"tcp {OUTSIDE} 8080") == ["filtered"]


def test_the_rules_outlast_a_restart_of_the_firewalls_service(strict_site: Any) -> None:
    wanted = policy(rule("web", "forward", "80", "203.0.113.10", "10.0.0.10"), gateway=gateway())
    strict_site.apply("gateway", wanted)
    strict_site.restart()
    assert strict_site.probe("player", "tcp 10.0.0.10 80") == ["cms"]
    assert not strict_site.compare("gateway", wanted)["live"]
