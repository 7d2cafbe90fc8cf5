# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text on its way to a host, much shorter than it is.

Ansible sends a module and its arguments to the standard input of Python, which reads four kilobytes of it in a
millisecond; and it repeats the arguments with every result.
"""

from __future__ import annotations

import base64
import binascii
import zlib

_MARK = "zlib:"


def pack(text: str) -> str:
    """Return a text of few letters that ``unpack`` makes this one of."""
    return _MARK + base64.b64encode(zlib.compress(text.encode())).decode()


def unpack(text: str) -> str:
    """Return what was packed; a text that was not stays as it is.

    :raises ValueError: where something was packed and is damaged.
    """
    if not text.startswith(_MARK):
        return text
    try:
        return zlib.decompress(base64.b64decode(text[len(_MARK) :], validate=True)).decode()
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"what was packed is damaged: {error}") from error
