#!/usr/bin/python
# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try ports of other hosts from this one, with real packets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: reachability_info
short_description: Try ports of other hosts with real packets
version_added: "1.0.0"
author: ["playout.firewall contributors (@playout)"]
description:
  - Sends real packets from the managed host to ports of other hosts, many at a time, and says what became of each.
  - It measures and does not judge, so it never fails for what it finds. O(probes[].expected) is handed back beside
    the result, for whoever compares the two.
  - TCP connections are closed as soon as they are made, without a byte sent.
    UDP ports get one short line of text.
extends_documentation_fragment:
  - playout.firewall.attributes
attributes:
  check_mode:
    support: full
    details:
      - Changes nothing, so that it sends its packets in check mode too.
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
options:
  probes:
    description:
      - What to try.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - A name of your own, such as the service's, handed back with the results.
        type: str
      protocol:
        description:
          - The protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      address:
        description:
          - The IPv4 or IPv6 address to try. Names are refused, for they may resolve differently on each host.
          - A link-local IPv6 address carries its interface, V(fe80::1%eth0).
        type: str
        required: true
      ports:
        description:
          - One port, V(80), or one range, V(20001-29999), of which a sample is tried. See O(sample).
        type: str
        required: true
      expected:
        description:
          - What the plan expects, handed back with the results.
        type: str
        choices: [reachable, blocked]
  timeout:
    description:
      - Seconds that one port may take altogether.
      - The kernel repeats the first packet of a TCP connection after one second, so less than that makes a single
        lost packet look like a filter.
    type: float
    default: 2.0
  retries:
    description:
      - How often the packet to a UDP port is repeated within O(timeout) while nothing comes back.
    type: int
    default: 1
  sample:
    description:
      - How many ports of a range are tried. V(1) is its first, V(2) the first and the last, and more
        lie evenly between these.
    type: int
    default: 3
  parallel:
    description:
      - How many ports are tried at a time.
      - It is lowered silently where the system does not allow that many open files.
    type: int
    default: 512
notes:
  - A UDP port that does not answer is V(unknown), never V(passed). Most listeners ignore a packet that they do not
    know.
  - V(refused) from behind a firewall that answers with resets looks like V(refused) from the host itself.
  - Linux hosts send only a few ICMP errors a second to one peer, so that of many closed UDP ports of one host some
    show as V(unknown).
seealso:
  - module: playout.firewall.listeners_info
"""

EXAMPLES = r"""
- name: See from a player whether its CMS is reachable
  playout.firewall.reachability_info:
    probes:
      - name: cayin_content
        address: 192.0.2.10
        ports: "80"
        expected: reachable
      - name: cayin_ftp_data
        address: 192.0.2.10
        ports: 20001-29999
        expected: reachable
      - name: cayin_rtb
        protocol: udp
        address: 2001:db8::20
        ports: 8100-8226
  register: seen

- name: Stop where something planned is filtered
  ansible.builtin.assert:
    that: planned | selectattr('result', 'eq', 'filtered') | length == 0
  vars:
    planned: "{{ seen.results | selectattr('expected', 'eq', 'reachable') }}"
"""

RETURN = r"""
results:
  description: One entry for each port tried, in the order of O(probes), and of the ports in a range.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name given, or null.
      type: str
      sample: cayin_content
    protocol:
      description: V(tcp) or V(udp).
      type: str
      sample: tcp
    address:
      description: The address tried.
      type: str
      sample: 192.0.2.10
    port:
      description: The single port tried.
      type: int
      sample: 80
    expected:
      description: V(reachable) or V(blocked) as given, or null.
      type: str
      sample: reachable
    result:
      description:
        - V(passed) where TCP connected or UDP answered.
        - V(refused) where the packet came through and the target says that nothing listens.
        - V(filtered) where TCP got no answer, a firewall or router said no, or this host's own rules kept it in.
        - V(unknown) where UDP got no answer.
        - V(not tried) where no packet could leave, such as without a route or without an address of that family.
      type: str
      sample: passed
    reason:
      description: What the result was read from, for people.
      type: str
      sample: ICMP type 3 code 13 from 198.51.100.1
    seconds:
      description: How long it took.
      type: float
      sample: 0.004
totals:
  description: How many results there are of each kind. The five add up to the length of RV(results).
  returned: success
  type: dict
  sample: {passed: 3, refused: 0, filtered: 1, unknown: 3, not_tried: 0}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.playout.firewall.plugins.module_utils import _probe

OPTIONS: t.Dict[str, t.Any] = {
    "probes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str"},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            "address": {"type": "str", "required": True},
            "ports": {"type": "str", "required": True},
            "expected": {"type": "str", "choices": ["reachable", "blocked"]},
        },
    },
    "timeout": {"type": "float", "default": 2.0},
    "retries": {"type": "int", "default": 1},
    "sample": {"type": "int", "default": 3},
    "parallel": {"type": "int", "default": 512},
}
LEAST = {"retries": 0, "sample": 1, "parallel": 1}


def problems(params: t.Mapping[str, t.Any]) -> t.List[str]:
    """Return everything that is wrong with the values, each with the way out."""
    found = [
        f"{option}: {params[option]} is too little, the least is {least}"
        for option, least in LEAST.items()
        if params[option] < least
    ]
    # Written this way round, it refuses NaN too.
    if not 0 < params["timeout"] <= 3600:
        found.append(f"timeout: {params['timeout']:g} is not a time; give seconds, above 0 and up to 3600")
    for index, probe in enumerate(params["probes"]):
        for check in (lambda p: _probe.family_of(p["address"]), lambda p: _probe.sample_ports(p["ports"], 1)):
            try:
                check(probe)
            except ValueError as error:
                name = f" ({probe['name']})" if probe["name"] else ""
                found.append(f"probes[{index}]{name}: {error}")
    return found


def tries(probes: t.Sequence[t.Mapping[str, t.Any]], sample: int) -> t.List[t.Tuple[t.Any, _probe.Target]]:
    """Return each probe with each single port of it that is to be tried."""
    return [
        (probe, _probe.Target(probe["protocol"], probe["address"], port))
        for probe in probes
        for port in _probe.sample_ports(probe["ports"], sample)
    ]


def row(probe: t.Mapping[str, t.Any], target: _probe.Target, outcome: _probe.Outcome) -> t.Dict[str, t.Any]:
    """Return one entry of the results."""
    return {
        "name": probe["name"],
        "protocol": target.protocol,
        "address": target.address,
        "port": target.port,
        "expected": probe["expected"],
        "result": outcome.result,
        "reason": outcome.reason,
        "seconds": outcome.seconds,
    }


def totals(rows: t.Sequence[t.Mapping[str, t.Any]]) -> t.Dict[str, int]:
    """Count the results of each kind, zeros included."""
    words = [entry["result"] for entry in rows]
    return {result.replace(" ", "_"): words.count(result) for result in _probe.RESULTS}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    params = module.params
    found = problems(params)
    if found:
        module.fail_json(msg="Nothing was tried. " + ". ".join(found))
    planned = tries(params["probes"], params["sample"])
    outcomes = _probe.probe(
        [target for _given, target in planned], params["timeout"], params["retries"], params["parallel"]
    )
    rows = [row(given, target, outcome) for (given, target), outcome in zip(planned, outcomes)]
    module.exit_json(changed=False, results=rows, totals=totals(rows))


if __name__ == "__main__":
    main()
