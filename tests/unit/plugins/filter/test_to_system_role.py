# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter through Ansible's templating."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError

SMP = "'smp' | playout.firewall.cayin_ports"


def test_only_the_sources_of_an_inventory_are_let_in(template: Any) -> None:
    variables = """
      sources: ["10.0.5.0/24", "2001:db8:5::1"]
      zone: "{{ 'pub' ~ 'lic' }}"
    """
    port = 'port port="80" protocol="tcp" accept'
    assert template(f"{SMP} | playout.firewall.to_system_role(sources=sources, zone=zone)", variables) == [
        {
            "rich_rule": [
                f'rule family="ipv4" source address="10.0.5.0/24" {port}',
                f'rule family="ipv6" source address="2001:db8:5::1" {port}',
            ],
            "state": "enabled",
            "permanent": True,
            "zone": "public",
        }
    ]


def test_everybody_is_let_in_only_where_it_is_written(template: Any) -> None:
    assert template(f"{SMP} | playout.firewall.to_system_role(sources='any')") == [
        {"port": ["80/tcp"], "state": "enabled", "permanent": True}
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("", "sources: it is missing: write a list of networks, or 'any' to let everybody in"),
        ("(sources=none)", "sources: it is missing"),
        ("(sources=['players'])", "sources[0]: 'players' is not an address or network"),
        ("(sources='any', zone=5)", "zone = 5: write the name of a firewalld zone"),
    ],
)
def test_an_error_names_the_filter_and_the_reason(template: Any, arguments: str, reason: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        template(f"{SMP} | playout.firewall.to_system_role{arguments}")
    assert f"'playout.firewall.to_system_role' failed: {reason}" in str(caught.value)
