# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an enforcement point does besides its rules and forwards, in sentences: what it drops, what it leaves open."""

from __future__ import annotations

import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_rows import Data, is_planned_only, spell_ports
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortSet, union

MODES = (
    "scoped drops only at the ports that are named as dropped; default_deny drops at every port of the host itself, "
    "transit: deny at every port of what passes a gateway. Nothing of this drops established connections, loopback, "
    "essential ICMP and ICMPv6, IGMP, DHCP, on gateways VRRP, or the management connection in use."
)


def spell_mode(policy: Data, host: Data) -> str:
    """Say how a policy is enforced at its host: ``scoped; transit: deny; platform linux``."""
    parts = [host["enforcement"], f"platform {host['platform']}"]
    if policy["gateway"]:
        parts.insert(1, f"transit: {policy['gateway']['transit']}")
    return "; ".join(["planned only"] * is_planned_only(host) + parts)


def remarks(policy: Data, host: Data) -> t.Iterator[str]:
    """Yield what a policy does besides its rules and forwards."""
    yield from _input(policy, host)
    if policy["governed"]["out"]:
        yield f"From this host, what no rule lets through is dropped: {_spell(policy['governed']['out'])}."
    yield from _transit(policy)
    for helper in policy["helpers"]:
        control = spell_ports(helper["protocol"], [str(helper["port"])])
        yield (
            f"Connection tracking helper {helper['name']} for {control} of {', '.join(helper['addresses'])}: "
            "it lets in the data connections that a control connection announces."
        )
    if policy["masquerade"]:
        yield "Source NAT (masquerade) for IPv4 that leaves by a WAN interface."


def _input(policy: Data, host: Data) -> t.Iterator[str]:
    if host["enforcement"] == "default_deny":
        kept = [_from(keep["protocol"], keep["ports"], keep["sources"]) for keep in policy["keep"]]
        yield f"To this host, what no rule lets through is dropped, at every port{_except(_management(policy), kept)}."
        return
    split = {protocol: _split(policy, protocol, ports) for protocol, ports in policy["governed"]["in"].items()}
    dropped, spared = ({protocol: both[half] for protocol, both in split.items() if both[half]} for half in (0, 1))
    if dropped:
        yield f"To this host, what no rule lets through is dropped: {_spell(dropped)}."
    if spared:
        yield f"To this host, nothing is dropped at management ports, planned or not: {_spell(spared)}."


def _transit(policy: Data) -> t.Iterator[str]:
    gateway = policy["gateway"]
    if gateway and gateway["transit"] == "deny":
        inside = ["what comes from inside by a forward"] if gateway["hairpin"] and policy["forwards"] else []
        yield f"In transit, what no rule lets through is dropped, at every port{_except(_management(policy), inside)}."
        return
    spared = []
    for item in policy["governed"]["forward"]:
        dropped, left = _split(policy, item["protocol"], item["ports"])
        to = ", ".join(item["destinations"])
        # The site's own hosts reach each other directly, also where that way leads through the gateway.
        lan = ", ".join(gateway["lan_interfaces"]) if item["sources"] == ["any"] else ""
        if dropped:
            but = f", unless it comes in by {lan}" if lan else ""
            what = f"{_from(item['protocol'], dropped, item['sources'])} to {to}{but}"
            yield f"In transit ({spell_family(item['family'])}), what no rule lets through is dropped: {what}."
        if left:
            spared.append(f"{_from(item['protocol'], left, item['sources'])} to {to}")
    if spared:
        yield f"In transit, nothing is dropped at management ports, planned or not: {'; '.join(spared)}."
    yield from _published_management(policy)


def _published_management(policy: Data) -> t.Iterator[str]:
    led = [(forward, _split(policy, forward["protocol"], forward["to_ports"])[1]) for forward in policy["forwards"]]
    found = [f"{spell_ports(forward['protocol'], ports)} of {forward['to_address']}" for forward, ports in led if ports]
    if found:
        yield f"What a forward leads to a management port and no rule lets through is dropped: {'; '.join(found)}."


def _management(policy: Data) -> list[str]:
    management = policy["management"]
    if not management["sources"]:
        return []
    return [f"management by {_from('tcp', management['ports'], management['sources'])}"]


def _except(*exceptions: t.Sequence[str]) -> str:
    entries = [entry for entries in exceptions for entry in entries]
    return f", except {'; '.join(entries)}" if entries else ""


def _split(policy: Data, protocol: str, ports: t.Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ports without and only with those of management."""
    named = union(map(PortSet.parse, ports))
    management = union(map(PortSet.parse, policy["management"]["ports"] if protocol == "tcp" else ()))
    return (named - management).texts(), (named & management).texts()


def _from(protocol: str, ports: t.Iterable[str], sources: t.Iterable[str]) -> str:
    return f"{spell_ports(protocol, ports)} from {', '.join(sources)}"


def _spell(by_protocol: t.Mapping[str, t.Iterable[str]]) -> str:
    return "; ".join(spell_ports(protocol, ports) for protocol, ports in by_protocol.items())


def spell_family(name: str) -> str:
    """Spell a family: ``IPv4``."""
    return name.replace("ipv", "IPv")
