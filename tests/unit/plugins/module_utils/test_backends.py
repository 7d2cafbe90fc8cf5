# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every backend that a user can name can be opened, and no other."""

from __future__ import annotations

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._backends import open_backend
from ansible_collections.playout.firewall.plugins.module_utils._command import run
from ansible_collections.playout.firewall.plugins.module_utils._managers import BACKENDS


@pytest.mark.parametrize("name", BACKENDS)
def test_each_backend_is_opened_by_its_name(name: str) -> None:
    assert open_backend(name, Machine(run)).name == name


def test_a_backend_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(BackendError, match="no backend 'pf' is known, known are nftables, firewalld, ufw, iptables"):
        open_backend("pf", Machine(run))
