#!/usr/bin/python
# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verdict
short_description: Compare what the hosts could reach with what the plan says
version_added: "1.0.0"
author: ["playout.firewall contributors (@playout)"]
description:
  - Gathers what M(playout.firewall.reachability_info) and M(playout.firewall.listeners_info) found on all hosts, prints
    a table of what was expected and what was found, and fails where the two differ.
  - A connection that was refused counts as let through only where nothing listens.
  - UDP without an answer counts as blocked only where others got an answer at the same port. Unplanned probes for which
    a host has no route are left out.
  - What was not proven, such as planned UDP without an answer, never counts as passed. It is counted and shown apart.
  - Runs on the controller. No host is contacted.
extends_documentation_fragment:
  - playout.firewall.attributes
attributes:
  check_mode:
    support: full
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
    platforms: all
options:
  reachability:
    description:
      - Name of the variable in which the hosts registered the result of M(playout.firewall.reachability_info).
    type: str
    required: true
  listeners:
    description:
      - Name of the variable in which the hosts registered the result of M(playout.firewall.listeners_info).
    type: str
    required: true
  limit:
    description:
      - How many rows of the table are shown. Differences are always shown.
    type: int
    default: 40
"""

EXAMPLES = r"""
- name: Compare with the plan
  playout.firewall.verdict:
    reachability: playout_reachability
    listeners: playout_listeners
  run_once: true
"""

RETURN = r"""
totals:
  description: How many probes ended V(ok), V(failed) and V(undecided).
  returned: always
  type: dict
  sample: {ok: 214, failed: 0, undecided: 12}
differences:
  description: The rows that differ, each C({initiator, listener, service, protocol, address, port, expected, found,
    reason, verdict}).
  returned: always
  type: list
  elements: dict
unreached:
  description: Hosts that should have probed and could not.
  returned: always
  type: list
  elements: str
"""
