# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shell scripts that put rules of ours in force. Pure: text out of data.

iptables replaces one table of one family at a time, and sets apart from them. So every change is a script, which is
carried out as a whole, and which the next boot can run without us. It finds out by itself what is there: chains of ours
are replaced whatever they hold, others' are never touched, and our jumps go where they belong among others' rules.
"""

from __future__ import annotations

import re
import shlex
import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.module_utils._iptables import (
    FORWARD,
    INPUT,
    MARK,
    OUTPUT,
    SET_MARK,
    SET_PATTERN,
    SET_SIZES,
    AddressSet,
    Rules,
    Table,
)
from ansible_collections.playout.firewall.plugins.module_utils._statements import FAMILIES

# The distribution's files, which may name sets of ours when the administrator saved the rules in force.
SAVED = ("etc/iptables/rules.v4", "etc/iptables/rules.v6", "etc/sysconfig/iptables", "etc/sysconfig/ip6tables")
# The argument with which the boot script only makes sure that what is in those files will load.
SETS = "sets"

_NEW = "-NEW"
_END = "PLAYOUT_END"

# Whose rules stand in front of ours. Regular expressions that awk understands as well: no {n}, no backslash.
_HEX = "[0-9a-f]" * 12
_BRIDGE = f"(docker[0-9]+|br-{_HEX}|podman[0-9]+|cni[0-9]+|cni-podman[0-9]+|virbr[0-9]+|lxcbr[0-9]+|lxdbr[0-9]+)"
# Bans, and what lets every packet go on, with or without a target.
_PASSING = " -[jg] f2b-[^ ]*$| -j (LOG|NFLOG|ULOG|MARK|CONNMARK|SET|TCPMSS|CLASSIFY|DSCP|TOS|AUDIT|TRACE)( |$)"
# Containers' and virtual machines', which concern bridges of their own and come back to the head at every start.
_THEIRS = f" -[jg] (DOCKER|NETAVARK|CNI-|LIBVIRT_)[^ ]*$|(^|[^!]) -[io] {_BRIDGE} "
_THEIR_MASQUERADE = (
    f" ! -o {_BRIDGE} -j MASQUERADE$| -d [0-9a-f.:/]+ -p (tcp|udp|sctp) -m (tcp|udp|sctp) --dport [0-9]+ -j MASQUERADE$"
)

_COMPOSE = f"""
function tolerated(table, chain, rule) {{
    if (rule !~ / -[jg] / || rule ~ "{_PASSING}") return 1
    if (table == "nat" && chain == "PREROUTING") return 0
    if (table == "nat" && rule ~ "{_THEIR_MASQUERADE}") return 1
    return rule ~ "{_THEIRS}"
}}
function clear(table) {{ printf "%s%s", jumps[table], flushes[table]; listed[table] = 1 }}
function jump(chain, position, rule,    key, last) {{
    key = table " " chain
    last = count[key] + 1
    if (position == 0) position = place[key] + 1
    print "-I " chain " " (position < last ? position : last) " " rule
}}
$0 == "#wanted" {{ wanted = 1; next }}
wanted && $0 == "#rest" {{ everything = 1; next }}
wanted && /^[*]/ {{ table = substr($0, 2); print; clear(table); next }}
wanted && /^@/ {{ rest = $0; sub(/^@[^ ]+ [0-9]+ /, "", rest); jump(substr($1, 2), $2 + 0, rest); next }}
wanted && /^:/ {{ kept[table " " substr($1, 2)] = 1 }}
wanted && /^COMMIT/ {{ n = split(ours[table], names); for (i = 1; i <= n; i++)
    if (!kept[table " " names[i]]) print "-X " names[i] }}
wanted {{ print; next }}
/^[*]/ {{ table = substr($0, 2); next }}
/^:{MARK}/ {{ ours[table] = ours[table] " " substr($1, 2)
    flushes[table] = flushes[table] $1 " - [0:0]\\n"; next }}
/^-A {MARK}/ {{ next }}
/^-A .* -[jg] {MARK}[^ ]*$/ {{ jumps[table] = jumps[table] "-D" substr($0, 3) "\\n"; next }}
/^-A / {{ key = table " " $2; count[key]++
    if (!closed[key] && tolerated(table, $2, $0)) place[key] = count[key]; else closed[key] = 1 }}
END {{ for (table in ours) if (everything && !listed[table]) {{
    print "*" table; clear(table)
    n = split(ours[table], names); for (i = 1; i <= n; i++) print "-X " names[i]
    print "COMMIT" }} }}
"""

_PRELUDE = f"""\
#!/bin/sh
# Written by playout.firewall; changes are overwritten.
set -f
LC_ALL=C
PATH="${{PATH:-/usr/bin:/bin}}:/usr/local/sbin:/usr/sbin:/sbin"
export LC_ALL PATH
status=0

# Goes on after a step that fails, for those who have nobody to stop for.
try() {{ "$@" || status=1; }}

# Gives the tables on standard input to a family's programs, together with what makes room for them. Ends as they did.
load() {{
    case "$1" in ip6*) [ -d /proc/sys/net/ipv6 ] || return 0 ;; esac
    live=$("$1") || return
    text=$({{ printf '%s\\n#wanted\\n' "$live"; cat; }} | awk '{_COMPOSE}') || return 1
    [ -n "$text" ] || return 0
    said=$(printf '%s\\n' "$text" | "$2" -w 60 --noflush 2>&1) && return 0
    code=$?
    number=$(expr "$said" : '.*line:\\{{0,1\\}} \\([0-9]\\{{1,\\}}\\)') || number=0
    printf '%s\\n' "$said" | sed '/^$/d; /^Try /d' >&2
    [ "$number" = 0 ] || printf '%s\\n' "$text" | sed -n "${{number}}p" >&2
    return $code
}}

# Destroys our sets that are not among the arguments; the kernel lets go of a rule's sets a moment after the rule.
tidy() {{
    command -v ipset >/dev/null || return 0
    for name in $(ipset list -n 2>/dev/null); do
        case "$name" in {SET_PATTERN}) ;; *) continue ;; esac
        case " $* " in *" $name "*) continue ;; esac
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            ipset destroy "$name" 2>/dev/null && break
            sleep 0.1
        done
    done
}}

# Makes empty sets for those that saved rules name and nobody remembers: otherwise none of these rules would load.
spare() {{
    command -v ipset >/dev/null || return 0
    cat {" ".join(f"/{path}" for path in SAVED)} 2>/dev/null |
        grep -oE '{SET_MARK}(ip|net)[46]-[0-9a-f]+' | sort -u | while read -r name; do
        case "$name" in {SET_MARK}ip*) kind=ip ;; *) kind=net ;; esac
        case "$name" in {SET_MARK}??4-* | {SET_MARK}???4-*) family=inet ;; *) family=inet6 ;; esac
        ipset -exist create "$name" "hash:$kind" family "$family" {SET_SIZES} || return 1
    done
}}
"""


@dataclass(frozen=True)
class Programs:
    """The programs of the iptables in use: the distribution's choice, ``-nft`` or ``-legacy``."""

    variant: str = ""
    # Where the kernel has no IPv6 there is nothing to filter.
    ipv6: bool = True

    def of(self, family: str) -> t.Tuple[str, str]:
        """Return the programs that list and load a family's rules."""
        start = f"ip{'6' if family == 'ipv6' else ''}tables{self.variant}"
        return f"{start}-save", f"{start}-restore"

    @property
    def families(self) -> t.Tuple[str, ...]:
        return FAMILIES if self.ipv6 else FAMILIES[:1]


def tolerated(table: str, chain: str, rule: str) -> bool:
    """Whether a rule of others, without its chain's name, stands in front of our jump in a built-in chain."""
    text = f"-A {chain} {rule}"
    if not re.search(" -[jg] ", text) or re.search(_PASSING, text):
        return True
    if (table, chain) == ("nat", "PREROUTING"):
        return False
    return bool((table == "nat" and re.search(_THEIR_MASQUERADE, text)) or re.search(_THEIRS, text))


def load_script(rules: Rules, programs: Programs) -> str:
    """Return the script that adds these rules where nothing of ours is."""
    loads = _load(rules, rules.tables, programs, ("filter", "nat", "raw"), "")
    return "\n".join([_PRELUDE, _create(rules.sets, ""), *loads])


def boot_script(rules: Rules, programs: Programs) -> str:
    """Return the script that brings these rules about, whatever is there; what can be done is done."""
    body = [_create(rules.sets, "try ")]
    body.append(f'if [ "${{1:-}}" = {SETS} ]; then\n    try spare\n    exit $status\nfi\n')
    # Where nothing translates yet, nothing gets in unfiltered.
    body += _load(rules, (), programs, ("filter", "nat", "raw"), "try ")
    return "\n".join([_PRELUDE, *body, _tidy(rules), "exit $status", ""])


def change_script(before: Rules, after: Rules, programs: Programs, undo: bool = False) -> str:
    """Return the script from one state to another; no moment of it lets a packet pass that neither state does.

    :param undo: it begins somewhere between the two, and does what can be done.
    """
    step = "try " if undo else ""
    touched = (*before.tables, *after.tables)
    body = [_create(after.sets, step)]
    if _translates_otherwise(before, after):
        # While nat and raw change one after the other, a packet has to get through both filters.
        filters = [(family, "filter") for family in programs.families]
        both = Rules({key: _both(before.tables.get(key, Table()), after.tables.get(key, Table())) for key in filters})
        body += _load(both, touched, programs, ("filter",), step)
        body += _load(after, touched, programs, ("nat", "raw", "filter"), step)
    else:
        body += _load(after, touched, programs, ("filter", "nat", "raw"), step)
    return "\n".join([_PRELUDE, *body, _tidy(after), "exit $status", ""])


def _translates_otherwise(before: Rules, after: Rules) -> bool:
    return any(
        before.tables.get(key, Table()).chains != after.tables.get(key, Table()).chains
        for key in (*before.tables, *after.tables)
        if key[1] != "filter"
    )


def _both(before: Table, after: Table) -> Table:
    """Return a filter that lets through only what both do: the new one returns what it accepts to the old one.

    What is essential it accepts at once, because that is not anybody's traffic through a translation.
    """
    chains = dict(before.chains)
    for name, lines in after.chains.items():
        lines = tuple(re.sub(f" -([jg]) ({MARK}[^ ]*)$", rf" -\1 \2{_NEW}", line) for line in lines)
        if name in (INPUT, OUTPUT, FORWARD) and name in before.chains:
            lines = tuple(re.sub(" -j ACCEPT$", " -j RETURN", line) for line in lines)
        chains[name + _NEW] = lines
    for name in (INPUT, OUTPUT, FORWARD):
        if name in after.chains:
            chains[name] = (f"-j {name}{_NEW}", *before.chains.get(name, ()))
    return Table(chains, after.jumps + tuple(jump for jump in before.jumps if jump.chain not in _hooked(after)))


def _hooked(table: Table) -> t.Set[str]:
    return {jump.chain for jump in table.jumps}


def _load(
    rules: Rules, touched: t.Collection[t.Tuple[str, str]], programs: Programs, order: t.Sequence[str], step: str
) -> t.List[str]:
    """Return the calls that load tables, one for each family.

    :param touched: the tables that may hold anything of ours; empty where that is not known, and all are looked at.
    """
    calls = []
    for family in programs.families:
        names = [name for name in order if (family, name) in (touched or rules.tables)]
        if touched and not names:
            continue
        text = "".join(table_text(name, rules.tables.get((family, name), Table())) for name in names)
        save, restore = map(shlex.quote, programs.of(family))
        rest = "" if touched else "#rest\n"
        calls.append(f"{step}load {save} {restore} <<'{_END}'\n{text}{rest}{_END}\n")
    return calls


def table_text(name: str, table: Table) -> str:
    """Return a table as ``load`` reads it: jumps come after an ``@``, because their place is found there."""
    chains = [f":{chain} - [0:0]" for chain in table.chains]
    lines = [f"-A {chain} {line}" for chain, rules in table.chains.items() for line in rules]
    jumps = [f"@{jump.chain} {jump.position or 0} {jump.rule}" for jump in table.jumps]
    return "\n".join([f"*{name}", *chains, *lines, *jumps, "COMMIT", ""])


def _create(sets: t.Mapping[str, AddressSet], step: str) -> str:
    """Return the call that makes sets, each in one moment, also where one of that name holds something else."""
    lines = []
    for name, made in sets.items():
        lines += [f"create {name} {made.header}", f"create {SET_MARK}new {made.header}"]
        lines += [f"add {SET_MARK}new {element}" for element in made.elements]
        lines += [f"swap {SET_MARK}new {name}", f"destroy {SET_MARK}new"]
    if not lines:
        return ""
    text = "\n".join(lines)
    return f"ipset destroy {SET_MARK}new 2>/dev/null || :\n{step}ipset -exist restore <<'{_END}'\n{text}\n{_END}\n"


def _tidy(rules: Rules) -> str:
    return " ".join(["tidy", *rules.sets])
