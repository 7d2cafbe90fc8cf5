#!/usr/bin/python
# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plan who must reach whom in the whole inventory
version_added: "1.0.0"
author: ["playout.firewall contributors (@playout)"]
description:
  - Reads the whole inventory once, works out every flow and the policy of every enforcement point, and reports all
    problems of the inventory together.
  - Runs on the controller. No host is contacted.
  - Replaces the plan of the run, so that later tasks see facts and hosts that were added before it.
extends_documentation_fragment:
  - playout.firewall.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the difference between the files that are there and those that are written.
  idempotent:
    support: full
  platform:
    support: full
    platforms: all
options:
  dest:
    description:
      - A directory on the controller, made if it is not there. The plan is written into it as C(plan.json),
        C(matrix.csv), C(matrix.md) and C(matrix.html), as O(formats) says.
      - A relative path is taken from the directory of the playbook run.
    type: path
  formats:
    description:
      - What to write into O(dest).
    type: list
    elements: str
    choices: [json, csv, markdown, html]
    default: [json, csv, markdown, html]
  query:
    description:
      - A JMESPath expression that selects from the plan, which has C(digest), C(counts), C(warnings), C(hosts),
        C(flows) and C(policies).
    type: str
  show:
    description:
      - Whether to print the matrix as a table.
    type: bool
    default: false
seealso:
  - plugin: playout.firewall.policy
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Plan the fleet and write the matrix that the security team signs
  playout.firewall.plan:
    dest: reports
    formats: [html, csv]
  run_once: true

- name: Ask which flows nobody enforces
  playout.firewall.plan:
    query: "flows[?enforced_at == ['nowhere'] && status == 'planned'].[service, listener]"
  run_once: true
  register: unenforced
"""

RETURN = r"""
digest:
  description: The sha256 of all flows and policies, and of how and on which platform each policy is enforced, hex.
    The same inventory gives the same digest.
  returned: success
  type: str
counts:
  description: How many hosts, enforcement points, flows, rules and forwards there are, how many rows are not
    published, enforced nowhere, or only planned, because this version cannot write to any platform that enforces them.
  returned: success
  type: dict
  sample:
    hosts: 17
    enforcement_points: 11
    flows: 41
    rules: 24
    forwards: 4
    not_published: 2
    enforced_nowhere: 3
    planned_only: 1
warnings:
  description: What a person should know and what changes nothing.
  returned: success
  type: list
  elements: str
result:
  description: What O(query) selects.
  returned: when O(query) is given
  type: raw
files:
  description: Paths of the files in O(dest).
  returned: when O(dest) is given
  type: list
  elements: str
"""
