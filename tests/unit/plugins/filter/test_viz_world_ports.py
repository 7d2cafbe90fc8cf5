# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter through Ansible's templating: arguments from an inventory, plain values out, errors with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.playout.firewall.plugins.filter.viz_world_ports import viz_world_ports


def test_every_argument_may_come_from_the_inventory(template: Any) -> None:
    variables = """
      role: server
      n: 4
      short: 17.0
      how: "{{ 'form' ~ 'ula' }}"
      yes_please: true
    """
    arguments = "instances=n, allocator=yes_please, release=short, numbering=how, per_instance=yes_please"
    entries = template(f"role | playout.firewall.viz_world_ports({arguments})", variables)
    assert [(entry["service"], entry["ports"], entry["instance"]) for entry in entries] == [
        ("viz_client", "102", 1),
        ("viz_config", "103", 1),
        ("viz_client_instances", "10101", 2),
        ("viz_client_instances", "10102", 3),
        ("viz_client_instances", "10103", 4),
        ("viz_udp_server", "10100", None),
    ]


def test_instances_may_come_as_text_from_the_command_line(template: Any) -> None:
    assert template("'server' | playout.firewall.viz_world_ports(instances='4')") == template(
        "'server' | playout.firewall.viz_world_ports(instances=4, allocator=true)"
    )


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (
            "'server' | playout.firewall.viz_world_ports(instances=n)",
            "instances = 201: write a whole number of at least 1",
        ),
        ("'allocator' | playout.firewall.viz_world_ports(allocator=false)", "allocator = False: the role"),
        (
            "'cms' | playout.firewall.viz_world_ports",
            "role: 'cms' is not a role of viz_world; known are viz_world_server",
        ),
        ("[] | playout.firewall.viz_world_ports", "role: [] is not a role of viz_world"),
    ],
)
def test_an_error_names_the_filter_and_the_reason(template: Any, call: str, reason: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        template(call, "n: 201")
    assert f"'playout.firewall.viz_world_ports' failed: {reason}" in str(caught.value)


def test_two_calls_share_nothing() -> None:
    first = viz_world_ports("server")
    first[0]["initiators"].append("everybody")
    assert viz_world_ports("server")[0]["initiators"] == ["viz_world_client"]
