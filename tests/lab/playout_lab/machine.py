# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab needs of the machine: the programs, and the permission to make namespaces."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import kernel
from .errors import LabError

_PACKAGES = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux"}
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")

# What forbids an ordinary user's namespaces: setting, the value that does, the value that allows.
_RESTRICTIONS = (
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "15000"),
    ("user.max_net_namespaces", "0", "15000"),
)


def find_programs() -> None:
    """Make sure that all programs are found, also by an ordinary user of Debian, whose PATH lacks sbin."""
    present = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(present + [path for path in _SBIN if path not in present])
    missing = sorted({package for program, package in _PACKAGES.items() if not shutil.which(program)})
    if missing:
        raise LabError(f"a program is missing; install it with: sudo apt-get install {' '.join(missing)}")


def leave_pid_namespace() -> None:
    """Have the caller's next child be the first process of a new pid namespace.

    Where that is not permitted, the caller enters a user namespace first, in which it is root.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        try:
            kernel.unshare(kernel.CLONE_NEWPID)
        except PermissionError:
            kernel.unshare(kernel.CLONE_NEWPID | kernel.CLONE_NEWUSER)
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"0 {user} 1")
            _write("/proc/self/gid_map", f"0 {group} 1")
    except OSError as error:
        raise _forbidden(error) from error


def leave_network_and_mounts() -> None:
    """Take the caller, the first process of its pid namespace, into a new network and mount namespace."""
    try:
        kernel.unshare(kernel.CLONE_NEWNET | kernel.CLONE_NEWNS)
        kernel.mount("none", "/", "none", kernel.MS_REC | kernel.MS_PRIVATE)
    except OSError as error:
        raise _forbidden(error) from error
    try:
        kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    except OSError as error:
        hidden = "part of /proc is hidden here, as in most containers; run the lab outside or as --privileged"
        raise LabError(f"/proc cannot be mounted ({error}); {hidden}") from error


def _forbidden(error: OSError) -> LabError:
    return LabError(f"this machine does not let us make namespaces ({error}); {remedy()}")


def remedy() -> str:
    """The one line that allows namespaces, as far as the machine's settings tell."""
    for name, forbids, allows in _RESTRICTIONS:
        path = Path("/proc/sys", *name.split("."))
        if path.exists() and path.read_text(encoding="ascii").strip() == forbids:
            return f"allow it with: sudo sysctl -w {name}={allows}"
    return "run it as root, or outside of the container"


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
