# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes against real firewalls: every result word is earned by packets between namespaces that this test makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils import _verdict

pytestmark = pytest.mark.lab

ARENA = Path(__file__).with_name("arena.py")
OWN_NAMESPACES = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork"]
OWN_NAMESPACES += ["--mount-proc", "--kill-child"]
TARGET, TARGET6, GATEWAY = "10.2.0.2", "fd00:2::2", "10.1.0.1"

BOTH_FAMILIES = [
    ("tcp", 80, "passed", "answered"),
    ("tcp", 81, "refused", "reset"),
    ("tcp", 82, "filtered", "no answer"),
    ("tcp", 83, "filtered", "port unreachable from {target}: a firewall's reject"),
    ("tcp", 84, "filtered", "from {target}"),
    ("tcp", 85, "refused", "reset"),
    ("tcp", 86, "filtered", "no answer"),
    ("tcp", 87, "filtered", "from {router}"),
    ("tcp", 88, "filtered", "no answer"),
    ("tcp", 91, "filtered", "port unreachable from {router}"),
    ("tcp", 92, "filtered", "from {router}"),
    ("udp", 80, "passed", "answered"),
    ("udp", 81, "refused", "port unreachable from the target"),
    ("udp", 82, "unknown", "no answer"),
    ("udp", 84, "filtered", "from {target}"),
    ("udp", 86, "unknown", "no answer"),
    ("udp", 87, "filtered", "from {router}"),
    ("udp", 88, "filtered", "this machine does not let it out"),
    ("udp", 89, "unknown", "no answer"),
    ("udp", 91, "filtered", "port unreachable from {router}"),
    ("udp", 92, "filtered", "from {router}"),
]
TRANSLATED = [
    ("tcp", GATEWAY, 8080, "passed", "answered"),
    ("tcp", GATEWAY, 8081, "refused", "reset"),
    ("tcp", GATEWAY, 8082, "filtered", "no answer"),
    ("tcp", GATEWAY, 8083, "filtered", "port unreachable"),
    ("udp", GATEWAY, 8080, "passed", "answered"),
    ("udp", GATEWAY, 8081, "refused", "port unreachable from the target"),
    ("udp", GATEWAY, 8082, "unknown", "no answer"),
    ("udp", GATEWAY, 8089, "unknown", "no answer"),
]
NOT_THERE = [
    ("tcp", "10.9.0.1", 80, "not tried", "Network is unreachable"),
    ("udp", "10.9.0.1", 80, "not tried", "Network is unreachable"),
    ("tcp", "fd00:9::1", 80, "not tried", "Network is unreachable"),
    ("tcp", "10.7.0.1", 80, "not tried", "No route to host"),
    ("tcp", "10.8.0.1", 80, "filtered", "this machine does not let it out"),
    ("tcp", "10.1.0.99", 80, "not tried", "no neighbour has this address"),
    ("udp", "10.1.0.99", 80, "not tried", "no neighbour has this address"),
    ("tcp", "fd00:1::99", 80, "not tried", "no neighbour has this address"),
    ("udp", "fd00:1::99", 80, "not tried", "no neighbour has this address"),
]
LOST_ONCE = ("udp", TARGET, 90, "passed", "answered")
CASES = [
    *((protocol, TARGET, port, result, reason) for protocol, port, result, reason in BOTH_FAMILIES),
    *((protocol, TARGET6, port, result, reason) for protocol, port, result, reason in BOTH_FAMILIES),
    *TRANSLATED,
    *NOT_THERE,
    LOST_ONCE,
]


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    """Skip where this machine cannot have the namespaces, and say what is missing."""
    for tool in ("unshare", "nsenter", "ip", "nft"):
        if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            pytest.skip(f"no packets: '{tool}' is not installed (util-linux, iproute2 and nftables are needed)")
    tried = subprocess.run([*OWN_NAMESPACES, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no packets: this machine refuses user namespaces: {tried.stderr.strip()}")


def probe(targets: list[tuple[str, str, int]], timeout: float, retries: int) -> dict[str, Any]:
    """Probe in an arena of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment["PATH"] = f"{environment.get('PATH', '')}:/usr/sbin:/sbin"
    done = subprocess.run(
        [*OWN_NAMESPACES, sys.executable, str(ARENA)],
        input=json.dumps({"targets": targets, "timeout": timeout, "retries": retries}),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def arena() -> dict[str, Any]:
    """All cases tried at once, as one verification would."""
    return probe([case[:3] for case in CASES], timeout=1.6, retries=1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "{}-{}-{}".format(*case[:3]))
def test_the_result_says_what_the_firewall_did(arena: dict[str, Any], case: tuple[str, str, int, str, str]) -> None:
    result, reason, seconds = arena["outcomes"][CASES.index(case)]
    named = case[4].format(target=case[1], router="fd00:1::1" if ":" in case[1] else GATEWAY)
    assert (result, reason) == (case[3], reason)
    assert named in reason
    assert seconds < 2.5


def test_a_lost_datagram_is_sent_again_in_half_the_time(arena: dict[str, Any]) -> None:
    assert 0.8 <= arena["outcomes"][CASES.index(LOST_ONCE)][2] < 1.6


def test_without_a_retry_the_lost_datagram_stays_unknown() -> None:
    assert probe([LOST_ONCE[:3]], timeout=0.5, retries=0)["outcomes"][0][0] == "unknown"


def test_the_targets_listeners_decide_what_a_refusal_means(arena: dict[str, Any]) -> None:
    listeners = arena["listeners"]
    assert {(row["protocol"], row["address"], row["port"]) for row in listeners} == {
        ("tcp", "::", 80),
        ("udp", "::", 80),
        ("udp", "::", 89),
        ("udp", "::", 90),
    }
    refused = [
        {"initiator": "i", "listener": "t", "protocol": case[0], "address": case[1], "port": case[2]}
        | {"expected": "reachable", "result": arena["outcomes"][index][0]}
        for index, case in enumerate(CASES)
        if case[2] == 81
    ]
    assert len(refused) == 4
    assert {row["verdict"] for row in _verdict.judge(refused, {"t": listeners})} == {"ok"}
    assert {row["verdict"] for row in _verdict.judge(refused, {})} == {"undecided"}


def test_ten_thousand_ports_are_tried_without_losing_one() -> None:
    targets = [("tcp", TARGET, port) for port in range(20000, 30000)]
    outcomes = probe(targets, timeout=5.0, retries=0)["outcomes"]
    assert Counter(result for result, _reason, _seconds in outcomes) == {"refused": 10000}
