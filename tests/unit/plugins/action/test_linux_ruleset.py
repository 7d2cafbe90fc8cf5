# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action: whose policy goes to the module, and which connection may confirm. Module and connection are played."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible_collections.playout.firewall.plugins.action import linux_ruleset
from ansible_collections.playout.firewall.plugins.action.linux_ruleset import ActionModule
from ansible_collections.playout.firewall.plugins.module_utils._packing import unpack

STORE = "ansible_collections.playout.firewall.plugins.plugin_utils._plan_store"
VARIABLES = {"inventory_hostname": "gw"}


class Connection:
    """Remembers what was asked of it."""

    has_pipelining = True
    become = None
    _shell = SimpleNamespace(tmpdir=None)

    def __init__(self, name: str) -> None:
        self.ansible_name = self.transport = name
        self.options = {"ssh_args": "-o ControlMaster=auto -o ControlPersist=60s"}
        self.resets = 0

    def get_option(self, name: str) -> str:
        return self.options[name]

    def set_option(self, name: str, value: str) -> None:
        self.options[name] = value

    def reset(self) -> None:
        self.resets += 1


class Played(ActionModule):
    """The action, with each module call answered by the next of its answers."""

    answers: list[Any]
    calls: list[tuple[dict[str, Any], str]]
    modules: list[str]

    def _execute_module(
        self, *_args: Any, module_name: str, module_args: dict[str, Any], **_kwargs: Any
    ) -> dict[str, Any]:
        assert not gc.isenabled(), "what is packed here would be collected with all of Ansible"
        self.modules.append(module_name.rpartition(".")[2])
        self.calls.append((dict(module_args), self._connection.get_option("ssh_args")))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


Make = Callable[..., Played]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """``make(arguments, answers...)`` returns an action whose fleet has a policy for every host."""
    store = ModuleType(STORE)
    store.policy_for = lambda _templar, _variables, host: {"host": host, "comment": "{{ never a template }}"}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, STORE, store)
    monkeypatch.setattr(linux_ruleset, "_PAUSE", 0.01)

    def made(arguments: dict[str, Any], *answers: Any, connection: str = "ansible.builtin.ssh") -> Played:
        task = SimpleNamespace(args=arguments, async_val=0, check_mode=False, action="linux_ruleset", delegate_to=None)
        action = Played(task, Connection(connection), SimpleNamespace(check_mode=False), None, "templar", None)
        action.answers, action.calls, action.modules = list(answers), [], []
        return action

    return made


def test_without_a_policy_the_module_gets_this_hosts_own_packed(make: Make) -> None:
    action = make({}, {"changed": True})
    assert action.run(None, VARIABLES) == {"changed": True}
    [(arguments, _ssh)] = action.calls
    assert json.loads(unpack(arguments["policy"])) == {"host": "gw", "comment": "{{ never a template }}"}


@pytest.mark.parametrize("answer", [{"changed": True}, AnsibleError("broken")])
def test_garbage_is_collected_again_after_the_module_ran_or_failed(make: Make, answer: Any) -> None:
    with suppress(AnsibleError):
        make({}, answer).run(None, VARIABLES)
    assert gc.isenabled()


@pytest.mark.parametrize("given", [{"host": "given"}, '{"host": "given"}'])
def test_a_given_policy_needs_no_fleet(make: Make, monkeypatch: pytest.MonkeyPatch, given: Any) -> None:
    monkeypatch.setitem(sys.modules, STORE, None)
    action = make({"policy": given}, {"changed": False})
    action.run(None, VARIABLES)
    assert json.loads(unpack(action.calls[0][0]["policy"])) == {"host": "given"}


def test_a_removal_needs_no_fleet(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, STORE, None)
    action = make({"state": "absent"}, {"changed": False})
    action.run(None, VARIABLES)
    assert action.calls[0][0] == {"state": "absent", "confirm_timeout": 0}


def test_a_policy_that_json_cannot_say_is_refused_before_the_host_is_touched(make: Make) -> None:
    action = make({"policy": {"host": {"a", "set"}}})
    with pytest.raises(AnsibleActionFail, match=r"^policy: Object of type set is not JSON serializable"):
        action.run(None, VARIABLES)
    assert action.calls == []


def test_a_fleet_that_fails_fails_the_task_before_the_host_is_touched(make: Make) -> None:
    def failing(*_args: Any) -> None:
        raise ValueError("gw: playout_addresses is missing")

    action = make({})
    sys.modules[STORE].policy_for = failing  # type: ignore[attr-defined]
    with pytest.raises(AnsibleActionFail, match="gw: playout_addresses is missing"):
        action.run(None, VARIABLES)
    assert action.calls == []


@pytest.mark.parametrize("connection", ["ansible.builtin.local", "playout.firewall.netns", "community.docker.docker"])
def test_a_connection_that_cannot_be_opened_anew_is_refused_before_anything_changes(
    make: Make, connection: str
) -> None:
    action = make({"confirm_timeout": 5}, connection=connection)
    with pytest.raises(AnsibleActionFail, match=f"the connection '{connection}' cannot be opened anew"):
        action.run(None, VARIABLES)
    assert action.calls == []


def test_a_timeout_that_is_no_number_is_refused(make: Make) -> None:
    with pytest.raises(AnsibleActionFail, match="'soon' is neither a number of seconds nor 'auto'"):
        make({"confirm_timeout": "soon"}).run(None, VARIABLES)


@pytest.mark.parametrize(
    ("connection", "seconds"), [("ansible.builtin.ssh", 60), ("ssh", 60), ("ansible.builtin.local", 0)]
)
def test_auto_waits_for_a_confirmation_where_one_can_be_given(make: Make, connection: str, seconds: int) -> None:
    action = make({"confirm_timeout": "auto"}, {"changed": False}, connection=connection)
    action.run(None, VARIABLES)
    assert action.calls[0][0]["confirm_timeout"] == seconds


def test_a_connection_that_breaks_meanwhile_is_told_when_the_old_rules_return(make: Make) -> None:
    action = make({"confirm_timeout": 5}, AnsibleConnectionFailure("broken pipe"))
    with pytest.raises(AnsibleConnectionFailure, match=r"broken pipe; .* the old ones return within 5 seconds"):
        action.run(None, VARIABLES)


def test_a_host_that_cannot_be_reached_any_more_is_left_with_our_files(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_arguments: object) -> None:
        raise AnsibleConnectionFailure("timed out")

    action = make({"confirm_timeout": 5})
    monkeypatch.setattr(action, "_remove_tmp_path", unreachable)
    action.cleanup()


def test_the_change_is_confirmed_over_a_connection_of_its_own(make: Make) -> None:
    first = {"changed": True, "digest": "d", "_confirm": "token"}
    action = make({"confirm_timeout": "5"}, first, {"changed": True, "digest": "other"})
    assert action.run(None, VARIABLES) == {"changed": True, "digest": "d"}
    [(_arguments, before), (arguments, during)] = action.calls
    assert arguments["confirm"] == "token"
    assert arguments["confirm_timeout"] == 0
    assert "ControlPath" not in before
    assert during.startswith("-o ControlMaster=no -o ControlPath=none ")
    assert action._connection.get_option("ssh_args") == before
    assert action._connection.resets == 2


OTHER = {"failed": True, "msg": "ufw is needed here", "_other_backend": True}


@pytest.mark.parametrize(
    ("backend", "answers", "modules"),
    [
        ({}, [{"changed": True}], ["linux_ruleset"]),
        ({"backend": "nftables"}, [{"changed": True}], ["linux_ruleset"]),
        ({"backend": "auto"}, [OTHER, {"changed": True}], ["linux_ruleset", "linux_ruleset_any"]),
        ({"backend": "ufw"}, [{"changed": True}], ["linux_ruleset_any"]),
    ],
    ids=["nftables serves", "nftables is named", "another is found", "another is named"],
)
def test_only_who_needs_another_backend_gets_the_module_that_has_all(
    make: Make, backend: dict[str, str], answers: list[Any], modules: list[str]
) -> None:
    action = make(backend, *answers)
    assert action.run(None, VARIABLES) == {"changed": True}
    assert action.modules == modules
    assert all(call == action.calls[0] for call in action.calls)


def test_who_made_the_change_is_who_confirms_it(make: Make) -> None:
    action = make({"confirm_timeout": 5}, OTHER, {"changed": True, "_confirm": "token"}, {"changed": True})
    assert action.run(None, VARIABLES) == {"changed": True}
    assert action.modules == ["linux_ruleset", "linux_ruleset_any", "linux_ruleset_any"]


def test_nothing_changed_means_nothing_to_confirm(make: Make) -> None:
    action = make({"confirm_timeout": 5}, {"changed": False})
    assert action.run(None, VARIABLES) == {"changed": False}
    assert len(action.calls) == 1


def test_a_new_connection_is_tried_again_until_it_succeeds(make: Make) -> None:
    failures = [AnsibleConnectionFailure("timed out"), AnsibleError("failed to transfer file")]
    action = make({"confirm_timeout": 5}, {"changed": True, "_confirm": "token"}, *failures, {"changed": True})
    assert action.run(None, VARIABLES) == {"changed": True}
    assert len(action.calls) == 4


def test_rules_that_let_no_new_connection_in_fail_with_the_old_ones_in_force(make: Make) -> None:
    failures = [AnsibleConnectionFailure("timed out")] * 1000
    action = make({"confirm_timeout": 1}, {"changed": True, "_confirm": "token"}, *failures)
    result = action.run(None, VARIABLES)
    assert result["failed"]
    assert not result["changed"]
    assert "within 1 seconds" in result["msg"]
    assert "timed out" in result["msg"]
    assert action._connection.get_option("ssh_args") == "-o ControlMaster=auto -o ControlPersist=60s"


def test_a_confirmation_that_came_too_late_fails_with_nothing_changed(make: Make) -> None:
    late = {"failed": True, "msg": "too late", "_rolled_back": True}
    action = make({"confirm_timeout": 5}, {"changed": True, "_confirm": "token"}, late)
    result = action.run(None, VARIABLES)
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["msg"].endswith("the old ones have returned: too late")
    assert "_rolled_back" not in result


def test_a_failure_behind_the_confirmation_leaves_the_change_reported(make: Make) -> None:
    full = {"failed": True, "msg": "no space left on device"}
    action = make({"confirm_timeout": 5}, {"changed": True, "_confirm": "token"}, full)
    result = action.run(None, VARIABLES)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["msg"] == "no space left on device"
