# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backend a host gets, from who owns its firewall."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, active_managers, choose
from ansible_collections.playout.firewall.plugins.module_utils._command import Result


def _never(arguments: Sequence[str], _text: str) -> Result:
    return Result(1, "", f"{arguments[0]} says no")


def _write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _chain(name: str) -> list[dict[str, Any]]:
    return [{"chain": {"family": "ip", "table": "filter", "name": name}}]


@pytest.mark.parametrize("option", ["auto", "nftables"])
def test_a_host_of_nobody_gets_nftables(option: str) -> None:
    assert choose(option, []) == "nftables"


@pytest.mark.parametrize("option", ["firewalld", "ufw", "iptables"])
def test_a_backend_of_a_later_version_is_refused_by_name(option: str) -> None:
    with pytest.raises(BackendError, match=f"'{option}' is not available in this version"):
        choose(option, [])


@pytest.mark.parametrize("option", ["auto", "nftables"])
@pytest.mark.parametrize("owner", ["firewalld", "ufw"])
def test_beside_an_active_manager_nobody_else_may_write(option: str, owner: str) -> None:
    with pytest.raises(BackendError, match=rf"{owner} is active .* stop and disable {owner}"):
        choose(option, [owner])


def test_a_bare_host_has_no_manager(tmp_path: Path) -> None:
    assert active_managers([{"metainfo": {}}], _never, str(tmp_path)) == []


def test_firewalld_is_known_by_its_table(tmp_path: Path) -> None:
    objects = [{"table": {"family": "inet", "name": "firewalld"}}]
    assert active_managers(objects, _never, str(tmp_path)) == ["firewalld"]


@pytest.mark.parametrize(("program", "active"), [("/usr/sbin/firewalld\0", ["firewalld"]), ("/usr/bin/vim\0", [])])
def test_firewalld_is_known_by_its_process_but_not_by_a_stale_number(
    tmp_path: Path, program: str, active: list[str]
) -> None:
    _write(tmp_path, "run/firewalld.pid", "17\n")
    _write(tmp_path, "proc/17/cmdline", program)
    assert active_managers([], _never, str(tmp_path)) == active


def test_firewalld_is_known_by_systemd_where_that_runs(tmp_path: Path) -> None:
    def active(arguments: Sequence[str], _text: str) -> Result:
        return Result(0 if arguments[0] == "systemctl" else 1)

    assert active_managers([], active, str(tmp_path)) == []
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert active_managers([], active, str(tmp_path)) == ["firewalld"]


@pytest.mark.parametrize("setting", ["ENABLED=yes", 'ENABLED="yes"'])
def test_ufw_is_active_when_it_is_enabled_and_its_chains_are_there(tmp_path: Path, setting: str) -> None:
    _write(tmp_path, "etc/ufw/ufw.conf", f"# comment\n{setting}\n")
    assert active_managers(_chain("ufw-user-input"), _never, str(tmp_path)) == ["ufw"]
    assert active_managers(_chain("INPUT"), _never, str(tmp_path)) == []


def test_ufw_on_the_old_iptables_is_asked_for_its_chain(tmp_path: Path) -> None:
    _write(tmp_path, "etc/ufw/ufw.conf", "ENABLED=yes\n")

    def legacy(arguments: Sequence[str], _text: str) -> Result:
        return Result(0 if arguments[0] == "iptables" else 1)

    assert active_managers([], legacy, str(tmp_path)) == ["ufw"]


def test_a_disabled_ufw_owns_nothing(tmp_path: Path) -> None:
    _write(tmp_path, "etc/ufw/ufw.conf", "ENABLED=no\n")
    assert active_managers(_chain("ufw-user-input"), _never, str(tmp_path)) == []
