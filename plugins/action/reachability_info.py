# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try what the plan says of this host, where the task does not say what to try. The documentation is the module's."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.playout.firewall.plugins.plugin_utils._plan_store import probes_for

_MODULE = "playout.firewall.reachability_info"
# What of a probe the target has no use for, and the verdict has.
_FOR_THE_VERDICT = ("listener", "service", "listener_port")


class ActionModule(ActionBase):
    """Runs the module once and hands back, beside each result, whom the probe was for."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        arguments = dict(self._task.args)
        if arguments.get("probes") is not None:
            return t.cast("dict[str, t.Any]", self._execute_module(module_args=arguments, task_vars=task_vars))
        try:
            probes = probes_for(self._templar, task_vars, task_vars["inventory_hostname"])
        except (ValueError, ImportError) as error:
            raise AnsibleActionFail(str(error)) from error
        arguments["probes"] = [
            {"name": str(index)} | {key: value for key, value in probe.items() if key not in _FOR_THE_VERDICT}
            for index, probe in enumerate(probes)
        ]
        result = self._execute_module(module_name=_MODULE, module_args=arguments, task_vars=task_vars)
        for entry in result.get("results", []):
            probe = probes[int(entry["name"])]
            entry |= {key: probe[key] for key in _FOR_THE_VERDICT} | {"name": probe["service"]}
        return t.cast("dict[str, t.Any]", result)
