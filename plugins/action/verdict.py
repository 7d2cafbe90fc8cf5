# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what was found with the plan, on the controller. The documentation is the module's."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.playout.firewall.plugins.plugin_utils import _verdict

OPTIONS = {
    "reachability": {"type": "str", "required": True},
    "listeners": {"type": "str", "required": True},
    "limit": {"type": "int", "default": 40},
}


class ActionModule(ActionBase):
    """Judges, prints and fails where something differs."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec(OPTIONS)
        probed = self._registered(task_vars or {}, arguments["reachability"])
        listening = self._registered(task_vars or {}, arguments["listeners"])
        results = [
            {**entry, "initiator": host}
            for host, found in probed.items()
            for entry in found.get("results", [])
            # What nobody planned and this host has no route to proves nothing and needs no proof.
            if (entry["expected"], entry["result"]) != ("blocked", "not tried")
        ]
        listeners = {host: found["listeners"] for host, found in listening.items() if "listeners" in found}
        rows = _verdict.judge(results, listeners)
        unreached = sorted(host for host, found in probed.items() if "results" not in found)
        line = _verdict.verdict_line(rows)
        Display().display(f"{_verdict.table(rows, arguments['limit'])}\n\n{line}")
        totals = _verdict.totals(rows)
        failed = bool(totals[_verdict.FAILED] or unreached or not rows)
        if unreached:
            line += f"; no probes from {', '.join(unreached)}"
        differences = [row for row in rows if row["verdict"] == _verdict.FAILED]
        return {
            "changed": False,
            "failed": failed,
            "msg": line,
            "totals": totals,
            "differences": differences,
            "unreached": unreached,
        }

    @staticmethod
    def _registered(task_vars: t.Mapping[str, t.Any], variable: str) -> dict[str, t.Any]:
        """Return what each host registered under a name, for the hosts of the play."""
        hostvars = task_vars["hostvars"]
        return {str(host): hostvars[host].get(variable) or {} for host in task_vars["ansible_play_hosts_all"]}
