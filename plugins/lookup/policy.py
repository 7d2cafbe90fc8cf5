# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of an enforcement point."""

from __future__ import annotations

DOCUMENTATION = r"""
name: policy
short_description: The firewall policy of a host, planned from the whole inventory
version_added: "1.0.0"
author: ["playout.firewall contributors (@playout)"]
description:
  - Plans the whole fleet, once in a run, and returns the policy of one enforcement point.
  - A policy is plain data, for whoever writes it into a firewall of their own kind.
    M(playout.firewall.linux_ruleset) takes it by itself.
options:
  _terms:
    description:
      - Names of inventory hosts.
      - Without any, the policy of the host of the task.
    type: list
    elements: str
notes:
  - Variables of the fleet count where every host can see them, which is the inventory, facts and extra variables.
    One that is set on a play, role or task only is an error.
"""

EXAMPLES = r"""
- name: Show what this host will let in
  ansible.builtin.debug:
    msg: "{{ lookup('playout.firewall.policy').rules }}"

- name: Show what the gateway of the head office translates
  ansible.builtin.debug:
    msg: "{{ lookup('playout.firewall.policy', 'gw_hq').forwards }}"
"""

RETURN = r"""
_raw:
  description: One policy for each host.
  type: list
  elements: dict
  contains:
    host:
      description: The host's name.
      type: str
    digest:
      description: The sha256 of the policy, hex.
      type: str
    rules:
      description:
        - What is let through.
        - Each is C({id, services, direction, family, protocol, ports, sources, destinations, comment}).
          C(direction) is V(in), V(forward) or V(out), C(family) V(ipv4) or V(ipv6).
          C(ports), C(sources) and C(destinations) are lists of text, C([any]) for every address.
      type: list
      elements: dict
    forwards:
      description:
        - What a gateway translates.
        - Each is C({id, services, family, protocol, external_addresses, external_ports, to_address, to_ports, sources,
          comment}). Without C(external_addresses) the gateway's address is dynamic.
      type: list
      elements: dict
    helpers:
      description: Connection-tracking helpers, each C({name, protocol, port, addresses}).
      type: list
      elements: dict
    governed:
      description:
        - What is dropped unless a rule lets it through, C({in, out, forward}).
          The first two are lists of ports by protocol, the last a list of transit.
      type: dict
    masquerade:
      description: Whether the gateway hides its site behind its own address.
      type: bool
    management:
      description: Who may manage the host at which TCP ports, C({ports, sources}).
      type: dict
    keep:
      description: What stays open with V(default_deny), each C({protocol, ports, sources}).
      type: list
      elements: dict
    gateway:
      description: A gateway's interfaces and ways, C({wan_interfaces, lan_interfaces, transit, hairpin}), or null.
      type: dict
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.playout.firewall.plugins.plugin_utils._plan_store import policy_for


class LookupModule(LookupBase):
    """Looks a host's policy up in the run's plan."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        self.set_options(var_options=variables, direct=kwargs)
        variables = variables or {}
        hosts = terms or [variables.get("inventory_hostname", "")]
        try:
            return [policy_for(self._templar, variables, str(host)) for host in hosts]
        except (ValueError, ImportError) as error:
            raise AnsibleLookupError(str(error)) from error
