# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site behind a gateway, on which one policy after the other is enforced, by one backend after the other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playout_lab import managers

from .administrators import ADMINISTRATORS, WRITTEN, Administrator

# Those that can enforce a policy, on a host and on a gateway.
BACKENDS = ("nftables", "iptables", "firewalld", "ufw")
GATEWAY_BACKENDS = tuple(name for name in BACKENDS if name != "ufw")

DRIVER = Path(__file__).with_name("host_driver.py")
FTP_CLIENT = Path(__file__).parents[1] / "ftp_transfer.py"
# What runs on targets needs nothing but an ordinary Python; the tests' own may lie where hosts see no files.
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable

SITE: dict[str, Any] = {
    "segments": ["wan", "lan"],
    "hosts": {
        "gateway": {
            "interfaces": {
                "wan0": {"segment": "wan", "addresses": ["203.0.113.1/24", "2001:db8:1::1/64"]},
                "lan0": {"segment": "lan", "addresses": ["10.0.0.1/24", "2001:db8:2::1/64"]},
            },
            "forward": True,
            "listeners": {"tcp": ["22", "80", "9000"], "udp": ["514"]},
            "ftp": {"port": 21, "passive": "20001-20099"},
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
    """The running lab, and what tests do with its hosts. The gateway is the one with a manager and an administrator."""

    lab: Any
    backend: str

    @property
    def administrator(self) -> Administrator:
        """What was on the gateway before us."""
        return ADMINISTRATORS[self.backend]

    def unopened(self, listener: str = "gateway") -> str:
        """What a port of the gateway answers that has a listener, but that neither we nor anybody else opened."""
        return self.administrator.closed or listener

    @property
    def unheard(self) -> str:
        """The same for a port without a listener."""
        return self.administrator.closed or "refused"

    def probe(self, host: str, *targets: str, patiently: bool = False) -> list[str]:
        """Who answers each ``tcp 10.0.0.1 80`` from a host: ``cms``, ``echo``, or ``refused``, ``rejected``,
        ``filtered``.

        :param patiently: a packet that is lost may be sent again, and an error that the kernel did not send, asked for.
        """
        split = [target.split() for target in targets]
        wanted = [[protocol, address, int(port)] for protocol, address, port in split]
        words: list[str] = self._drive(host, "probe-patiently" if patiently else "probe", wanted)
        return [word.removeprefix("udp ").split()[0] for word in words]

    def apply(self, host: str, policy: dict[str, Any], enforcement: str = "scoped", **more: Any) -> dict[str, Any]:
        """Enforce a policy; it must succeed."""
        change: dict[str, Any] = self._ensure("apply", host, policy, enforcement, more)
        assert "error" not in change, change["error"]
        return change

    def compare(self, host: str, policy: dict[str, Any], enforcement: str = "scoped", **more: Any) -> dict[str, Any]:
        """What enforcing a policy would change, or its ``error``."""
        change: dict[str, Any] = self._ensure("compare", host, policy, enforcement, more)
        return change

    def try_out(self, host: str, policy: dict[str, Any], enforcement: str = "scoped", **more: Any) -> None:
        """Enforce a policy for the one second in which nobody confirms it."""
        change: dict[str, Any] = self._ensure("try", host, policy, enforcement, more)
        assert "error" not in change, change["error"]

    def remove(self, host: str) -> dict[str, Any]:
        """Remove everything of ours."""
        change: dict[str, Any] = self._drive(host, "absent", None)
        assert "error" not in change, change["error"]
        return change

    def rules(self, host: str = "gateway") -> str:
        """All rules and sets in force, whoever wrote them, in a fixed order, without what packets and chance decide,
        and without empty chains of iptables, which any of its commands makes.
        """
        listing = self.nft(host, "--stateless", "list", "ruleset")
        # What was replaced is listed after the rest.
        tables = sorted(map(_in_order, re.split(r"^(?=table )", listing, flags=re.MULTILINE)))
        return "".join(tables) + self.shell(host, "ipset save 2>/dev/null | sed 's/ initval .*//' | sort; true")

    def restart(self) -> None:
        """Restart the gateway's firewall service, with what our drop-in adds to it."""
        self.lab.firewall("gateway", "restart")
        drop_in = f"/etc/systemd/system/{self.administrator.service}.service.d/playout-firewall.conf"
        self._run_unit(drop_in, "ExecStartPost")

    def reboot(self) -> None:
        """Bring the gateway's firewall up as a reboot does: from files alone."""
        self.lab.firewall("gateway", "stop")
        self._forget("gateway")
        self.lab.firewall("gateway", "start")
        # Enabled by whichever target wants it.
        self._run_unit("/etc/systemd/system/*.wants/playout-firewall.service", "ExecStart")

    def ftp(self, host: str, address: str, *modes: str) -> list[bool]:
        """Whether files pass in each of these passive modes."""
        options = [word for mode in modes for word in ("--mode", mode)]
        done = self.lab.exec(host, PYTHON, str(FTP_CLIENT), address, "--timeout", "1", *options)
        assert len(done.stdout.splitlines()) == len(modes), done.stderr
        return [" passed" in line for line in done.stdout.splitlines()]

    def nft(self, host: str, *arguments: str, text: str = "") -> str:
        """Run nft on a host; what it printed."""
        return self._checked(self.lab.exec(host, "nft", *arguments, input=text))

    def shell(self, host: str, command: str) -> str:
        """Run a shell command on a host; what it printed."""
        return self._checked(self.lab.exec(host, "sh", "-c", command))

    def prepare(self) -> None:
        """Have the administrator set up the gateway, and keep that to come back to."""
        self.shell("gateway", f"set -e; {self.administrator.commands}")
        self.shell("gateway", f"mkdir /run/before && cd /etc && cp -a --parents {_existing()} /run/before/")

    def reset(self) -> None:
        """Return to what was there before us."""
        self.lab.firewall("gateway", "stop")
        self._forget("gateway")
        # In an ordinary user's lab the machine's own directories cannot be removed.
        files = f"find {_existing()} -depth '(' ! -type d -o -empty -name '*playout*' ')' -delete"
        self.shell("gateway", f"cd /etc && {files} && cp -a /run/before/. .")
        self.lab.firewall("gateway", "start")

    def _forget(self, host: str) -> None:
        """Empty the kernel's tables, and /run of ours."""
        sets = "if command -v ipset >/dev/null; then ipset destroy; fi"
        self.shell(host, f"nft flush ruleset && {sets} && rm -rf /run/playout-firewall")

    def _run_unit(self, pattern: str, key: str) -> None:
        text = self.shell("gateway", f"cat {pattern} 2>/dev/null || true")
        for line in text.splitlines():
            name, _equals, command = line.partition("=")
            if name == key:
                self.shell("gateway", command.removeprefix("-"))

    def _ensure(self, action: str, host: str, policy: dict[str, Any], enforcement: str, more: dict[str, Any]) -> Any:
        backend = self.backend if host == "gateway" else "nftables"
        wanted = {"policy": policy, "enforcement": enforcement, "backend": backend, **more}
        return self._drive(host, action, wanted)

    def _drive(self, host: str, action: str, wanted: Any) -> Any:
        done = self.lab.exec(host, PYTHON, str(DRIVER), action, input=json.dumps(wanted))
        return json.loads(self._checked(done))

    @staticmethod
    def _checked(done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout


def _in_order(table: str) -> str:
    """A listed table with its chains and sets in order."""
    head, *parts = re.split(r"^(?=\t\w)", table.replace("\n\n", "\n"), flags=re.MULTILINE)
    told = [part.removesuffix("}\n") if part.endswith("\t}\n}\n") else part for part in parts]
    empty = re.compile(r"\tchain [A-Z]+ \{\n\t\ttype .*policy accept;\n\t\}\n")
    return "".join([head, *sorted(part for part in told if not empty.fullmatch(part)), "}\n" if parts else ""])


def _existing() -> str:
    return f"$(ls -d {' '.join(WRITTEN)} 2>/dev/null)"


@pytest.fixture(scope="module")
def backend(request: pytest.FixtureRequest) -> str:
    """The backend under test: what a test is parametrised with, else nftables."""
    name: str = getattr(request, "param", "nftables")
    if lacking := managers.missing(name):
        pytest.skip(f"{name} is not tested: {lacking}")
    return name


@pytest.fixture(scope="module")
def built_site(lab: Any, backend: str) -> Iterator[Site]:
    hosts = {**SITE["hosts"], "gateway": {**SITE["hosts"]["gateway"], "firewall": backend}}
    with lab({**SITE, "hosts": hosts}) as it:
        site = Site(it, backend)
        site.prepare()
        yield site


@pytest.fixture
def site(built_site: Site) -> Site:
    """The site, without anything of ours when the test begins, and with the administrator's own rules."""
    built_site.reset()
    return built_site
