# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge ports of many spellings."""

from __future__ import annotations

DOCUMENTATION = r"""
name: collapse_ports
short_description: Merges ports and ranges of ports
version_added: "1.0.0"
author:
  - playout.firewall contributors (@playout)
description:
  - Merges ports that are equal, overlap or are neighbours, and sorts them, for each protocol. Ranges are never
    expanded.
positional: _input
options:
  _input:
    description:
      - A list of ports. Each is a number (V(80)), a text (V("80"), V("80/tcp"), V("20001-29999/tcp")), or an entry that
        P(playout.firewall.cayin_ports#filter) or P(playout.firewall.viz_world_ports#filter) returned.
      - Without a protocol it is TCP.
    type: list
    elements: raw
    required: true
seealso:
  - plugin: playout.firewall.to_firewalld_ports
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Merge what a CMS server listens on
  ansible.builtin.debug:
    msg: "{{ 'cms' | playout.firewall.cayin_ports(features=['ftp'], ftp_data='range')
      | playout.firewall.collapse_ports }}"
    # tcp: ["21", "80", "20000-29999"]
    # udp: []

- name: Merge other spellings
  ansible.builtin.debug:
    msg: "{{ [443, '80', '20000', '20001-29999/tcp', '514/udp'] | playout.firewall.collapse_ports }}"
    # tcp: ["80", "443", "20000-29999"]
    # udp: ["514"]
"""

RETURN = r"""
_value:
  description:
    - The merged ports as text, by protocol. Both protocols are always there, so that either can be
      named.
  type: dict
  sample:
    tcp: ["80", "443", "20000-29999"]
    udp: ["514"]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.playout.firewall.plugins.plugin_utils._port_shapes import ShapeError, collapsed


def collapse_ports(ports: t.Any) -> dict[str, list[str]]:
    try:
        return collapsed(ports)
    except ShapeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"collapse_ports": collapse_ports}
