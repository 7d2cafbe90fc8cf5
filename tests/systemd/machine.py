# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that runs systemd, in a container, with a neighbour on each of its two cables."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
DRIVER = "/checkout/tests/lab/packets/host_driver.py"

# IPv4 and IPv6: of the machine outside, of two clients out there, and of a host that is reached by way of the machine.
OUTSIDE = ("10.9.0.1", "2001:db8:9::1")
PLANNED = ("10.9.0.10", "2001:db8:9::10")
STRANGER = ("10.9.0.66", "2001:db8:9::66")
BEHIND = ("10.8.0.10", "2001:db8:8::10")
_INSIDE = ("10.8.0.1", "2001:db8:8::1")

_PODMAN = ("podman", "--runtime=runc", "--cgroup-manager=cgroupfs")
# Nothing reaches the machine's neighbours except by the cable; unlike a privileged container it leaves the kernel's
# settings alone, which are everybody's.
_OPTIONS = (
    "--network=none",
    "--systemd=always",
    "--cap-add=NET_ADMIN,NET_RAW,SYS_ADMIN",
    "--hostname=tested",
    "--sysctl=net.ipv4.ip_forward=1",
    "--sysctl=net.ipv6.conf.all.forwarding=1",
    "--timeout=900",
    f"--volume={CHECKOUT}:/checkout:ro",
)
# What podman asks for by itself may be more than this machine may have.
_LIMITS = ("--ulimit=nofile=8192:8192", "--ulimit=nproc=4096:4096")
_OWNER = "tests-of-systemd"
_SECONDS = 300

# What systemd says when it has started everything, or tried to.
_BOOTED = ("running", "degraded")
# A listener made of systemd alone.
_GREETING = {
    "greet.socket": "[Socket]\n{ports}Accept=yes\nTriggerLimitIntervalSec=0\n",
    "greet@.service": "[Service]\nExecStart=/bin/hostname\nStandardInput=socket\n",
}

_PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def probe(target):
    source, address, port = target
    try:
        with socket.create_connection((address, port), 1, (source, 0)) as client:
            return client.recv(100).decode().strip()
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "shut out"
with ThreadPoolExecutor(20) as pool:
    print(json.dumps(list(pool.map(probe, json.load(sys.stdin)))))
"""
_GREET = """
import socket
listener = socket.create_server(("", 80), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
while True:
    client, _address = listener.accept()
    with client:
        client.sendall(b"behind")
"""


class Neighbour:
    """A network of its own at the other end of a cable; on port 80 it says that it is ``behind``."""

    def __init__(self) -> None:
        # It goes when the tests do, however they end.
        hold = ("setpriv", "--pdeathsig", "KILL", "--", "unshare", "--net", sys.executable, "-c", _GREET)
        self._process = subprocess.Popen(hold, stdout=subprocess.PIPE)
        self.pid = str(self._process.pid)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def run(self, *command: str, text: str = "") -> str:
        return _run("nsenter", f"--net=/proc/{self.pid}/ns/net", *command, text=text)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


class Machine:
    """One machine with its own disk, from switching on to scrapping."""

    def __init__(self, root: Path) -> None:
        """Copy the disk from this directory."""
        self.disk = Path(tempfile.mkdtemp(prefix=f"machine-{os.getpid()}-", dir=root.parent))
        self._name = f"{_OWNER}-{self.disk.name}"
        _run("cp", "--archive", "--reflink=auto", f"{root}/.", str(self.disk))
        self.outside, self._behind = Neighbour(), Neighbour()
        label = f"--label={_OWNER}={os.getpid()}"
        options = (*_OPTIONS, *_LIMITS, label, f"--name={self._name}")
        _run(*_PODMAN, "create", *options, "--rootfs", str(self.disk), "/sbin/init")

    def listen(self, *ports: int) -> None:
        """From the next boot on, tell whoever connects to one of these ports the machine's name."""
        units = self.disk / "etc" / "systemd" / "system"
        for name, text in _GREETING.items():
            ports_text = "".join(f"ListenStream={port}\n" for port in ports)
            (units / name).write_text(text.format(ports=ports_text), encoding="utf-8")
        wanted = units / "sockets.target.wants" / "greet.socket"
        wanted.parent.mkdir(exist_ok=True)
        wanted.symlink_to("../greet.socket")

    def switch_on(self) -> None:
        """Boot, until every service was started."""
        _run(*_PODMAN, "start", self._name)
        self._plug_in()
        deadline = time.monotonic() + _SECONDS
        # Before systemd listens, it cannot be asked.
        while (state := self.run("systemctl is-system-running --wait", may_fail=True).strip()) not in _BOOTED:
            assert time.monotonic() < deadline, f"it is still {state}"
            time.sleep(0.1)

    def scrap(self) -> None:
        """Leave nothing of the machine."""
        _run(*_PODMAN, "rm", "--force", "--time=0", self._name)
        self.outside.end()
        self._behind.end()
        shutil.rmtree(self.disk)

    def run(self, command: str, text: str = "", *, may_fail: bool = False) -> str:
        """Run a shell command as root; what it printed."""
        whole = [*_PODMAN, "exec", "--interactive", self._name, "sh", "-c", command]
        done = subprocess.run(whole, input=text, text=True, capture_output=True, timeout=_SECONDS, check=False)
        assert may_fail or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def drive(self, action: str, backend: str, policy: dict[str, Any] | None = None) -> dict[str, Any]:
        """Let our code apply, compare or remove; the change. It must succeed."""
        wanted = {"policy": policy, "enforcement": "scoped", "backend": backend}
        change: dict[str, Any] = json.loads(self.run(f"python3 {DRIVER} {action}", json.dumps(wanted)))
        assert "error" not in change, change["error"]
        return change

    def reboot(self) -> None:
        """Shut down in an orderly way, and switch on again."""
        # The connection that asks for it is cut by it.
        self.run("systemctl reboot", may_fail=True)
        _run(*_PODMAN, "wait", self._name)
        self.switch_on()

    def cut_power(self) -> None:
        """Stop at once, without any service being stopped, and switch on again."""
        _run(*_PODMAN, "kill", self._name)
        _run(*_PODMAN, "wait", self._name)
        self.switch_on()

    def probe(self, *targets: tuple[str, str, int]) -> list[str]:
        """What each source outside gets from an address and port: a host's name, ``refused`` or ``shut out``.

        Who is told no by a firewall is shut out like who is told nothing: the kernel tells it only so many times.
        """
        words: list[str] = json.loads(self.outside.run(sys.executable, "-c", _PROBE, text=json.dumps(targets)))
        return words

    def _plug_in(self) -> None:
        """Lay both cables anew: they go with the network of what is switched off."""
        pid = _run(*_PODMAN, "inspect", "--format={{.State.Pid}}", self._name).strip()
        ends = (("eth0", self.outside, OUTSIDE, PLANNED + STRANGER), ("lan0", self._behind, _INSIDE, BEHIND))
        for name, neighbour, near, far in ends:
            # The old one may not be gone yet.
            neighbour.run("sh", "-c", "ip link delete eth0 2>&1 || true")
            _run("ip", "link", "add", name, "netns", pid, "type", "veth", "peer", "eth0", "netns", neighbour.pid)
            batch = ("ip", "-batch", "-")
            _run("nsenter", f"--net=/proc/{pid}/ns/net", *batch, text=_configuration(name, near))
            neighbour.run(*batch, text=_configuration("eth0", far))
        for router in _INSIDE:
            self._behind.run("ip", "route", "add", "default", "via", router)


def _configuration(interface: str, addresses: tuple[str, ...]) -> str:
    lines = [f"address add {each}/{'64 nodad' if ':' in each else '24'} dev {interface}" for each in addresses]
    return "\n".join([*lines, f"link set {interface} up"])


def why_not(root: Path) -> str:
    """Why no container can be started here; empty if one can."""
    command = [*_PODMAN, "run", "--rm", *_OPTIONS, *_LIMITS, "--rootfs", str(root), "/bin/true"]
    tried = subprocess.run(command, text=True, capture_output=True, timeout=_SECONDS, check=False)
    return tried.stderr.strip() if tried.returncode else ""


def clear_away(directory: Path) -> None:
    """Remove the machines of tests that were killed."""
    listing = json.loads(_run(*_PODMAN, "ps", "--all", f"--filter=label={_OWNER}", "--format=json"))
    dead = [entry for entry in listing or [] if not _alive(entry["Labels"][_OWNER])]
    for entry in dead:
        _run(*_PODMAN, "rm", "--force", "--time=0", entry["Id"])
    for disk in directory.glob("machine-*"):
        if not _alive(disk.name.split("-")[1]):
            shutil.rmtree(disk)


def _alive(pid: str) -> bool:
    return Path("/proc", pid).exists()


def _run(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
