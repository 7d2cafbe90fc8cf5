# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List what a role listens on. The documentation is the module's."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import CatalogueError, load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._port_list import PortListError, port_list
from ansible_collections.playout.firewall.plugins.plugin_utils._port_shapes import collapsed

OPTIONS = {
    "product": {"type": "str", "required": True},
    "role": {"type": "str", "required": True},
    "instances": {"type": "int"},
    "allocator": {"type": "bool"},
    "release": {"type": "str"},
    "numbering": {"type": "str", "choices": ["union", "formula", "example"]},
    "features": {"type": "list", "elements": "str"},
    "ftp_data": {"type": "str", "choices": ["helper", "range"]},
    "overrides": {"type": "dict"},
    "per_instance": {"type": "bool", "default": False},
    "catalog_paths": {"type": "list", "elements": "path", "default": []},
}


class ActionModule(ActionBase):
    """Answers from the catalogue; the target is not contacted."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec(OPTIONS)
        try:
            catalogue = load_catalogue(tuple(arguments.pop("catalog_paths")))
            ports = port_list(catalogue, arguments.pop("product"), arguments.pop("role"), **arguments)
        except (CatalogueError, PortListError) as error:
            raise AnsibleActionFail(str(error)) from error
        return {"changed": False, "ports": ports, "collapsed": collapsed(ports)}
