# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults, made in the mount namespace of the host to which they happen, and undone again."""

from __future__ import annotations

import shlex

from .target import Target

_PLACE = "/run/faults"
# Stands between a program and whoever calls it; what is asked for happens before or after the numbered call.
_WRAPPER = f"""\
#!/bin/sh
name=${{0##*/}}
echo "$PPID $name $*" >>{_PLACE}/calls
number=$(wc -l <{_PLACE}/calls)
for script in {_PLACE}/before-$number {_PLACE}/before-each; do
    if [ -e $script ]; then . $script; fi
done
{_PLACE}/real/$name "$@"
code=$?
for script in {_PLACE}/after-$number {_PLACE}/after-each; do
    if [ -e $script ]; then . $script; fi
done
exit $code
"""

KILL_MODULE = f"kill -9 $(cat {_PLACE}/module)"
CRASH = "kill -SEGV $$"
WAIT = f"while [ ! -e {_PLACE}/go ]; do sleep 0.02; done"
GO = f"touch {_PLACE}/go"
# The rules of the host, also where a program tries something out in another network namespace.
IN_FORCE = f"nsenter --net=/proc/1/ns/net {_PLACE}/real/nft --stateless list ruleset"
BEFORE, HELD = f"{_PLACE}/rules", f"{_PLACE}/held"


class Injection:
    """The faults of one test."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._undo: list[str] = []
        target.shell(f"rm -f {_PLACE}/calls {_PLACE}/before-* {_PLACE}/after-* {_PLACE}/go; touch {_PLACE}/calls")

    def end(self) -> None:
        # Nobody waits for ever.
        for command in [GO, *reversed(self._undo)]:
            self._target.shell(command)
        self._undo.clear()

    def wrap(self) -> None:
        """Put the wrapper in front of every program of the manager."""
        self._target.shell(f"mkdir -p {_PLACE}/real")
        self._write("wrapper", _WRAPPER)
        for program in self._target.manager.programs:
            self._set_aside(program)
        # Several names may be one program.
        for path in sorted({self._path(program) for program in self._target.manager.programs}):
            self._cover(path, f"{_PLACE}/wrapper")

    def calls(self) -> list[str]:
        """What was called since the last ``script``: the caller's number, the program, its arguments."""
        return self._target.shell(f"cat {_PLACE}/calls").splitlines()

    def script(self, when: str, text: str) -> None:
        """Count calls from 1 again, and have the wrapper do this at ``before-3`` or ``after-each``."""
        self._target.shell(f"rm -f {_PLACE}/before-* {_PLACE}/after-*; : >{_PLACE}/calls")
        self._write(when, text)

    def replace(self, program: str, script: str) -> None:
        """Put another program in the place of one."""
        self._write(f"instead-{program}", script)
        self._cover(self._path(program), f"{_PLACE}/instead-{program}")

    def remove(self, program: str) -> None:
        """Have a program not be there, wherever it is looked for."""
        layers, path = f"{_PLACE}/without-{program}", self._target.shell(f"command -v {program}").strip()
        place = path.rpartition("/")[0]
        self._mount(
            f"""
            mkdir -p {layers}/upper {layers}/work
            mount -t overlay overlay -o lowerdir={place},upperdir={layers}/upper,workdir={layers}/work {place}
            rm {path}
            """,
            # What undoes it runs from there.
            f"umount -l {place}; rm -rf {layers}",
        )

    def fill_disk(self, directory: str) -> None:
        """Have a directory be on a disk of its own that is full."""
        disk = f"{_PLACE}/disk"
        self._mount(
            f"""
            mkdir -p {disk}
            mount -t tmpfs -o mode=755,size=$(($(du -sk {directory} | cut -f1) + 64))k tmpfs {disk}
            cp -a {directory}/. {disk}
            dd if=/dev/zero of={disk}/.filler bs=1k 2>/dev/null || true
            mount --bind {disk} {directory}
            umount {disk}
            """,
            f"umount {directory}",
        )

    def make_read_only(self, directory: str) -> None:
        self._mount(
            f"mount --bind {directory} {directory}; mount -o remount,bind,ro {directory}", f"umount {directory}"
        )

    def pin(self, file: str) -> None:
        """Have a file that cannot be replaced, in a directory that can be written."""
        self._mount(f"mount --bind {file} {file}", f"umount {file}")

    def _set_aside(self, program: str) -> None:
        # A program may look at the name by which it was called.
        self._target.shell(
            f"""
            path=$(readlink -f $(command -v {program}))
            cp -n $path {_PLACE}/real/
            [ -e {_PLACE}/real/{program} ] || ln -s ${{path##*/}} {_PLACE}/real/{program}
            """
        )

    def _path(self, program: str) -> str:
        return self._target.shell(f"readlink -f $(command -v {program})").strip()

    def _cover(self, path: str, by: str) -> None:
        self._mount(f"chmod 755 {by}; mount --bind {by} {path}", f"umount {path}")

    def _mount(self, command: str, undo: str) -> None:
        self._target.shell(command)
        self._undo.append(undo)

    def _write(self, name: str, text: str) -> None:
        self._target.shell(f"printf %s {shlex.quote(text)} >{_PLACE}/{name}")
