# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ufw is set to, what the kernel holds of its rules, and how the kernel would list what is wanted.

Rules are compared as iptables lists them. How it lists what is not yet in force is found out in a throw-away network
namespace, or, where none is allowed, in chains that no packet reaches.
"""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._ufw import CHAINS, FAMILIES, IPV4, IPV6, Family
from ansible_collections.playout.firewall.plugins.module_utils._ufw_script import (
    HELPER,
    JUMPS,
    Wanted,
    own_rules,
    restore_text,
)

_SETTING = re.compile(r"""^(\w+)=["']?(\w+)["']?""")
_TARGET = re.compile(r" -[jg] (\S+)")
_DECIDES = re.compile(r" -j (ACCEPT|DROP|REJECT)\b")
# What every firewall begins with.
_USUAL = re.compile(r" -[io] lo | --(ct)?state [A-Z,]*ESTABLISHED")

_PROBE = "playout-ufw-probe-"
_BEGUN, _NEXT = "begun", "# next"
_NAMESPACES = (("unshare", "--net", "--"), ("unshare", "--user", "--map-root-user", "--net", "--"))


@dataclass(frozen=True)
class Kernel:
    """One family's rules in force, as iptables-save lists them: lines and policies by table and chain."""

    chains: t.Mapping[t.Tuple[str, str], t.Sequence[str]]
    policies: t.Mapping[t.Tuple[str, str], str]

    @classmethod
    def parse(cls, listing: str) -> Kernel:
        table = ""
        chains: t.Dict[t.Tuple[str, str], t.List[str]] = {}
        policies = {}
        for line in listing.splitlines():
            if line.startswith("*"):
                table = line[1:].strip()
            elif line.startswith(":"):
                name, policy = line[1:].split()[:2]
                policies[table, name] = policy
                chains.setdefault((table, name), [])
            elif line.startswith("-A "):
                chains.setdefault((table, line.split()[1]), []).append(line)
        return cls(chains, policies)

    def lines(self, table: str, chain: str) -> t.Sequence[str]:
        return self.chains.get((table, chain), ())

    def wanted(self, family: Family) -> Wanted:
        """Return what a policy decides of it."""
        user = [line for direction in CHAINS for line in self.lines("filter", family.chain(direction))]
        known = self.has_user_chains(family)
        jumps = [line for chain in JUMPS for line in self.lines("raw", chain) if line.endswith(f" -j {HELPER}")]
        head = [f":{HELPER}"] if ("raw", HELPER) in self.chains else []
        return Wanted(tuple(user) if known else None, (*head, *self.lines("raw", HELPER), *jumps))

    def has_user_chains(self, family: Family) -> bool:
        return all(("filter", family.chain(direction)) in self.chains for direction in CHAINS)

    def in_force(self, family: Family) -> bool:
        """Whether packets reach ufw's user chains at all: whoever flushes INPUT leaves them behind."""
        prefix = family.prefix
        return all(
            f"-A {name.upper()} -j {prefix}-before-{name}" in self.lines("filter", name.upper())
            and f"-A {prefix}-before-{name} -j {prefix}-user-{name}" in self.lines("filter", f"{prefix}-before-{name}")
            for name in CHAINS.values()
        )

    @property
    def is_shut(self) -> bool:
        """Whether it is as ufw leaves a family that it does not serve."""
        lines = self.lines("filter", "INPUT")
        return self.policies.get(("filter", "INPUT")) == "DROP" and all(map(_USUAL.search, lines))

    def before_ufw(self, family: Family, direction: str) -> t.List[str]:
        """Return the rules that decide on packets of a direction before ufw does."""
        found = []
        for line in self.lines("filter", CHAINS[direction].upper()):
            if f" -j {family.prefix}-" in line:
                break
            if _DECIDES.search(line) and not _USUAL.search(line):
                found.append(line)
        return found


class Ufw:
    """The ufw of one host."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._settings: t.Dict[str, str] = {}
        for path in ("etc/default/ufw", "etc/ufw/ufw.conf"):
            for line in machine.read(path).splitlines():
                match = _SETTING.match(line)
                if match:
                    self._settings[match[1].lower()] = match[2].lower()

    @property
    def enabled(self) -> bool:
        return self._settings.get("enabled") == "yes"

    @property
    def kernel_knows_ipv6(self) -> bool:
        return os.path.isdir(self._machine.path("proc/sys/net/ipv6"))

    @property
    def families(self) -> t.Tuple[Family, ...]:
        """The families that ufw loads rules for."""
        return FAMILIES if self._settings.get("ipv6") == "yes" and self.kernel_knows_ipv6 else (IPV4,)

    def knows_protocol(self, name: str) -> bool:
        """Whether iptables can be given this protocol by its name, as ufw does."""
        lines = self._machine.read("etc/protocols").splitlines()
        return any(line.split()[:1] == [name] for line in lines)

    def kernels(self) -> t.Dict[Family, Kernel]:
        """Return the rules in force; where ufw is gone, a family whose programs are gone with it has none.

        :raises BackendError: where they cannot be read.
        """
        families = FAMILIES if self.kernel_knows_ipv6 else (IPV4,)
        return {family: Kernel.parse(self._saved(f"{family.program}-save")) for family in families}

    def _saved(self, program: str) -> str:
        result = self._machine.run([program], "")
        if result.code == 127 and not self.enabled:
            return ""
        if result.code == 127:
            raise BackendError(f"{program} is not installed: install the package 'iptables'")
        if result.code:
            raise BackendError(f"{program} cannot list the rules (root is needed): {result.reason}")
        return result.out

    def require(self, kernels: t.Mapping[Family, Kernel]) -> None:
        """Check that ufw decides on packets, in every family that it serves.

        :raises BackendError: naming the way out.
        """
        if not self.enabled:
            raise BackendError(
                "ufw is not enabled: run 'ufw allow ssh' and 'ufw enable' there, or set playout_backend to 'auto'"
            )
        for family in self.families:
            if not kernels[family].in_force(family):
                raise BackendError(
                    f"ufw is enabled, but its {family.name} chains are not in force (somebody stopped it or "
                    "flushed INPUT or OUTPUT): run 'ufw reload' there"
                )
        if self.families != FAMILIES and IPV6 in kernels and not kernels[IPV6].is_shut:
            raise BackendError(
                "/etc/default/ufw has IPV6=no, but IPv6 is not shut yet: run 'ufw disable' and 'ufw enable' there, "
                "or set IPV6=yes before"
            )

    def listed(self, wanted: t.Mapping[Family, Wanted], kernels: t.Mapping[Family, Kernel]) -> t.Dict[Family, Wanted]:
        """Return how the kernel would list this, without changing any rule that is in force.

        :raises BackendError: when iptables or the kernel refuses it.
        """
        if not any(map(_probes, wanted.values())):
            return dict(wanted)
        text = _load_probes(wanted)
        for namespace in _NAMESPACES:
            result = self._machine.run(
                [*namespace, "sh", "-eu"], f"echo {_BEGUN}\n{_create_targets(wanted, kernels)}{text}"
            )
            if result.out.startswith(_BEGUN):
                break
        else:
            try:
                result = self._machine.run(["sh", "-eu"], text)
            finally:
                self._machine.run(["sh", "-u"], _remove_probes(wanted))
        if result.code:
            raise BackendError(f"iptables would refuse these rules, nothing was changed: {result.reason}")
        listings = zip(wanted.items(), result.out.split(f"{_NEXT}\n"))
        return {family: _found(Kernel.parse(listing), one, family) for (family, one), listing in listings}


def _probes(one: Wanted) -> t.List[t.Tuple[str, str]]:
    """Return table and name of the chains in which something is tried out."""
    filters = [("filter", name) for name in CHAINS.values()] if one.user is not None else []
    return [*filters, *([("raw", "helper")] if one.helper else [])]


def _load_probes(wanted: t.Mapping[Family, Wanted]) -> str:
    texts = []
    for family, one in wanted.items():
        tables: t.Dict[str, t.Dict[str, t.List[str]]] = {}
        for table, name in _probes(one):
            tables.setdefault(table, {})[f"{_PROBE}{name}"] = own_rules(one.helper) if table == "raw" else []
        for line in one.user or ():
            _dash, chain, rule = line.split(" ", 2)
            tables["filter"][f"{_PROBE}{chain.split('-user-')[1]}"].append(rule)
        text = "".join(restore_text(table, chains) for table, chains in tables.items())
        load = f"{family.program}-restore -w 10 -n <<'PLAYOUT_END'\n{text}PLAYOUT_END\n" if text else ""
        texts.append(f"{load}{family.program}-save\n")
    return f"echo '{_NEXT}'\n".join(texts)


def _remove_probes(wanted: t.Mapping[Family, Wanted]) -> str:
    lines = []
    for family, one in wanted.items():
        for table, name in _probes(one):
            lines += [f"{family.program} -w 10 -t {table} -{flag} {_PROBE}{name}" for flag in "FX"]
    return "\n".join(lines)


def _create_targets(wanted: t.Mapping[Family, Wanted], kernels: t.Mapping[Family, Kernel]) -> str:
    """Return the commands that make the chains to which rules lead; in a new namespace there are none."""
    commands = []
    for family, one in wanted.items():
        names = {match[1] for match in map(_TARGET.search, one.user or ()) if match}
        known = sorted(name for name in names if ("filter", name) in kernels[family].chains)
        commands += [f"{family.program} -w 10 -N {name}\n" for name in known]
    return "".join(commands)


def _found(listed: Kernel, one: Wanted, family: Family) -> Wanted:
    """Return what the probes hold under the names that it will have."""
    user, helper = one.user, one.helper
    if user is not None:
        user = tuple(
            line.replace(f"-A {_PROBE}{name} ", f"-A {family.chain(direction)} ", 1)
            for direction, name in CHAINS.items()
            for line in listed.lines("filter", f"{_PROBE}{name}")
        )
    if helper:
        rules = [
            line.replace(f"-A {_PROBE}helper ", f"-A {HELPER} ", 1) for line in listed.lines("raw", f"{_PROBE}helper")
        ]
        helper = (f":{HELPER}", *rules, *(f"-A {chain} -j {HELPER}" for chain in JUMPS))
    return Wanted(user, helper)
