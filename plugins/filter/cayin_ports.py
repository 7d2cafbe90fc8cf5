# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a CAYIN role listens on."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cayin_ports
short_description: Ports that a role of the CAYIN digital-signage products listens on
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
      - The role, V(cms), V(smp), V(supermonitor), V(superreporter), V(backup_server) or V(site_server). The full names,
        such as V(cayin_cms), will do as well, and the parties V(playout_mail_server) and V(playout_log_server).
      - Standby and branch servers listen as a CMS server, too.
    type: str
    required: true
  features:
    description:
      - The optional functions that are in use, out of V(web), V(supermonitor), V(https), V(ftp), V(ftp_user), V(smb),
        V(rtb), V(mail), V(remote_log), V(syslog), V(backup) and V(site).
      - A list replaces the default, which is V(web) and V(supermonitor). V([]) leaves the mandatory services only.
      - V(backup) and V(site) are the main CMS server's side of these functions. A standby or branch server always has
        its own.
    type: list
    elements: str
  ftp_data:
    description:
      - How passive FTP gets its data connections.
      - V(helper) leaves them to the firewall's connection-tracking helper for FTP, which is yours to switch on.
      - V(range) lists the whole range 20001 to 29999. FTP over TLS needs it.
    type: str
    choices: [helper, range]
    default: helper
  overrides:
    description:
      - Ports that were changed in the product's own settings, by service id.
      - C(cayin_supermonitor) shares its port with C(cayin_registration) and moves with it.
    type: dict
    default: {}
seealso:
  - plugin: playout.firewall.viz_world_ports
    plugin_type: filter
  - plugin: playout.firewall.collapse_ports
    plugin_type: filter
  - module: playout.firewall.port_info
"""

EXAMPLES = r"""
- name: What a CMS server listens on
  ansible.builtin.debug:
    msg: "{{ 'cms' | playout.firewall.cayin_ports }}"

- name: With HTTPS, without HTTP for the operators, and with FTP through its whole range of data ports
  ansible.builtin.debug:
    msg: "{{ 'cms' | playout.firewall.cayin_ports(features=['https', 'ftp'], ftp_data='range') }}"

- name: With a registration port that was changed in the CMS server's settings
  ansible.builtin.debug:
    msg: "{{ 'cms' | playout.firewall.cayin_ports(overrides={'cayin_registration': 21000}) }}"

- name: The services that players use
  ansible.builtin.debug:
    msg: "{{ 'cms' | playout.firewall.cayin_ports | selectattr('initiators', 'contains', 'cayin_smp') }}"
"""

RETURN = r"""
_value:
  description: The entries, sorted by protocol, first port and service.
  type: list
  elements: dict
  sample:
    - service: cayin_content
      protocol: tcp
      ports: "80"
      initiators: [cayin_smp]
      scope: external
      mandatory: true
      direction: stated
      reading: null
      purpose: Players fetch content and report to the CMS
      source: >-
        CAYIN online help (SMP-NEO and CMS 9.0 and above), network ports; the guide's row HTTP (WEB), content update
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
      description: V(external), or V(internal) among CMS servers.
      type: str
    mandatory:
      description: Whether the product does not work without it.
      type: bool
    direction:
      description: V(stated) by a document, or V(inferred).
      type: str
    reading:
      description: Always null. Only Viz World's guide has more than one reading.
      type: str
    purpose:
      description: What it is for.
      type: str
    source:
      description: The documents, their editions and the places in them.
      type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._port_list import PortListError, port_list


def cayin_ports(
    role: t.Any, features: t.Any = None, ftp_data: t.Any = None, overrides: t.Any = None
) -> list[dict[str, t.Any]]:
    try:
        return port_list(load_catalogue(), "cayin", role, features=features, ftp_data=ftp_data, overrides=overrides)
    except PortListError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"cayin_ports": cayin_ports}
