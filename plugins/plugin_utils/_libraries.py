# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two libraries of the controller side, imported in one place so that their absence is one clear message."""

from __future__ import annotations

try:
    import jmespath
    import jmespath.exceptions
    import netaddr

    MISSING: str | None = None
except ImportError as error:  # pragma: no cover
    MISSING = (
        f"playout.firewall needs the Python library '{error.name}' beside ansible-core on the controller: "
        "pip install netaddr jmespath"
    )
    # So that "from ... import netaddr" works everywhere and require() gets to say what is missing.
    jmespath = netaddr = None  # type: ignore[assignment]

__all__ = ["MISSING", "jmespath", "netaddr", "require"]


def require() -> None:
    """Raise an ImportError that says what to install when a library is missing."""
    if MISSING:
        raise ImportError(MISSING)
