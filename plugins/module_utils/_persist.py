# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings our table back after a reboot, and after the distribution's nftables service flushed everything.

A unit of our own, because nftables.service may be disabled, and a drop-in for that service, because its file usually
begins with ``flush ruleset``. Files only, so that it works in an image as well; every file is replaced in one step.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.module_utils._command import Run

DIRECTORY = "etc/playout-firewall"
RULESET = f"{DIRECTORY}/ruleset.nft"
_UNITS = "etc/systemd/system"
UNIT = f"{_UNITS}/playout-firewall.service"
DROP_IN = f"{_UNITS}/nftables.service.d/playout-firewall.conf"
ENABLED = f"{_UNITS}/sysinit.target.wants/playout-firewall.service"

_MANAGERS = ("lib/systemd/systemd", "usr/lib/systemd/systemd")
_PRIVATE, _PUBLIC, _LINK = 0o600, 0o644, None

_UNIT_TEXT = """\
# Written by playout.firewall; changes are overwritten.
[Unit]
Description=Firewall rules of the playout plan
DefaultDependencies=no
Wants=network-pre.target
After=nftables.service
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
ConditionPathExists=/{ruleset}

[Service]
Type=oneshot
RemainAfterExit=yes
{modules}ExecStart={nft} -f /{ruleset}
ExecReload={nft} -f /{ruleset}

[Install]
WantedBy=sysinit.target
"""

_DROP_IN_TEXT = """\
# Written by playout.firewall: the service's own file may flush every table, ours included.
[Service]
ExecStartPost=-{nft} -f /{ruleset}
ExecReload=-{nft} -f /{ruleset}
"""


@dataclass(frozen=True)
class BootFile:
    """A file as it should be; without a mode it is a symbolic link and the content is its target."""

    path: str
    content: str
    mode: t.Optional[int]


class Persistence:
    """The boot files of one host, or of an image mounted somewhere."""

    def __init__(self, run: Run, root: str = "/") -> None:
        self._run = run
        self._root = root

    @property
    def supported(self) -> bool:
        """Whether this host's init system will read what is written here."""
        return any(os.path.exists(self._at(path)) for path in (*_MANAGERS, "run/systemd/system"))

    def wanted(self, text: str, nft: str, modules: t.Sequence[str]) -> t.List[BootFile]:
        """Return the files that load this text at boot, the rules first, what reads them last."""
        files = [BootFile(RULESET, text, _PRIVATE)]
        if self.supported:
            load = f"ExecStartPre=-/sbin/modprobe -a -q {' '.join(modules)}\n" if modules else ""
            unit = _UNIT_TEXT.format(ruleset=RULESET, nft=nft, modules=load)
            files.append(BootFile(UNIT, unit, _PUBLIC))
            files.append(BootFile(DROP_IN, _DROP_IN_TEXT.format(ruleset=RULESET, nft=nft), _PUBLIC))
            files.append(BootFile(ENABLED, f"/{UNIT}", _LINK))
        return files

    def differing(self, files: t.Sequence[BootFile]) -> t.List[BootFile]:
        """Return those that are absent or not as they should be, in content or mode."""
        return [file for file in files if self._read(file.path) != (file.content, file.mode)]

    def existing(self) -> t.List[str]:
        """Return the paths of ours that are there, what reads the rules first."""
        paths = (ENABLED, DROP_IN, UNIT, RULESET)
        known = [path for path in paths if os.path.lexists(self._at(path))]
        return known + [_temporary(path) for path in paths if os.path.lexists(self._at(_temporary(path)))]

    def write(self, files: t.Sequence[BootFile]) -> None:
        """Write these files, each in one step."""
        for file in files:
            self._write(file)
        if any(file.path != RULESET for file in files):
            self._reload()

    def remove(self) -> None:
        """Remove every file of ours and the directories that this leaves empty."""
        existing = self.existing()
        for path in existing:
            os.unlink(self._at(path))
        for directory in (os.path.dirname(ENABLED), os.path.dirname(DROP_IN), DIRECTORY):
            try:
                os.rmdir(self._at(directory))
            except OSError:
                # Not there, or somebody else has files in it.
                continue
        if any(path.startswith(_UNITS) for path in existing):
            self._reload()

    def _at(self, path: str) -> str:
        return os.path.join(self._root, path)

    def _read(self, path: str) -> t.Optional[t.Tuple[str, t.Optional[int]]]:
        full = self._at(path)
        try:
            if os.path.islink(full):
                return os.readlink(full), _LINK
            with open(full, encoding="utf-8", errors="replace") as handle:
                return handle.read(), os.fstat(handle.fileno()).st_mode & 0o7777
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def _write(self, file: BootFile) -> None:
        full, temporary = self._at(file.path), self._at(_temporary(file.path))
        directory = os.path.dirname(full)
        os.makedirs(directory, mode=0o700 if file.path == RULESET else 0o755, exist_ok=True)
        if os.path.lexists(temporary):
            # Left by a run that was killed here.
            os.unlink(temporary)
        if file.mode is None:
            os.symlink(file.content, temporary)
        else:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                os.fchmod(handle, file.mode)
                stream.write(file.content)
                stream.flush()
                os.fsync(handle)
        os.replace(temporary, full)
        _sync(directory)

    def _reload(self) -> None:
        """Make a running systemd read its files again; elsewhere there is nothing to tell."""
        if os.path.isdir(self._at("run/systemd/system")):
            self._run(["systemctl", "daemon-reload"], "")


def _temporary(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")


def _sync(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
