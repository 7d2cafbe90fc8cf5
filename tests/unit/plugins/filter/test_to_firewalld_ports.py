# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter through Ansible's templating."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError

CMS = "'cms' | playout.firewall.cayin_ports(features=['ftp', 'backup'], ftp_data='range')"


def test_ports_are_merged_and_spelt_with_their_protocol(template: Any) -> None:
    assert template(f"{CMS} | playout.firewall.to_firewalld_ports") == ["21/tcp", "80/tcp", "20000-29999/tcp"]


def test_the_scope_may_come_from_the_inventory(template: Any) -> None:
    assert template(f"{CMS} | playout.firewall.to_firewalld_ports(scope=which)", "which: internal") == [
        "22/tcp",
        "30001/tcp",
    ]


def test_a_stored_list_is_taken(template: Any) -> None:
    variables = """
      ports: [{service: mine, protocol: udp, ports: 514, scope: external}]
    """
    assert template("ports | playout.firewall.to_firewalld_ports", variables) == ["514/udp"]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (f"{CMS} | playout.firewall.to_firewalld_ports(scope='outer')", "scope = 'outer': write one of external"),
        ("['80/tcp'] | playout.firewall.to_firewalld_ports", "[0]: '80/tcp' is not an entry of cayin_ports"),
    ],
)
def test_an_error_names_the_filter_and_the_reason(template: Any, call: str, reason: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        template(call)
    assert f"'playout.firewall.to_firewalld_ports' failed: {reason}" in str(caught.value)
