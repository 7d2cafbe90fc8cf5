# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the prober: what it refuses, the rows it returns, and that its documentation is its options."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.playout.firewall.plugins.module_utils import _probe
from ansible_collections.playout.firewall.plugins.modules import reachability_info


def run(capsys: pytest.CaptureFixture[str], **args: Any) -> dict[str, Any]:
    with patch_module_args(args), pytest.raises(SystemExit):
        reachability_info.main()
    returned: dict[str, Any] = json.loads(capsys.readouterr().out)
    return returned


@pytest.mark.parametrize("check_mode", [False, True])
def test_rows_and_totals_are_the_same_in_check_mode_and_never_a_change(
    capsys: pytest.CaptureFixture[str], check_mode: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        returned = run(
            capsys,
            probes=[
                {"name": "web", "address": "127.0.0.1", "ports": port, "expected": "reachable"},
                {"protocol": "udp", "address": "127.0.0.1", "ports": "1-3"},
            ],
            sample=2,
            _ansible_check_mode=check_mode,
        )
    assert returned["changed"] is False
    assert all(entry.pop("seconds") >= 0 and entry.pop("reason") for entry in returned["results"])
    udp = {"name": None, "protocol": "udp", "address": "127.0.0.1", "expected": None, "result": "refused"}
    assert returned["results"] == [
        {
            "name": "web",
            "protocol": "tcp",
            "address": "127.0.0.1",
            "port": port,
            "expected": "reachable",
            "result": "passed",
        },
        {**udp, "port": 1},
        {**udp, "port": 3},
    ]
    assert returned["totals"] == {"passed": 1, "refused": 2, "filtered": 0, "unknown": 0, "not_tried": 0}


def test_everything_wrong_is_named_at_once_and_nothing_is_tried(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_probe, "probe", lambda *_args: pytest.fail("tried"))
    returned = run(
        capsys,
        probes=[
            {"address": "127.0.0.1", "ports": "80"},
            {"name": "web", "address": "cms.example", "ports": "20-10"},
        ],
        timeout=0,
        retries=-1,
        sample=0,
        parallel=0,
    )
    assert returned["failed"] is True
    message = returned["msg"]
    for part in (
        "probes[1] (web): 'cms.example'",
        "write '10-20'",
        "timeout: 0",
        "retries: -1",
        "sample: 0",
        "parallel: 0",
    ):
        assert part in message
    assert "probes[0]" not in message


@pytest.mark.parametrize("timeout", ["nan", "inf", -1, 3601])
def test_a_timeout_that_never_ends_is_refused(capsys: pytest.CaptureFixture[str], timeout: Any) -> None:
    assert "timeout" in run(capsys, probes=[], timeout=timeout)["msg"]


def test_options_reach_the_prober(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(_probe, "probe", lambda *args: seen.extend(args) or [])
    run(capsys, probes=[{"address": "::1", "ports": "80"}], timeout=0.5, retries=4, parallel=7)
    assert seen == [[_probe.Target("tcp", "::1", 80)], 0.5, 4, 7]


def test_the_documented_options_are_the_real_ones() -> None:
    documented = yaml.safe_load(reachability_info.DOCUMENTATION)["options"]
    assert _spec(documented) == _spec(reachability_info.OPTIONS)


def _spec(options: dict[str, Any]) -> dict[str, Any]:
    """Reduce documentation or argument spec to what both declare."""
    keys = ("type", "elements", "required", "choices", "default")
    return {
        name: {
            **{key: entry[key] for key in keys if key in entry},
            "sub": _spec(entry.get("suboptions") or entry.get("options") or {}),
        }
        for name, entry in options.items()
    }


def test_the_documented_return_values_are_the_real_ones() -> None:
    documented = yaml.safe_load(reachability_info.RETURN)
    outcome = _probe.Outcome("passed", "answered", 0.1)
    row = reachability_info.row({"name": None, "expected": None}, _probe.Target("tcp", "::1", 80), outcome)
    assert list(documented["results"]["contains"]) == list(row)
    assert list(documented["totals"]["sample"]) == list(reachability_info.totals([]))
