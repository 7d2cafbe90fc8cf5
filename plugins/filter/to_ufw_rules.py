# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for ufw."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_ufw_rules
short_description: Turns ports into arguments of community.general.ufw
version_added: "1.0.0"
author:
  - playout.firewall contributors (@playout)
description:
  - Returns one rule for each merged range of ports and each source. Each is a dictionary of arguments of
    M(community.general.ufw).
  - The rules carry the services' names as their comments. They are yours, and no module of this collection removes
    them.
requirements:
  - netaddr
  - jmespath
positional: _input
options:
  _input:
    description:
      - The list that P(playout.firewall.cayin_ports#filter), P(playout.firewall.viz_world_ports#filter) or
        M(playout.firewall.port_info) returned.
    type: list
    elements: dict
    required: true
  sources:
    description:
      - The networks and addresses to let in, of both families. Networks that overlap are merged.
      - V(any), written out, lets everybody in. V([]) lets nobody in, and there is no rule.
    type: list
    elements: str
    required: true
  scope:
    description:
      - Which entries to take. V(internal) are those among servers, which are nobody else's business.
    type: str
    choices: [external, internal, all]
    default: external
seealso:
  - plugin: playout.firewall.to_system_role
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Let players reach their CMS server
  community.general.ufw:
    rule: "{{ item.rule }}"
    proto: "{{ item.proto }}"
    to_port: "{{ item.to_port }}"
    from_ip: "{{ item.from_ip }}"
    comment: "{{ item.comment }}"
  loop: "{{ 'cms' | playout.firewall.cayin_ports
    | playout.firewall.to_ufw_rules(sources=['10.0.5.0/24', '2001:db8:5::/64']) }}"

- name: Let the Server Allocator reach a map server's internal ports
  community.general.ufw:
    rule: "{{ item.rule }}"
    proto: "{{ item.proto }}"
    to_port: "{{ item.to_port }}"
    from_ip: "{{ item.from_ip }}"
    comment: "{{ item.comment }}"
  loop: "{{ 'server' | playout.firewall.viz_world_ports(instances=4)
    | playout.firewall.to_ufw_rules(sources=['10.0.7.10'], scope='internal') }}"
"""

RETURN = r"""
_value:
  description: The rules, TCP before UDP, sorted by port, IPv4 before IPv6.
  type: list
  elements: dict
  sample:
    - rule: allow
      proto: tcp
      to_port: "20000:29999"
      from_ip: 10.0.5.0/24
      comment: cayin_registration, cayin_cms_pro, cayin_ftp_data
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.playout.firewall.plugins.plugin_utils._libraries import require
from ansible_collections.playout.firewall.plugins.plugin_utils._port_shapes import ShapeError, ufw_rules


def to_ufw_rules(ports: t.Any, sources: t.Any = None, scope: t.Any = "external") -> list[dict[str, str]]:
    try:
        require()
        return ufw_rules(ports, sources, scope)
    except (ShapeError, ImportError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"to_ufw_rules": to_ufw_rules}
