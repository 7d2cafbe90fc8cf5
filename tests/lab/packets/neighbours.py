# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Others who write firewall rules on the gateway beside its manager, and what strangers see of them.

fail2ban and podman are real. No Docker engine can run in a lab: what stands for it is a simulator, the rules that
Docker writes, with a host of the site as the container.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

STRANGER = "203.0.113.66"
# fail2ban's own way for each manager.
_BANS = {
    "nftables": "nftables-multiport",
    "iptables": "iptables-multiport",
    "ufw": "ufw",
    "firewalld": "firewallcmd-rich-rules",
}
_FAIL2BAN = "fail2ban-client -s /run/fail2ban.sock -p /run/fail2ban.pid --logtarget /run/fail2ban.log"
_PODMAN = "podman --runtime=runc --cgroup-manager=cgroupfs --root=/run/podman/root --runroot=/run/podman/run"


class Neighbour(Protocol):
    """``targets`` are what shows, from the stranger's side, whether it still works. A restart writes its rules anew."""

    programs: Sequence[str]
    targets: Sequence[str]

    def arrive(self, site: Any) -> None: ...

    def restart(self, site: Any) -> None: ...

    def leave(self, site: Any) -> None: ...


class Fail2ban:
    """It has banned the stranger from SSH, which the administrator lets everybody use."""

    programs = ("fail2ban-client",)
    targets = ("tcp 203.0.113.1 22", "tcp 203.0.113.1 9000")

    def arrive(self, site: Any) -> None:
        jail = f"""
[DEFAULT]
backend = polling
banaction = {_BANS[site.backend]}
[sshd]
enabled = true
port = 22
logpath = /run/auth.log
"""
        settings = "[Definition]\\ndbfile = None\\n"
        site.shell("gateway", f"cat > /etc/fail2ban/jail.local <<'EOF'\n{jail}\nEOF")
        site.shell("gateway", f"cd /etc/fail2ban && rm -f jail.d/* && printf '{settings}' > fail2ban.local")
        site.shell("gateway", "touch /run/auth.log")
        self._start(site)

    def restart(self, site: Any) -> None:
        self.leave(site)
        self._start(site)

    def leave(self, site: Any) -> None:
        site.shell("gateway", f"{_FAIL2BAN} stop && while test -e /run/fail2ban.pid; do sleep 0.1; done")

    @staticmethod
    def _start(site: Any) -> None:
        site.shell("gateway", f"{_FAIL2BAN} -x start && {_FAIL2BAN} set sshd banip {STRANGER}")
        site.shell("gateway", f"{_FAIL2BAN} get sshd banned {STRANGER} | grep -qx 1 && sleep 0.5")


class Podman:
    """A container that is published at port 8081."""

    programs = ("podman", "runc", "busybox")
    targets = ("tcp 203.0.113.1 8081", "tcp 203.0.113.1 9000")
    _root = "/run/rootfs"

    def arrive(self, site: Any) -> None:
        site.shell(
            "gateway",
            f"mkdir -p {self._root}/bin {self._root}/dev {self._root}/proc {self._root}/sys {self._root}/etc && "
            f"cp $(command -v busybox) {self._root}/bin/busybox && "
            "{ test -e /sys/fs/cgroup/cgroup.controllers || mount -t cgroup2 none /sys/fs/cgroup; }",
        )
        server = "/bin/busybox nc -ll -p 80 -e /bin/busybox echo container"
        limits = "--pids-limit=-1 --ulimit nofile=1024:1024 --ulimit nproc=1000:1000"
        site.shell("gateway", f"{_PODMAN} run --detach {limits} -p 8081:80 --rootfs {self._root} {server}")

    def restart(self, site: Any) -> None:
        self.leave(site)
        self.arrive(site)

    def leave(self, site: Any) -> None:
        site.shell("gateway", f"{_PODMAN} rm --force --all --time 0")


class SimulatedDocker:
    """The chains of Docker 24 for a container that is published at port 8080; lan0 is its bridge."""

    programs = ("iptables",)
    targets = ("tcp 203.0.113.1 8080", "tcp 203.0.113.1 9000")
    _chains = (
        ("nat", "DOCKER"),
        ("filter", "DOCKER"),
        ("filter", "DOCKER-ISOLATION-STAGE-1"),
        ("filter", "DOCKER-USER"),
    )
    # Docker inserts its jumps at the head, the last one first.
    _rules = (
        "-t nat -A DOCKER -i lan0 -j RETURN",
        "-t nat -A DOCKER ! -i lan0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.10:80",
        "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-A DOCKER -d 10.0.0.10/32 ! -i lan0 -o lan0 -p tcp -m tcp --dport 80 -j ACCEPT",
        "-I FORWARD -i lan0 ! -o lan0 -j ACCEPT",
        "-I FORWARD -o lan0 -j DOCKER",
        "-I FORWARD -o lan0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A DOCKER-ISOLATION-STAGE-1 -j RETURN",
        "-I FORWARD -j DOCKER-ISOLATION-STAGE-1",
        "-A DOCKER-USER -j RETURN",
        "-I FORWARD -j DOCKER-USER",
    )

    def arrive(self, site: Any) -> None:
        lines = [f"iptables -t {table} -N {chain}" for table, chain in self._chains]
        lines += [f"iptables {rule}" for rule in self._rules]
        site.shell("gateway", "\n".join(["set -e", *lines, "iptables -P FORWARD DROP"]))

    def restart(self, site: Any) -> None:
        self.leave(site)
        self.arrive(site)

    def leave(self, site: Any) -> None:
        jumps = [rule.replace("-A ", "-D ").replace("-I ", "-D ") for rule in self._rules if "-A DOCKER" not in rule]
        lines = [f"iptables {jump}" for jump in jumps]
        lines += [f"iptables -t {table} -F {chain}" for table, chain in self._chains]
        lines += [f"iptables -t {table} -X {chain}" for table, chain in self._chains]
        site.shell("gateway", "\n".join(["set -e", *lines]))


@dataclass(frozen=True)
class HandMade:
    """A table that somebody wrote, which keeps the stranger from port 9000."""

    programs: Sequence[str] = ("nft",)
    targets: Sequence[str] = ("tcp 203.0.113.1 9000", "tcp 203.0.113.1 22")

    def arrive(self, site: Any) -> None:
        rule = f"ip saddr {STRANGER} tcp dport 9000 drop"
        chain = "type filter hook input priority -5; policy accept;"
        site.nft("gateway", "-f", "-", text=f"table inet theirs {{\n chain mine {{\n {chain}\n {rule}\n }}\n}}\n")

    def restart(self, site: Any) -> None:
        self.leave(site)
        self.arrive(site)

    def leave(self, site: Any) -> None:
        site.nft("gateway", "delete", "table", "inet", "theirs")


NEIGHBOURS: dict[str, Neighbour] = {
    "fail2ban": Fail2ban(),
    "podman": Podman(),
    "simulated docker": SimulatedDocker(),
    "a table by hand": HandMade(),
}
