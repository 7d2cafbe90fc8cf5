# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Viz World role listens on."""

from __future__ import annotations

DOCUMENTATION = r"""
name: viz_world_ports
short_description: Ports that a role of Viz World listens on
version_added: "1.0.0"
author:
  - playout.firewall contributors (@playout)
description:
  - Returns one entry for each service and line of ports that the role listens on. Each says who initiates and which
    document says so.
  - No inventory is needed. For a whole fleet, and for firewalls that name the initiators' addresses, use
    M(playout.firewall.plan).
positional: _input
options:
  _input:
    description:
      - The role, V(server), V(allocator), V(client) or V(config). The full names, such as V(viz_world_server), will do
        as well.
      - Clients and the configuration tool listen on nothing, so that their list is empty.
    type: str
    required: true
  instances:
    description:
      - How many server instances run on one machine, V(1) to V(200).
      - For the allocator it is those of one map server. With several map servers it is the highest number among them.
    type: int
    default: 1
  allocator:
    description:
      - Whether there is a Server Allocator, without which the internal services do not exist.
      - Left out, there is one when there are several instances.
      - For the role V(allocator) there always is one.
    type: bool
  release:
    description:
      - The release of Viz World. Release 17.0 has no HTTP port.
    type: str
    choices: ["17.0", "22.0", "23.0"]
    default: "23.0"
  numbering:
    description:
      - The guide contradicts itself about the internal ports. This is how it is read.
      - V(formula) takes the listeners from its table and the numbers from its formulas.
      - V(example) takes its worked example.
      - V(union) opens all of them.
    type: str
    choices: [union, formula, example]
    default: union
  per_instance:
    description:
      - Return one entry for each instance where the ports are numbered by instance, and the field C(instance) in all
        of them.
    type: bool
    default: false
seealso:
  - plugin: playout.firewall.cayin_ports
    plugin_type: filter
  - plugin: playout.firewall.collapse_ports
    plugin_type: filter
  - module: playout.firewall.port_info
"""

EXAMPLES = r"""
- name: What a machine with four instances and a Server Allocator listens on
  ansible.builtin.debug:
    msg: "{{ 'server' | playout.firewall.viz_world_ports(instances=4) }}"

- name: The same, merged
  ansible.builtin.debug:
    msg: "{{ 'server' | playout.firewall.viz_world_ports(instances=4) | playout.firewall.collapse_ports }}"
    # tcp: ["102-103", "10101-10103", "10300-10304"]
    # udp: ["10100", "10200-10203"]

- name: Which instance listens where
  ansible.builtin.debug:
    msg: "{{ item.service }} of instance {{ item.instance }} is at {{ item.ports }}"
  loop: "{{ 'server' | playout.firewall.viz_world_ports(instances=4, per_instance=true) }}"
  when: item.instance is not none
"""

RETURN = r"""
_value:
  description: The entries, sorted by protocol, first port and service.
  type: list
  elements: dict
  sample:
    - service: viz_client_instances
      protocol: tcp
      ports: "10101-10103"
      initiators: [viz_world_client]
      scope: external
      mandatory: true
      direction: stated
      reading: null
      purpose: Map clients connect to the second and further server instances
      source: >-
        Viz World User Guide, Ports and Connections (23.0, 12 December 2023; 22.0 the same; 17.0 without HTTP), Multiple
        Server Instances, first formula
  contains:
    service:
      description: The service's id.
      type: str
    protocol:
      description: V(tcp) or V(udp).
      type: str
    ports:
      description: A port or a range, as text.
      type: str
    initiators:
      description: The roles that open the connection.
      type: list
      elements: str
    scope:
      description: V(external), or V(internal) between the servers and their allocator.
      type: str
    mandatory:
      description: Whether the product does not work without it.
      type: bool
    direction:
      description: V(stated) by a document, or V(inferred).
      type: str
    reading:
      description: The reading of the guide that the entry belongs to, or null where all readings agree.
      type: str
    purpose:
      description: What it is for.
      type: str
    source:
      description: The document, its edition and the place in it.
      type: str
    instance:
      description: The instance that the entry belongs to, or null. Only with O(per_instance=true).
      type: int
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._port_list import PortListError, port_list


def viz_world_ports(
    role: t.Any,
    instances: t.Any = None,
    allocator: t.Any = None,
    release: t.Any = None,
    numbering: t.Any = None,
    per_instance: t.Any = False,
) -> list[dict[str, t.Any]]:
    try:
        return port_list(
            load_catalogue(),
            "viz_world",
            role,
            instances=instances,
            allocator=allocator,
            release=release,
            numbering=numbering,
            per_instance=per_instance,
        )
    except PortListError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"viz_world_ports": viz_world_ports}
