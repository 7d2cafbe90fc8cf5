#!/usr/bin/python
# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the whole firewall policy of one Linux host or gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linux_ruleset
short_description: Sets the whole firewall policy of one Linux host or gateway
version_added: "1.0.0"
author:
  - playout.firewall contributors (@playout)
description:
  - Makes the firewall of one Linux host or gateway say exactly what its policy says. The firewall is read once,
    compared in memory, and changed once or not at all.
  - It is written into whatever manages the firewall of the host, nftables, firewalld, ufw or iptables, under names and
    comments of its own. Nothing else is ever changed, so that rules of Docker, fail2ban or the administrator stay as
    they are.
  - A policy that says nothing, such as that of a host that only initiates, leaves nothing on the host.
  - Edits by hand, a deleted table and a changed order of rules are noticed and repaired, and so are edits of the files
    that load the rules at boot.
  - An nftables chain of somebody else's that would drop what the policy lets through is an error that names it.
  - Drops are silent. Established connections, loopback, essential ICMP and ICMPv6, DHCP, VRRP on gateways, and the
    SSH connection in use are never dropped.
extends_documentation_fragment:
  - playout.firewall.attributes
  - playout.firewall.linux_ruleset
seealso:
  - module: playout.firewall.linux_ruleset_any
"""

EXAMPLES = r"""
- name: Enforce on every host and gateway what the plan says
  playout.firewall.linux_ruleset:

- name: Show what would change
  playout.firewall.linux_ruleset:
  check_mode: true
  diff: true

- name: Deny everything else, and take it back unless a new connection succeeds within a minute
  playout.firewall.linux_ruleset:
    enforcement: default_deny
    confirm_timeout: 60

- name: Enforce a policy that was reviewed and stored
  playout.firewall.linux_ruleset:
    policy: "{{ lookup('ansible.builtin.file', 'policies/' ~ inventory_hostname ~ '.json') }}"

- name: Remove everything again
  playout.firewall.linux_ruleset:
    state: absent
"""

RETURN = r"""
backend:
  description: What the policy was written into.
  returned: success
  type: str
  sample: nftables
digest:
  description: The fingerprint of the policy, the same as in the plan.
  returned: success and O(state=present)
  type: str
  sample: 5f0c1f4e7d0a3c55b1a4f5d5ea8f2f7a3f6ad0f9a86f2a5d7f5b5e0c3f1d2a4b
forwards:
  description: How many forwards the policy has.
  returned: success and O(state=present)
  type: int
  sample: 2
persistent:
  description: Whether the rules return after a reboot. False with a warning where the init system is not known.
  returned: success
  type: bool
  sample: true
rules:
  description: How many rules the policy has.
  returned: success and O(state=present)
  type: int
  sample: 12
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.playout.firewall.plugins.module_utils import _linux_ruleset
from ansible_collections.playout.firewall.plugins.module_utils._backend import Backend, Machine, OtherBackend
from ansible_collections.playout.firewall.plugins.module_utils._nft_backend import NftablesBackend


def main() -> None:
    module = AnsibleModule(argument_spec=_linux_ruleset.ARGUMENTS, supports_check_mode=True)
    _linux_ruleset.enforce(module, _open)


def _open(name: str, machine: Machine) -> Backend:
    """Return the one backend that is packed here: to pack all of them takes longer than all that is done on a host."""
    if name != NftablesBackend.name:
        raise OtherBackend(name)
    return NftablesBackend(machine)


if __name__ == "__main__":
    main()
