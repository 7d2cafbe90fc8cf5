# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every backend by its name."""

from __future__ import annotations

from ansible_collections.playout.firewall.plugins.module_utils._backend import Backend, BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._managers import BACKENDS


def open_backend(name: str, machine: Machine) -> Backend:
    """Return a backend by its name; only now its code is loaded, which is most of what a run costs."""
    # Plain imports, because Ansible sends to the host what it finds imported.
    if name == "nftables":
        from ansible_collections.playout.firewall.plugins.module_utils._nft_backend import NftablesBackend

        return NftablesBackend(machine)
    if name == "iptables":
        from ansible_collections.playout.firewall.plugins.module_utils._iptables_backend import IptablesBackend

        return IptablesBackend(machine)
    if name == "ufw":
        from ansible_collections.playout.firewall.plugins.module_utils._ufw_backend import UfwBackend

        return UfwBackend(machine)
    if name == "firewalld":
        from ansible_collections.playout.firewall.plugins.module_utils._firewalld_backend import FirewalldBackend

        return FirewalldBackend(machine)
    raise BackendError(f"no backend '{name}' is known, known are {', '.join(BACKENDS)}")
