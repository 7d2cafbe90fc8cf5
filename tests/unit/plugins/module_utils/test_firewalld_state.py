# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firewalld has: how it is asked, and whether the kernel has it too."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import Result, run
from ansible_collections.playout.firewall.plugins.module_utils._firewalld import Zone
from ansible_collections.playout.firewall.plugins.module_utils._firewalld_objects import (
    IpSet,
    Objects,
    PolicyObject,
    RichRule,
)
from ansible_collections.playout.firewall.plugins.module_utils._firewalld_state import (
    Firewalld,
    State,
    answer,
    fed,
    in_kernel,
)

RULE = RichRule("", 100, (("source", (("ipset", "playout-a"),)), ("accept", ())), "ipv4")
POLICY = PolicyObject("playout-in", "", -5, ("ANY",), ("HOST",), (RULE,))
WANTED = Objects((POLICY,), (IpSet("playout-a", "", "ipv4", ("192.0.2.1", "192.0.2.2", "198.51.100.0/24")),))


class Asked:
    """Plays the interpreter, and remembers how it was started."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.arguments: Sequence[str] = ()
        self.text = ""

    def __call__(self, arguments: Sequence[str], text: str) -> Result:
        self.arguments, self.text = arguments, text
        return self.result


def _firewalld(root: Path, asked: Any, first_line: str = "#!/usr/bin/python3 -Es") -> Firewalld:
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/firewall-cmd").write_text(f"{first_line}\nimport sys\n", encoding="utf-8")
    return Firewalld(Machine(asked, root=str(root)))


def test_firewalld_is_asked_by_its_own_interpreter(tmp_path: Path) -> None:
    asked = Asked(Result(0, '{"running": true, "state": "RUNNING", "version": "2.1", "backend": "nftables"}\n'))
    state = _firewalld(tmp_path, asked, "#!/usr/libexec/platform-python -s").read()
    assert asked.arguments == ["/usr/libexec/platform-python", "-s", "-"]
    assert state == State("RUNNING", "2.1", "nftables")


def test_what_is_handed_over_needs_nothing_of_ours_and_no_new_python(tmp_path: Path) -> None:
    asked = Asked(Result(0, '{"running": false}'))
    assert _firewalld(tmp_path, asked).read() is None
    assert "__future__" not in asked.text
    assert "ansible_collections" not in asked.text
    assert asked.text.isascii()
    ast.parse(asked.text, feature_version=(3, 6))


def test_a_firewalld_that_does_not_answer_is_an_error_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"cannot be read.*not authorized"):
        _firewalld(tmp_path, Asked(Result(1, "", "not authorized"))).read()


def test_without_firewalld_nothing_is_asked(tmp_path: Path) -> None:
    asked = Asked(Result(1))
    assert Firewalld(Machine(asked, root=str(tmp_path))).read() is None
    assert asked.arguments == ()


def test_our_files_are_found_with_what_writing_them_left(tmp_path: Path) -> None:
    ours = {"policies/playout-in.xml", "policies/playout-in.xml.old", "ipsets/.playout-a.xml.new"}
    for path in (*ours, "policies/theirs.xml", "zones/playout-zone.xml", "ipsets/xplayout-a.xml"):
        (tmp_path / "etc/firewalld" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "etc/firewalld" / path).write_text(path, encoding="utf-8")
    assert Firewalld(Machine(run, root=str(tmp_path))).files() == {path: path for path in ours}


def test_a_shells_command_hands_a_request_to_the_client(tmp_path: Path) -> None:
    """With any interpreter, when firewalld is gone: files can be written without it."""
    (tmp_path / "etc/firewalld").mkdir(parents=True)
    text = 'it\'s 100 % "quoted" $HOME `id` \\n ü\n'
    request = {"action": "write", "files": {"policies/playout-in.xml": text}}
    command = Firewalld(Machine(run, root=str(tmp_path))).command(request, "|| exit 7")
    assert command.startswith(sys.executable)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, answer(done.stdout)) == (0, {})
    assert (tmp_path / "etc/firewalld/policies/playout-in.xml").read_text(encoding="utf-8") == text


def test_an_answer_is_found_among_what_else_is_printed() -> None:
    assert answer('a warning\n{"lost": []}\nanother\n') == {"lost": []}


def test_a_fed_text_reaches_the_command_as_it_is() -> None:
    done = subprocess.run(["sh", "-c", fed("cat", "$HOME\n`id`\n")], capture_output=True, text=True, check=False)
    assert done.stdout == "$HOME\n`id`\n"


def test_what_is_bound_to_zones_is_read() -> None:
    state = State("RUNNING", "1.3.3-rc1", "nftables", {"a": {"interfaces": ["w"]}, "b": {"sources": ["192.0.2.1"]}})
    assert state.site.zones == {"a": Zone(("w",)), "b": Zone((), ("192.0.2.1",))}
    assert state.site.version[:3] == (1, 3, 3)


@pytest.mark.parametrize(
    ("kind", "name", "told", "differs"),
    [
        pytest.param("policies", "playout-in", {}, True, id="policy without its rules"),
        pytest.param("policies", "playout-more", {"target": "ACCEPT"}, True, id="policy that is not wanted"),
        pytest.param("ipsets", "playout-a", {"entries": ["192.0.2.66"]}, True, id="other entries"),
        pytest.param("ipsets", "playout-b", {"entries": ["192.0.2.66"]}, False, id="ipset that nobody uses"),
    ],
)
def test_settings_in_force_that_differ_are_noticed(kind: str, name: str, told: Any, differs: bool) -> None:
    ours = {kind: {item: dict(settings) for item, settings in of.items()} for kind, of in WANTED.settings.items()}
    assert not State("", "", "", ours=ours).differs(WANTED)
    ours[kind][name] = {**ours[kind].get(name, {}), **told} if kind == "ipsets" else told
    assert State("", "", "", ours=ours).differs(WANTED) is differs


def _kernel() -> list[dict[str, Any]]:
    """What nft lists of WANTED, as far as it is looked at."""

    def rule(chain: str, *expressions: dict[str, Any]) -> dict[str, Any]:
        return {"rule": {"family": "inet", "table": "firewalld", "chain": chain, "expr": list(expressions)}}

    prefix = {"prefix": {"addr": "198.51.100.0", "len": 24}}
    entries = [{"range": ["192.0.2.1", "192.0.2.2"]}, prefix]
    return [
        {"set": {"family": "inet", "table": "firewalld", "name": "playout-a", "elem": entries}},
        rule("filter_INPUT", {"vmap": {"key": {}, "data": {"set": [["lo", {"goto": {"target": "zone"}}]]}}}),
        rule("zone", {"jump": {"target": "filter_IN_policy_playout-in"}}),
        rule("filter_IN_policy_playout-in", {"jump": {"target": "filter_IN_policy_playout-in_post"}}),
        rule("filter_IN_policy_playout-in_post", {"accept": None}),
        {"rule": {"family": "ip", "table": "filter", "chain": "filter_IN_policy_playout-in_post", "expr": []}},
    ]


def test_the_kernel_is_asked_for_rules_sets_and_the_way_to_them() -> None:
    assert in_kernel(WANTED, _kernel())
    assert in_kernel(Objects(), [])
    for number in range(len(_kernel()) - 1):
        rest = [entry for index, entry in enumerate(_kernel()) if index != number]
        assert not in_kernel(WANTED, rest), number


@pytest.mark.parametrize("entries", [["192.0.2.1"], ["192.0.2.1", "192.0.2.2", "198.51.100.0", "192.0.2.66"], []])
def test_other_elements_of_a_set_in_the_kernel_are_noticed(entries: list[str]) -> None:
    listed = _kernel()
    listed[0]["set"]["elem"] = entries
    assert not in_kernel(WANTED, listed)
