# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection to a network namespace as if it were a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: netns
short_description: Use a network namespace as a host
description:
  - Runs tasks inside of a Linux network namespace of the controller, and copies files into and out of it.
  - A host of the collection's lab has files, a host name and processes of its own besides its network. Everything that
    Ansible does there, including M(ansible.builtin.raw) and M(ansible.builtin.copy), stays inside.
  - For a namespace that was made with C(ip netns add), only the network is separate. B(Its files are the controller's).
    A task that writes C(/etc) writes the controller's. Only what lies in C(/etc/netns/NAME) is its own.
  - No network is used to get there. C(ansible_host) keeps its meaning, the host's address.
author: ["playout.firewall contributors (@playout)"]
version_added: "1.0.0"
options:
  netns_name:
    description:
      - Name of the host in the lab, or of the C(ip netns) namespace.
      - The default is the host's name in the inventory.
    type: str
    vars:
      - name: ansible_netns_name
  inventory_name:
    description:
      - The host's name in the inventory. Ansible sets it; there is nothing to write.
    type: str
    vars:
      - name: inventory_hostname
  netns_directory:
    description:
      - Where the lab's hosts are known. Each has a Unix socket C(NAME.sock) there, on which a process that lives in the
        host's namespaces listens.
      - A host that is not known there is looked for in C(/run/netns).
    type: path
    default: /run/playout-lab
    env:
      - name: PLAYOUT_LAB_DIR
    vars:
      - name: ansible_netns_directory
  remote_user:
    description:
      - The user inside, who is always root. This only tells privilege escalation to root that it has nothing to do.
    type: str
    default: root
    vars:
      - name: ansible_netns_user
  pipelining:
    description:
      - Send a module through standard input instead of copying it first.
    type: bool
    default: true
    env:
      - name: ANSIBLE_PIPELINING
    ini:
      - section: connection
        key: pipelining
    vars:
      - name: ansible_pipelining
requirements:
  - nsenter of util-linux on the controller; C(ip) of iproute2 for C(ip netns) namespaces
  - root, or a lab that was started by the same user
notes:
  - The environment inside is a small fixed one, as after a login; the controller's C(SSH_CONNECTION) is not in it.
  - A privilege escalation method that asks for a password is not supported.
"""

EXAMPLES = r"""
# inventory.yml, for a lab that "python tests/lab/lab.py run lab.yml -- ansible-playbook ..." builds
all:
  vars:
    ansible_connection: playout.firewall.netns
    ansible_python_interpreter: /usr/bin/python3
  hosts:
    gw_hq:
      ansible_host: 203.0.113.1
    cms_standby:
      ansible_host: 10.1.0.11
      # The lab calls it something else.
      ansible_netns_name: cms2
"""

import os
import shutil
import socket
import struct
import subprocess
import typing as t
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.module_utils.common.text.converters import to_native
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

display = Display()

_IP_NETNS = Path("/run/netns")
_SHELL = "/bin/sh"
_SBIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# /proc/PID/ns/NAME -> nsenter's options. Without --preserve-credentials nsenter would call setgroups(2), which the user
# namespace of an ordinary user forbids.
_NAMESPACES = {
    "user": ["--user", "--preserve-credentials"],
    "mnt": ["--mount"],
    "net": ["--net"],
    "uts": ["--uts"],
    "ipc": ["--ipc"],
    "pid": ["--pid"],
}


class Connection(ConnectionBase):
    """A network namespace as a host."""

    transport = "playout.firewall.netns"
    has_pipelining = True

    def _connect(self) -> Connection:
        # Nothing is kept: Ansible may reuse this object for another host of the same address, and labs are rebuilt.
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a shell command inside, from root's home directory."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        display.vvv(f"EXEC {cmd}", host=self._name)
        # Entering a mount namespace resets the working directory.
        argv = [_SHELL, "-c", f'cd && exec {_SHELL} -c "$1"', _SHELL, cmd]
        with self._start(argv, subprocess.PIPE, subprocess.PIPE) as process:
            stdout, stderr = process.communicate(in_data)
        return process.returncode, stdout, stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Write a file of the controller into the host."""
        super().put_file(in_path, out_path)
        if not os.path.exists(in_path):
            raise AnsibleFileNotFound(f"file or module does not exist: {in_path}")
        with open(in_path, "rb") as source:
            self._copy('cat > "$1"', out_path, source, subprocess.DEVNULL)

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Write a file of the host to the controller."""
        super().fetch_file(in_path, out_path)
        with open(out_path, "wb") as target:
            self._copy('cat < "$1"', in_path, subprocess.DEVNULL, target)

    def reset(self) -> None:
        """Nothing to do: every command enters the host anew."""

    def close(self) -> None:
        self._connected = False

    @property
    def _name(self) -> str:
        # Of a host that is delegated to, Ansible gives the variables, but the other host's inventory_hostname.
        delegate = getattr(self._play_context, "delegate_to", None)
        return t.cast(str, self.get_option("netns_name") or delegate or self.get_option("inventory_name"))

    def _copy(self, script: str, path: str, stdin: t.Any, stdout: t.Any) -> None:
        with self._start([_SHELL, "-c", script, _SHELL, path], stdin, stdout) as process:
            _out, error = process.communicate()
        if process.returncode != 0:
            raise AnsibleError(f"failed to transfer {path} of {self._name}: {to_native(error).strip()}")

    def _start(self, argv: list[str], stdin: t.Any, stdout: t.Any) -> subprocess.Popen[bytes]:
        prefix, home = self._find()
        environment = {
            "HOME": home,
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "LOGNAME": "root",
            "PATH": _SBIN_PATH,
            "SHELL": _SHELL,
            "USER": "root",
        }
        return subprocess.Popen([*prefix, *argv], env=environment, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)

    def _find(self) -> tuple[list[str], str]:
        """The command that leads into the host, and root's home directory there."""
        directory = Path(self.get_option("netns_directory"))
        pid = _process(directory / f"{self._name}.sock")
        if pid is not None:
            return [_program("nsenter"), *_nsenter_options(pid, self._name), "--"], "/root"
        if (_IP_NETNS / self._name).exists():
            return [_program("ip"), "netns", "exec", self._name], os.path.expanduser("~")
        known = sorted(path.stem for path in directory.glob("[!.]*.sock"))
        known += sorted(path.name for path in _IP_NETNS.glob("*"))
        raise AnsibleConnectionFailure(
            f"{self._name!r} is neither a host of the lab in {directory} nor a network namespace in {_IP_NETNS}; "
            f"known are: {', '.join(known) or 'none'}. Start the lab, or set ansible_netns_name or PLAYOUT_LAB_DIR."
        )


def _process(path: Path) -> int | None:
    """The process that listens on this socket, as numbered in our pid namespace; None without such a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AnsibleConnectionFailure(f"{path}: {error}; is the lab still running?") from error
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid = int(struct.unpack("3i", credentials)[0])
    if pid == 0:
        raise AnsibleConnectionFailure(f"{path}: the lab runs in a pid namespace that cannot be seen from here")
    return pid


def _nsenter_options(pid: int, name: str) -> list[str]:
    """Lead into every namespace of the process in which we are not already."""
    options = [f"--target={pid}"]
    try:
        for kind, option in _NAMESPACES.items():
            if os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"):
                options += option
    except OSError as error:
        message = f"{name}: {error}; a lab can be used by root and by the user who started it"
        raise AnsibleConnectionFailure(message) from error
    return options


def _program(name: str) -> str:
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), _SBIN_PATH]))
    if path is None:
        raise AnsibleConnectionFailure(f"{name} is missing on the controller")
    return path
