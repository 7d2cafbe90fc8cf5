# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's own files: /etc, /var and /root are private copies, /run and /tmp are empty but for this checkout.

What a host writes there goes to memory and is gone with the lab. /usr and everything else are the machine's, where a
host has a firewall's manager together with what tools/unpack-packages.sh unpacked.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import kernel
from .managers import PACKAGES

_COPIED = ("/etc", "/var", "/root")
_SYSTEMD = Path("/usr/lib/systemd/systemd")
_CHECKOUT = Path(__file__).resolve().parents[3]


def prepare_base(directory: Path, managed: bool) -> Path:
    """Make, in the lab's mount namespace, what the hosts' private files stand on; return where.

    :param managed: whether any host has a firewall's manager.
    """
    base = directory / "base"
    base.mkdir(mode=0o700)
    kernel.mount("tmpfs", str(base), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    if _only_root_is_mapped():
        # Overlayfs cannot copy up a file whose owner has no number in this user namespace: stand on own copies.
        _copy_readable(Path("/etc"), base / "etc")
        _copy_directories(Path("/var"), base / "var", depth=2)
        (base / "root").mkdir()
    if managed:
        _prepare_packages(base)
    return base


def _prepare_packages(base: Path) -> None:
    """Make what a host with a manager has in /usr and /etc beside the machine's own files."""
    if PACKAGES.is_dir():
        # A path without the characters that mean something in a mount's options.
        unpacked = base / "packages"
        unpacked.mkdir()
        kernel.mount(str(PACKAGES), str(unpacked), "", kernel.MS_BIND | kernel.MS_REC)
        _copy_readable(PACKAGES / "etc", base / "packages-etc")
    if not _SYSTEMD.exists():
        # Its units are tested without it, also in a container that lacks it; who writes them looks for it.
        stand_in = base / "stand-in" / _SYSTEMD.relative_to("/")
        stand_in.parent.mkdir(parents=True)
        stand_in.touch(mode=0o755)


def make_private(base: Path, name: str, managed: bool) -> None:
    """Give the caller, alone in its mount namespace, the files of host ``name``."""
    own = base / "hosts" / name
    layers = [path for path in (f"{base}/packages/usr", "/usr", f"{base}/stand-in/usr") if os.path.isdir(path)]
    if managed and len(layers) > 1:
        kernel.mount("overlay", "/usr", "overlay", kernel.MS_RDONLY, f"lowerdir={':'.join(layers)}")
    added = base / "packages-etc"
    # Last what the lab's own directory lies in, which is then out of sight.
    for target in sorted(_COPIED, key=base.is_relative_to):
        part = own / target.strip("/")
        upper, work = part / "upper", part / "work"
        upper.mkdir(parents=True)
        work.mkdir()
        shutil.copystat(target, upper)
        copy = base / target.strip("/")
        lower = str(copy if copy.exists() else target)
        if managed and target == "/etc" and added.is_dir():
            lower = f"{added}:{lower}"
        kernel.mount("overlay", target, "overlay", 0, f"lowerdir={lower},upperdir={upper},workdir={work}")
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    # A mount of sysfs shows the network namespace of who mounted it.
    kernel.mount("sysfs", "/sys", "sysfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    # The lab's directory may lie below one of these too.
    _empty_tmp()
    kernel.mount("tmpfs", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    Path("/run/lock").mkdir()
    _write_names(name)


def _empty_tmp() -> None:
    """Mount an empty /tmp, in which this checkout stays visible where it lies there: what hosts run is in it."""
    checkout = os.open(_CHECKOUT, os.O_PATH)
    kernel.mount("tmpfs", "/tmp", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=1777")
    if _CHECKOUT.is_relative_to("/tmp"):
        _CHECKOUT.mkdir(parents=True)
        kernel.mount(f"/proc/self/fd/{checkout}", str(_CHECKOUT), "", kernel.MS_BIND | kernel.MS_REC, "")
    os.close(checkout)


def _only_root_is_mapped() -> bool:
    lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[2]) for line in lines) == 1


def _write_names(name: str) -> None:
    for path, text in (
        ("/etc/hostname", f"{name}\n"),
        ("/etc/hosts", f"127.0.0.1 localhost {name}\n::1 localhost {name}\n"),
    ):
        # The machine's own may be a link to a place that is not in the lab.
        Path(path).unlink(missing_ok=True)
        Path(path).write_text(text, encoding="utf-8")


def _copy_readable(source: Path, target: Path) -> None:
    """Copy a tree without what the caller may not read."""
    target.mkdir()
    for entry in os.scandir(source):
        copy = target / entry.name
        try:
            if entry.is_symlink():
                copy.symlink_to(os.readlink(entry.path))
            elif entry.is_dir():
                _copy_readable(Path(entry.path), copy)
            elif entry.is_file():
                shutil.copyfile(entry.path, copy)
                shutil.copymode(entry.path, copy)
        except PermissionError:
            continue


def _copy_directories(source: Path, target: Path, depth: int) -> None:
    """Copy the upper directories of a tree, empty, and the links among them."""
    target.mkdir()
    if depth == 0:
        return
    for entry in os.scandir(source):
        try:
            if entry.is_symlink():
                (target / entry.name).symlink_to(os.readlink(entry.path))
            elif entry.is_dir():
                _copy_directories(Path(entry.path), target / entry.name, depth - 1)
        except PermissionError:
            continue
