# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What iptables and ipset hold of ours, and how they would spell what a policy wants.

Each version spells rules in its own way, and a remembered text misses edits by hand. So the desired rules are loaded
into a throw-away network namespace with the same programs, and both sides are listed alike.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError
from ansible_collections.playout.firewall.plugins.module_utils._command import Result, Run
from ansible_collections.playout.firewall.plugins.module_utils._iptables import (
    MARK,
    SET_MARK,
    SET_PATTERN,
    AddressSet,
    Jump,
    Rules,
    Table,
)
from ansible_collections.playout.firewall.plugins.module_utils._iptables_script import (
    Programs,
    boot_script,
    load_script,
    tolerated,
)

_JUMP = re.compile(f" -[jg] {MARK}[^ ]*$")
# Two wordings: of the whole table, or of some of its chains.
_MIXED = re.compile(r"^# Table `(\w+)' .*incompatible")
_SET = re.compile(r"create (\S+) (?:hash:)?(\S+)(?: family inet(6?))? ")

# What stands in for our marks where the desired rules have to be listed beside those in force. No packet meets them.
_TRIAL = {MARK: "PLAYTRY-", SET_MARK: "playtry-"}
_IN_FORCE = {MARK: "REAL-", SET_MARK: "real-"}
_BEGUN = "#begun\n"
_SECTION = "#section"
_NAMESPACES = (
    ("unshare", "--net", "--"),
    # A container without CAP_SYS_ADMIN may still be allowed a user namespace of its own.
    ("unshare", "--user", "--map-root-user", "--net", "--"),
)
# Sets of others may be large, so that only ours are listed.
_LIST_SETS = f"""\
if command -v ipset >/dev/null; then
    names=$(ipset list -n) || exit
    for name in $names; do case "$name" in {SET_PATTERN}) ipset save "$name" ;; esac; done
fi
"""


@dataclass(frozen=True)
class Saved:
    """What a family's ``-save`` said: the rules of each chain of each table, without the chain's name."""

    tables: t.Mapping[str, t.Mapping[str, t.Sequence[str]]] = field(default_factory=dict)
    # Whether a built-in chain has another policy than ACCEPT.
    strict: bool = False
    # Tables in which nft made chains of its own, that iptables does not see.
    mixed: t.FrozenSet[str] = frozenset()

    @property
    def used(self) -> bool:
        """Whether there is anything but built-in chains as the kernel makes them."""
        return self.strict or any(rules for table in self.tables.values() for rules in table.values())


@dataclass(frozen=True)
class State:
    """What there is of ours, and which jumps into our chains stand behind a rule that ends a packet's way."""

    rules: Rules = field(default_factory=Rules)
    misplaced: t.Mapping[t.Tuple[str, str, str], str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rules.tables or self.rules.sets)

    @property
    def unplaced(self) -> Rules:
        """The rules with jumps that go where they belong, instead of where they are."""
        tables = {
            key: replace(table, jumps=tuple(replace(jump, position=None) for jump in table.jumps))
            for key, table in self.rules.tables.items()
        }
        return replace(self.rules, tables=tables)

    def equals(self, wanted: State) -> bool:
        """Whether this does what is wanted."""
        return not self.misplaced and _plain(self.rules) == _plain(wanted.rules)

    def text(self) -> str:
        """Return it as iptables-save and ipset write it, for people."""
        lines = []
        for (family, name), table in sorted(self.rules.tables.items()):
            lines.append(f"{family} *{name}")
            for jump in sorted(table.jumps, key=lambda jump: jump.chain):
                behind = self.misplaced.get((family, name, jump.chain))
                lines.append(f"-A {jump.chain} {jump.rule}" + (f" (behind: {behind})" if behind else ""))
            lines += [f"-A {chain} {rule}" for chain, rules in sorted(table.chains.items()) for rule in rules]
        for name, made in sorted(self.rules.sets.items()):
            lines.append(f"ipset {name}")
            lines += [f"  {element}" for element in made.elements]
        return "".join(f"{line}\n" for line in lines)


class CrashError(BackendError):
    """A program crashed: what it did not list must not be taken for what is not there; nothing was changed."""


class NotInstalled(BackendError):
    """A program is missing; nothing was changed."""


class Iptables:
    """One of the two iptables that a host may have."""

    def __init__(self, run: Run, programs: Programs) -> None:
        self._run = run
        self.programs = programs

    def saved(self) -> t.Dict[str, Saved]:
        """Return all tables of each family.

        :raises BackendError: where they cannot be read.
        """
        return {family: self._saved(family) for family in self.programs.families}

    def sets(self) -> t.Dict[str, AddressSet]:
        """Return our sets; none where there is no ipset."""
        return parse_sets(self._ask(["sh", "-fc", _LIST_SETS]).out)

    def has_sets(self) -> bool:
        """Whether both program and kernel know address sets."""
        return self._ask(["ipset", "list", "-n"]).code == 0

    def takes_sets(self) -> bool:
        """Whether iptables and the kernel know rules with address sets, too."""
        made = AddressSet("ip", "4", ())
        rule = f"-m set --match-set {made.name} src -j ACCEPT"
        try:
            self.desired(Rules({("ipv4", "filter"): Table({f"{MARK}INPUT": (rule,)})}, {made.name: made}))
        except CrashError:
            raise
        except BackendError:
            return False
        return True

    def desired(self, rules: Rules) -> State:
        """Return how these rules would be listed, without changing any that is in force.

        :raises BackendError: when iptables, ipset or the kernel refuses them.
        """
        # The names of sets say what they hold, and everybody spells addresses alike.
        empty = replace(rules, sets={name: replace(made, elements=()) for name, made in rules.sets.items()})
        script = f"printf '{_BEGUN}'\n{load_script(empty, self.programs)}{self._listing()}"
        for namespace in _NAMESPACES:
            result = self._ask([*namespace, "sh", "-eu", "-s"], script)
            if result.out.startswith(_BEGUN):
                return self._read(result, rules)
        return self._beside(empty, rules)

    def _beside(self, loaded: Rules, rules: Rules) -> State:
        """Where no namespace is allowed: chains and sets of another name that nothing leads to, gone again at once."""
        unused = replace(loaded, tables={key: replace(table, jumps=()) for key, table in loaded.tables.items()})
        script = _renamed(f"{load_script(unused, self.programs)}printf '{_BEGUN}'\n{self._listing()}", _TRIAL)
        try:
            result = self._ask(["sh", "-eu", "-s"], script)
        finally:
            self._run(["sh", "-s"], _renamed(boot_script(Rules(), self.programs), _TRIAL))
        # Those in force are in the same listing.
        out = _renamed(_renamed(result.out, _IN_FORCE), {trial: mark for mark, trial in _TRIAL.items()})
        found = self._read(result._replace(out=out), rules).rules
        tables = {key: replace(table, jumps=rules.tables[key].jumps) for key, table in found.tables.items()}
        return State(replace(found, tables=tables))

    def _saved(self, family: str) -> Saved:
        program = self.programs.of(family)[0]
        result = self._ask([program])
        if result.code == 127:
            raise NotInstalled(f"{program} is not installed: install the package 'iptables', or set playout_backend")
        if result.code:
            raise BackendError(f"{program} cannot list the rules (root is needed): {result.reason}")
        return parse_save(result.out + result.err)

    def _ask(self, arguments: t.Sequence[str], text: str = "") -> Result:
        result = self._run(arguments, text)
        if result.crashed:
            raise CrashError(f"iptables or ipset crashed while it was asked for its rules: {result.reason}")
        return result

    def _listing(self) -> str:
        saves = [f"{self.programs.of(family)[0]}\necho '{_SECTION}'\n" for family in self.programs.families]
        return "".join(saves)

    def _read(self, result: Result, rules: Rules) -> State:
        if result.code:
            raise BackendError(f"iptables would refuse these rules, nothing was changed: {result.reason}")
        saved = zip(self.programs.families, map(parse_save, result.out.split(_SECTION)))
        return state(dict(saved), rules.sets)


def parse_save(text: str) -> Saved:
    """Read what iptables-save printed."""
    tables: t.Dict[str, t.Dict[str, t.List[str]]] = {}
    strict = False
    mixed: t.Set[str] = set()
    chains: t.Dict[str, t.List[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            chains.setdefault(name, [])
            strict = strict or policy not in ("-", "ACCEPT")
        elif line.startswith("-A "):
            _append, name, rule = f"{line} ".split(" ", 2)
            chains.setdefault(name, []).append(rule.rstrip())
        elif _MIXED.match(line):
            mixed.update(_MIXED.findall(line))
    return Saved(tables, strict, frozenset(mixed))


def parse_sets(text: str) -> t.Dict[str, AddressSet]:
    """Read what ``ipset save`` printed; sizes and the order of the elements say nothing."""
    sets: t.Dict[str, AddressSet] = {}
    elements: t.Dict[str, t.List[str]] = {}
    for line in text.splitlines():
        made = _SET.match(f"{line} ")
        if made:
            sets[made.group(1)] = AddressSet(made.group(2), "6" if made.group(3) else "4", ())
        elif line.startswith("add "):
            _add, name, element = line.split(" ", 2)
            elements.setdefault(name, []).append(element)
    return {name: replace(made, elements=tuple(sorted(elements.get(name, ())))) for name, made in sets.items()}


def state(saved: t.Mapping[str, Saved], sets: t.Mapping[str, AddressSet]) -> State:
    """Return what of all this is ours."""
    tables: t.Dict[t.Tuple[str, str], Table] = {}
    misplaced: t.Dict[t.Tuple[str, str, str], str] = {}
    for family, all_ in saved.items():
        for name, chains in all_.tables.items():
            ours = {chain: tuple(rules) for chain, rules in chains.items() if chain.startswith(MARK)}
            jumps: t.List[Jump] = []
            for chain in chains.keys() - ours.keys():
                found, behind = _jumps(name, chain, chains[chain])
                jumps += found
                if behind:
                    misplaced[family, name, chain] = behind
            if ours or jumps:
                tables[family, name] = Table(ours, tuple(jumps))
    return State(Rules(tables, sets), misplaced)


def _jumps(table: str, chain: str, rules: t.Sequence[str]) -> t.Tuple[t.List[Jump], str]:
    """Return the jumps into our chains out of a chain of others, and the first rule that stands in the way of one."""
    jumps, before, behind = [], 0, ""
    in_the_way = ""
    for rule in rules:
        if _JUMP.search(f" {rule}"):
            jumps.append(Jump(chain, rule, before + 1))
            behind = behind or in_the_way
            continue
        before += 1
        if not in_the_way and not tolerated(table, chain, rule):
            in_the_way = rule
    return jumps, behind


def _plain(rules: Rules) -> t.Any:
    tables = {
        key: (dict(table.chains), sorted((jump.chain, jump.rule) for jump in table.jumps))
        for key, table in rules.tables.items()
    }
    return tables, dict(rules.sets)


def _renamed(text: str, names: t.Mapping[str, str]) -> str:
    for name, new in names.items():
        text = text.replace(name, new)
    return text
