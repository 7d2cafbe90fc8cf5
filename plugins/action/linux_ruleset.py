# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand a host its policy from the plan, and confirm new rules over a new connection.

The documentation is the module's.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.playout.firewall.plugins.module_utils._packing import pack

# Most hosts get nftables, and its module is packed and sent in a fraction of the time that the other takes.
_NFTABLES_ONLY, _ANY_BACKEND = "playout.firewall.linux_ruleset", "playout.firewall.linux_ruleset_any"
# Only here a fresh connection is known to be one: others run on the host itself, or keep a connection of their own.
_FRESH = ("ansible.builtin.ssh", "ssh")
_AUTO, _AUTO_SECONDS = "auto", 60
_PAUSE = 1.0


class ActionModule(ActionBase):
    """Runs the module once, and a second time where its change has to be confirmed."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        with _uncollected():
            return self._run(task_vars or {})

    def _run(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments = dict(self._task.args)
        timeout = arguments["confirm_timeout"] = self._timeout(arguments.get("confirm_timeout"))
        if arguments.get("state", "present") == "present":
            arguments["policy"] = self._packed(arguments.get("policy"), task_vars)
        try:
            module, result = self._ensure(arguments, task_vars)
        except AnsibleConnectionFailure as error:
            if not timeout or self._task.check_mode:
                raise
            told = f"if the rules were changed before that, the old ones return within {timeout} seconds"
            raise AnsibleConnectionFailure(f"{error}; {told}") from None
        token = result.pop("_confirm", None)
        if token is None:
            return result
        return {**result, **self._confirm(module, {**arguments, "confirm": token}, task_vars, timeout)}

    def cleanup(self, force: bool = False) -> None:
        """Remove our files from the host, where it can be reached: that it cannot must not hide why."""
        with suppress(AnsibleConnectionFailure):
            super().cleanup(force)

    def _ensure(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the result of the module that has the backends which this host needs, and its name."""
        if arguments.get("backend", _AUTO) in (_AUTO, "nftables"):
            result = self._execute_module(module_name=_NFTABLES_ONLY, module_args=arguments, task_vars=task_vars)
            if not result.get("_other_backend"):
                return _NFTABLES_ONLY, result
        return _ANY_BACKEND, self._execute_module(module_name=_ANY_BACKEND, module_args=arguments, task_vars=task_vars)

    def _timeout(self, value: Any) -> int:
        """Return the seconds to wait for a confirmation, refused where no new connection can give one."""
        name = self._connection.ansible_name or self._connection.transport
        if value == _AUTO:
            return _AUTO_SECONDS if name in _FRESH else 0
        try:
            timeout = int(value or 0)
        except (TypeError, ValueError):
            raise AnsibleActionFail(
                f"confirm_timeout: {value!r} is neither a number of seconds nor '{_AUTO}'"
            ) from None
        if timeout and name not in _FRESH:
            raise AnsibleActionFail(
                f"confirm_timeout: the connection '{name}' cannot be opened anew over the network: it would confirm "
                "rules that lock everybody out. Use ansible.builtin.ssh, or set confirm_timeout to 0"
            )
        return timeout

    def _packed(self, given: Any, task_vars: dict[str, Any]) -> str:
        """Return the policy that was given, or this host's from the plan, as the module is sent it."""
        policy = self._policy(task_vars) if given is None else given
        try:
            return pack(policy if isinstance(policy, str) else json.dumps(policy))
        except TypeError as error:
            raise AnsibleActionFail(f"policy: {error}, and JSON knows nothing of the kind") from error

    def _policy(self, task_vars: dict[str, Any]) -> Any:
        """Return this host's policy from the plan."""
        # Late, because a policy that was given needs no plan.
        from ansible_collections.playout.firewall.plugins.plugin_utils._plan_store import policy_for

        try:
            return policy_for(self._templar, task_vars, task_vars["inventory_hostname"])
        except Exception as error:
            raise AnsibleActionFail(f"no policy for this host: {error}") from error

    def _confirm(
        self, module: str, arguments: dict[str, Any], task_vars: dict[str, Any], timeout: int
    ) -> dict[str, Any]:
        """Return what the confirmation adds to the result, or the failure with the old rules in force."""
        arguments["confirm_timeout"] = 0
        deadline = time.monotonic() + timeout
        reason = "no attempt was made in time"
        with self._new_connections():
            while time.monotonic() < deadline:
                try:
                    confirmed = self._execute_module(module_name=module, module_args=arguments, task_vars=task_vars)
                except AnsibleError as error:
                    # Not only the connection's own: what is first sent over it may fail in other words.
                    reason = str(error)
                    time.sleep(_PAUSE)
                    continue
                if confirmed.get("_rolled_back"):
                    reason = confirmed["msg"]
                    break
                if confirmed.get("failed"):
                    return {"failed": True, "msg": confirmed["msg"]}
                return {"changed": True}
        message = f"the new rules let no new connection in within {timeout} seconds, and the old ones have returned"
        return {"failed": True, "changed": False, "msg": f"{message}: {reason}"}

    @contextmanager
    def _new_connections(self) -> Iterator[None]:
        """Make every command open a connection of its own.

        A shared one was opened through the old rules and would confirm a lock-out.
        """
        name = "ssh_args"
        before = self._connection.get_option(name)
        self._connection.reset()
        # ssh takes the first of several values of an option.
        self._connection.set_option(name, f"-o ControlMaster=no -o ControlPath=none {before or ''}")
        try:
            yield
        finally:
            self._connection.set_option(name, before)
            self._connection.reset()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python from looking for garbage while the module is packed, which creates objects by the ten thousand.

    It would walk through everything that Ansible has loaded, which takes longer than all that we do on the host. This
    process ends with its task.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            # What is there now is not looked at any more, or the collection would only have been put off.
            gc.freeze()
            gc.enable()
