# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page on services shows all of the catalogue. That it shows it as it is now is tested with the other pages."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.tests.unit.docs import service_tables
from ansible_collections.playout.firewall.tests.unit.docs.pages import ROOT


def test_every_product_service_and_feature_is_on_the_page() -> None:
    catalogue, page = load_catalogue(), (ROOT / "docs" / "services.md").read_text(encoding="utf-8")
    assert not {name for name in catalogue.products if f"<!-- computed: services {name} -->" not in page}
    assert not {name for name in (*catalogue.services, *catalogue.feature_ids) if f"`{name}`" not in page}


def test_a_service_has_a_row_for_each_statement_on_its_direction() -> None:
    rows = service_tables.services(Path(), "cayin").splitlines()
    assert [row.split(" | ")[4] for row in rows if row.startswith("| `cayin_https`")] == ["stated", "inferred"]


def test_numbered_ports_are_spelt_as_the_guide_does() -> None:
    text = service_tables.services(Path(), "viz_world")
    for spelt in ("TCP 10101 … 10100+n-1", "UDP 10200 … 10200+n-1", "TCP 10301 … 10300+n"):
        assert f" {spelt} " in text
