# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What brings our rules back after a reboot, and after the distribution's service flushed everything.

A unit of our own, because the distribution's may be disabled, and a drop-in for each of the distribution's services
that flushes rules when it starts. Files only, so that it works in an image as well. All files are first written beside
those they replace, where a full disk shows, and then put in place; when one cannot be, the old ones are put back.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._command import Run

DIRECTORY = "etc/playout-firewall"
# What backends load at boot: a text for nft, or a script for those that take several steps.
NFT_RULES, SCRIPT_RULES = RULES = (f"{DIRECTORY}/ruleset.nft", f"{DIRECTORY}/ruleset.sh")
UNIT_NAME = "playout-firewall.service"
_UNITS = "etc/systemd/system"
UNIT = f"{_UNITS}/{UNIT_NAME}"
ENABLED = f"{_UNITS}/sysinit.target.wants/{UNIT_NAME}"

# Whoever flushes rules that a backend of ours loads; also where drop-ins of an earlier backend are looked for.
SERVICES = ("nftables", "netfilter-persistent", "iptables", "ip6tables", "ufw")

_MANAGERS = ("lib/systemd/systemd", "usr/lib/systemd/systemd")
PRIVATE, PUBLIC, LINK = 0o600, 0o644, None

_UNIT_TEXT = """\
# Written by playout.firewall; changes are overwritten.
[Unit]
Description=Firewall rules of the playout plan
DefaultDependencies=no
Wants=network-pre.target
After={services}
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
ConditionPathExists=/{rules}

[Service]
Type=oneshot
RemainAfterExit=yes
{modules}ExecStart={load}
ExecReload={load}

[Install]
WantedBy=sysinit.target
"""

# A service that flushed and then failed on its own file is not started; one that was stopped is meant to be.
_DROP_IN_TEXT = """\
# Written by playout.firewall: this service may flush every rule, ours included.
[Service]
{prepare}ExecStartPost=-{load}
ExecReload=-{load}
ExecStopPost=-/bin/sh -c '[ "$$SERVICE_RESULT" = success ] || exec {load}'
"""


class PersistError(RuntimeError):
    """The files for the next boot cannot be written; the old ones are in place."""


class BootFile(t.NamedTuple):
    """A file as it should be; without a mode it is a symbolic link and the content is its target."""

    path: str
    content: str
    mode: t.Optional[int]


class Loader(t.NamedTuple):
    """What a backend wants at boot: its rules in one file, the command that loads them, and after which services.

    ``modules`` are kernel modules that the rules need. ``prepare`` is run before such a service loads its own file,
    in which rules of ours may have been saved.
    """

    rules: BootFile
    command: t.Sequence[str]
    services: t.Sequence[str]
    modules: t.Sequence[str] = ()
    prepare: t.Sequence[str] = ()


class Differences(t.NamedTuple):
    """The files to write, the rules first and what reads them last, and the paths to remove, in reverse."""

    write: t.Sequence[BootFile] = ()
    remove: t.Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.write or self.remove)


class Persistence:
    """The boot files of one host, or of an image mounted somewhere."""

    def __init__(self, run: Run, root: str = "/") -> None:
        self._run = run
        self._root = root

    @property
    def supported(self) -> bool:
        """Whether this host's init system will read what is written here."""
        return any(os.path.exists(self._at(path)) for path in (*_MANAGERS, "run/systemd/system"))

    def compare(self, loader: t.Optional[Loader]) -> Differences:
        """Return what differs from what this loader wants; without one, nothing of ours is to be there."""
        files = self._wanted(loader) if loader else []
        wanted = {file.path for file in files}
        write = [file for file in files if self._read(file.path) != (file.content, file.mode)]
        return Differences(write, [path for path in self._existing() if path not in wanted])

    def stage(self, differences: Differences) -> None:
        """Write the new files beside those they replace.

        :raises PersistError: naming the file; nothing has changed.
        """
        for file in differences.write:
            try:
                self._stage(file)
            except OSError as error:
                self.discard(differences)
                raise PersistError(f"/{file.path} cannot be written: {error.strerror}") from error

    def discard(self, differences: Differences) -> None:
        """Remove what was staged."""
        for file in differences.write:
            _tidy(self._at(_temporary(file.path)))
        self._remove_empty_directories()

    @contextlib.contextmanager
    def commit(self, differences: Differences) -> t.Iterator[None]:
        """Put what was staged in place and remove what is to go; both are taken back where the context fails.

        :raises PersistError: naming the file; the old files are in place again, unless it names them too.
        """
        paths = [file.path for file in differences.write] + list(differences.remove)
        begun: t.List[str] = []
        for path in paths:
            try:
                self._keep(path)
                begun.append(path)
                self._replace(path, path in differences.remove)
            except OSError as error:
                told = self._take_back(begun, differences)
                raise PersistError(f"/{path} cannot be replaced: {error.strerror}{told}") from error
        try:
            yield
        except Exception as error:
            told = self._take_back(paths, differences)
            if told:
                raise PersistError(f"{error}{told}") from error
            raise
        for path in paths:
            _tidy(self._at(_former(path)))
        self._remove_empty_directories()
        if any(path.startswith(_UNITS) for path in paths):
            self._tell(UNIT in differences.remove)

    def _wanted(self, loader: Loader) -> t.List[BootFile]:
        files = [loader.rules]
        if self.supported:
            load = " ".join(loader.command)
            modules = f"ExecStartPre=-/sbin/modprobe -a -q {' '.join(loader.modules)}\n" if loader.modules else ""
            services = " ".join(f"{name}.service" for name in loader.services)
            unit = _UNIT_TEXT.format(services=services, rules=loader.rules.path, load=load, modules=modules)
            files.append(BootFile(UNIT, unit, PUBLIC))
            prepare = f"ExecStartPre=-{' '.join(loader.prepare)}\n" if loader.prepare else ""
            text = _DROP_IN_TEXT.format(load=load, prepare=prepare)
            files += [BootFile(drop_in(name), text, PUBLIC) for name in loader.services]
            files.append(BootFile(ENABLED, f"/{UNIT}", LINK))
        return files

    def _existing(self) -> t.List[str]:
        """Return the paths of ours that are there, what reads the rules first, and what killed runs left."""
        paths = (ENABLED, *map(drop_in, SERVICES), UNIT, *RULES)
        left = [name(path) for path in paths for name in (_temporary, _former)]
        return [path for path in (*paths, *left) if os.path.lexists(self._at(path))]

    def _at(self, path: str) -> str:
        return os.path.join(self._root, path)

    def _read(self, path: str) -> t.Optional[t.Tuple[str, t.Optional[int]]]:
        full = self._at(path)
        try:
            if os.path.islink(full):
                return os.readlink(full), LINK
            with open(full, encoding="utf-8", errors="replace") as handle:
                return handle.read(), os.fstat(handle.fileno()).st_mode & 0o7777
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def _stage(self, file: BootFile) -> None:
        temporary = self._at(_temporary(file.path))
        directory = os.path.dirname(temporary)
        os.makedirs(directory, mode=0o700 if file.mode == PRIVATE else 0o755, exist_ok=True)
        # Left by a run that was killed here.
        _unlink(temporary)
        if file.mode is None:
            os.symlink(file.content, temporary)
            return
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            os.fchmod(handle, file.mode)
            stream.write(file.content)
            stream.flush()
            os.fsync(handle)

    def _keep(self, path: str) -> None:
        """Give the old file a second name, which needs no room on a disk."""
        _unlink(self._at(_former(path)))
        if os.path.lexists(self._at(path)):
            os.link(self._at(path), self._at(_former(path)), follow_symlinks=False)

    def _replace(self, path: str, remove: bool) -> None:
        """Put the new file in place, or none."""
        full = self._at(path)
        if remove:
            _unlink(full)
        else:
            os.replace(self._at(_temporary(path)), full)
        _sync(os.path.dirname(full))

    def _take_back(self, begun: t.Sequence[str], differences: Differences) -> str:
        """Put the old files in place again; return what is to be said of those that could not be."""
        stuck = [f"/{path}" for path in reversed(begun) if not self._put_back(path)]
        self.discard(differences)
        return f"; not put back, their old content is beside them: {', '.join(stuck)}" if stuck else ""

    def _put_back(self, path: str) -> bool:
        """Return whether the old file, if there was any, is in place again under its one name."""
        former = self._at(_former(path))
        try:
            if os.path.lexists(former):
                os.replace(former, self._at(path))
                # Where both still named one file, that was nothing.
                _unlink(former)
            else:
                _unlink(self._at(path))
        except OSError:
            return False
        return True

    def _remove_empty_directories(self) -> None:
        for path in (ENABLED, *map(drop_in, SERVICES), f"{DIRECTORY}/"):
            try:
                os.rmdir(self._at(os.path.dirname(path)))
            except OSError:
                # Not there, or somebody has files in it.
                continue

    def _tell(self, gone: bool) -> None:
        """Make a running systemd read its files again; elsewhere there is nothing to tell."""
        if not os.path.isdir(self._at("run/systemd/system")):
            return
        if gone:
            # Stopping it does nothing; but it would be listed, as not found, until the next boot.
            self._run(["systemctl", "stop", UNIT_NAME], "")
        self._run(["systemctl", "daemon-reload"], "")


def drop_in(service: str) -> str:
    """Return the path of our drop-in for a service."""
    return f"{_UNITS}/{service}.service.d/playout-firewall.conf"


def _temporary(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.new")


def _former(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.old")


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _tidy(path: str) -> None:
    """Remove what the next run would, where this one may not."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def _sync(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
