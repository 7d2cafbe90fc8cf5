# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variable of the linux-system-roles firewall role."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_system_role
short_description: Turns ports into the variable of the firewall system role
version_added: "1.0.0"
author:
  - playout.firewall contributors (@playout)
description:
  - Returns the list that the variable C(firewall) of the role C(fedora.linux_system_roles.firewall) takes.
  - Certain networks are let in by rich rules, one for each merged range of ports and each network. firewalld would open
    a plain port to everybody in the zone, so that plain ports are used for V(any) only.
  - The role adds what the list says and removes nothing by itself.
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
      - V(any), written out, lets everybody in. V([]) lets nobody in, and the list is empty.
    type: list
    elements: str
    required: true
  zone:
    description:
      - The zone of firewalld. Left out, it is the host's default zone.
    type: str
  scope:
    description:
      - Which entries to take. V(internal) are those among servers, which are nobody else's business.
    type: str
    choices: [external, internal, all]
    default: external
notes:
  - A zone lets in what any of its entries lets in. Ports and services that the zone has already opened stay open to
    everybody.
  - Passive FTP needs firewalld's own service C(ftp) besides, which brings the connection-tracking helper, or
    O(playout.firewall.cayin_ports#filter:ftp_data=range).
seealso:
  - plugin: playout.firewall.to_firewalld_ports
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Let players reach their CMS server, and nobody else
  ansible.builtin.include_role:
    name: fedora.linux_system_roles.firewall
  vars:
    firewall: "{{ 'cms' | playout.firewall.cayin_ports
      | playout.firewall.to_system_role(sources=['10.0.5.0/24', '2001:db8:5::/64'], zone='public') }}"
"""

RETURN = r"""
_value:
  description: The entries for the role, with either C(rich_rule) or C(port).
  type: list
  elements: dict
  sample:
    - rich_rule:
        - rule family="ipv4" source address="10.0.5.0/24" port port="80" protocol="tcp" accept
        - rule family="ipv6" source address="2001:db8:5::/64" port port="80" protocol="tcp" accept
      state: enabled
      permanent: true
      zone: public
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.playout.firewall.plugins.plugin_utils._libraries import require
from ansible_collections.playout.firewall.plugins.plugin_utils._port_shapes import ShapeError, system_role


def to_system_role(
    ports: t.Any, sources: t.Any = None, zone: t.Any = None, scope: t.Any = "external"
) -> list[dict[str, t.Any]]:
    try:
        require()
        return system_role(ports, sources, zone, scope)
    except (ShapeError, ImportError) as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"to_system_role": to_system_role}
