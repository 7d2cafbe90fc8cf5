# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with sshd and a firewall's manager, to which faults happen. Needs root and sshd."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playout_lab import managers, registry
from ssh_target import ssh_target

from .injection import Injection
from .policies import ADMIN, ADMIN6, LISTENERS, STRANGER, STRANGER6, TARGET, TARGET6
from .target import Agent, Manager, Target

# To test another backend, name it here.
BACKENDS = ("nftables", "iptables", "ufw", "firewalld")

# Debian's in 2019, built without JSON.
_OLD_NFT = """#!/bin/sh
case "$*" in
*-j*) echo "JSON support not compiled-in" >&2; exit 1 ;;
*) echo "nftables v0.9.0 (Fearless Fosdick)" ;;
esac
"""
_OLD_IPTABLES = "#!/bin/sh\necho iptables v1.4.21\n"
_IPTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")

MANAGERS = {
    "nftables": Manager(("nft",), "nft", _OLD_NFT),
    "iptables": Manager(
        ("nft", "ipset", *_IPTABLES),
        "iptables",
        _OLD_IPTABLES,
        accept="iptables -A INPUT -p tcp --dport 9000 -j ACCEPT; ip6tables -A INPUT -p tcp --dport 9000 -j ACCEPT",
        forget="iptables -D INPUT -p tcp --dport 9000 -j ACCEPT; ip6tables -D INPUT -p tcp --dport 9000 -j ACCEPT",
    ),
    "ufw": Manager(
        ("nft", *_IPTABLES),
        "iptables-restore",
        rules="/etc/ufw",
        store=("/etc/ufw/user.rules", "/etc/ufw/user6.rules"),
        boot="/usr/lib/ufw/ufw-init start quiet",
        accept="ufw allow 9000/tcp",
        forget="ufw delete allow 9000/tcp",
    ),
    "firewalld": Manager(
        ("nft", "python3"),
        daemon="firewalld",
        rules="/etc/firewalld",
        store=("/etc/firewalld",),
        accept="firewall-cmd -q --add-port=9000/tcp",
        forget="firewall-cmd -q --remove-port=9000/tcp",
    ),
}

_AGENT = Path(__file__).with_name("agent.py")


def _host(*addresses: str, **more: Any) -> dict[str, Any]:
    prefixed = [f"{address}/{64 if ':' in address else 24}" for address in addresses]
    return {"interfaces": {"eth0": {"segment": "lan", "addresses": prefixed}}, **more}


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if lacking := managers.missing(name):
        pytest.skip(f"{name} is not tested: {lacking}")
    return name


@pytest.fixture(scope="session")
def built(backend: str, lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The host with one manager, for as long as that one is tested."""
    hosts = {
        "target": _host(TARGET, TARGET6, listeners=LISTENERS, firewall=backend),
        "admin": _host(ADMIN, ADMIN6),
        "stranger": _host(STRANGER, STRANGER6),
    }
    with ExitStack() as stack:
        running = stack.enter_context(lab({"segments": ["lan"], "hosts": hosts}))
        ssh = stack.enter_context(ssh_target(running, "target", "admin", TARGET, tmp_path_factory.mktemp("ssh")))
        agents = {host: Agent(stack.enter_context(_agent(running, host))) for host in hosts}
        target = Target(running, backend, MANAGERS[backend], agents, ssh)
        target.learn()
        yield target


def _agent(running: Any, host: str) -> subprocess.Popen[str]:
    """Start an agent, which ends when its input does."""
    command = registry.command_in(running.directory, host, [sys.executable, str(_AGENT)])
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def target(built: Target, injection: Injection) -> Target:
    """The host in the old state, before a fault."""
    del injection
    return built


@pytest.fixture
def injection(built: Target) -> Iterator[Injection]:
    """What makes faults on the host; none is left when the test ends."""
    built.succeed("old")
    it = Injection(built)
    yield it
    it.end()
    built.expire()
