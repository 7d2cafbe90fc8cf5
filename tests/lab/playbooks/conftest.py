# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two map servers and two clients in one segment, with a stranger among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .controller import Controller

MAPS = {
    "segments": ["lan"],
    "hosts": {
        name: {
            "interfaces": {"eth0": {"segment": "lan", "addresses": [f"192.0.2.{n}/24", f"2001:db8::{n}/64"]}},
            "listeners": {"tcp": ["22", "102", "103", "8080"] if name.startswith("map") else []},
        }
        for name, n in {"map1": 11, "map2": 12, "engine1": 31, "engine2": 32, "stranger": 66}.items()
    },
}


@pytest.fixture(scope="module")
def maps(lab: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """The lab of the maps, with no rules yet; map1 is 192.0.2.11, engine1 192.0.2.31, the stranger 192.0.2.66."""
    with lab(MAPS) as it:
        yield Controller(tmp_path_factory.mktemp("maps"), it)
