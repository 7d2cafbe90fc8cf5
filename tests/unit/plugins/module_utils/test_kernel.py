# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel must be able to do, read from a directory that plays the host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._command import Result
from ansible_collections.playout.firewall.plugins.module_utils._kernel import (
    KernelError,
    helper_modules,
    load_modules,
    require,
)
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy


def _host(root: Path, ipv4: str, ipv6: str) -> str:
    for path, value in (("ipv4/ip_forward", ipv4), ("ipv6/conf/all/forwarding", ipv6)):
        file = root / "proc/sys/net" / path
        file.parent.mkdir(parents=True)
        file.write_text(f"{value}\n", encoding="ascii")
    return str(root)


def _forwarding(family: str, address: str, direction: str = "forward") -> Policy:
    rule: dict[str, Any] = {"id": "a", "services": [], "direction": direction, "family": family, "protocol": "tcp"}
    rule |= {"ports": ["80"], "sources": ["any"], "destinations": [address] if direction == "forward" else []}
    return Policy.from_dict({"host": "gw", "rules": [{**rule, "comment": ""}]})


@pytest.mark.parametrize(
    ("family", "address", "sysctl"),
    [("ipv4", "10.0.0.1", "net.ipv4.ip_forward"), ("ipv6", "2001:db8::1", "net.ipv6.conf.all.forwarding")],
)
def test_forwarding_that_is_off_is_named_in_the_family_that_needs_it(
    tmp_path: Path, family: str, address: str, sysctl: str
) -> None:
    on = _host(tmp_path / "on", "1", "1")
    off = _host(tmp_path / "off", "0", "0")
    require(_forwarding(family, address), on)
    require(_forwarding(family, address, "in"), off)
    with pytest.raises(KernelError, match=rf"gw: .*{sysctl} = 0"):
        require(_forwarding(family, address), off)


def test_only_the_family_in_use_must_be_forwarded(tmp_path: Path) -> None:
    require(_forwarding("ipv4", "10.0.0.1"), _host(tmp_path, "1", "0"))


@pytest.mark.parametrize(("release", "good"), [("5.4.0-150-generic", False), ("5.7.1", True), ("6.18.44-fc", True)])
def test_hairpin_needs_a_kernel_that_knows_where_a_packet_came_in(tmp_path: Path, release: str, good: bool) -> None:
    forward: dict[str, Any] = {"id": "a", "services": [], "family": "ipv4", "protocol": "tcp", "comment": ""}
    forward |= {"external_addresses": ["203.0.113.1"], "external_ports": ["80"], "to_ports": ["80"]}
    forward |= {"to_address": "10.0.0.1", "sources": []}
    policy = Policy.from_dict(
        {"host": "gw", "forwards": [forward], "gateway": {"lan_interfaces": ["lan0"], "hairpin": True}}
    )
    root = _host(tmp_path, "1", "1")
    if good:
        require(policy, root, release)
        return
    with pytest.raises(KernelError, match=r"Linux 5\.7"):
        require(policy, root, release)


def test_helpers_need_their_translating_half_too() -> None:
    helper = {"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["any"]}
    assert helper_modules(Policy.from_dict({"host": "h", "helpers": [helper]})) == ["nf_conntrack_ftp", "nf_nat_ftp"]
    assert helper_modules(Policy.from_dict({"host": "h"})) == []


def test_a_module_that_cannot_be_loaded_is_a_warning_except_where_there_are_none(tmp_path: Path) -> None:
    calls: list[list[str]] = []

    def refuse(arguments: Sequence[str], _text: str) -> Result:
        calls.append(list(arguments))
        return Result(1, "", "not found")

    assert load_modules(["nf_nat_ftp"], refuse, str(tmp_path)) == []
    assert calls == []
    (tmp_path / "lib/modules" / os.uname().release).mkdir(parents=True)
    [warning] = load_modules(["nf_nat_ftp"], refuse, str(tmp_path))
    assert "nf_nat_ftp cannot be loaded" in warning
    assert load_modules([], refuse, str(tmp_path)) == []
    assert calls == [["modprobe", "-a", "-q", "nf_nat_ftp"]]
