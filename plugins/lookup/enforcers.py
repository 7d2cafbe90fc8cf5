# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of one platform that the plan rules: what a play runs on."""

from __future__ import annotations

DOCUMENTATION = r"""
name: enforcers
short_description: Names of the hosts whose firewall is ruled, by platform
version_added: "1.0.0"
author: ["playout.firewall contributors (@playout)"]
description:
  - Returns inventory hosts that have a role and a platform, for the C(hosts) line of a play.
  - Closed appliances, with platform V(none), and hosts without a role are never among them.
options:
  _terms:
    description:
      - Platforms as in C(playout_platform), V(linux) for example.
      - V(probe) stands for the hosts from which M(playout.firewall.reachability_info) can send packets.
        It is an error when there are none, because nothing could be proven.
    type: list
    elements: str
    required: true
  gateways:
    description:
      - V(true) for gateways only, V(false) for other hosts only.
      - Without it, both.
    type: bool
notes:
  - Ansible knows no hosts before a run's first play, so that the first play cannot use this lookup. Begin with one that
    plans.
  - With C(--syntax-check), C(--list-hosts), C(--list-tasks) and C(--list-tags) no host is known either, and the play is
    listed without hosts.
"""

EXAMPLES = r"""
- name: Plan the fleet
  hosts: all
  gather_facts: false
  tasks:
    - name: Work out who must reach whom
      playout.firewall.plan:
      run_once: true

- name: Rule the Linux hosts, then the gateways one at a time
  hosts: "{{ query('playout.firewall.enforcers', 'linux', gateways=false) }}"
  gather_facts: false
  roles:
    - role: playout.firewall.linux
"""

RETURN = r"""
_raw:
  description: Host names, sorted. Ansible's pattern for nobody, V(!all), when there are none, for a play must name
    something.
  type: list
  elements: str
"""

import typing as t

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import PLATFORMS
from ansible_collections.playout.firewall.plugins.plugin_utils._plan_store import current_fleet

PROBE = "probe"
# A pattern instead of an empty list, which no play takes, or of a name that no host has, of which Ansible warns.
NOBODY = "!all"
# Options of ansible-playbook with which nothing runs, and no host is known.
LISTINGS = ("syntax", "listhosts", "listtasks", "listtags")


class LookupModule(LookupBase):
    """Looks hosts up in the run's fleet."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[str]:
        self.set_options(var_options=variables, direct=kwargs)
        for term in terms:
            if term not in (*PLATFORMS, PROBE):
                raise AnsibleLookupError(f"'{term}' is not a platform; known are {', '.join(PLATFORMS)} and {PROBE}")
        if any(context.CLIARGS.get(option) for option in LISTINGS):
            return [NOBODY]
        try:
            fleet = current_fleet(self._templar, variables or {})
        except (ValueError, ImportError) as error:
            raise AnsibleLookupError(str(error)) from error
        gateways = self.get_option("gateways")
        hosts = [host for host in fleet.hosts.values() if gateways in (None, host.gateway is not None)]
        names = [host.name for host in hosts if host.enforced and host.platform in terms]
        if PROBE in terms:
            names += [host.name for host in fleet.probers]
            if not names:
                raise AnsibleLookupError("no host can send packets: set playout_probe: true on hosts that have Python")
        return sorted(set(names)) or [NOBODY]
