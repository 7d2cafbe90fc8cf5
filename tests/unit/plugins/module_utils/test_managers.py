# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns a host's firewall, which backend it gets for that, and where something of ours is left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import Result, Run
from ansible_collections.playout.firewall.plugins.module_utils._managers import (
    BACKENDS,
    UFW_APPLIED,
    active,
    choose,
    remains,
)
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy

RULE = {"id": "web", "services": [], "direction": "in", "family": "ipv4", "protocol": "tcp", "ports": ["80"]}
POLICY = Policy.from_dict(
    {"host": "h", "rules": [{**RULE, "sources": ["192.0.2.1"], "destinations": [], "comment": ""}]}
)
UNIT_LINK = "etc/systemd/system/multi-user.target.wants"


def _never(arguments: Sequence[str], _text: str) -> Result:
    return Result(1, "", f"{arguments[0]} says no")


def _only(program: str, out: str = "") -> Run:
    """Return a run in which one program alone says yes."""
    return lambda arguments, _text: Result(0, out) if arguments[0] == program else _never(arguments, "")


def _write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _machine(root: Path, objects: Sequence[dict[str, Any]] | None = (), run: Run = _never) -> Machine:
    return Machine(run, objects, str(root))


def _chain(name: str) -> list[dict[str, Any]]:
    return [{"chain": {"family": "ip", "table": "filter", "name": name}}]


def _dropping(family: str, table: str) -> dict[str, Any]:
    return {"chain": {"family": family, "table": table, "name": "IN", "type": "filter", "hook": "input"}}


def _drops(family: str, table: str) -> list[dict[str, Any]]:
    """A foreign chain that drops what comes in."""
    rule = {"family": family, "table": table, "chain": "IN", "handle": 1, "expr": [{"drop": None}]}
    return [_dropping(family, table), {"rule": rule}]


# -- who is active ------------------------------------------------------------------------------------------------


def test_a_bare_host_has_no_manager(tmp_path: Path) -> None:
    assert active(_machine(tmp_path, [{"metainfo": {}}])) == []
    assert active(_machine(tmp_path, None)) == []


def test_firewalld_is_known_by_its_table(tmp_path: Path) -> None:
    assert active(_machine(tmp_path, [{"table": {"family": "inet", "name": "firewalld"}}])) == ["firewalld"]


@pytest.mark.parametrize(("program", "found"), [("/usr/sbin/firewalld\0", ["firewalld"]), ("/usr/bin/vim\0", [])])
def test_firewalld_is_known_by_its_process_but_not_by_a_stale_number(
    tmp_path: Path, program: str, found: list[str]
) -> None:
    _write(tmp_path, "run/firewalld.pid", "17\n")
    _write(tmp_path, "proc/17/cmdline", program)
    assert active(_machine(tmp_path)) == found


def test_firewalld_is_known_by_systemd_where_that_runs(tmp_path: Path) -> None:
    assert active(_machine(tmp_path, run=_only("systemctl"))) == []
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert active(_machine(tmp_path, run=_only("systemctl"))) == ["firewalld"]
    assert active(_machine(tmp_path)) == []


@pytest.mark.parametrize("setting", ["ENABLED=yes", 'ENABLED="yes"'])
def test_ufw_is_active_when_it_is_enabled_and_its_chains_are_there(tmp_path: Path, setting: str) -> None:
    _write(tmp_path, "etc/ufw/ufw.conf", f"# comment\n{setting}\n")
    assert active(_machine(tmp_path, _chain("ufw-user-input"))) == ["ufw"]
    assert active(_machine(tmp_path, _chain("INPUT"))) == []


def test_ufw_on_the_old_iptables_is_asked_for_its_chain(tmp_path: Path) -> None:
    _write(tmp_path, "etc/ufw/ufw.conf", "ENABLED=yes\n")
    assert active(_machine(tmp_path, run=_only("iptables"))) == ["ufw"]


def test_a_disabled_ufw_owns_nothing(tmp_path: Path) -> None:
    _write(tmp_path, "etc/ufw/ufw.conf", "ENABLED=no\n")
    assert active(_machine(tmp_path, _chain("ufw-user-input"))) == []


@pytest.mark.parametrize(
    ("service", "saved"),
    [
        ("netfilter-persistent", "etc/iptables/rules.v4"),
        ("netfilter-persistent", "etc/iptables/rules.v6"),
        ("iptables", "etc/sysconfig/iptables"),
        ("ip6tables", "etc/sysconfig/ip6tables"),
    ],
)
def test_an_iptables_service_is_active_when_it_is_enabled_and_has_rules_to_load(
    tmp_path: Path, service: str, saved: str
) -> None:
    _write(tmp_path, saved, "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n")
    assert active(_machine(tmp_path)) == []
    _write(tmp_path, f"{UNIT_LINK}/{service}.service", "")
    assert active(_machine(tmp_path)) == ["iptables"]
    _write(tmp_path, saved, "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    assert active(_machine(tmp_path)) == []


# -- which backend ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["auto", "nftables"])
def test_a_host_of_nobody_gets_nftables(tmp_path: Path, option: str) -> None:
    assert choose(option, [], _machine(tmp_path), POLICY) == "nftables"


@pytest.mark.parametrize("owner", ["firewalld", "ufw", "iptables"])
def test_auto_takes_the_program_that_owns_the_host(tmp_path: Path, owner: str) -> None:
    assert choose("auto", [owner], _machine(tmp_path), POLICY) == owner


@pytest.mark.parametrize("option", ["auto", *BACKENDS])
def test_two_owners_are_refused_with_the_way_out_whatever_was_asked_for(tmp_path: Path, option: str) -> None:
    reason = r"^h: firewalld and ufw are active .*'systemctl disable --now firewalld'"
    with pytest.raises(BackendError, match=reason):
        choose(option, ["firewalld", "ufw"], _machine(tmp_path), POLICY)


@pytest.mark.parametrize(
    ("option", "owner"),
    [
        ("nftables", "firewalld"),
        ("nftables", "ufw"),
        ("iptables", "firewalld"),
        ("iptables", "ufw"),
        ("ufw", "firewalld"),
        ("firewalld", "ufw"),
        ("firewalld", "iptables"),
        ("ufw", "iptables"),
    ],
)
def test_beside_an_active_owner_nobody_else_may_write(tmp_path: Path, option: str, owner: str) -> None:
    with pytest.raises(BackendError, match=rf"^h: {owner} is active .* '{owner}', or stop and disable {owner}"):
        choose(option, [owner], _machine(tmp_path), POLICY)


def test_rules_that_an_iptables_service_loads_are_like_any_others_to_nftables(tmp_path: Path) -> None:
    assert choose("nftables", ["iptables"], _machine(tmp_path), POLICY) == "nftables"


@pytest.mark.parametrize("option", ["firewalld", "ufw"])
def test_a_manager_that_is_wanted_must_be_active(tmp_path: Path, option: str) -> None:
    with pytest.raises(BackendError, match=rf"^h: playout_backend is '{option}', but {option} is not active: .*enable"):
        choose(option, [], _machine(tmp_path), POLICY)
    assert choose(option, [option], _machine(tmp_path), POLICY) == option


def test_iptables_is_taken_where_somebody_asks_for_it(tmp_path: Path) -> None:
    assert choose("iptables", [], _machine(tmp_path), POLICY) == "iptables"


def test_without_nft_auto_means_iptables(tmp_path: Path) -> None:
    assert choose("auto", [], _machine(tmp_path, None), POLICY) == "iptables"


def test_auto_stays_with_iptables_where_our_rules_are_in_it_already(tmp_path: Path) -> None:
    assert choose("auto", [], _machine(tmp_path, _chain("PLAYOUT-INPUT")), POLICY) == "iptables"
    _write(tmp_path, "proc/net/ip_tables_names", "filter\n")
    legacy = _machine(tmp_path, run=_only("iptables-legacy-save", "*filter\n:PLAYOUT-INPUT - [0:0]\n"))
    assert choose("auto", [], legacy, POLICY) == "iptables"


@pytest.mark.parametrize(
    ("objects", "backend"),
    [
        pytest.param(_drops("ip", "filter"), "iptables", id="iptables rules drop: only there we come before them"),
        pytest.param(_drops("inet", "theirs"), "nftables", id="a table drops that nobody can open"),
        pytest.param(_drops("ip", "filter") + _drops("inet", "theirs"), "iptables", id="both: one conflict less"),
        pytest.param(_drops("ip6", "filter"), "nftables", id="a family that is not planned"),
        pytest.param([_dropping("ip", "filter")], "nftables", id="iptables rules that drop nothing"),
    ],
)
def test_auto_goes_where_planned_flows_get_through(tmp_path: Path, objects: list[dict[str, Any]], backend: str) -> None:
    assert choose("auto", [], _machine(tmp_path, objects), POLICY) == backend


# -- what is left of us -------------------------------------------------------------------------------------------


def test_nothing_of_ours_is_found_on_a_host_of_others(tmp_path: Path) -> None:
    _write(tmp_path, "etc/ufw/user.rules", "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n")
    _write(tmp_path, "etc/firewalld/policies/theirs.xml", "<policy/>")
    _write(tmp_path, "proc/net/ip_tables_names", "filter\n")
    theirs = [{"table": {"family": "inet", "name": "theirs"}}, *_chain("DOCKER-USER")]
    machine = _machine(tmp_path, theirs, _only("iptables-legacy-save", "*filter\n:INPUT ACCEPT [0:0]\n"))
    assert remains(machine) == []


def test_each_backend_is_known_by_its_mark(tmp_path: Path) -> None:
    assert remains(_machine(tmp_path, [{"table": {"family": "inet", "name": "playout_firewall"}}])) == ["nftables"]
    assert remains(_machine(tmp_path, _chain("PLAYOUT-INPUT"))) == ["iptables"]
    beside = [{"table": {"family": "inet", "name": "playout_beside"}}]
    assert remains(_machine(tmp_path, beside)) == ["firewalld"]
    _write(tmp_path, "etc/firewalld/policies/playout-in.xml", "<policy/>")
    assert remains(_machine(tmp_path)) == ["firewalld"]
    comment = b"playout.firewall web".hex()
    _write(tmp_path, "etc/ufw/user6.rules", f"### tuple ### allow tcp 80 ::/0 any ::/0 in comment={comment}\n")
    assert remains(_machine(tmp_path)) == ["firewalld", "ufw"]


def test_rules_of_ufw_that_are_in_force_and_in_no_file_yet_are_found(tmp_path: Path) -> None:
    _write(tmp_path, UFW_APPLIED, "")
    assert remains(_machine(tmp_path)) == ["ufw"]


@pytest.mark.parametrize("table", ["filter", "nat", "raw"])
@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_chains_in_the_old_iptables_are_found_in_every_table_that_we_use(
    tmp_path: Path, family: str, table: str
) -> None:
    saved = f"# Generated\n*{table}\n:OUTPUT ACCEPT [0:0]\n:PLAYOUT-INPUT - [0:0]\nCOMMIT\n"
    run = _only(f"{family}tables-legacy-save", saved)
    assert remains(_machine(tmp_path, run=run)) == []
    _write(tmp_path, f"proc/net/{family}_tables_names", f"{table}\n")
    assert remains(_machine(tmp_path, run=run)) == ["iptables"]


@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_chains_of_ours_are_found_where_there_is_no_nft(tmp_path: Path, family: str) -> None:
    run = _only(f"{family}tables-save", "*filter\n:PLAYOUT-INPUT - [0:0]\nCOMMIT\n")
    assert remains(Machine(run, None, str(tmp_path))) == ["iptables"]
    assert remains(Machine(run, [], str(tmp_path))) == []


def test_a_listing_that_crashed_is_not_taken_for_nothing_of_ours(tmp_path: Path) -> None:
    _write(tmp_path, "proc/net/ip_tables_names", "filter\n")
    machine = _machine(tmp_path, run=lambda _arguments, _text: Result(-11))
    with pytest.raises(BackendError, match=r"iptables-legacy-save cannot tell .*: ended by signal 11$"):
        remains(machine)


def test_the_old_iptables_is_not_asked_where_it_has_no_table(tmp_path: Path) -> None:
    calls: list[Sequence[str]] = []

    def run(arguments: Sequence[str], _text: str) -> Result:
        calls.append(arguments)
        return Result(0)

    _write(tmp_path, "proc/net/ip_tables_names", "")
    assert remains(_machine(tmp_path, run=run)) == []
    assert calls == []
