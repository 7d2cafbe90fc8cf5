# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's wiring: what ip(8), nft(8) and /proc/sys are told, in the lab's own namespace and in each host's."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from .errors import LabError
from .topology import Host, Topology

# Its own table: what playout.firewall writes must leave it alone, and what it does must not depend on it.
NAT_TABLE = "uplink"


def wire(topology: Topology, pids: Mapping[str, int]) -> None:
    """Make a bridge for each segment, and a veth pair from it to each host's interface.

    ``pids``: each host's first process, as seen from here; its network namespace takes the interface.
    """
    lines = ["link set lo up"]
    bridges = {}
    for number, segment in enumerate(topology.segments):
        bridge = bridges[segment] = f"segment{number}"
        # Snooping would hold back neighbour discovery; the lab itself is no member of its segments.
        lines += [
            f"link add {bridge} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
            f"link set {bridge} alias {segment} addrgenmode none up",
        ]
    number = 0
    for host in topology.hosts:
        for link in host.links:
            port = f"port{number}"
            number += 1
            peer = f"peer name {link.name} netns {pids[host.name]}"
            lines += [
                f"link add {port} type veth {peer}",
                f"link set {port} alias {host.name}/{link.name} addrgenmode none master {bridges[link.segment]} up",
            ]
    _tell(["ip", "-batch", "-"], "\n".join(lines))


def configure(host: Host) -> None:
    """Give the host, in whose network namespace the caller is, its addresses, routes, forwarding and source NAT."""
    _set_sysctls(host)
    lines = ["link set lo up"]
    for link in host.links:
        lines.append(f"link set {link.name} up")
        lines += [f"address add {address} dev {link.name}{_nodad(address.version)}" for address in link.addresses]
    lines += [f"route add {route.to} via {route.via}" for route in host.routes]
    _tell(["ip", "-batch", "-"], "\n".join(lines))
    if host.masquerade:
        _tell(["nft", "-f", "-"], _source_nat(host.masquerade))


def _nodad(version: int) -> str:
    # An address that is still being checked for duplicates cannot be used: a lab would wait two seconds for it.
    return " nodad" if version == 6 else ""


def _set_sysctls(host: Host) -> None:
    conf = {"accept_dad": "0", "accept_ra": "0", "disable_ipv6": "0"}
    wanted = {f"ipv6/conf/{which}/{name}": value for which in ("all", "default") for name, value in conf.items()}
    wanted |= {f"ipv6/conf/{link.name}/{name}": value for link in host.links for name, value in conf.items()}
    # Other machines' settings are partly inherited by a new network namespace.
    wanted |= {"ipv4/ip_forward": str(int(host.forward)), "ipv6/conf/all/forwarding": str(int(host.forward))}
    wanted |= {"ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0"}
    # A firewall that rejects is to say so each time.
    wanted |= {"ipv4/icmp_ratelimit": "0", "ipv6/icmp/ratelimit": "0"}
    for name, value in wanted.items():
        path = Path("/proc/sys/net", name)
        if path.exists():
            path.write_text(value, encoding="ascii")


def _source_nat(interface: str) -> str:
    return f"""
    table ip {NAT_TABLE} {{
      chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        oifname "{interface}" masquerade
      }}
    }}
    """


def _tell(command: list[str], text: str) -> None:
    done = subprocess.run(command, input=text + "\n", text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}\n{text.strip()}")
