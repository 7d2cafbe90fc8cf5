# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell scripts that put ufw's rules in force as ufw itself does: by iptables-restore, one transaction a family. Pure.

What ufw cannot say, which connections are tracked by a helper, is in a chain of our own in the table raw.
"""

from __future__ import annotations

import shlex
import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.module_utils._statements import Statement
from ansible_collections.playout.firewall.plugins.module_utils._ufw import CHAINS, IN, Family

HELPER = "playout-ufw-helper"
JUMPS = ("PREROUTING", "OUTPUT")

_END = "PLAYOUT_END"
_OTHERWISE = " || failed=1"
_BOOT = """\
#!/bin/sh
# Written by playout.firewall; changes are overwritten.
PATH="${PATH:-/usr/bin:/bin}:/usr/sbin:/sbin"
export PATH
failed=0
"""


@dataclass(frozen=True)
class Wanted:
    """What a policy decides of one family's rules, each line as ``-A chain rule``: ufw's user chains and our helpers.

    Without ``user`` nothing is said of ufw's chains: they are not there, or none of our business.
    """

    user: t.Optional[t.Tuple[str, ...]]
    helper: t.Tuple[str, ...] = ()


def helper_lines(said: t.Iterable[Statement], family: Family) -> t.Tuple[str, ...]:
    """Return the chain that assigns the helpers of a family, and what leads to it; empty where none is assigned."""
    rules = []
    for line in said:
        if line.family == family.name:
            port = line.ports[0][0]
            for destination in [f" -d {address}" for address in line.destinations] or [""]:
                rules.append(f"-A {HELPER} -p {line.protocol}{destination} --dport {port} -j CT --helper {line.helper}")
    return (f":{HELPER}", *rules, *(f"-A {chain} -j {HELPER}" for chain in JUMPS)) if rules else ()


def own_rules(helper: t.Iterable[str]) -> t.List[str]:
    """Return the rules of our chain, without its name."""
    start = f"-A {HELPER} "
    return [line[len(start) :] for line in helper if line.startswith(start)]


def restore_text(table: str, chains: t.Mapping[str, t.Sequence[str]], head: str = ":{} - [0:0]") -> str:
    """Return a table's chains, rules without their chain's name, for iptables-restore without a flush."""
    heads = [head.format(chain) for chain in chains]
    lines = [f"-A {chain} {rule}" for chain, rules in chains.items() for rule in rules]
    return "\n".join([f"*{table}", *heads, *lines, "COMMIT", ""])


def change_script(wanted: t.Mapping[Family, Wanted], helpers: t.Container[Family]) -> str:
    """Return the script that puts this in force, for ``sh -e``: it ends at the first step that fails.

    :param helpers: the families whose helpers change.
    """
    steps = []
    for family, one in wanted.items():
        if one.user is not None:
            steps.append(_restore(family, _user_text(family, one.user)))
        if family in helpers:
            steps.append(_helpers(family, one.helper))
    return "\n".join([*steps, ""])


def undo_script(wanted: t.Mapping[Family, Wanted], mark: str = "") -> str:
    """Return the script that puts this in force again, whatever is there: every step is tried.

    :param mark: a file that is removed when all of it is in force.
    """
    steps = ["failed=0"]
    for family, one in wanted.items():
        if one.user is not None:
            # A ufw that was stopped meanwhile has no chains to go back to.
            stopped = f" || ! {family.program} -w 10 -n -L {family.chain(IN)} >/dev/null 2>&1"
            steps.append(_restore(family, _user_text(family, one.user), stopped + _OTHERWISE))
        steps.append(_helpers(family, one.helper, _OTHERWISE))
    if mark:
        steps.append(f"[ $failed = 1 ] || rm -f {shlex.quote(mark)}")
    return "\n".join([*steps, "exit $failed", ""])


def boot_script(helpers: t.Mapping[Family, t.Tuple[str, ...]]) -> str:
    """Return the script that assigns the helpers at boot; the rest is in ufw's own files."""
    steps = [_helpers(family, lines, _OTHERWISE) for family, lines in helpers.items() if lines]
    return _BOOT + "\n".join([*steps, "exit $failed", ""])


def _user_text(family: Family, user: t.Iterable[str]) -> str:
    chains: t.Dict[str, t.List[str]] = {family.chain(direction): [] for direction in CHAINS}
    for line in user:
        _dash, chain, rule = line.split(" ", 2)
        chains[chain].append(rule)
    # Flushed and not declared, which fails where ufw was stopped: chains of its names would keep it from starting.
    return restore_text("filter", chains, "-F {}")


def _restore(family: Family, text: str, otherwise: str = "") -> str:
    return f"{family.program}-restore -w 10 -n <<'{_END}'{otherwise}\n{text}{_END}"


def _helpers(family: Family, lines: t.Tuple[str, ...], otherwise: str = "") -> str:
    """Return the steps that make or remove our chain; also where somebody doubled or removed what leads to it."""
    raw = f"{family.program} -w 10 -t raw"
    unhook = [f"while {raw} -D {chain} -j {HELPER} 2>/dev/null; do :; done" for chain in JUMPS]
    if lines:
        text = restore_text("raw", {HELPER: own_rules(lines)})
        hook = [f"{raw} -A {chain} -j {HELPER}{otherwise}" for chain in JUMPS]
        return "\n".join([_restore(family, text, otherwise), *unhook, *hook])
    remove = [f"{raw} -{flag} {HELPER}{otherwise}" for flag in "FX"]
    return "\n".join([f"if {family.program}-save | grep -q '^:{HELPER} '; then", *unhook, *remove, "fi"])
