# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of a service on one machine: instances, releases, readings, overrides and FTP data."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import PortItem, Service
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortError, PortSet
from ansible_collections.playout.firewall.plugins.plugin_utils._service_ports import (
    ServicePorts,
    Settings,
    is_used,
    parse_overrides,
    service_ports,
)
from hypothesis import given
from hypothesis import strategies as st

CATALOGUE = load_catalogue()


def service(*items: PortItem, reading: str | None = None, releases: tuple[str, ...] = ()) -> Service:
    return Service("news", "news", "a purpose", items, (), reading=reading, releases=releases)


def numbered(base: int, start: int) -> Service:
    return service(PortItem("tcp", base, base, from_instance=start))


@given(base=st.integers(1, 60000), start=st.integers(1, 4), instances=st.integers(1, 200))
def test_numbered_ports_are_one_line_or_one_for_each_instance_with_the_same_ports(
    base: int, start: int, instances: int
) -> None:
    settings = Settings(instances=instances)
    merged = service_ports(numbered(base, start), settings)
    single = service_ports(numbered(base, start), settings, per_instance=True)
    expected = {number: base + number - 1 for number in range(start, instances + 1)}
    assert {line.instance: line.ports.ranges[0][0] for line in single} == expected
    assert all(len(line.ports) == 1 for line in single)
    assert PortSet.of(*(line.ports.ranges[0] for line in single)) == (merged[0].ports if merged else PortSet())
    assert len(merged) == (1 if instances >= start else 0)
    assert all(line.instance is None for line in merged)


def test_a_fixed_port_names_its_instance_only_where_asked() -> None:
    first = service(PortItem("tcp", 102, 102, instance=1))
    assert service_ports(first) == (ServicePorts("tcp", PortSet.parse(102)),)
    assert service_ports(first, per_instance=True) == (ServicePorts("tcp", PortSet.parse(102), instance=1),)


@pytest.mark.parametrize(
    ("reading", "numbering", "used"),
    [
        (None, "formula", True),
        (None, "example", True),
        (None, "union", True),
        ("formula", "formula", True),
        ("formula", "example", False),
        ("formula", "union", True),
        ("example", "formula", False),
        ("example", "example", True),
        ("union", "formula", False),
        ("union", "example", False),
        ("union", "union", True),
    ],
)
def test_a_reading_is_used_alone_or_in_the_union(reading: str | None, numbering: str, used: bool) -> None:
    assert is_used(service(reading=reading), Settings(numbering=numbering)) is used


@pytest.mark.parametrize(("release", "used"), [("17.0", False), ("23.0", True), (None, True)])
def test_a_service_exists_in_its_releases(release: str | None, used: bool) -> None:
    assert is_used(service(releases=("22.0", "23.0")), Settings(release=release)) is used


def test_an_override_replaces_a_port_and_leaves_the_ftp_data_range() -> None:
    settings = Settings(overrides=parse_overrides({"cayin_ftp_user": 2121}, CATALOGUE))
    lines = service_ports(CATALOGUE.services["cayin_ftp_user"], settings)
    assert [(str(line.ports), line.ftp_data, line.helper) for line in lines] == [
        ("2121", False, "ftp"),
        ("20001-29999", True, None),
    ]


def test_an_override_replaces_a_range_by_a_range() -> None:
    settings = Settings(overrides=parse_overrides({"cayin_ftp_data": "30000-30100"}, CATALOGUE))
    (line,) = service_ports(CATALOGUE.services["cayin_ftp_data"], settings)
    assert str(line.ports) == "30000-30100"


@pytest.mark.parametrize("name", ["cayin_registration", "cayin_supermonitor"])
def test_services_that_share_a_port_move_together(name: str) -> None:
    assert parse_overrides({name: "21000"}, CATALOGUE) == {
        "cayin_registration": PortSet.parse(21000),
        "cayin_supermonitor": PortSet.parse(21000),
    }


def test_the_overrides_of_a_machine_are_replaced_as_a_whole() -> None:
    overrides = parse_overrides({"cayin_smb": 1139}, CATALOGUE)
    settings = Settings(instances=3, overrides={"cayin_mail": PortSet.parse(2525)}).with_overrides(overrides)
    assert settings == Settings(instances=3, overrides={"cayin_smb": PortSet.parse(1139)})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["cayin_web"], "a mapping of service id to port is needed"),
        ({"cayin_wep": 80}, "'cayin_wep' is not a service of the catalogue"),
        ({"cayin_web": 0}, "0 is not a port"),
        ({"cayin_web": "http"}, "'http' is not a port"),
        ({"cayin_web": "8000-8010"}, "'cayin_web' has one port, not 8000-8010"),
        ({"cayin_rtb": 8100}, "'cayin_rtb' has a range, not 8100"),
        ({"cayin_backup": 23}, "the ports of 'cayin_backup' are several and fixed by the product"),
        ({"viz_client_instances": 5000}, "the ports of 'viz_client_instances' are several and fixed by the product"),
        ({"cayin_registration": 1, "cayin_supermonitor": 2}, "shares its port with 'cayin_registration'"),
    ],
)
def test_an_override_that_cannot_be_is_refused(value: Any, message: str) -> None:
    with pytest.raises(PortError) as caught:
        parse_overrides(value, CATALOGUE)
    assert message in str(caught.value)
