#!/usr/bin/python
# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the whole firewall policy of one Linux host or gateway, with every backend."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linux_ruleset_any
short_description: Sets the whole firewall policy of one Linux host or gateway, with every backend
version_added: "1.0.0"
author:
  - playout.firewall contributors (@playout)
description:
  - The same as M(playout.firewall.linux_ruleset), which calls it where nftables alone is not what the host gets or has.
  - Nobody has to call it. A task that does is one of M(playout.firewall.linux_ruleset).
extends_documentation_fragment:
  - playout.firewall.attributes
  - playout.firewall.linux_ruleset
seealso:
  - module: playout.firewall.linux_ruleset
"""

EXAMPLES = r"""
- name: Enforce on every host and gateway what the plan says, whatever manages its firewall
  playout.firewall.linux_ruleset:
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
from ansible_collections.playout.firewall.plugins.module_utils import _backends, _linux_ruleset


def main() -> None:
    module = AnsibleModule(argument_spec=_linux_ruleset.ARGUMENTS, supports_check_mode=True)
    _linux_ruleset.enforce(module, _backends.open_backend)


if __name__ == "__main__":
    main()
