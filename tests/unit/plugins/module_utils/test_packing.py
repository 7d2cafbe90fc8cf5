# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts on their way to a host: whatever was packed arrives, whatever was not stays, and damage shows."""

from __future__ import annotations

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._packing import pack, unpack
from hypothesis import given
from hypothesis import strategies as st


@given(st.text())
def test_what_was_packed_arrives(text: str) -> None:
    assert unpack(pack(text)) == text


def test_a_text_that_was_not_packed_stays_as_it_is() -> None:
    assert unpack('{"host": "gw"}') == '{"host": "gw"}'


def test_what_repeats_itself_becomes_much_shorter() -> None:
    assert len(pack('{"protocol": "tcp"}' * 500)) < 200


@pytest.mark.parametrize("text", ["zlib:not base64", "zlib:AAAA", pack("whole")[:-8]])
def test_what_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="what was packed is damaged"):
        unpack(text)
