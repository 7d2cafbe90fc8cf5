# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the fleet on the controller. The documentation is the module's."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.playout.firewall.plugins.plugin_utils._libraries import jmespath
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix import render, table
from ansible_collections.playout.firewall.plugins.plugin_utils._plan_store import renew_plan

FILES = {"json": "plan.json", "csv": "matrix.csv", "markdown": "matrix.md", "html": "matrix.html"}
OPTIONS = {
    "dest": {"type": "path"},
    "formats": {"type": "list", "elements": "str", "choices": list(FILES), "default": list(FILES)},
    "query": {"type": "str"},
    "show": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Makes, writes, shows and queries the plan."""

    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec(OPTIONS)
        try:
            plan = renew_plan(self._templar, task_vars or {})
        except (ValueError, ImportError) as error:
            raise AnsibleActionFail(str(error)) from error
        data = plan.to_dict()
        result = {key: data[key] for key in ("digest", "counts", "warnings")} | {"changed": False}
        if arguments["query"]:
            result["result"] = _select(arguments["query"], data)
        if arguments["show"]:
            # Without the warnings: Ansible shows those of a result by itself.
            Display().display(table({**data, "warnings": []}))
        if arguments["dest"]:
            result |= self._write(data, Path(arguments["dest"]).expanduser(), arguments["formats"])
        return result

    def _write(self, data: dict[str, t.Any], directory: Path, formats: list[str]) -> dict[str, t.Any]:
        """Write the files that differ, all or none where check mode is on, and return what that changed."""
        wanted = {directory / FILES[name]: render(data, name) for name in formats}
        present = {path: path.read_text(encoding="utf-8") if path.is_file() else "" for path in wanted}
        differing = [path for path, text in wanted.items() if present[path] != text]
        if differing and not self._task.check_mode:
            directory.mkdir(parents=True, exist_ok=True)
            for path in differing:
                temporary = path.with_name(f".{path.name}.new")
                temporary.write_text(wanted[path], encoding="utf-8")
                temporary.replace(path)
        diff = [
            {"before": present[path], "after": wanted[path], "before_header": str(path), "after_header": str(path)}
            for path in differing
        ]
        return {"changed": bool(differing), "files": [str(path) for path in wanted], "diff": diff}


def _select(query: str, data: dict[str, t.Any]) -> t.Any:
    """Return what a JMESPath expression selects from the plan.

    :raises AnsibleActionFail: for an expression that is none.
    """
    try:
        return json.loads(json.dumps(jmespath.search(query, data)))
    except jmespath.exceptions.JMESPathError as error:
        raise AnsibleActionFail(f"query: {query!r} is not a JMESPath expression: {error}") from error
