# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on a host before us: an administrator opened the ports 22 and 9000 by the manager's own means."""

from __future__ import annotations

from dataclasses import dataclass

# Of /etc, what managers and we write.
WRITTEN = (
    "default/ufw",
    "firewalld",
    "iptables",
    "modules-load.d",
    "nftables.conf",
    "playout-firewall",
    "sysconfig",
    "systemd",
    "ufw",
)


@dataclass(frozen=True)
class Administrator:
    """``service`` is the systemd unit that brings the rules back; ``closed`` is what a port that nobody opened answers
    (None: the host accepts what nobody forbids); ``no_transit`` are commands after which nothing passes a gateway.
    """

    service: str
    closed: str | None
    commands: str
    no_transit: str = ""


_SAVE = """
iptables-save > /etc/iptables/rules.v4
ip6tables-save > /etc/iptables/rules.v6
"""

_IPTABLES = (
    """
for family in iptables:icmp ip6tables:ipv6-icmp; do
    program=${family%:*}
    $program -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    $program -A INPUT -i lo -j ACCEPT
    $program -A INPUT -p ${family#*:} -j ACCEPT
    $program -A INPUT -p tcp -m multiport --dports 22,9000 -j ACCEPT
    $program -P INPUT DROP
done
"""
    + _SAVE
)

_IPTABLES_NO_TRANSIT = (
    """
for program in iptables ip6tables; do
    $program -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    $program -P FORWARD DROP
done
"""
    + _SAVE
)

# Between interfaces that are not in it by name, a zone forwards nothing.
_FIREWALLD = """
firewall-cmd -q --permanent --zone public --add-port=9000/tcp
firewall-cmd -q --permanent --zone public --add-interface=wan0 --add-interface=lan0
firewall-cmd -q --reload
"""

_FIREWALLD_NO_TRANSIT = """
firewall-cmd -q --permanent --zone public --remove-forward
firewall-cmd -q --reload
"""

ADMINISTRATORS = {
    "nftables": Administrator("nftables", None, ""),
    "iptables": Administrator("netfilter-persistent", "filtered", _IPTABLES, _IPTABLES_NO_TRANSIT),
    # SSH is open before ufw is enabled, or nobody would enable it; in firewalld's default zone it always is.
    "ufw": Administrator("ufw", "filtered", "ufw allow 9000/tcp"),
    "firewalld": Administrator("firewalld", "rejected", _FIREWALLD, _FIREWALLD_NO_TRANSIT),
}
