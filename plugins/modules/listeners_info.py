#!/usr/bin/python
# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the listening sockets of this host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: listeners_info
short_description: List the listening sockets of a host
version_added: "1.0.0"
author: ["playout.firewall contributors (@playout)"]
description:
  - Lists which TCP and UDP ports something listens on, read from C(/proc) of the managed host. No command is run and
    nothing has to be installed.
  - Beside M(playout.firewall.reachability_info) it tells a port that is refused because nothing listens from one that
    is refused although something does.
extends_documentation_fragment:
  - playout.firewall.attributes
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing, so that it reads in check mode too.
  diff_mode:
    support: N/A
    details:
      - Changes nothing.
  idempotent:
    support: full
    details:
      - Changes nothing.
  platform:
    support: full
    platforms: linux
options: {}
notes:
  - A listener of V(::) is one entry of family V(ipv6). It usually takes IPv4 too, unless its program has asked for
    IPv6 only, which C(/proc) does not tell.
  - UDP knows no listening. Every bound UDP socket without a peer is listed, even that of a client that waits for
    an answer.
  - Names of other users' processes need root.
seealso:
  - module: playout.firewall.reachability_info
"""

EXAMPLES = r"""
- name: See what listens
  playout.firewall.listeners_info:
  register: open

- name: Stop where the CMS does not listen for its players
  ansible.builtin.assert:
    that: open.listeners | selectattr('protocol', 'eq', 'tcp') | selectattr('port', 'eq', 20000) | length > 0
"""

RETURN = r"""
listeners:
  description: One entry for each listening socket, sorted by protocol, port, family and address, none twice.
  returned: success
  type: list
  elements: dict
  contains:
    protocol:
      description: V(tcp) or V(udp).
      type: str
      sample: tcp
    family:
      description: V(ipv4) or V(ipv6).
      type: str
      sample: ipv4
    address:
      description: The local address. V(0.0.0.0) and V(::) stand for all addresses of the family.
      type: str
      sample: 0.0.0.0
    port:
      description: The local port.
      type: int
      sample: 20000
    process:
      description: The command name of the process that holds the socket, or null where it may not be read.
      type: str
      sample: nginx
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.playout.firewall.plugins.module_utils import _sockets


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        found = _sockets.listeners()
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"The listening sockets cannot be read: {error}. They are read from /proc/net on Linux")
    module.exit_json(changed=False, listeners=[dict(listener._asdict()) for listener in found])


if __name__ == "__main__":
    main()
