# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports in firewalld's spelling."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_firewalld_ports
short_description: Spells ports as firewalld does
version_added: "1.0.0"
author:
  - playout.firewall contributors (@playout)
description:
  - Merges the ports of a list and spells each as C(port/protocol), as C(firewall-cmd) and M(ansible.posix.firewalld)
    take them.
  - A port that is opened in a zone is open to everybody in that zone. To let in certain networks only, use
    P(playout.firewall.to_system_role#filter), or a zone that has these networks as its sources.
positional: _input
options:
  _input:
    description:
      - The list that P(playout.firewall.cayin_ports#filter), P(playout.firewall.viz_world_ports#filter) or
        M(playout.firewall.port_info) returned.
    type: list
    elements: dict
    required: true
  scope:
    description:
      - Which entries to take. V(internal) are those among servers, which are nobody else's business.
    type: str
    choices: [external, internal, all]
    default: external
notes:
  - Passive FTP needs firewalld's own service C(ftp) besides, which brings the connection-tracking helper, or
    O(playout.firewall.cayin_ports#filter:ftp_data=range).
seealso:
  - plugin: playout.firewall.to_system_role
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Open what a CMS server listens on, in a zone that has the players' network as its source
  ansible.posix.firewalld:
    zone: players
    port: "{{ item }}"
    permanent: true
    immediate: true
    state: enabled
  loop: "{{ 'cms' | playout.firewall.cayin_ports | playout.firewall.to_firewalld_ports }}"
"""

RETURN = r"""
_value:
  description: The merged ports, TCP before UDP, sorted.
  type: list
  elements: str
  sample: ["80/tcp", "20000-29999/tcp"]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.playout.firewall.plugins.plugin_utils._port_shapes import ShapeError, firewalld_ports


def to_firewalld_ports(ports: t.Any, scope: t.Any = "external") -> list[str]:
    try:
        return firewalld_ports(ports, scope)
    except ShapeError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"to_firewalld_ports": to_firewalld_ports}
