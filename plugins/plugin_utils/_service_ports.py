# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports a service has on one machine: instances, release, reading, overrides and FTP data counted in."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import Catalogue, PortItem, Service
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import PortError, PortSet

FTP_DATA = ("helper", "range")
NUMBERINGS = ("union", "formula", "example")


@dataclass(frozen=True)
class Settings:
    """How one machine's products are set up. ``overrides``: service id -> ports, each port group complete."""

    instances: int = 1
    release: str | None = None
    numbering: str = "union"
    overrides: t.Mapping[str, PortSet] = field(default_factory=dict)

    def with_overrides(self, overrides: t.Mapping[str, PortSet]) -> Settings:
        """Return these settings with another machine's overrides: ports are the listener's."""
        return replace(self, overrides=overrides)


@dataclass(frozen=True)
class ServicePorts:
    """One line of ports of a service; ``instance`` where the line is one instance's."""

    protocol: str
    ports: PortSet
    instance: int | None = None
    helper: str | None = None
    ftp_data: bool = False


def is_used(service: Service, settings: Settings) -> bool:
    """Whether the service exists in this release and this reading of the documents."""
    if service.releases and settings.release is not None and settings.release not in service.releases:
        return False
    return service.reading is None or settings.numbering == "union" or service.reading == settings.numbering


def service_ports(
    service: Service, settings: Settings = Settings(), per_instance: bool = False
) -> tuple[ServicePorts, ...]:
    """Return the lines of ports, static FTP data ranges included.

    With ``per_instance`` a line of numbered ports becomes one line for each instance.
    """
    override = settings.overrides.get(service.id)
    return tuple(line for item in service.ports for line in _lines(item, settings, override, per_instance))


def _lines(
    item: PortItem, settings: Settings, override: PortSet | None, per_instance: bool
) -> t.Iterator[ServicePorts]:
    instance = item.instance if per_instance else None
    if item.from_instance is None:
        fits = override is not None and (len(override) > 1) == item.is_range
        ports = override if override is not None and fits else PortSet.of((item.first, item.last))
        yield ServicePorts(item.protocol, ports, instance, item.helper, item.ftp_data)
        return
    first, last = item.first + item.from_instance - 1, item.first + settings.instances - 1
    if first > last:
        return
    if not per_instance:
        yield ServicePorts(item.protocol, PortSet.of((first, last)))
        return
    for number in range(item.from_instance, settings.instances + 1):
        yield ServicePorts(item.protocol, PortSet.of((item.first + number - 1,) * 2), number)


def parse_overrides(value: t.Any, catalogue: Catalogue) -> dict[str, PortSet]:
    """Read ``playout_port_overrides``: service id -> port (or range, where the service has a range).

    Services that share one port (``port_of``) move together.

    :raises PortError: for an unknown service, one without a single changeable port, or two different wishes.
    """
    if not isinstance(value, t.Mapping):
        raise PortError(f"a mapping of service id to port is needed, not {value!r}")
    wishes: dict[str, PortSet] = {}
    for name, wish in value.items():
        ports = PortSet.parse(wish)
        _check_override(str(name), ports, catalogue)
        group = catalogue.port_group(str(name))
        if wishes.setdefault(group, ports) != ports:
            others = [other.id for other in catalogue.services.values() if group in (other.id, other.port_of)]
            shared = ", ".join(f"'{other}'" for other in others if other != name)
            raise PortError(
                f"'{name}' shares its port with {shared}: give them the same port, or name only one of them"
            )
    return {
        service.id: wishes[service.port_of or service.id]
        for service in catalogue.services.values()
        if (service.port_of or service.id) in wishes
    }


def _check_override(name: str, ports: PortSet, catalogue: Catalogue) -> None:
    service = catalogue.services.get(name)
    if service is None:
        raise PortError(f"'{name}' is not a service of the catalogue")
    items = [item for item in service.ports if not item.ftp_data] or list(service.ports)
    if len(items) != 1 or items[0].from_instance is not None:
        raise PortError(f"the ports of '{name}' are several and fixed by the product; they cannot be overridden")
    if items[0].is_range != (len(ports) > 1):
        raise PortError(f"'{name}' has {'a range' if items[0].is_range else 'one port'}, not {ports}")
