#!/usr/bin/python
# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_info
short_description: List the ports that a role of a product listens on
version_added: "1.0.0"
author: ["playout.firewall contributors (@playout)"]
description:
  - Returns one entry for each service and line of ports that the role listens on, and all of them merged. Each entry
    says who initiates and which document says so.
  - Answers from the catalogue, on the controller. No host is contacted and no inventory is needed. For a whole fleet
    use M(playout.firewall.plan).
extends_documentation_fragment:
  - playout.firewall.attributes
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing, so that it answers in check mode too.
  diff_mode:
    support: N/A
    details:
      - Changes nothing.
  idempotent:
    support: full
  platform:
    support: full
    platforms: all
options:
  product:
    description:
      - V(cayin), V(viz_world), or a product of O(catalog_paths).
    type: str
    required: true
  role:
    description:
      - The role's full name, such as V(viz_world_server), or without the product's, such as V(server).
    type: str
    required: true
  instances:
    description:
      - How many server instances run on one machine, V(1) to V(200), V(1) if left out. Only for products that number
        their instances, such as V(viz_world).
    type: int
  allocator:
    description:
      - Whether there is a Server Allocator, without which the internal services of V(viz_world) do not exist. Left out,
        there is one when there are several instances. For the allocator's own role there always is one.
    type: bool
  release:
    description:
      - The product's release. For V(viz_world) V(17.0), V(22.0) or V(23.0), the last if left out.
    type: str
  numbering:
    description:
      - How the guide of V(viz_world), which contradicts itself about the internal ports, is read. V(formula) takes the
        listeners from its table and the numbers from its formulas, V(example) takes its worked example, and V(union),
        which is taken if left out, opens all of them.
    type: str
    choices: [union, formula, example]
  features:
    description:
      - The optional functions that are in use. Replaces the catalogue's default, which is V(web) and V(supermonitor)
        for V(cayin). See P(playout.firewall.cayin_ports#filter) for all of them.
    type: list
    elements: str
  ftp_data:
    description:
      - How passive FTP of V(cayin) gets its data connections. V(helper), which is taken if left out, leaves them to the
        firewall's connection-tracking helper, and V(range) lists the whole range of data ports.
    type: str
    choices: [helper, range]
  overrides:
    description:
      - Ports that were changed in the product's own settings, by service id.
    type: dict
  per_instance:
    description:
      - Return one entry for each instance where the ports are numbered by instance, and the field C(instance) in all of
        them.
    type: bool
    default: false
  catalog_paths:
    description:
      - More catalogue files, with a site's own products.
    type: list
    elements: path
    default: []
seealso:
  - plugin: playout.firewall.cayin_ports
    plugin_type: filter
  - plugin: playout.firewall.viz_world_ports
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What a map server with four instances listens on
  playout.firewall.port_info:
    product: viz_world
    role: server
    instances: 4
  register: server

- name: Show it merged
  ansible.builtin.debug:
    var: server.collapsed

- name: What a CMS server with HTTPS listens on
  playout.firewall.port_info:
    product: cayin
    role: cms
    features: [web, https, supermonitor]

- name: What a product of one's own listens on
  playout.firewall.port_info:
    product: newsroom
    role: newsroom_server
    catalog_paths: ["{{ playbook_dir }}/newsroom.yml"]
"""

RETURN = r"""
collapsed:
  description: The ports merged, as text, by protocol. A protocol without a port is left out.
  returned: success
  type: dict
  sample:
    tcp: ["102-103", "10101-10103", "10300-10304"]
    udp: ["10100", "10200-10203"]
ports:
  description: The entries, sorted by protocol, first port and service.
  returned: success
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
      description: V(external), or V(internal) among servers.
      type: str
    mandatory:
      description: Whether the product does not work without it.
      type: bool
    direction:
      description: V(stated) by a document, or V(inferred).
      type: str
    reading:
      description: The reading of the document that the entry belongs to, or null where all readings agree.
      type: str
    purpose:
      description: What it is for.
      type: str
    source:
      description: The documents, their editions and the places in them.
      type: str
    instance:
      description: The instance that the entry belongs to, or null. Only with O(per_instance=true).
      type: int
"""
