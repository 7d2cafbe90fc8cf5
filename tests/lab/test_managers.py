# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host's firewall manager runs as it does on a real host: as installed, stopped and started again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playout_lab import managers
from playout_lab.errors import LabError
from playout_lab.running import RunningLab

pytestmark = pytest.mark.lab

# By manager: a command that adds a rule which its service brings back, and what every listing of its rules contains.
KEEPS = {
    "nftables": ("echo 'table inet kept { }' >> /etc/nftables.conf; nft -f /etc/nftables.conf", "table inet kept"),
    "iptables": ("iptables -A INPUT -s 192.0.2.99 -j DROP; iptables-save > /etc/iptables/rules.v4", "192.0.2.99"),
    "ufw": ("ufw deny from 192.0.2.99", "192.0.2.99"),
    "firewalld": ("firewall-cmd --permanent --zone drop --add-source 192.0.2.99; firewall-cmd --reload", "192.0.2.99"),
}
ENABLED = {"nftables": "refused", "iptables": "refused", "ufw": "filtered", "firewalld": "rejected"}
KNOCK = """
import errno, socket
try:
    socket.create_connection(("192.0.2.1", 9), 1)
except OSError as error:
    print({errno.ECONNREFUSED: "refused", errno.EHOSTUNREACH: "rejected"}.get(error.errno, "filtered"))
"""


@pytest.fixture(params=sorted(managers.MANAGERS))
def manager(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if lacking := managers.missing(name):
        pytest.skip(f"{name}: {lacking}")
    return name


@pytest.fixture
def pair(lab: Callable[..., Any], manager: str) -> Iterator[RunningLab]:
    def host(number: int, **more: Any) -> dict[str, Any]:
        return {"interfaces": {"eth0": {"segment": "lan", "addresses": [f"192.0.2.{number}/24"]}}, **more}

    with lab({"segments": ["lan"], "hosts": {"owned": host(1, firewall=manager), "other": host(2)}}) as it:
        yield it


def test_runs_as_installed_and_again_after_a_stop(pair: RunningLab, manager: str) -> None:
    def knock() -> str:
        return pair.exec("other", "/usr/bin/python3", "-c", KNOCK).stdout.strip()

    def rules() -> str:
        return pair.exec("owned", "nft", "list", "ruleset").stdout

    assert knock() == ENABLED[manager]
    command, kept = KEEPS[manager]
    done = pair.exec("owned", "sh", "-ec", command)
    assert done.returncode == 0, done.stderr
    assert kept in rules()
    pair.firewall("owned", "stop")
    assert knock() == "refused"
    pair.firewall("owned", "start")
    assert kept in rules()
    assert knock() == ENABLED[manager]
    # What is there at run time only is gone with a restart.
    pair.exec("owned", "nft", "add", "table", "inet", "passing")
    pair.firewall("owned", "restart")
    assert kept in rules()
    assert ("passing" in rules()) == (manager != "nftables")


def test_other_hosts_have_no_manager_and_say_so(pair: RunningLab) -> None:
    with pytest.raises(LabError, match="other: it has no firewall of its own: write 'firewall' in the lab file"):
        pair.firewall("other", "restart")
