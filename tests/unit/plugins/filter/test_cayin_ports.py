# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter through Ansible's templating: arguments from an inventory, plain values out, errors with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError


def test_every_argument_may_come_from_the_inventory(template: Any) -> None:
    variables = """
      role: cayin_cms
      features: [ftp, "{{ 'we' ~ 'b' }}"]
      data: range
      changed: {cayin_registration: 21000, cayin_web: "8080"}
    """
    arguments = "features=features, ftp_data=data, overrides=changed"
    entries = template(f"role | playout.firewall.cayin_ports({arguments})", variables)
    assert [(entry["service"], entry["ports"]) for entry in entries] == [
        ("cayin_ftp", "21"),
        ("cayin_content", "80"),
        ("cayin_web", "8080"),
        ("cayin_cms_pro", "20001"),
        ("cayin_ftp_data", "20001-29999"),
        ("cayin_registration", "21000"),
    ]


def test_the_default_is_web_and_supermonitor(template: Any) -> None:
    assert template("'cms' | playout.firewall.cayin_ports") == template(
        "'cms' | playout.firewall.cayin_ports(features=['web', 'supermonitor'], ftp_data='helper', overrides={})"
    )


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (
            "'cms' | playout.firewall.cayin_ports(features=wanted)",
            "features: 'webs' is not a feature of cayin; known are",
        ),
        ("'cms' | playout.firewall.cayin_ports(ftp_data='static')", "ftp_data = 'static': write one of helper, range"),
        ("'cms' | playout.firewall.cayin_ports(overrides={'ftp': 21})", "overrides: 'ftp' is not a service of cayin"),
    ],
)
def test_an_error_names_the_filter_and_the_reason(template: Any, call: str, reason: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        template(call, "wanted: [webs]")
    assert f"'playout.firewall.cayin_ports' failed: {reason}" in str(caught.value)


def test_an_undefined_argument_is_ansibles_own_error(template: Any) -> None:
    with pytest.raises(AnsibleError, match="'nowhere' is undefined"):
        template("'cms' | playout.firewall.cayin_ports(features=nowhere)")
