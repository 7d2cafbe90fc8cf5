# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firewalld backend decides from what it read, and then does; firewalld is played, its files are real."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _firewalld_backend
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Change, Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import Result
from ansible_collections.playout.firewall.plugins.module_utils._firewalld_backend import FirewalldBackend
from ansible_collections.playout.firewall.plugins.module_utils._firewalld_client import _write
from ansible_collections.playout.firewall.plugins.module_utils._nftables import BESIDE, PAUSE
from ansible_collections.playout.firewall.plugins.module_utils._persist import NFT_RULES
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options

TABLE = {"table": {"family": "inet", "name": BESIDE}}


class Host:
    """A host with firewalld: files in a directory, and what a reload makes of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "usr/bin").mkdir(parents=True)
        (root / "usr/bin/firewall-cmd").write_text("#!/firewalld/python\n", encoding="utf-8")
        (root / "etc/firewalld").mkdir(parents=True)
        self.state: dict[str, Any] = {"running": True, "state": "RUNNING", "version": "1.3.3", "backend": "nftables"}
        self.ours: dict[str, dict[str, Any]] = {}
        self.beside = ""
        self.complaint = ""
        self.answer: dict[str, Any] = {"lost": [], "endless": 0}
        self.asked: list[str] = []

    def machine(self, *objects: dict[str, Any], nft: bool = True) -> Machine:
        there = [TABLE] if self.beside else []
        return Machine(self, [*there, *objects] if nft else None, str(self.root))

    def files(self) -> dict[str, str]:
        found = (self.root / "etc/firewalld").glob("*/*.xml")
        return {f"{path.parent.name}/{path.name}": path.read_text(encoding="utf-8") for path in found}

    def __call__(self, arguments: Sequence[str], text: str) -> Result:
        if arguments[0] == "/firewalld/python":
            return self._answer(_request(text))
        if arguments[0] == "unshare":
            listed = [{"table": {"family": "inet", "name": BESIDE}}]
            return Result(0, f"begun\n{json.dumps({'nftables': listed})}\ntable inet {BESIDE} {{\n}}\n")
        if list(arguments[1:]) == ["-f", "-"]:
            self.beside = text
        return Result(0, self.beside if "list" in arguments else "")

    def carry_out(self, script: str, undo: str) -> str:
        """Do what the script says; the way back must be ready."""
        assert "exit $failed" in undo or _request(undo)["action"] == "write"
        fed = re.compile(r"^(\S+) [^\n]*<<'(\w+)'[^\n]*\n(.*?)^\2$", re.DOTALL | re.MULTILINE)
        for words, _end, text in fed.findall(script):
            if "nft" in words:
                self.beside = text
            else:
                self._answer(_request(text))
        return json.dumps(self.answer)

    def _answer(self, request: dict[str, Any]) -> Result:
        self.asked.append(request["action"])
        if request["action"] == "read":
            return Result(0, json.dumps({**self.state, "ours": self.ours} if self.state["running"] else self.state))
        if request["action"] == "check":
            return Result(1, "", self.complaint) if self.complaint else Result(0, "{}")
        root = str(self.root / "etc/firewalld")
        _write({"root": root, "files": request["files"]})
        if request["action"] == "activate":
            self.ours = _in_force(self.files())
            _write({"root": root, "files": request["stored"]})
        return Result(0, json.dumps(self.answer))


def _request(text: str) -> dict[str, Any]:
    """What a program is asked to do."""
    found = re.search(r"^main\(json\.loads\((.*)\)\)$", text, re.MULTILINE)
    assert found is not None
    request: dict[str, Any] = json.loads(ast.literal_eval(found.group(1)))
    return request


def _in_force(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What firewalld says of itself when it has read these files."""
    ours: dict[str, dict[str, Any]] = {}
    for path, text in files.items():
        kind, name = path.removesuffix(".xml").split("/")
        root = ElementTree.fromstring(text.encode())
        names = {tag: [child.attrib["name"] for child in root.iter(tag)] for tag in ("ingress-zone", "egress-zone")}
        told: dict[str, Any] = {"short": root.findtext("short")}
        if kind == "policies":
            told |= {"target": root.attrib["target"], "priority": int(root.attrib["priority"])}
            told |= {"ingress_zones": names["ingress-zone"], "egress_zones": names["egress-zone"]}
            told |= {"rich_rules": [_spelled(rule) for rule in root.findall("rule")], "ports": []}
            told |= {"services": [child.attrib["name"] for child in root.findall("service")]}
            told |= {"masquerade": root.find("masquerade") is not None}
        if kind == "ipsets":
            told |= {"type": root.attrib["type"], "entries": [child.text for child in root.findall("entry")]}
            told |= {"options": {child.attrib["name"]: child.attrib["value"] for child in root.findall("option")}}
        if kind == "services":
            told |= {"helpers": [child.attrib["name"] for child in root.findall("helper")]}
            told["destination"] = dict(next(root.iter("destination")).attrib)
        ours.setdefault(kind, {})[name] = told
    return ours


def _spelled(rule: Any) -> str:
    return " ".join(
        " ".join([element.tag, *(f'{key}="{value}"' for key, value in element.attrib.items())])
        for element in (rule, *rule)
    )


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setattr(_firewalld_backend, "carry_out", made.carry_out)
    # What the kernel has is another test's.
    monkeypatch.setattr(_firewalld_backend, "in_kernel", lambda _wanted, _objects: True)
    return made


def _policy(**parts: Any) -> Policy:
    rule: dict[str, Any] = {"id": "a", "services": [], "direction": "in", "family": "ipv4", "protocol": "tcp"}
    rule |= {"ports": ["80"], "sources": ["192.0.2.1", "192.0.2.2"], "destinations": [], "comment": ""}
    helper = {"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["192.0.2.9"]}
    told = {"rules": [rule], "helpers": [helper], "governed": {"in": {"tcp": ["80"]}}, **parts}
    return Policy.from_dict({"host": "h", **told})


def _denying() -> Policy:
    return _policy(management={"ports": ["22"], "sources": ["192.0.2.0/24"]})


def _compared(host: Host, policy: Policy | None = None, enforcement: str = "scoped") -> tuple[FirewalldBackend, Change]:
    backend = FirewalldBackend(host.machine())
    return backend, backend.compare(policy or _policy(), Options(enforcement))


def test_a_comparison_changes_nothing_and_lets_firewalld_judge(host: Host) -> None:
    _backend, change = _compared(host)
    assert (change.live, change.stored, host.asked, host.files()) == (True, True, ["read", "check"], {})
    assert [entry["after_header"] for entry in change.diff] == [f"/etc/firewalld/{path}" for path in change.plan.files]


def test_applying_leaves_to_the_next_boot_what_was_there_until_it_is_stored(host: Host) -> None:
    backend, change = _compared(host)
    backend.apply(change)
    assert host.files() == {}
    again, half = _compared(host)
    assert (half.live, half.stored) == (False, True)
    again.store(half)
    assert set(host.files()) == set(change.plan.files)
    _backend, nothing = _compared(host)
    assert (nothing.live, nothing.stored, nothing.diff) == (False, False, [])


def test_without_a_difference_firewalld_is_asked_once(host: Host) -> None:
    for step in ("apply", "store"):
        backend, change = _compared(host)
        getattr(backend, step)(change)
    host.asked.clear()
    _compared(host)
    assert host.asked == ["read"]


def test_what_denies_everything_else_is_loaded_beside_and_at_boot(host: Host) -> None:
    backend, change = _compared(host, _denying(), "default_deny")
    assert change.loader is not None
    assert change.loader.rules.path == NFT_RULES
    assert "default deny" in change.loader.rules.content
    backend.apply(change)
    assert host.beside == change.loader.rules.content
    backend, change = _compared(host, _denying(), "default_deny")
    assert (change.live, change.loader is not None) == (False, True)
    # Back to a policy that needs nothing beside.
    backend, change = _compared(host)
    assert (change.live, change.loader) == (True, None)
    backend.apply(change)
    assert host.beside == f"table inet {BESIDE}\ndelete table inet {BESIDE}\n"


def test_a_change_of_the_table_beside_alone_needs_no_reload(host: Host) -> None:
    for step in ("apply", "store"):
        backend, change = _compared(host, _denying(), "default_deny")
        getattr(backend, step)(change)
    host.beside = ""
    host.asked.clear()
    backend, change = _compared(host, _denying(), "default_deny")
    assert change.live
    backend.apply(change)
    assert "default deny" in host.beside
    assert host.asked == ["read"]


def test_a_table_that_a_killed_run_left_is_taken_away(host: Host) -> None:
    for step in ("apply", "store"):
        backend, change = _compared(host)
        getattr(backend, step)(change)
    backend = FirewalldBackend(host.machine({"table": {"family": "inet", "name": PAUSE}}))
    change = backend.compare(_policy(), Options())
    assert change.live
    backend.apply(change)
    assert f"delete table inet {PAUSE}" in host.beside


def test_the_way_back_is_a_script_with_the_files_of_before(host: Host) -> None:
    backend, change = _compared(host)
    undo = backend.undo()
    request = _request(undo.text)
    assert list(undo.command) == ["/bin/sh"]
    assert request["files"] == request["stored"] == dict.fromkeys(change.plan.files)
    # It is gone when firewalld is gone, too.
    assert request["needed"] is False


def test_removal_takes_everything_of_ours_and_is_nothing_when_it_is_gone(host: Host) -> None:
    for step in ("apply", "store"):
        backend, change = _compared(host, _denying(), "default_deny")
        getattr(backend, step)(change)
    (host.root / "etc/firewalld/policies/playout-in.xml.old").touch()
    backend = FirewalldBackend(host.machine())
    change = backend.compare_absent()
    assert (change.live, change.stored, change.loader) == (True, True, None)
    backend.apply(change)
    backend.store(change)
    assert (host.files(), host.ours) == ({}, {})
    assert not (host.root / "etc/firewalld/policies/playout-in.xml.old").exists()
    host.beside = ""
    change = FirewalldBackend(host.machine()).compare_absent()
    assert (change.live, change.stored, change.diff) == (False, False, [])


def test_what_is_left_of_a_firewalld_that_is_stopped_is_files(host: Host) -> None:
    for step in ("apply", "store"):
        backend, change = _compared(host)
        getattr(backend, step)(change)
    host.state = {"running": False}
    backend = FirewalldBackend(host.machine())
    change = backend.compare_absent()
    assert (change.live, change.stored) == (False, True)
    backend.store(change)
    assert host.files() == {}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"running": False}, "systemctl enable --now firewalld"),
        ({"state": "FAILED"}, "journalctl -u firewalld"),
        ({"version": "0.8.2"}, "0.9 or newer"),
        ({"backend": "iptables"}, "FirewallBackend is 'iptables'"),
    ],
)
def test_a_firewalld_that_cannot_enforce_the_policy_is_refused_with_the_way_out(
    host: Host, state: dict[str, Any], reason: str
) -> None:
    host.state.update(state)
    with pytest.raises(BackendError, match=f"^h: .*{reason}"):
        _compared(host)


def test_files_that_firewalld_refuses_are_an_error_with_its_words(host: Host) -> None:
    host.complaint = "zones/office.xml: INVALID_ZONE"
    with pytest.raises(BackendError, match=r"nothing was changed: zones/office\.xml: INVALID_ZONE"):
        _compared(host)


def test_without_nft_only_what_firewalld_has_words_for_is_enforced(host: Host) -> None:
    backend = FirewalldBackend(host.machine(nft=False))
    assert backend.compare(_policy(), Options()).live
    with pytest.raises(BackendError, match="install the package 'nftables'"):
        backend.compare(_denying(), Options("default_deny"))


def test_a_foreign_chain_that_drops_is_an_error_and_firewallds_own_are_none(host: Host) -> None:
    def dropping(table: str) -> dict[str, Any]:
        body = {"family": "inet", "table": table, "name": "c", "type": "filter", "hook": "input", "policy": "drop"}
        return {"chain": body}

    assert FirewalldBackend(host.machine(dropping("firewalld"))).compare(_policy(), Options()).live
    with pytest.raises(BackendError, match=r"(?s)^h: .*table inet theirs, chain c"):
        FirewalldBackend(host.machine(dropping("theirs"))).compare(_policy(), Options())


def test_what_a_reload_lost_and_what_waited_for_it_is_told(host: Host) -> None:
    host.state["waiting"] = ["policy theirs"]
    host.answer = {"lost": ["zone public: no"], "endless": 2}
    backend, change = _compared(host)
    assert "policy theirs" in change.warnings[0]
    backend.apply(change)
    assert "zone public: no" in change.warnings[1]
    assert "2 settings" in change.warnings[2]


def test_rules_that_only_the_kernel_lost_are_loaded_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in ("apply", "store"):
        backend, change = _compared(host)
        getattr(backend, step)(change)
    monkeypatch.setattr(_firewalld_backend, "in_kernel", lambda _wanted, _objects: False)
    backend, change = _compared(host)
    assert (change.live, change.stored) == (True, False)
    assert "kernel" in change.diff[0]["prepared"]


def test_settings_in_force_that_somebody_edited_are_shown(host: Host) -> None:
    for step in ("apply", "store"):
        backend, change = _compared(host)
        getattr(backend, step)(change)
    host.ours["policies"]["playout-in"]["rich_rules"].append('rule priority="50" accept')
    backend, change = _compared(host)
    [shown] = change.diff
    assert 'rule priority="50" accept' in shown["before"]
    assert 'rule priority="50" accept' not in shown["after"]
