# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that own a host's firewall: started and stopped as their systemd units do, in the host that calls this.

They run from the machine or, where they are not installed, from what tools/unpack-packages.sh unpacked.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from .errors import LabError

PACKAGES = Path(__file__).resolve().parents[3] / ".build" / "packages"

_SECONDS = 20
_RUN = Path("/run/lab")
_LOGS = Path("/var/log")


class Manager(Protocol):
    """``programs`` are what it needs to be found on the path."""

    programs: Sequence[str]

    def prepare(self) -> None:
        """Give a new host what the package's installation would have given it."""

    def start(self) -> None:
        """What ``systemctl start`` does; returns when the rules are in force."""

    def stop(self) -> None:
        """What ``systemctl stop`` does; what is not running is no error."""


class Nftables:
    """nftables.service: what /etc/nftables.conf says, which usually begins with ``flush ruleset``."""

    programs = ("nft",)
    _file = Path("/etc/nftables.conf")

    def prepare(self) -> None:
        self._file.write_text("#!/usr/sbin/nft -f\n\nflush ruleset\n", encoding="ascii")

    def start(self) -> None:
        _tell("nft", "-f", str(self._file))

    def stop(self) -> None:
        _tell("nft", "flush", "ruleset")


class Iptables:
    """netfilter-persistent.service: what was saved is restored, and stopping it changes nothing."""

    programs = ("iptables", "ip6tables", "ipset")
    _saved = (("iptables-restore", "rules.v4"), ("ip6tables-restore", "rules.v6"))
    _etc = Path("/etc/iptables")

    def prepare(self) -> None:
        self._etc.mkdir(exist_ok=True)
        for path in self._etc.iterdir():
            path.unlink()
        # Enabled, as its package enables it: that is how one sees on a host that saved rules count.
        wants = Path("/etc/systemd/system/multi-user.target.wants")
        wants.mkdir(parents=True, exist_ok=True)
        link = wants / "netfilter-persistent.service"
        link.unlink(missing_ok=True)
        link.symlink_to("/lib/systemd/system/netfilter-persistent.service")

    def start(self) -> None:
        if (sets := self._etc / "ipsets").exists():
            _tell("ipset", "restore", "-exist", "-file", str(sets))
        for program, name in self._saved:
            if (path := self._etc / name).exists():
                _tell(program, str(path))

    def stop(self) -> None:
        pass


class Ufw:
    """ufw.service, enabled, as installed but for SSH, which its administrator lets in."""

    programs = ("ufw", "iptables")
    _etc = Path("/etc/ufw")
    _pristine = Path("/usr/share/ufw")
    _init = "/usr/lib/ufw/ufw-init"

    def prepare(self) -> None:
        # The machine's own may be in use, or not for everybody to read.
        self._etc.mkdir(exist_ok=True)
        for path in (*self._pristine.glob("iptables/*.rules"), self._pristine / "ufw.conf"):
            target = self._etc / path.name
            target.unlink(missing_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o640)
        _tell("ufw", "allow", "22/tcp")
        settings = self._etc / "ufw.conf"
        settings.write_text(settings.read_text(encoding="utf-8").replace("ENABLED=no", "ENABLED=yes"), encoding="utf-8")

    def start(self) -> None:
        _tell(self._init, "start", "quiet")

    def stop(self) -> None:
        _tell(self._init, "stop")


class Firewalld:
    """firewalld.service, as installed, on a system bus that is the host's own."""

    programs = ("firewalld", "firewall-cmd", "dbus-daemon")
    _etc = Path("/etc/firewalld")

    def prepare(self) -> None:
        # The machine's own may be in use, or not for everybody to read.
        self._etc.mkdir(exist_ok=True)
        for path in self._etc.rglob("*"):
            if not path.is_dir():
                path.unlink()
        # Everything else is by default what distributions write there.
        (self._etc / "firewalld.conf").write_text("DefaultZone=public\n", encoding="ascii")
        bus = Path("/run/dbus")
        bus.mkdir()
        Path("/run/firewalld").mkdir()
        config = bus / "lab.conf"
        config.write_text(_BUS, encoding="ascii")
        _tell("dbus-daemon", f"--config-file={config}", "--fork")

    def start(self) -> None:
        self.stop()
        process = _spawn("firewalld", "--nofork")
        deadline = time.monotonic() + _SECONDS
        while _run("firewall-cmd", "--state").returncode != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"firewalld does not run: {_log('firewalld').read_text(encoding='utf-8').strip()}")
            time.sleep(0.05)

    def stop(self) -> None:
        _end("firewalld")


# One user, root, and nobody to be protected from: an ordinary user's lab has no other.
_BUS = """
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow send_type="*"/>
    <allow receive_type="*"/>
  </policy>
</busconfig>
"""

MANAGERS: dict[str, Manager] = {
    "nftables": Nftables(),
    "iptables": Iptables(),
    "ufw": Ufw(),
    "firewalld": Firewalld(),
}
ACTIONS = ("prepare", "start", "stop", "restart")


def lacking(programs: Sequence[str]) -> list[str]:
    """Those of the programs that hosts with a manager would not find, installed or unpacked."""
    unpacked = [str(PACKAGES / "usr" / part) for part in ("sbin", "bin")]
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", *unpacked])
    return [program for program in programs if not shutil.which(program, path=path)]


def missing(name: str) -> str | None:
    """What this machine lacks for the manager ``name``, and the way out; None when it lacks nothing."""
    absent = lacking(MANAGERS[name].programs)
    return f"no {', '.join(absent)}: run tools/unpack-packages.sh .build/packages" if absent else None


def act(name: str, action: str) -> None:
    """Make a new host one that has this manager, running, or start, stop or restart it; LabError tells what hinders."""
    if action not in ACTIONS:
        raise LabError(f"{action!r}: write one of: {', '.join(ACTIONS)}")
    if action == "prepare":
        if reason := missing(name):
            raise LabError(reason)
        _RUN.mkdir(exist_ok=True)
        MANAGERS[name].prepare()
    if action in ("stop", "restart"):
        MANAGERS[name].stop()
    if action != "stop":
        MANAGERS[name].start()


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    pipe = subprocess.PIPE
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, text=True, check=False
    )


def _tell(*command: str) -> None:
    done = _run(*command)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stdout.strip()}")


def _log(program: str) -> Path:
    return _LOGS / f"{program}.out"


def _spawn(program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a daemon whose number is kept for ``_end``."""
    with _log(program).open("wb") as log:
        process = subprocess.Popen(
            [program, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (_RUN / f"{program}.pid").write_text(str(process.pid), encoding="ascii")
    return process


def _end(program: str) -> None:
    """End a daemon as systemd does, and wait until it has cleaned up behind itself."""
    kept = _RUN / f"{program}.pid"
    if not kept.exists():
        return
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(int(kept.read_text(encoding="ascii")))
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            if not select.select([handle], [], [], _SECONDS)[0]:
                raise LabError(f"{program} did not end within {_SECONDS} seconds")
        finally:
            os.close(handle)
    kept.unlink()
