# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firewalld has: in its files, while it runs, and in the kernel."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import typing as t
from dataclasses import dataclass, field

from ansible_collections.playout.firewall.plugins.module_utils import _firewalld_client
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._backend import Objects as NftObjects
from ansible_collections.playout.firewall.plugins.module_utils._firewalld import Site, Zone
from ansible_collections.playout.firewall.plugins.module_utils._firewalld_objects import (
    KINDS,
    MARK,
    IpSet,
    Objects,
    Settings,
    comparable,
)
from ansible_collections.playout.firewall.plugins.module_utils._intervals import union
from ansible_collections.playout.firewall.plugins.module_utils._nft_match import Reader, Subject
from ansible_collections.playout.firewall.plugins.module_utils._policy_check import address_range

DIRECTORY = "etc/firewalld"
TABLE = ("inet", "firewalld")

# The interpreter that can import firewalld is in their first line.
_PROGRAMS = ("usr/bin/firewall-cmd", "usr/sbin/firewalld")
# What firewalld leaves when it writes a file anew, and a run of ours that was killed, is ours too.
_OURS = re.compile(rf"\.*{MARK}[^/]*\.xml(\.old|\.new)*")

Files = t.Mapping[str, t.Optional[str]]


@dataclass(frozen=True)
class State:
    """What firewalld tells while it runs."""

    state: str
    version: str
    backend: str
    zones: t.Mapping[str, t.Mapping[str, t.Sequence[str]]] = field(default_factory=dict)
    ours: t.Mapping[str, t.Mapping[str, Settings]] = field(default_factory=dict)
    waiting: t.Sequence[str] = ()

    @property
    def site(self) -> Site:
        zones = {
            name: Zone(tuple(bound.get("interfaces", ())), tuple(bound.get("sources", ())))
            for name, bound in self.zones.items()
        }
        return Site(zones, tuple(int(number) for number in re.findall(r"\d+", self.version)))

    def differs(self, objects: Objects) -> bool:
        """Whether what is in force is not what is wanted. An ipset or service that no policy uses means nothing."""
        wanted = objects.settings
        policies = {name: comparable(told) for name, told in self.ours.get("policies", {}).items()}
        return policies != wanted["policies"] or any(
            comparable(self.ours.get(kind, {}).get(name, {})) != settings
            for kind in KINDS
            for name, settings in wanted[kind].items()
        )

    def text(self) -> str:
        """Return the policies in force for people."""
        lines = []
        for name, told in sorted(self.ours.get("policies", {}).items()):
            lines += [f"{name}\n", *(f"  {key}: {value}\n" for key, value in sorted(comparable(told).items()))]
        return "".join(lines)


class Firewalld:
    """The firewalld of one host."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def read(self) -> t.Optional[State]:
        """Return what firewalld tells; None where it does not run.

        :raises BackendError: where it runs and does not answer.
        """
        if not self._interpreter():
            return None
        told = self._ask({"action": "read"}, "firewalld cannot be read (root is needed)")
        if not told.pop("running"):
            return None
        return State(**told)

    def check(self, files: Files) -> None:
        """Have firewalld judge its files as they would be with these, and read what a reload would lose.

        :raises BackendError: with what it says of them.
        """
        self._ask({"action": "check", "files": files}, "firewalld would refuse its configuration, nothing was changed")

    def files(self) -> t.Dict[str, str]:
        """Return the files that are ours, by their path below firewalld's directory."""
        found = {}
        for kind in KINDS:
            directory = self._machine.path(DIRECTORY, kind)
            names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
            for name in filter(_OURS.fullmatch, names):
                found[f"{kind}/{name}"] = self._machine.read(DIRECTORY, kind, name)
        return found

    def command(self, request: t.Mapping[str, t.Any], then: str = "") -> str:
        """Return a shell's command, over several lines, that carries out a request; it needs nothing of ours.

        :param then: what follows the command on its line.
        """
        words = shlex.join([*(self._interpreter() or [sys.executable]), "-"])
        return fed(words, self._program(request), then)

    def _ask(self, request: t.Mapping[str, t.Any], failure: str) -> t.Dict[str, t.Any]:
        result = self._machine.run([*self._interpreter(), "-"], self._program(request))
        if result.code:
            raise BackendError(f"{failure}: {result.reason}")
        return answer(result.out)

    def _program(self, request: t.Mapping[str, t.Any]) -> str:
        root = {"root": self._machine.path(DIRECTORY)}
        source = t.cast(t.Any, _firewalld_client.__spec__).loader.get_source(_firewalld_client.__name__)
        # Ansible's own loader, on a controller, gives bytes.
        text = source.decode() if isinstance(source, bytes) else source
        # The oldest interpreters in use know no such future, and need none of it.
        text = text.replace("from __future__ import annotations\n", "")
        return f"{text}\n\nmain(json.loads({json.dumps({**root, **request})!r}))\n"

    def _interpreter(self) -> t.List[str]:
        for program in _PROGRAMS:
            first = self._machine.read(program).split("\n", 1)[0]
            if first.startswith("#!"):
                return shlex.split(first[2:])
        return []


def fed(words: str, text: str, then: str = "") -> str:
    """Return a shell's command that reads a text, which ends in a line break, from its input."""
    end = "PLAYOUT_FIREWALL_END"
    return f"{words} <<'{end}' {then}\n{text}{end}\n"


def answer(said: str) -> t.Dict[str, t.Any]:
    """Return the answer of a request, found among what else was printed."""
    lines = [line for line in said.splitlines() if line.startswith("{")]
    return t.cast(t.Dict[str, t.Any], json.loads(lines[-1]))


def in_kernel(wanted: Objects, objects: NftObjects) -> bool:
    """Whether the kernel has the rules and sets that firewalld says are in force.

    What firewalld writes for a rule differs between its versions, so that rules are only counted. Sets are compared.
    """
    rules = [entry["rule"] for entry in objects if "rule" in entry and _theirs(entry["rule"])]
    sets = {entry["set"]["name"]: entry["set"] for entry in objects if "set" in entry and _theirs(entry["set"])}
    counts: t.Dict[str, int] = {}
    targets: t.Dict[str, t.Set[str]] = {}
    for rule in rules:
        chain = rule["chain"]
        counts[chain] = counts.get(chain, 0) + 1
        targets.setdefault(chain, set()).update(_targets(rule["expr"]))
    reached = _closure(targets, {"filter_INPUT", "filter_OUTPUT", "filter_FORWARD"})
    return all(
        policy.filter_chain in reached
        and counts.get(policy.filter_chain, 0) == sum(rule.filters for rule in policy.rules)
        for policy in wanted.policies
    ) and all(_holds(sets.get(item.name), item) for item in wanted.ipsets)


def _targets(expression: t.Any) -> t.Iterator[str]:
    """Yield the chains that a rule leads to, in verdict maps too."""
    if isinstance(expression, dict):
        for key, value in expression.items():
            if key in ("jump", "goto") and isinstance(value, dict):
                yield value["target"]
            else:
                yield from _targets(value)
    elif isinstance(expression, list):
        for item in expression:
            yield from _targets(item)


def _closure(targets: t.Mapping[str, t.Set[str]], start: t.Set[str]) -> t.Set[str]:
    reached, ahead = set(start), list(start)
    while ahead:
        new = targets.get(ahead.pop(), set()) - reached
        reached |= new
        ahead += new
    return reached


def _theirs(body: t.Mapping[str, t.Any]) -> bool:
    return (body.get("family"), body.get("table")) == TABLE


def _holds(body: t.Optional[t.Mapping[str, t.Any]], wanted: IpSet) -> bool:
    if body is None:
        return False
    reader = Reader(Subject("forward", wanted.family, "tcp"), lambda _name: list(body.get("elem", ())))
    source = {"payload": {"protocol": "ip6" if wanted.family == "ipv6" else "ip", "field": "saddr"}}
    condition = reader.match({"op": "==", "left": source, "right": f"@{wanted.name}"})
    return condition.sure and condition.region.sources == union(map(address_range, wanted.entries))
