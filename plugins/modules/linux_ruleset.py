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
    comments of its own. Nothing else is ever changed, so that rules of Docker, fail2ban or the administrator stay as they
    are.
  - A policy that says nothing, such as that of a host that only initiates, leaves nothing on the host.
  - Edits by hand, a deleted table and a changed order of rules are noticed and repaired, and so are edits of the files
    that load the rules at boot.
  - An nftables chain of somebody else's that would drop what the policy lets through is an error that names it.
  - Drops are silent. Established connections, loopback, essential ICMP and ICMPv6, DHCP, VRRP on gateways, and the
    SSH connection in use are never dropped.
options:
  policy:
    description:
      - The policy, as a dictionary or as JSON text, in the shape that P(playout.firewall.policy#lookup) returns.
      - Left out, it is the policy of this host, computed from the whole inventory.
      - Not used with O(state=absent).
    type: raw
  backend:
    description:
      - What the policy is written into. V(auto) takes the program that owns the firewall of the host, and
        RV(backend) says which that was. Two that are active are an error that names them.
      - Any other than the active one is refused, since a packet that firewalld or ufw drops cannot be accepted by anybody
        else. What was written by another backend before is removed once the new rules stand.
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
extends_documentation_fragment:
  - playout.firewall.attributes
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

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.playout.firewall.plugins.module_utils import _confirm, _engine, _lock
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine, StateError
from ansible_collections.playout.firewall.plugins.module_utils._command import run
from ansible_collections.playout.firewall.plugins.module_utils._kernel import KernelError
from ansible_collections.playout.firewall.plugins.module_utils._management import connection_in_use
from ansible_collections.playout.firewall.plugins.module_utils._managers import AUTO, BACKENDS
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import NftError, read_ruleset
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy, PolicyError
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options

_MAXIMUM_TIMEOUT = 3600
_UNCHANGED = "Nothing was changed"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "policy": {"type": "raw"},
            "backend": {"type": "str", "choices": [AUTO, *BACKENDS], "default": AUTO},
            "enforcement": {"type": "str", "choices": ["scoped", "default_deny"], "default": "scoped"},
            "confirm_timeout": {"type": "raw", "default": 0},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "confirm": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        with _lock.exclusive(), _confirm.confirmed(module.params["confirm"], run):
            result = _ensure(module)
    except _confirm.TooLate as error:
        module.fail_json(msg=str(error), _rolled_back=True)
    except (StateError, _confirm.ConfirmError) as error:
        module.fail_json(msg=str(error))
    except _lock.LockError as error:
        unconfirmed = "The new rules were not confirmed, and the old ones return by themselves"
        module.fail_json(msg=f"{error}. {unconfirmed if module.params['confirm'] else _UNCHANGED}")
    except (PolicyError, NftError, BackendError, KernelError) as error:
        told = str(error)
        module.fail_json(msg=told if _UNCHANGED.lower() in told.lower() else f"{told}. {_UNCHANGED}")
    module.exit_json(**result)


def _ensure(module: AnsibleModule) -> t.Dict[str, t.Any]:
    """Bring the host to the wanted state; return the module's result."""
    confirm_timeout = _seconds(module.params["confirm_timeout"])
    left = _confirm.waiting()
    if left:
        raise BackendError(
            f"an earlier change of this host's rules still waits for its confirmation: try again in {left} seconds"
        )
    present = module.params["state"] == "present"
    policy = _policy(module.params["policy"], module.params["enforcement"]) if present else None
    options = Options(module.params["enforcement"], connection_in_use())
    machine = Machine(run, read_ruleset(run), shown=module.check_mode or module._diff)
    work = _engine.plan_work(machine, _engine.Wish(policy, options, module.params["backend"]))
    result: t.Dict[str, t.Any] = {"changed": work.changed, "backend": work.backend, "persistent": work.persistent}
    if policy is not None:
        result.update(digest=policy.to_dict()["digest"], rules=len(policy.rules), forwards=len(policy.forwards))
    if module._diff:
        result["diff"] = work.diff
    if not module.check_mode and work.changed:
        token = _engine.carry_out(work, machine, confirm_timeout)
        result.update({"_confirm": token} if token else {})
    for warning in work.warnings:
        module.warn(warning)
    return result


def _seconds(value: t.Any) -> int:
    # What "auto" means only the action plugin knows, which sees the connection.
    if not str(value).isdigit() or int(value) > _MAXIMUM_TIMEOUT:
        raise _confirm.ConfirmError(f"confirm_timeout: {value!r} must be 0 to {_MAXIMUM_TIMEOUT} seconds")
    return int(value)


def _policy(given: t.Any, enforcement: str) -> Policy:
    if given is None:
        raise PolicyError(
            "policy: it is missing, and only the action plugin of this name can compute it: run it as a task"
        )
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise PolicyError(f"policy: the text is not JSON: {error}") from error
    policy = Policy.from_dict(given)
    if enforcement == "default_deny" and not (policy.management.sources and policy.management.ports):
        raise PolicyError(
            f"{policy.host}: enforcement default_deny without management networks would lock everybody out: "
            "set playout_management to the networks that may use SSH, WinRM and RDP"
        )
    return policy


if __name__ == "__main__":
    main()
