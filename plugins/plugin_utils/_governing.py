# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports the plan governs at each enforcement point, and what that needs to be safe."""

from __future__ import annotations

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import ANY
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import BACKED_PLATFORMS
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import Host
from ansible_collections.playout.firewall.plugins.plugin_utils._flows import FlowGroup, Flows, Lines, services_by_port
from ansible_collections.playout.firewall.plugins.plugin_utils._inbound import Builders, static_lines
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems, listing
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import End, Topology, View


def govern(flows: Flows, topology: Topology, builders: Builders) -> None:
    """Have each listener govern the ports on which it listens, and its site's gateways the transit to them."""
    for host, listening in flows.listening.items():
        end = End(host.name, host.addresses, host.site, host)
        lines = tuple(line for found in listening.values() for line in found)
        if host.enforced:
            for line in static_lines(lines, host, end):
                builders[host].govern("in", line.protocol, line.ports)
        for gateway in topology.gateways(host.site):
            if gateway is not host:
                _govern_transit(builders, gateway, end, lines)


def _govern_transit(builders: Builders, gateway: Host, listener: End, lines: Lines) -> None:
    for name, addresses in listener.networks.items():
        for line in static_lines(lines, gateway, listener):
            builders[gateway].govern_transit(name, line.protocol, line.ports, (ANY,), addresses)


def check_management(builders: Builders, problems: Problems) -> None:
    """Note enforcement points that might lock their administrators out because nobody is declared as such."""
    for host, builder in builders.items():
        if host.management or not host.enforced:
            continue
        narrowed = builder.touched_ports() & builder.management_ports()
        if host.enforcement == "default_deny":
            message = "is needed with playout_enforcement: default_deny: the networks that may use SSH, WinRM and RDP"
            problems.error(host.name, "playout_management", message)
        elif narrowed:
            message = (
                f"is needed: the plan governs {narrowed}/tcp here, by which hosts are managed too; write the networks"
            )
            problems.error(host.name, "playout_management", message)


def check_platforms(builders: Builders, problems: Problems) -> None:
    """Note enforcement points that cannot do what they are asked, and those to which this version cannot write."""
    planned_only: dict[str, list[str]] = {}
    for host in builders:
        if host.enforced and host.platform != "linux" and host.enforcement != "scoped":
            message = f"the platform {host.platform} knows scoped only"
            problems.error(host.name, "playout_enforcement", message, host.enforcement)
        if host.enforced and host.platform not in BACKED_PLATFORMS:
            planned_only.setdefault(host.platform, []).append(host.name)
    for platform, names in sorted(planned_only.items()):
        problems.warn(f"{listing(names)}: planned only, because this version writes nothing to platform {platform}")


class SharedPorts:
    """Notices when one service opens to everybody a port that another service of the host keeps for few."""

    def __init__(self) -> None:
        self._open: dict[Host, dict[str, bool]] = {}

    def note(self, flow: FlowGroup, view: View) -> None:
        """Remember whether a flow comes from anywhere."""
        if flow.listener.host:
            known = self._open.setdefault(flow.listener.host, {})
            is_any = any(ANY in networks for networks in view.networks.values())
            known[flow.service.id] = known.get(flow.service.id, False) or is_any

    def warn(self, flows: Flows, problems: Problems) -> None:
        """Note a warning for each pair of services of which one opens the other's port."""
        for host, listening in flows.listening.items():
            known = self._open.get(host, {})
            if not any(known.values()):
                continue
            for one, other, line, other_line in services_by_port(listening):
                wide, narrow = (one, other) if known.get(one) else (other, one)
                if known.get(wide) and not known.get(narrow):
                    shared = line.ports & other_line.ports
                    problems.warn(
                        f"{host.name}: {wide} opens {shared}/{line.protocol} to any, and with it {narrow}, "
                        "which shares the port"
                    )
