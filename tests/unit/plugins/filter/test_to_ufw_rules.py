# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter through Ansible's templating: sources are asked for, and libraries too."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.playout.firewall.plugins.plugin_utils import _libraries

SERVER = "'server' | playout.firewall.viz_world_ports(instances=4)"
SOURCES = """
  sources: ["10.0.5.0/24", "{{ '2001:db8:5::' ~ '/64' }}"]
"""


def test_rules_for_the_sources_of_an_inventory(template: Any) -> None:
    rules = template(f"{SERVER} | playout.firewall.to_ufw_rules(sources=sources)", SOURCES)
    assert [(rule["to_port"], rule["from_ip"]) for rule in rules] == [
        ("102:103", "10.0.5.0/24"),
        ("102:103", "2001:db8:5::/64"),
        ("10101:10103", "10.0.5.0/24"),
        ("10101:10103", "2001:db8:5::/64"),
    ]
    assert rules[0]["comment"] == "viz_client, viz_config"


def test_the_allocators_ports_have_a_scope_of_their_own(template: Any) -> None:
    call = f"{SERVER} | playout.firewall.to_ufw_rules(sources=['10.0.7.10'], scope='internal')"
    assert [(rule["proto"], rule["to_port"]) for rule in template(call)] == [
        ("tcp", "10300:10304"),
        ("udp", "10100"),
        ("udp", "10200:10203"),
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("", "sources: it is missing: write a list of networks, or 'any' to let everybody in"),
        ("(sources=['10.0.5.1/24'])", "sources[0]: '10.0.5.1/24' has host bits set"),
        ("(sources='any', scope='outer')", "scope = 'outer': write one of external, internal, all"),
    ],
)
def test_an_error_names_the_filter_and_the_reason(template: Any, arguments: str, reason: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        template(f"{SERVER} | playout.firewall.to_ufw_rules{arguments}")
    assert f"'playout.firewall.to_ufw_rules' failed: {reason}" in str(caught.value)


@pytest.mark.parametrize("name", ["to_ufw_rules", "to_system_role"])
def test_a_missing_library_is_one_clear_message(template: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_libraries, "MISSING", "pip install netaddr")
    with pytest.raises(AnsibleError, match=f"'playout.firewall.{name}' failed: pip install netaddr"):
        template(f"{SERVER} | playout.firewall.{name}(sources='any')")
