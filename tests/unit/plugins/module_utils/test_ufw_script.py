# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts that put ufw's rules in force: run by a shell, with programs that write down what they are asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options, statements
from ansible_collections.playout.firewall.plugins.module_utils._ufw import IPV4, IPV6
from ansible_collections.playout.firewall.plugins.module_utils._ufw_script import (
    HELPER,
    Wanted,
    boot_script,
    change_script,
    helper_lines,
    undo_script,
)

USER = ("-A ufw-user-input -j ACCEPT", '-A ufw-user-output -m comment --comment "two $words" -j DROP')
USER6 = ("-A ufw6-user-input -j ACCEPT",)
HELP = (f":{HELPER}", f"-A {HELPER} -p tcp --dport 21 -j CT --helper ftp")
RESTORED = """\
*filter
-F ufw-user-input
-F ufw-user-output
-A ufw-user-input -j ACCEPT
-A ufw-user-output -m comment --comment "two $words" -j DROP
COMMIT
"""

# Deleting a jump works once; what a file names is refused.
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >> "$LOG"
case "$0" in *-restore) cat >> "$LOG" ;; *-save) cat "$LISTING" 2>/dev/null ;; esac
case "$*" in *" -D "*) exit 1 ;; esac
case "$(basename "$0") $*" in $REFUSED) echo refused >&2; exit 1 ;; esac
"""


class Shell:
    """Runs scripts with played programs."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "log"
        self.listing = directory / "listing"
        self._bin = directory / "bin"
        self._bin.mkdir()
        for family in ("iptables", "ip6tables"):
            for part in ("", "-save", "-restore"):
                program = self._bin / f"{family}{part}"
                program.write_text(PROGRAM, encoding="ascii")
                program.chmod(0o755)

    def run(self, script: str, *options: str, refused: str = "nothing") -> tuple[int, list[str]]:
        self.log.write_text("", encoding="ascii")
        environment = {
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "LOG": str(self.log),
            "LISTING": str(self.listing),
            "REFUSED": refused,
        }
        done = subprocess.run(["sh", *options], input=script, text=True, env=environment, check=False, timeout=20)
        return done.returncode, self.log.read_text(encoding="ascii").splitlines()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def _helpers(*addresses: str) -> list[tuple[str, ...]]:
    helper: dict[str, Any] = {"name": "ftp", "protocol": "tcp", "port": 2121, "addresses": list(addresses)}
    said = statements(Policy.from_dict({"host": "h", "helpers": [helper]}), Options())
    return [helper_lines(said.helpers, family) for family in (IPV4, IPV6)]


def test_helpers_are_assigned_by_family_and_address() -> None:
    four, six = _helpers("10.0.0.1", "10.0.0.2", "2001:db8::1")
    assert four == (
        f":{HELPER}",
        f"-A {HELPER} -p tcp -d 10.0.0.1 --dport 2121 -j CT --helper ftp",
        f"-A {HELPER} -p tcp -d 10.0.0.2 --dport 2121 -j CT --helper ftp",
        f"-A PREROUTING -j {HELPER}",
        f"-A OUTPUT -j {HELPER}",
    )
    assert six[1] == f"-A {HELPER} -p tcp -d 2001:db8::1 --dport 2121 -j CT --helper ftp"
    assert _helpers("10.0.0.1")[1] == ()
    assert _helpers("any")[0][1] == f"-A {HELPER} -p tcp --dport 2121 -j CT --helper ftp"


def test_a_change_is_one_transaction_a_family(shell: Shell) -> None:
    code, log = shell.run(change_script({IPV4: Wanted(USER), IPV6: Wanted(USER6)}, ()), "-eu")
    assert code == 0
    commands = [line for line in log if line.startswith("ip")]
    assert commands == [
        "iptables-restore -w 10 -n",
        "ip6tables-restore -w 10 -n",
    ]
    assert RESTORED.splitlines() == log[1:7]


def test_a_change_ends_at_the_first_step_that_fails(shell: Shell) -> None:
    script = change_script({IPV4: Wanted(USER), IPV6: Wanted(USER6)}, ())
    code, log = shell.run(script, "-eu", refused="iptables-restore*")
    assert code != 0
    assert not any("ip6tables" in line for line in log)


def test_chains_that_are_none_of_our_business_are_not_touched(shell: Shell) -> None:
    assert shell.run(change_script({IPV4: Wanted(None), IPV6: Wanted(None)}, ()), "-eu") == (0, [])
    _code, log = shell.run(undo_script({IPV4: Wanted(None)}))
    assert log == ["iptables-save "]


def test_helpers_change_only_where_they_differ(shell: Shell) -> None:
    _code, log = shell.run(change_script({IPV4: Wanted(None, HELP), IPV6: Wanted(None, HELP)}, {IPV4}), "-eu")
    assert {line.split()[0] for line in log if line.startswith("ip")} == {"iptables", "iptables-restore"}
    assert log.count(f"iptables -w 10 -t raw -A PREROUTING -j {HELPER}") == 1
    assert log.index(f"iptables -w 10 -t raw -D OUTPUT -j {HELPER}") < log.index(
        f"iptables -w 10 -t raw -A OUTPUT -j {HELPER}"
    )


def test_helpers_that_are_there_are_removed_with_what_leads_to_them(shell: Shell) -> None:
    script = change_script({IPV4: Wanted(None)}, {IPV4})
    assert shell.run(script, "-eu") == (0, ["iptables-save "])
    shell.listing.write_text(f"*raw\n:{HELPER} - [0:0]\n", encoding="ascii")
    code, log = shell.run(script, "-eu")
    assert code == 0
    assert [line.split(" raw ")[1] for line in log[1:]] == [
        f"-D PREROUTING -j {HELPER}",
        f"-D OUTPUT -j {HELPER}",
        f"-F {HELPER}",
        f"-X {HELPER}",
    ]


def test_the_way_back_tries_everything_and_says_whether_it_worked(shell: Shell, tmp_path: Path) -> None:
    mark = tmp_path / "the mark"
    mark.touch()
    script = undo_script({IPV4: Wanted(USER), IPV6: Wanted(USER6)}, str(mark))
    code, log = shell.run(script, refused="iptables-restore*")
    assert code == 1
    assert mark.exists()
    assert "-A ufw6-user-input -j ACCEPT" in log
    code, log = shell.run(script)
    assert code == 0
    assert not mark.exists()
    assert RESTORED.splitlines() == log[1:7]


def test_the_way_back_is_none_where_ufw_was_stopped(shell: Shell) -> None:
    script = undo_script({IPV4: Wanted(USER)})
    assert shell.run(script, refused="iptables*")[0] == 0
    assert shell.run(script, refused="iptables-restore*")[0] == 1
    # Rules are put into chains that are there; none is made.
    assert not any(line.startswith(":") for line in script.splitlines())


def test_the_boot_assigns_helpers_and_nothing_else(shell: Shell) -> None:
    script = boot_script({IPV4: HELP, IPV6: ()})
    assert script.startswith("#!/bin/sh\n")
    code, log = shell.run(script)
    assert code == 0
    assert {line.split()[0] for line in log if line.startswith("ip")} == {"iptables", "iptables-restore"}
    assert f"-A {HELPER} -p tcp --dport 21 -j CT --helper ftp" in log
    assert shell.run(script, refused="iptables-restore*")[0] == 1
