# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel holds, and whether that is what a policy wants.

Listings of different nft versions cannot be compared, and a remembered one misses edits by hand. So the desired text is
loaded into a throw-away network namespace with the same binary, and both sides are listed alike.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.playout.firewall.plugins.module_utils._command import Result, Run
from ansible_collections.playout.firewall.plugins.module_utils._nftables import FAMILY, TABLE, removal

# What the name of the copy ends in that stands in for a namespace; no chain of it sees a packet, it is dormant.
PROBE = "_probe"

_BEGUN = "begun"
_LOAD = 'echo begun && "$1" -f - && "$1" -j list table inet "$2"'
_SHOW = ' && "$1" list table inet "$2"'
_NAMESPACES = (
    ("unshare", "--net", "--"),
    # A container without CAP_SYS_ADMIN may still be allowed a user namespace of its own.
    ("unshare", "--user", "--map-root-user", "--net", "--"),
)

Objects = t.Sequence[t.Mapping[str, t.Any]]


class NftError(RuntimeError):
    """nft refused something; nothing was changed."""


class NftCrash(RuntimeError):
    """nft ended before it said what it did: the rules in force may be the old or the new ones."""


class Listing(t.NamedTuple):
    """One table: its normalised objects for comparing, its text for people."""

    objects: t.Mapping[str, t.Any]
    text: str


def read_ruleset(run: Run) -> t.Optional[Objects]:
    """Return everything that nft shows of this network namespace, in one reading; None where nft is not installed.

    :raises NftError: where nft may not read, or knows no JSON.
    """
    result = run(["nft", "-j", "list", "ruleset"], "")
    if result.code == 127:
        return None
    if result.code < 0:
        raise NftError(
            f"nft ended by signal {-result.code} while it listed the ruleset: another, newer nft may have written "
            "it; use the same version everywhere on this host"
        )
    if result.code:
        raise NftError(
            f"nft cannot list the ruleset (root is needed, and nft 0.9.8 with JSON or newer): {result.reason}"
        )
    return _parse(result.out)


class Nft:
    """The nft binary of this host, and one table of ours."""

    def __init__(self, run: Run, binary: str = "nft", table: str = TABLE) -> None:
        self._run = run
        self.binary = binary
        self.table = table

    def text(self) -> str:
        """Return our live table as text; empty when there is none."""
        result = self._run([self.binary, "list", "table", FAMILY, self.table], "")
        return result.out if result.code == 0 else ""

    def load(self, text: str) -> None:
        """Load a text in one transaction: all of it or nothing."""
        result = self._run([self.binary, "-f", "-"], text)
        if result.code < 0:
            raise NftCrash(f"nft ended by signal {-result.code} while it loaded the rules")
        if result.code:
            raise NftError(f"nft refused the rules, nothing was changed: {result.reason}")

    def check(self, text: str) -> None:
        """Ask nft and the kernel whether they would load a text, without doing it."""
        result = self._run([self.binary, "-c", "-f", "-"], text)
        if result.code:
            raise NftError(f"nft would refuse these rules: {result.reason}")

    def desired(self, text: str, shown: bool = True) -> Listing:
        """Return how this text would be listed, without changing any rule that is in force.

        :param shown: whether anybody will see the listing's text; without it, it is empty.
        :raises NftError: when nft or the kernel refuses the text.
        """
        script = _LOAD + _SHOW if shown else _LOAD
        # Nothing is there to be removed, and the kernel takes longer to remove a table than all the rest does.
        new = text.replace(removal(self.table), "")
        for namespace in _NAMESPACES:
            result = self._run([*namespace, "sh", "-c", script, "sh", self.binary, self.table], new)
            if result.out.startswith(_BEGUN):
                return self._listing(result, self.table)
        return self._dormant(text, script)

    def _dormant(self, text: str, script: str) -> Listing:
        """Where no namespace is allowed: a copy of the table that is dormant, and gone again at once."""
        self.check(text)
        probe = self.table + PROBE
        copy = text.replace(removal(self.table), removal(probe)).replace(
            f"table {FAMILY} {self.table} {{\n", f"table {FAMILY} {probe} {{\n\tflags dormant;\n"
        )
        try:
            listing = self._listing(self._run(["sh", "-c", script, "sh", self.binary, probe], copy), probe)
        finally:
            self._run([self.binary, "-f", "-"], removal(probe))
        objects = dict(listing.objects)
        objects["table"] = {key: value for key, value in objects["table"].items() if key != "flags"}
        shown = listing.text.replace(probe, self.table)
        return Listing(objects, re.sub(r"\tflags dormant;?\n\n?", "", shown, count=1))

    def _listing(self, result: Result, table: str) -> Listing:
        if result.code:
            raise NftError(f"nft would refuse these rules, nothing was changed: {result.reason}")
        _begun, listed, text = result.out.split("\n", 2)
        return Listing(normalise(_parse(listed), table), text)


def normalise(objects: Objects, table: str) -> t.Dict[str, t.Any]:
    """Return one of our tables without what says nothing about packets: handles, counters, the order of elements.

    The rules are kept in their chain, in their order; everything else by kind and name, so that objects that somebody
    added by hand are a difference too.
    """
    result: t.Dict[str, t.Any] = {}
    for entry in objects:
        kind, body = next(iter(entry.items()))
        name = body.get("name" if kind == "table" else "table")
        if (body.get("family"), name) != (FAMILY, table):
            continue
        plain = {key: value for key, value in body.items() if key not in ("handle", "table", "family")}
        if kind == "table":
            plain.pop("name")
            plain.pop("comment", None)
            result["table"] = plain
        elif kind == "rule":
            result.setdefault(f"rules {plain.pop('chain')}", []).append(_plain(plain))
        else:
            result[f"{kind} {plain.pop('name', '')}"] = _plain(plain)
    return result


def _plain(value: t.Any) -> t.Any:
    """Drop counters and sort the elements of sets, at any depth."""
    if isinstance(value, list):
        return [_plain(entry) for entry in value if not (isinstance(entry, dict) and "counter" in entry)]
    if isinstance(value, dict):
        return {key: _sorted(entry) if key in ("elem", "set") else _plain(entry) for key, entry in value.items()}
    return value


def _sorted(elements: t.Any) -> t.Any:
    if not isinstance(elements, list):
        return _plain(elements)
    return sorted((_plain(element) for element in elements), key=lambda element: json.dumps(element, sort_keys=True))


def _parse(text: str) -> Objects:
    try:
        return t.cast(Objects, json.loads(text)["nftables"])
    except (ValueError, KeyError, TypeError) as error:
        raise NftError(f"nft's JSON cannot be read: {error}") from error
