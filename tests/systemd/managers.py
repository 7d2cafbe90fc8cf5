# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution's firewall managers: how an administrator sets each up, and all that makes it begin anew."""

from __future__ import annotations

from dataclasses import dataclass

CLOSED_PORT, OPEN_PORT = 9000, 9001


@dataclass(frozen=True)
class Manager:
    """``setup`` closes one port and opens the other for good, by the manager's own means.

    ``restarts`` are the commands, besides those that every service has, after which its rules are in force again;
    ``wait`` waits until they are, where whatever started it does not. A gateway needs one that ``translates``.
    """

    service: str
    setup: str
    restarts: tuple[str, ...]
    wait: str = "true"
    translates: bool = True

    @property
    def all_restarts(self) -> tuple[str, ...]:
        """Every command after which its rules are in force again."""
        service = self.service
        return (f"systemctl restart {service}", f"systemctl stop {service}; systemctl start {service}", *self.restarts)


_NFTABLES_CONF = f"""\
#!/usr/sbin/nft -f
flush ruleset
table inet administrator {{
    chain input {{
        type filter hook input priority filter; policy accept;
        tcp dport {CLOSED_PORT} drop
    }}
}}
"""
_NFTABLES = Manager(
    service="nftables",
    setup=f"cat >/etc/nftables.conf <<'END'\n{_NFTABLES_CONF}END\nsystemctl enable --now nftables",
    restarts=("systemctl reload nftables",),
)
_IPTABLES = Manager(
    service="netfilter-persistent",
    setup=f"""
        for program in iptables ip6tables; do
            $program -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            $program -A INPUT -i lo -j ACCEPT
            $program -A INPUT -p tcp -m multiport --dports 22,{OPEN_PORT} -j ACCEPT
            $program -P INPUT DROP
        done
        ip6tables -A INPUT -p ipv6-icmp -j ACCEPT
        netfilter-persistent save
        systemctl enable --now netfilter-persistent
    """,
    restarts=(
        "systemctl restart iptables",
        "sed -i s/^FLUSH_ON_STOP=0/FLUSH_ON_STOP=1/ /etc/default/netfilter-persistent; systemctl restart iptables",
    ),
)
_UFW = Manager(
    service="ufw",
    setup=f"ufw allow ssh; ufw allow {OPEN_PORT}/tcp; ufw --force enable; systemctl enable --now ufw",
    restarts=("ufw reload", "ufw disable; ufw --force enable"),
    translates=False,
)
_FIREWALLD = Manager(
    service="firewalld",
    setup=f"""
        systemctl enable --now firewalld
        firewall-cmd --permanent --add-port={OPEN_PORT}/tcp
        firewall-cmd --reload
    """,
    restarts=("systemctl reload firewalld", "firewall-cmd --reload", "firewall-cmd --complete-reload"),
    # To systemd it has started as soon as it has its name on the bus; it answers when its rules are in force.
    wait="firewall-cmd --state",
)

MANAGERS = {"nftables": _NFTABLES, "iptables": _IPTABLES, "ufw": _UFW, "firewalld": _FIREWALLD}
