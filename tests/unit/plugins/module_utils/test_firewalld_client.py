# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said to firewalld around a reload. firewalld is played: the lab asks the real one."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _firewalld_client as client


class Settings:
    """The settings of a zone or a policy."""

    def __init__(self, **told: Any) -> None:
        self.told = told

    def getSettingsDict(self) -> dict[str, Any]:  # noqa: N802
        return copy.deepcopy(self.told)


class IpSet:
    def __init__(self, entries: list[str], **options: str) -> None:
        self.entries, self.options = entries, options

    def getType(self) -> str:  # noqa: N802
        return "hash:ip"

    def getOptions(self) -> dict[str, str]:  # noqa: N802
        return self.options

    def getEntries(self) -> list[str]:  # noqa: N802
        return self.entries


class Firewalld:
    """A firewalld that forgets at a reload what is not in ``stored``, and tells its steps in order."""

    connected = True

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.stored: dict[str, Any] = {
            "zones": {"public": Settings(services=["ssh"], interfaces=[], short="Public")},
            "policies": {"theirs": Settings(services=[])},
            "ipsets": {"banned": IpSet([]), "playout-a": IpSet(["192.0.2.1"])},
            "rules": [],
        }
        self.now = copy.deepcopy(self.stored)
        self.complaints: list[str] = []
        self.refused: set[str] = set()
        self.state = "RUNNING"
        self.fw = SimpleNamespace(reload=self._reload)

    def _reload(self, timeout: int) -> None:
        assert timeout > 60
        self.steps.append("reload")
        if self.complaints:
            raise RuntimeError(self.complaints.pop(0))
        self.now = copy.deepcopy(self.stored)

    def __getattr__(self, name: str) -> Any:
        calls = {
            "getZones": lambda: list(self.now["zones"]),
            "getZoneSettings": lambda zone: self.now["zones"][zone],
            "setZoneSettings": lambda zone, told: self._set("zones", zone, told),
            "getPolicies": lambda: list(self.now["policies"]),
            "getPolicySettings": lambda policy: self.now["policies"][policy],
            "setPolicySettings": lambda policy, told: self._set("policies", policy, told),
            "getIPSets": lambda: list(self.now["ipsets"]),
            "getIPSetSettings": lambda ipset: self.now["ipsets"][ipset],
            "setEntries": lambda ipset, entries: self._set("ipsets", ipset, IpSet(entries)),
            "getAllChains": list,
            "getAllRules": lambda: self.now["rules"],
            "getAllPassthroughs": list,
            "addRule": lambda *rule: self.now["rules"].append(rule),
            "get_property": lambda name: {"state": self.state, "version": "1.3.3"}[name],
        }
        return calls[name]

    def _set(self, kind: str, name: str, told: Any) -> None:
        if name in self.refused:
            raise RuntimeError("refused")
        self.steps.append(f"set {name}")
        self.now[kind][name] = copy.deepcopy(told)


@pytest.fixture
def firewalld(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Firewalld:
    played = Firewalld()

    class Nftables:
        def set_json_output(self, _wanted: bool) -> None: ...

        def cmd(self, text: str) -> None:
            played.steps.append("pause" if "protocols" in text else "go on")

        def json_cmd(self, command: Any) -> tuple[int, Any, str]:
            if "add" in command["nftables"][0]:
                played.steps.append("add table")
            return 0, {"nftables": []}, ""

    modules = {
        "firewall.client": SimpleNamespace(FirewallClient=lambda: played),
        "firewall.errors": SimpleNamespace(FirewallError=ZeroDivisionError),
        "firewall.config": SimpleNamespace(COMMANDS={}),
        "nftables.nftables": SimpleNamespace(Nftables=Nftables),
    }
    monkeypatch.setattr(client, "_module", modules.__getitem__)
    (tmp_path / "policies").mkdir()
    return played


def _activate(root: Path, **more: Any) -> dict[str, Any]:
    request = {"root": str(root), "files": {"policies/playout-in.xml": "new"}, "needed": True, **more}
    return client._activate({"stored": {"policies/playout-in.xml": "old"}, **request})


def _policy(root: Path) -> str:
    return (root / "policies/playout-in.xml").read_text(encoding="utf-8")


def test_new_files_are_there_for_the_reload_and_the_old_ones_after_it(firewalld: Firewalld, tmp_path: Path) -> None:
    seen: list[str] = []
    firewalld.fw.reload = lambda timeout: seen.append(f"{_policy(tmp_path)} {timeout > 60}")
    _activate(tmp_path)
    assert (seen, _policy(tmp_path)) == (["new True"], "old")


def test_new_connections_wait_until_everything_of_others_is_back(firewalld: Firewalld, tmp_path: Path) -> None:
    firewalld.now["zones"]["public"] = Settings(services=["ssh", "http"], interfaces=["eth0"], short="Public")
    firewalld.now["policies"]["theirs"] = Settings(services=["dns"])
    firewalld.now["ipsets"]["banned"] = IpSet(["192.0.2.66"])
    firewalld.now["rules"] = [("ipv4", "filter", "INPUT", 0, ["-j", "DROP"])]
    before = copy.deepcopy(firewalld.now)
    assert _activate(tmp_path) == {"lost": [], "endless": 0}
    assert firewalld.steps[:2] == ["pause", "add table"]
    assert firewalld.steps[-1] == "go on"
    assert sorted(firewalld.steps[3:-1]) == ["set banned", "set public", "set theirs"]
    assert firewalld.now["rules"] == before["rules"]
    for kind in ("zones", "policies"):
        told = {name: settings.told for name, settings in firewalld.now[kind].items()}
        assert told == {name: settings.told for name, settings in before[kind].items()}


def test_what_was_taken_away_for_the_time_being_does_not_come_back(firewalld: Firewalld, tmp_path: Path) -> None:
    firewalld.now["zones"]["public"] = Settings(services=[], interfaces=[], short="Public")
    _activate(tmp_path)
    assert firewalld.now["zones"]["public"].told["services"] == []


def test_what_cannot_be_set_again_is_told_and_the_rest_is_set(firewalld: Firewalld, tmp_path: Path) -> None:
    firewalld.now["zones"]["public"] = Settings(services=["http"])
    firewalld.now["policies"]["theirs"] = Settings(services=["dns"])
    firewalld.refused.add("public")
    assert _activate(tmp_path)["lost"] == ["zone public: refused"]
    assert firewalld.now["policies"]["theirs"].told == {"services": ["dns"]}


def test_a_reload_that_stumbles_over_timeouts_is_done_again(firewalld: Firewalld, tmp_path: Path) -> None:
    firewalld.complaints = ["dictionary changed size during iteration"] * 2
    assert _activate(tmp_path) == {"lost": [], "endless": 2}
    assert firewalld.steps.count("reload") == 3


def test_a_reload_that_fails_leaves_the_old_files_and_nobody_waiting(firewalld: Firewalld, tmp_path: Path) -> None:
    firewalld.complaints = ["INVALID_ZONE"]
    with pytest.raises(RuntimeError, match="INVALID_ZONE"):
        _activate(tmp_path)
    assert (_policy(tmp_path), firewalld.steps[-1]) == ("old", "go on")


def test_a_firewalld_that_comes_up_in_ruins_is_an_error(firewalld: Firewalld, tmp_path: Path) -> None:
    firewalld.state = "FAILED"
    with pytest.raises(RuntimeError, match="journalctl"):
        _activate(tmp_path)


@pytest.mark.parametrize("needed", [True, False])
def test_without_firewalld_the_way_back_is_its_files(firewalld: Firewalld, tmp_path: Path, needed: bool) -> None:
    firewalld.connected = False
    if needed:
        with pytest.raises(RuntimeError, match="does not run any more"):
            _activate(tmp_path)
    else:
        _activate(tmp_path, needed=False)
    assert (_policy(tmp_path), firewalld.steps) == ("old", [])


def test_a_set_that_is_not_there_yet_is_never_referred_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace = client.os.replace

    def told(source: str, target: str) -> None:
        order.append(f"{target.split('/')[-2]} {target.split('/')[-1].endswith('.old')}")
        replace(source, target)

    (tmp_path / "ipsets").mkdir()
    (tmp_path / "ipsets/playout-old.xml").touch()
    monkeypatch.setattr(client.os, "replace", told)
    files = {"policies/playout-in.xml": "uses new", "ipsets/playout-new.xml": "new", "ipsets/playout-old.xml": None}
    client._write({"root": str(tmp_path), "files": files})
    assert [step.split()[0] for step in order][:2] == ["ipsets", "policies"]
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["playout-in.xml", "playout-new.xml"]


def test_a_failure_is_told_with_the_file_that_firewalld_leaves_out() -> None:
    def zone_reader(filename: str, path: str) -> None:
        raise ValueError(f"not a valid file{'' if filename and path else '?'}")

    with pytest.raises(ValueError, match="valid") as caught:
        zone_reader("office.xml", "/etc/firewalld/zones")
    assert client._words(caught.value) == "zones/office.xml: not a valid file"


def test_counters_and_comments_are_no_difference_between_saved_rules() -> None:
    one = "# Generated on Monday\n*filter\n:INPUT ACCEPT [12:34]\n[5:6] -A INPUT -j DROP\nCOMMIT\n"
    other = "# Generated on Tuesday\n*filter\n:INPUT ACCEPT [0:0]\n[0:0] -A INPUT -j DROP\nCOMMIT\n"
    assert client._rules(one) == client._rules(other)
    assert client._rules(one) != client._rules(other.replace("DROP", "ACCEPT"))


@pytest.mark.parametrize(
    ("element", "entry"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ({"prefix": {"addr": "192.0.2.0", "len": 24}}, "192.0.2.0/24"),
        ({"elem": {"val": "192.0.2.1", "timeout": 60, "expires": 5}}, "192.0.2.1"),
        ({"concat": ["192.0.2.1", "tcp"]}, "192.0.2.1,tcp"),
    ],
)
def test_elements_of_the_kernel_are_spelled_as_firewalld_spells_them(element: Any, entry: str) -> None:
    assert client._entry(element) == entry


def test_a_request_that_fails_says_so_in_words_and_with_an_exit_code(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="policies"):
        client.main({"action": "write", "root": str(tmp_path / "missing"), "files": {"policies/playout-a.xml": ""}})
