# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share, however pytest was started."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import settings

# Where the Ansible programs that tests start find this checkout as playout.firewall.
os.environ.setdefault("ANSIBLE_COLLECTIONS_PATH", str(Path(__file__).parents[1] / ".build" / "collections"))

# A busy machine is no failure; on CI (where hypothesis has a profile of its own) as little as elsewhere.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """Let Ansible's own loader import the collection first, or it does not find plugins by their names later."""
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
