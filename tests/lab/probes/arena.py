# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three namespaces in a row, and probes from the first one: initiator -- router -- target.

A program, to be started as the first process of its own user, network, mount and process namespaces, so that all
it makes ends with it. It reads ``{"targets": [[protocol, address, port], ...], "timeout": s, "retries": n}`` from
standard input and writes ``{"outcomes": [[result, reason, seconds], ...], "listeners": [...]}``: what the probes
found, and the target's listening sockets. Every port's rule is in RULES.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time

from ansible_collections.playout.firewall.plugins.module_utils import _probe, _sockets

# Per namespace: ip commands (without "ip"), sysctls, nftables rules.
ADDRESSES = {
    "initiator": [
        "link set lo up",
        "address add 10.1.0.2/24 dev west",
        "address add fd00:1::2/64 dev west nodad",
        "link set west up",
        "route add 10.2.0.0/24 via 10.1.0.1",
        "route add fd00:2::/64 via fd00:1::1",
        "route add prohibit 10.8.0.0/24",
        "route add unreachable 10.7.0.0/24",
    ],
    "router": [
        "link set lo up",
        "address add 10.1.0.1/24 dev east",
        "address add fd00:1::1/64 dev east nodad",
        "link set east up",
        "address add 10.2.0.1/24 dev far",
        "address add fd00:2::1/64 dev far nodad",
        "link set far up",
    ],
    "target": [
        "link set lo up",
        "address add 10.2.0.2/24 dev end",
        "address add fd00:2::2/64 dev end nodad",
        "link set end up",
        "route add default via 10.2.0.1",
        "route add default via fd00:2::1",
    ],
}
# Without the limits every ICMP error arrives; neighbours are given up in a third of a second instead of three.
SYSCTLS = {
    "initiator": {"ipv4/neigh/west/retrans_time_ms": 100, "ipv6/neigh/west/retrans_time_ms": 100},
    "router": {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1, "ipv4/icmp_ratelimit": 0, "ipv6/icmp/ratelimit": 0},
    "target": {"ipv4/icmp_ratelimit": 0, "ipv6/icmp/ratelimit": 0},
}
# Else a router stays mute for a second or two, until it is sure that its own link-local address is its own.
NO_WAITING = {
    name: {f"ipv6/conf/{link}/accept_dad": 0 for link in links}
    for name, links in {"initiator": ["west"], "router": ["east", "far"], "target": ["end"]}.items()
}
RULES = {
    "initiator": """
        table inet t { chain outbound { type filter hook output priority 0;
            meta l4proto { tcp, udp } th dport 88 drop
        }; }""",
    "router": """
        table inet t { chain transit { type filter hook forward priority 0;
            meta l4proto { tcp, udp } th dport 86 drop
            meta l4proto { tcp, udp } th dport 87 reject with icmpx type admin-prohibited
            meta l4proto { tcp, udp } th dport 91 reject with icmpx type port-unreachable
            meta l4proto { tcp, udp } th dport 92 reject with icmpx type no-route
        }; }
        table ip n { chain arriving { type nat hook prerouting priority -100;
            ip daddr 10.1.0.1 tcp dport { 8080, 8081, 8082, 8083 } dnat to 10.2.0.2 : tcp dport map {
                8080 : 80, 8081 : 81, 8082 : 82, 8083 : 83 }
            ip daddr 10.1.0.1 udp dport { 8080, 8081, 8082, 8089 } dnat to 10.2.0.2 : udp dport map {
                8080 : 80, 8081 : 81, 8082 : 82, 8089 : 89 }
        }; }""",
    "target": """
        table inet t { chain inbound { type filter hook input priority 0;
            meta l4proto { tcp, udp } th dport 82 drop
            meta l4proto { tcp, udp } th dport 83 reject with icmpx type port-unreachable
            meta l4proto { tcp, udp } th dport 84 reject with icmpx type admin-prohibited
            tcp dport 85 reject with tcp reset
            udp dport 90 quota until 100 bytes drop
        }; }""",
}
ECHO_PORTS = (80, 90)
SILENT_PORT = 89


def inside(pid: int, *command: str, text: str = "") -> None:
    """Run a command in the network namespace of a process, with that text as its input."""
    subprocess.run(["nsenter", f"--target={pid}", "--net", *command], input=text, check=True, text=True)


def hold() -> int:
    """Start a process in a new network namespace, which lives as long as this program."""
    process = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    own = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{process.pid}/ns/net") == own:
        time.sleep(0.01)
    return process.pid


def build() -> dict[str, int]:
    """Join the three namespaces and give each its addresses, sysctls and rules."""
    pids = {"initiator": os.getpid(), "router": hold(), "target": hold()}
    links = [("initiator", "west", "router", "east"), ("router", "far", "target", "end")]
    for near, near_name, beyond, beyond_name in links:
        peer = ["type", "veth", "peer", "name", beyond_name, "netns", str(pids[beyond])]
        inside(pids[near], "ip", "link", "add", near_name, *peer)
    for name, pid in pids.items():
        for key, value in {**SYSCTLS[name], **NO_WAITING[name]}.items():
            inside(pid, "sh", "-c", f"echo {value} > /proc/sys/net/{key}")
        batch = "".join(f"{line}\n" for line in ADDRESSES[name])
        inside(pid, "ip", "-batch", "-", text=batch)
        inside(pid, "nft", "-f", "-", text=RULES[name])
    # The kernel notices a link's carrier up to a second late, and IPv6 waits for that.
    while any("state DOWN" in links_of(pid) for pid in pids.values()):
        time.sleep(0.05)
    return pids


def links_of(pid: int) -> str:
    """Return how the links of a namespace are, as ip says it."""
    command = ["nsenter", f"--target={pid}", "--net", "ip", "link", "show", "type", "veth"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def serve() -> None:
    """Listen on the target: TCP and UDP echo in both families, and one UDP port that never answers."""
    web = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
    sockets = []
    for port in (*ECHO_PORTS, SILENT_PORT):
        sockets.append(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sockets[-1].bind(("::", port))
    for sock in sockets[: len(ECHO_PORTS)]:
        threading.Thread(target=echo, args=(sock,)).start()
    print(json.dumps([listener._asdict() for listener in _sockets.listeners()]), flush=True)
    while True:
        web.accept()[0].close()


def echo(sock: socket.socket) -> None:
    while True:
        payload, peer = sock.recvfrom(1000)
        sock.sendto(payload, peer)


def main() -> None:
    if sys.argv[1:] == ["serve"]:
        serve()
        return
    wanted = json.load(sys.stdin)
    pids = build()
    command = ["nsenter", f"--target={pids['target']}", "--net", sys.executable, __file__, "serve"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    listeners = json.loads(server.stdout.readline())
    targets = [_probe.Target(*target) for target in wanted["targets"]]
    outcomes = _probe.probe(targets, wanted["timeout"], wanted["retries"])
    print(json.dumps({"outcomes": outcomes, "listeners": listeners}), flush=True)


if __name__ == "__main__":
    main()
