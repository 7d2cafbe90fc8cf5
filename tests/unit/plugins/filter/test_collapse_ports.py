# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter through Ansible's templating."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError

VARIABLES = """
  mixed: [443, "80", "80/tcp", "20000", "20001-29999/tcp", "514/udp", "{{ 400 + 44 }}"]
"""


def test_every_spelling_is_merged(template: Any) -> None:
    merged = template("mixed | playout.firewall.collapse_ports", VARIABLES)
    assert merged == {"tcp": ["80", "443-444", "20000-29999"], "udp": ["514"]}
    assert list(merged) == ["tcp", "udp"]


def test_the_lists_of_the_other_filters_are_merged(template: Any) -> None:
    call = "'server' | playout.firewall.viz_world_ports(instances=4) | playout.firewall.collapse_ports"
    assert template(call) == {"tcp": ["102-103", "10101-10103", "10300-10304"], "udp": ["10100", "10200-10203"]}


def test_what_map_and_select_make_is_merged(template: Any) -> None:
    ports = "'cms' | playout.firewall.cayin_ports"
    web = "selectattr('initiators', 'contains', 'cayin_operator')"
    assert template(f"{ports} | {web} | playout.firewall.collapse_ports") == {"tcp": ["80"], "udp": []}
    assert template(f"{ports} | map(attribute='ports') | playout.firewall.collapse_ports") == {
        "tcp": ["80", "20000-20001"],
        "udp": [],
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("'80'", "a list of ports is needed, not '80'"),
        ("mixed + ['http']", "'http' is not a port: write 80 or '20001-29999'"),
        ("['80/sctp']", "'sctp' is not a protocol: write tcp or udp"),
        ("[none]", "None is not a port"),
    ],
)
def test_an_error_names_the_filter_and_the_reason(template: Any, value: str, reason: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        template(f"({value}) | playout.firewall.collapse_ports", VARIABLES)
    assert f"'playout.firewall.collapse_ports' failed: {reason}" in str(caught.value)
