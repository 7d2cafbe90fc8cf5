# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the target's own programs: one seam, so that the backends are tested without them."""

from __future__ import annotations

import os
import subprocess
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils import _lock

# A shell ends with this and the signal's number for a program that a signal ended.
_SHELL_SIGNALS = 128
# Firewall tools live where an ordinary user's PATH does not look.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Result(t.NamedTuple):
    """How a program ended."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def crashed(self) -> bool:
        """Whether a signal ended it, or the program that a shell ran: what it did not say may well be there."""
        return self.code < 0 or self.code > _SHELL_SIGNALS

    @property
    def reason(self) -> str:
        """What it complained about, for an error message."""
        crash = f"ended by signal {self.code % _SHELL_SIGNALS if self.code > 0 else -self.code}" if self.crashed else ""
        return self.err.strip() or crash or self.out.strip() or f"exit code {self.code}"


# Runs an argument list (never a shell's text) with an input. As in a shell, a program that is not there ends with code
# 127, and one that may not be run with 126.
Run = t.Callable[[t.Sequence[str], str], Result]


def run(arguments: t.Sequence[str], text: str = "") -> Result:
    """Run a program to its end, in the C locale. Where this process is killed, the lock is held until that end."""
    try:
        # The core knows no module whose run_command it could call.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            list(arguments),
            input=text.encode(),
            env=environment(),
            check=False,
            capture_output=True,
            pass_fds=_lock.held(),
        )
    except FileNotFoundError as error:
        return Result(127, "", str(error))
    except OSError as error:
        return Result(126, "", str(error))
    return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def environment() -> t.Dict[str, str]:
    """Return the environment in which the target's programs run: they are found, and their messages are English."""
    return dict(os.environ, LC_ALL="C", PATH=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}".lstrip(":"))
