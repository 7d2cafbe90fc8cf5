# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What linux_ruleset and linux_ruleset_any have in common: what they take, need and promise."""

from __future__ import annotations


class ModuleDocFragment:
    """Options, attributes and notes."""

    DOCUMENTATION = r"""
options:
  policy:
    description:
      - The policy, as a dictionary or as JSON text, in the shape that P(playout.firewall.policy#lookup) returns.
      - Left out, it is the policy of this host, computed from the whole inventory.
      - It is packed on its way to the host, and the C(invocation) of a result shows it packed.
      - Not used with O(state=absent).
    type: raw
  backend:
    description:
      - What the policy is written into. V(auto) takes the program that owns the firewall of the host, and
        RV(backend) says which that was. Two that are active are an error that names them.
      - Any other than the active one is refused, since a packet that firewalld or ufw drops cannot be accepted by
        anybody else. What was written by another backend before is removed once the new rules stand.
      - V(ufw) is for hosts only. A gateway is refused.
    type: str
    choices: [auto, nftables, firewalld, ufw, iptables]
    default: auto
  enforcement:
    description:
      - V(scoped) drops only on the ports that the policy governs, and never on management ports.
      - V(default_deny) drops everything else that comes in to the host as well, except what the policy keeps, and its
        management networks, without which it is refused.
    type: str
    choices: [scoped, default_deny]
    default: scoped
  confirm_timeout:
    description:
      - Seconds after which the old rules return by themselves, unless a new connection to the host could be made
        through the new ones. V(0) for no such check, at most V(3600).
      - V(auto) is V(60) where the connection can be opened anew over the network, and V(0) elsewhere. It is what the
        role P(playout.firewall.linux#role) uses.
      - Needs a connection that can be opened anew over the network, which is P(ansible.builtin.ssh#connection).
      - What the next boot loads is written only after the confirmation.
    type: raw
    default: 0
  confirm:
    description:
      - The change to confirm. Only for the action plugin, which calls the module a second time over a new connection.
    type: str
  state:
    description:
      - V(absent) removes everything that this module ever wrote on the host.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
notes:
  - Needs root and Linux 5.2 or newer (5.7 for a gateway with hairpin), and one of nft 0.9.8 with JSON, firewalld 0.9,
    ufw 0.36 or iptables 1.8, or newer ones.
  - A firewalld is reloaded when its policies change. What others have set while it ran is put back.
  - Connections that were established before a change outlive it, with the translation that they began with.
  - Forwarding in the kernel is not switched on. Where a policy needs it and it is off, nothing is changed and the
    module fails.
"""
