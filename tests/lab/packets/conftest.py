# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site behind a gateway, on which one policy after the other is enforced."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).with_name("host_driver.py")
# What runs on targets needs nothing but an ordinary Python; the tests' own may lie where hosts see no files.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable

SITE = {
    "segments": ["wan", "lan"],
    "hosts": {
        "gateway": {
            "interfaces": {
                "wan0": {"segment": "wan", "addresses": ["203.0.113.1/24", "2001:db8:1::1/64"]},
                "lan0": {"segment": "lan", "addresses": ["10.0.0.1/24", "2001:db8:2::1/64"]},
            },
            "forward": True,
            "listeners": {"tcp": ["22", "80", "9000"], "udp": ["514"]},
        },
        "player": {
            "interfaces": {"eth0": {"segment": "wan", "addresses": ["203.0.113.10/24", "2001:db8:1::10/64"]}},
            "routes": ["10.0.0.0/24 via 203.0.113.1", "2001:db8:2::/64 via 2001:db8:1::1"],
            "listeners": {"tcp": ["25", "443"]},
        },
        "stranger": {
            "interfaces": {"eth0": {"segment": "wan", "addresses": ["203.0.113.66/24", "2001:db8:1::66/64"]}},
            "routes": ["10.0.0.0/24 via 203.0.113.1", "2001:db8:2::/64 via 2001:db8:1::1"],
        },
        "cms": {
            "interfaces": {"eth0": {"segment": "lan", "addresses": ["10.0.0.10/24", "2001:db8:2::10/64"]}},
            "routes": ["default via 10.0.0.1", "default via 2001:db8:2::1"],
            "listeners": {"tcp": ["22", "80", "443", "30000-30005"], "udp": ["514"]},
            "ftp": {"port": 21, "passive": "20001-20099"},
        },
        "inside": {
            "interfaces": {"eth0": {"segment": "lan", "addresses": ["10.0.0.20/24"]}},
            "routes": ["default via 10.0.0.1"],
        },
    },
}


@dataclass(frozen=True)
class Site:
    """The running lab, and what tests do with its hosts."""

    lab: Any

    def probe(self, host: str, *targets: str) -> list[str]:
        """Who answers each ``tcp 10.0.0.1 80`` from a host: ``cms``, ``echo``, ``refused`` or ``filtered``."""
        split = [target.split() for target in targets]
        wanted = [[protocol, address, int(port)] for protocol, address, port in split]
        words: list[str] = self._drive(host, "probe", wanted)
        return [word.removeprefix("udp ").split()[0] for word in words]

    def apply(self, host: str, policy: dict[str, Any], enforcement: str = "scoped") -> dict[str, Any]:
        """Enforce a policy; it must succeed."""
        change: dict[str, Any] = self._drive(host, "apply", {"policy": policy, "enforcement": enforcement})
        assert "error" not in change, change["error"]
        return change

    def compare(self, host: str, policy: dict[str, Any], enforcement: str = "scoped") -> dict[str, Any]:
        """What enforcing a policy would change, or its ``error``."""
        change: dict[str, Any] = self._drive(host, "compare", {"policy": policy, "enforcement": enforcement})
        return change

    def try_out(self, host: str, policy: dict[str, Any], enforcement: str = "scoped") -> None:
        """Enforce a policy for the one second in which nobody confirms it."""
        self._drive(host, "try", {"policy": policy, "enforcement": enforcement})

    def remove(self, host: str) -> dict[str, Any]:
        """Remove everything of ours."""
        change: dict[str, Any] = self._drive(host, "absent", None)
        return change

    def nft(self, host: str, *arguments: str, text: str = "") -> str:
        """Run nft on a host; what it printed."""
        return self._checked(self.lab.exec(host, "nft", *arguments, input=text))

    def shell(self, host: str, command: str) -> str:
        """Run a shell command on a host; what it printed."""
        return self._checked(self.lab.exec(host, "sh", "-c", command))

    def _drive(self, host: str, action: str, wanted: Any) -> Any:
        done = self.lab.exec(host, PYTHON, str(DRIVER), action, input=json.dumps(wanted))
        return json.loads(self._checked(done))

    @staticmethod
    def _checked(done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def built_site(lab: Any) -> Iterator[Site]:
    with lab(SITE) as it:
        yield Site(it)


@pytest.fixture
def site(built_site: Site) -> Site:
    """The site, without any rule and without our files when the test begins."""
    for host in ("gateway", "cms"):
        built_site.nft(host, "flush", "ruleset")
        built_site.remove(host)
    return built_site
