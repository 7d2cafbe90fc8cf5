# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ufw backend decides from what it read, and what it then does; the kernel is played, the files are real."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _kernel, _ufw_backend, _ufw_disk
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import Result
from ansible_collections.playout.firewall.plugins.module_utils._detached import carry_out
from ansible_collections.playout.firewall.plugins.module_utils._managers import UFW_APPLIED
from ansible_collections.playout.firewall.plugins.module_utils._persist import SCRIPT_RULES
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options
from ansible_collections.playout.firewall.plugins.module_utils._ufw_backend import UfwBackend

INSTALLED = Path(__file__).parents[3] / "golden" / "ufw"
SSH = "\n### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n"
PROGRAMS = {"iptables": "ufw", "ip6tables": "ufw6"}
HELPER = {"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["192.0.2.1"]}


class Host:
    """A host with ufw: files in a directory, and a kernel that lists rules as they were loaded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for path in ("etc/default", "etc/ufw", "proc/sys/net/ipv6", "run"):
            (root / path).mkdir(parents=True)
        self.write("etc/default/ufw", "IPV6=yes\n")
        self.write("etc/ufw/ufw.conf", "ENABLED=yes\n")
        self.write("etc/protocols", "igmp 2 IGMP\n")
        self.before = {path: (INSTALLED / f"installed.{path}").read_text(encoding="utf-8") for path in _RULES}
        self.before["user.rules"] = self.before["user.rules"].replace("### RULES ###\n", f"### RULES ###\n{SSH}")
        for path, text in self.before.items():
            self.write(f"etc/ufw/{path}", text)
        self.kernel = {program: self._started(prefix) for program, prefix in PROGRAMS.items()}
        self.reload()
        self.scripts: list[str] = []

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8")

    def files(self) -> dict[str, str]:
        return {path: (self.root / "etc/ufw" / path).read_text(encoding="utf-8") for path in _RULES}

    def edit(self, path: str, old: str, new: str) -> None:
        text = self.files()[path]
        assert old in text
        self.write(f"etc/ufw/{path}", text.replace(old, new, 1))

    def reload(self) -> None:
        for program, path in zip(PROGRAMS, _RULES, strict=True):
            self._load(program, self.files()[path])

    def user(self, program: str = "iptables") -> list[str]:
        prefix = PROGRAMS[program]
        chains = self.kernel[program]
        return [rule for name in ("input", "output") for rule in chains.get(f"filter {prefix}-user-{name}", [])]

    def carry_out(self, script: str, _undo: str) -> None:
        self.scripts.append(script)
        for program, text in re.findall(r"(\w+)-restore -w 10 -n <<'PLAYOUT_END'\n(.*?)PLAYOUT_END", script, re.DOTALL):
            self._load(program, text)

    def __call__(self, arguments: Sequence[str], text: str) -> Result:
        if arguments[0].endswith("-save"):
            return Result(0, self._listing(arguments[0].removesuffix("-save")))
        if arguments[0] == "unshare":
            loaded = re.split("echo '# next'\n", text)
            listed = ["\n".join(re.findall(r"<<'PLAYOUT_END'\n(.*?)PLAYOUT_END", one, re.DOTALL)) for one in loaded]
            return Result(0, "begun\n" + "# next\n".join(listed))
        return Result(0)

    @staticmethod
    def _started(prefix: str) -> dict[str, list[str]]:
        chains = {}
        for name in ("input", "output"):
            chains[f"filter {name.upper()}"] = [f"-A {name.upper()} -j {prefix}-before-{name}"]
            chains[f"filter {prefix}-before-{name}"] = [f"-A {prefix}-before-{name} -j {prefix}-user-{name}"]
            chains[f"filter {prefix}-user-{name}"] = []
        return chains

    def _load(self, program: str, text: str) -> None:
        table = ""
        for line in text.splitlines():
            if line.startswith("*"):
                table = line[1:]
            elif line.startswith((":", "-F ")):
                self.kernel[program][f"{table} {line.lstrip(':').replace('-F ', '').split()[0]}"] = []
            elif line.startswith("-A "):
                self.kernel[program][f"{table} {line.split()[1]}"].append(line)

    def _listing(self, program: str) -> str:
        lines = []
        for key, rules in self.kernel[program].items():
            table, chain = key.split()
            lines += [f"*{table}", f":{chain} - [0:0]", *rules]
        return "\n".join(lines) + "\n"


_RULES = ("user.rules", "user6.rules")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    it = Host(tmp_path / "root")
    monkeypatch.setattr(_ufw_backend, "carry_out", it.carry_out)
    monkeypatch.setattr(_ufw_disk, "carry_out", lambda *scripts: carry_out(*scripts, str(tmp_path / "scripts")))
    replace = _ufw_disk.replace
    monkeypatch.setattr(_ufw_disk, "replace", lambda *what: replace(*what, str(tmp_path / "texts")))
    monkeypatch.setattr(_kernel, "load_modules", lambda _names, _run: [])
    return it


def _backend(host: Host, *objects: dict[str, Any]) -> UfwBackend:
    return UfwBackend(Machine(host, objects, str(host.root)))


def _policy(**parts: Any) -> Policy:
    rule = {"id": "web", "services": [], "direction": "in", "family": "ipv4", "protocol": "tcp", "ports": ["80"]}
    rule |= {"sources": ["192.0.2.9"], "destinations": [], "comment": ""}
    return Policy.from_dict({"host": "h", "rules": [rule], "governed": {"in": {"tcp": ["80"]}}, **parts})


def _ensure(host: Host, policy: Policy | None) -> tuple[bool, bool]:
    """Bring the host to its policy as the engine does."""
    backend = _backend(host)
    change = backend.compare(policy, Options()) if policy else backend.compare_absent()
    if change.live:
        backend.undo()
        backend.apply(change)
    if change.stored:
        backend.store(change)
    assert bool(change.diff) == (change.live or change.stored)
    return change.live, change.stored


def test_ours_are_in_force_and_stored_before_the_administrators_and_gone_again(host: Host) -> None:
    before = {program: host.user(program) for program in PROGRAMS}
    assert _ensure(host, _policy()) == (True, True)
    assert host.user() == [
        "-A ufw-user-input -p tcp --dport 80 -s 192.0.2.9 -j ACCEPT",
        "-A ufw-user-input -p tcp --dport 80 -j DROP",
        "-A ufw-user-input -p tcp --dport 22 -j ACCEPT",
    ]
    assert host.user("ip6tables") == ["-A ufw6-user-input -p tcp --dport 80 -j DROP"]
    assert _ensure(host, _policy()) == (False, False)
    assert _ensure(host, None) == (True, True)
    assert host.files() == host.before
    assert {program: host.user(program) for program in PROGRAMS} == before
    assert _ensure(host, None) == (False, False)


def test_comparing_writes_nothing_and_applying_no_file(host: Host) -> None:
    backend = _backend(host)
    change = backend.compare(_policy(), Options())
    assert host.scripts == []
    backend.apply(change)
    assert host.files() == host.before
    assert _ensure(host, _policy()) == (False, True)


def test_rules_that_the_administrator_adds_while_we_work_are_kept(host: Host) -> None:
    backend = _backend(host)
    change = backend.compare(_policy(), Options())
    host.edit("user.rules", SSH, SSH + SSH.replace("22", "2222"))
    host.reload()
    backend.apply(change)
    assert "-A ufw-user-input -p tcp --dport 2222 -j ACCEPT" in host.user()
    host.edit("user.rules", SSH, SSH + SSH.replace("22", "3333"))
    backend.store(change)
    text = host.files()["user.rules"]
    assert "--dport 2222" in text
    assert "--dport 3333" in text
    assert text.index("--dport 80") < text.index("--dport 22")


def _race(host: Host, monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
    """Have commands of ufw run that read its files before we wrote them, and write what they read afterwards."""
    running = iter(range(turns))

    def wait_for(_machine: Machine, _numbers: Sequence[int]) -> None:
        for path, text in host.before.items():
            host.write(f"etc/ufw/{path}", text)
        host.edit("user.rules", SSH, SSH.replace("22", "2222") + SSH)
        host.reload()

    monkeypatch.setattr(
        _ufw_disk, "commands", lambda _machine: [12 for _turn in [next(running, None)] if _turn is not None]
    )
    monkeypatch.setattr(_ufw_disk, "wait_for", wait_for)


def test_commands_of_ufw_that_know_nothing_of_ours_are_waited_for_and_repaired(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    _race(host, monkeypatch, 2)
    assert _ensure(host, _policy()) == (True, True)
    assert "-A ufw-user-input -p tcp --dport 80 -j DROP" in host.user()
    assert "-A ufw-user-input -p tcp --dport 2222 -j ACCEPT" in host.user()
    assert _ensure(host, _policy()) == (False, False)
    _race(host, monkeypatch, 1)
    assert _ensure(host, None) == (True, True)
    assert _ensure(host, None) == (False, False)


def test_commands_of_ufw_without_end_are_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    _race(host, monkeypatch, 1000)
    backend = _backend(host)
    change = backend.compare(_policy(), Options())
    backend.apply(change)
    backend.store(change)
    assert [("commands of ufw run all the time" in warning) for warning in change.warnings] == [True]


def test_whoever_fails_to_look_again_before_storing_has_stored_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = _backend(host)
    change = backend.compare(_policy(), Options())
    backend.apply(change)
    monkeypatch.setattr(Host, "__call__", lambda *_arguments: Result(-11))
    (host.root / UFW_APPLIED).unlink()
    with pytest.raises(BackendError, match="ended by signal 11"):
        backend.store(change)
    assert host.files() == host.before
    assert not (host.root / UFW_APPLIED).exists()


def test_whoever_fails_to_look_again_after_storing_says_so(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = _backend(host)
    change = backend.compare(_policy(), Options())
    backend.apply(change)
    monkeypatch.setattr(_ufw_disk, "commands", lambda _machine: [12])

    def crash(*_arguments: object) -> None:
        monkeypatch.setattr(Host, "__call__", lambda *_arguments: Result(-11))

    monkeypatch.setattr(_ufw_disk, "wait_for", crash)
    backend.store(change)
    assert "what commands of ufw did at the same time cannot be looked at" in change.warnings[0]
    assert host.files() != host.before


def test_what_a_command_of_ufw_loaded_between_applying_and_storing_does_not_stay(host: Host) -> None:
    backend = _backend(host)
    change = backend.compare(_policy(), Options())
    backend.apply(change)
    host.reload()
    backend.store(change)
    assert _ensure(host, _policy()) == (False, False)


def test_what_was_applied_and_never_stored_is_removed_by_its_mark(host: Host) -> None:
    before = host.user()
    backend = _backend(host)
    backend.apply(backend.compare(_policy(), Options()))
    assert (host.root / UFW_APPLIED).exists()
    assert _ensure(host, None) == (True, True)
    assert host.user() == before
    assert not (host.root / UFW_APPLIED).exists()
    assert _ensure(host, None) == (False, False)


def test_a_mark_of_what_a_reload_undid_already_is_only_cleared(host: Host) -> None:
    backend = _backend(host)
    backend.apply(backend.compare(_policy(), Options()))
    host.reload()
    assert _ensure(host, None) == (False, True)
    assert _ensure(host, None) == (False, False)


def test_the_way_back_clears_a_mark_that_was_not_there(host: Host) -> None:
    mark = str(host.root / UFW_APPLIED)
    assert f"rm -f {mark}" in _backend(host).undo().text
    Path(mark).touch()
    assert mark not in _backend(host).undo().text


def test_what_somebody_put_into_the_chains_past_ufw_stays_where_nothing_of_ours_is(host: Host) -> None:
    host.kernel["iptables"]["filter ufw-user-input"].append("-A ufw-user-input -s 192.0.2.77 -j DROP")
    assert _ensure(host, None) == (False, False)


def test_rules_of_ipv6_that_ufw_no_longer_serves_are_taken_out_of_its_file(host: Host) -> None:
    _ensure(host, _policy())
    host.write("etc/default/ufw", "IPV6=no\n")
    host.kernel["ip6tables"] = {"filter INPUT": ["-A INPUT -i lo -j ACCEPT"]}
    listing = host._listing
    host._listing = lambda program: listing(program).replace(":INPUT -", ":INPUT DROP")  # type: ignore[method-assign]
    assert _ensure(host, _policy()) == (False, True)
    assert host.files()["user6.rules"] == host.before["user6.rules"]
    rule = {"id": "six", "services": [], "direction": "in", "family": "ipv6", "protocol": "tcp", "ports": ["80"]}
    rule |= {"sources": ["2001:db8::9"], "destinations": [], "comment": ""}
    with pytest.raises(BackendError, match=r"^h: rule 'six' is about IPv6.*IPV6=yes in /etc/default/ufw"):
        _backend(host).compare(_policy(rules=[rule]), Options())
    kept = _policy(keep=[{"protocol": "udp", "ports": ["161"], "sources": ["2001:db8::9"]}], management=_MANAGED)
    [warning] = _backend(host).compare(kept, Options("default_deny")).warnings
    assert "playout_keep name IPv6 networks" in warning
    (host.root / "proc/sys/net/ipv6").rmdir()
    with pytest.raises(BackendError, match=r"rule 'six' is about IPv6, and this kernel has none"):
        _backend(host).compare(_policy(rules=[rule]), Options())


_MANAGED = {"ports": ["22"], "sources": ["192.0.2.0/24"]}


def test_helpers_are_ours_to_load_at_boot(host: Host) -> None:
    backend = _backend(host)
    change = backend.compare(_policy(helpers=[HELPER]), Options())
    assert change.loader is not None
    assert (change.loader.rules.path, list(change.loader.services)) == (SCRIPT_RULES, ["ufw"])
    assert list(change.loader.modules) == ["nf_conntrack_ftp", "nf_nat_ftp"]
    assert "-d 192.0.2.1 --dport 21 -j CT --helper ftp" in change.loader.rules.content
    assert "ip6tables" not in change.loader.rules.content
    backend.apply(change)
    assert "raw playout-ufw-helper" in host.kernel["iptables"]
    assert "raw playout-ufw-helper" not in host.kernel["ip6tables"]
    assert _backend(host).compare(_policy(), Options()).loader is None


@pytest.mark.parametrize(
    "parts",
    [
        {"gateway": {"wan_interfaces": ["eth0"]}},
        {"gateway": {"wan_interfaces": ["eth0"]}, "masquerade": True},
        {
            "governed": {
                "forward": [
                    {
                        "family": "ipv4",
                        "protocol": "tcp",
                        "ports": ["80"],
                        "sources": ["any"],
                        "destinations": ["192.0.2.1"],
                    }
                ]
            }
        },
    ],
)
def test_gateways_are_refused(host: Host, parts: dict[str, Any]) -> None:
    policy = Policy.from_dict({"host": "h", **parts})
    with pytest.raises(BackendError, match=r"^h: ufw neither translates .*ufw disable"):
        _backend(host).compare(policy, Options())


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("etc/ufw/ufw.conf", "ENABLED=no\n", "ufw is not enabled"),
        ("etc/ufw/user.rules", "*filter\nCOMMIT\n", "/etc/ufw/user.rules has no line"),
    ],
)
def test_errors_name_the_host(host: Host, path: str, text: str, message: str) -> None:
    host.write(path, text)
    with pytest.raises(BackendError, match=f"^h: {message}"):
        _backend(host).compare(_policy(), Options())


def test_a_missing_file_is_refused_and_where_ufw_was_removed_there_is_nothing_to_do(host: Host) -> None:
    (host.root / "etc/ufw/user6.rules").unlink()
    with pytest.raises(BackendError, match=r"^h: /etc/ufw/user6.rules is missing"):
        _backend(host).compare(_policy(), Options())
    (host.root / "etc/ufw/user.rules").unlink()
    host.kernel = {program: {} for program in PROGRAMS}
    change = _backend(host).compare_absent()
    assert (change.live, change.stored) == (False, False)


def test_other_chains_that_drop_are_an_error_and_ufws_own_are_not(host: Host) -> None:
    chain = {"name": "input", "type": "filter", "hook": "input", "policy": "drop", "prio": 0, "handle": 1}
    own = {"chain": {"family": "ip", "table": "filter", **chain}}
    assert _backend(host, {"table": {"family": "ip", "name": "filter"}}, own).compare(_policy(), Options()).live
    theirs = {"chain": {"family": "inet", "table": "theirs", **chain}}
    with pytest.raises(BackendError, match=r"(?s)^h: other nftables chains .*table inet theirs, chain input"):
        _backend(host, {"table": {"family": "inet", "name": "theirs"}}, theirs).compare(_policy(), Options())


def test_what_a_user_should_know_is_a_warning(host: Host) -> None:
    assert _backend(host).compare(_policy(), Options()).warnings == []
    host.kernel["iptables"]["filter INPUT"].insert(0, "-A INPUT -p tcp -j ACCEPT")
    many = [f"10.0.{index // 250}.{index % 250 + 1}" for index in range(501)]
    rule = {"id": "many", "services": [], "direction": "in", "family": "ipv4", "protocol": "tcp", "ports": ["80"]}
    rule |= {"sources": many, "destinations": [], "comment": ""}
    host.write("etc/protocols", "")
    policy = _policy(rules=[rule], management=_MANAGED)
    count, first, igmp = _backend(host).compare(policy, Options("default_deny")).warnings
    assert "playout_backend: nftables" in count
    assert "-A INPUT -p tcp -j ACCEPT" in first
    assert "IGMP" in igmp
    assert all(warning.startswith("h: ") for warning in (count, first, igmp))


def test_what_a_crash_left_beside_the_files_is_removed(host: Host) -> None:
    _ensure(host, _policy())
    host.write("etc/ufw/user6.rules.playout-old", "half")
    assert _ensure(host, _policy()) == (False, True)
    assert _ensure(host, _policy()) == (False, False)
