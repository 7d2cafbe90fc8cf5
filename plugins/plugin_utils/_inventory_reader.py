# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the fleet out of inventory variables, with every problem noted by host, variable, value and way out."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.plugin_utils import _values as values
from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import (
    Network,
    is_address,
    is_nobody,
    parse_address,
    parse_network,
    parse_networks,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import GATEWAY_ROLE, PLATFORMS, Catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import (
    ALL_SYSTEMS,
    DEFAULT_SITE,
    DEFAULT_SYSTEM,
    Fleet,
    Gateway,
    Host,
    Keep,
    Party,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._ports import FIRST, LAST
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import (
    InventoryError,
    Problem,
    Problems,
    listing,
)
from ansible_collections.playout.firewall.plugins.plugin_utils._service_ports import (
    FTP_DATA,
    NUMBERINGS,
    Settings,
    parse_overrides,
)

NETWORKS = "playout_networks"
VARIABLES = frozenset(
    f"playout_{name}"
    for name in (
        "roles addresses networks system peers site platform features ftp_data port_overrides allow publish "
        "public_address forward_ports egress management keep enforcement backend confirm_timeout state catalog_paths "
        "fleet_size partial probe wan_addresses wan_interfaces lan_interfaces nat seen_as routed_sites inbound "
        "masquerade hairpin transit"
    ).split()
)
# What our playbooks take and register.
PLAYBOOK_VARIABLES = frozenset(f"playout_{name}" for name in ("plan_dest", "plan_formats", "listeners", "reachability"))
NUMBERING_SUFFIXES = ("_instances", "_release", "_numbering")
# Variables of Ansible itself that say where a host is and what it runs.
CONNECTION_VARIABLES = (
    "ansible_host",
    "ansible_port",
    "ansible_connection",
    "ansible_network_os",
    "ansible_shell_type",
)


@dataclass(frozen=True)
class RawHost:
    """One inventory host as Ansible knows it: its groups and those of its variables that matter, templated."""

    groups: t.Sequence[str]
    variables: t.Mapping[str, t.Any]


Inventory = t.Mapping[str, RawHost]


def is_fleet_variable(variable: str) -> bool:
    """Whether the fleet is made of variables of this name; a catalogue's own numbering variables count by suffix."""
    return (
        variable in VARIABLES
        or variable in CONNECTION_VARIABLES
        or variable.startswith(f"{NETWORKS}_")
        or variable.endswith(NUMBERING_SUFFIXES)
    )


def read_fleet(inventory: Inventory, catalogue: Catalogue, problems: Problems) -> Fleet:
    """Read the fleet; problems are noted in ``problems`` and the faulty values left at their defaults.

    :raises InventoryError: at once when fewer hosts are visible than ``playout_fleet_size`` declares.
    """
    roles = {name: _roles(name, raw, catalogue, problems) for name, raw in sorted(inventory.items())}
    roles = {name: found for name, found in roles.items() if found}
    _check_fleet_size(inventory, len(roles))
    hosts = {
        name: _read_host(_Reader(name, inventory[name].variables, problems), found, catalogue)
        for name, found in roles.items()
    }
    if not hosts:
        problems.error(
            "", "", "no host has a role: put hosts into groups named like " + listing(sorted(catalogue.roles))
        )
    fleet = Fleet(catalogue, hosts, tuple(_strangers(inventory, roles, catalogue, problems)))
    _check_sites(fleet, inventory, problems)
    _check_peers(fleet, problems)
    _warn_of_unknown(inventory, fleet.hosts, catalogue, problems)
    return fleet


def _strangers(
    inventory: Inventory, roles: t.Container[str], catalogue: Catalogue, problems: Problems
) -> t.Iterator[Host]:
    """Yield the hosts without a role that are there to probe: nothing may let them in."""
    for name, raw in sorted(inventory.items()):
        if name not in roles and "playout_probe" in raw.variables:
            host = _read_host(_Reader(name, raw.variables, problems), frozenset(), catalogue)
            if host.probe:
                yield host


class _Reader:
    """Takes one host's variables one by one."""

    def __init__(self, host: str, variables: t.Mapping[str, t.Any], problems: Problems) -> None:
        self.host, self.variables, self.problems = host, variables, problems

    def take(self, variable: str, parse: values.Parse, default: t.Any = None) -> t.Any:
        """Return a variable's value as ``parse`` reads it, or the default when it is absent or faulty."""
        value = self.variables.get(variable)
        if value is None:
            return default
        try:
            return parse(value)
        except values.READ_ERRORS as error:
            self.problems.error(self.host, variable, str(error), value)
            return default

    def text(self, variable: str) -> str:
        """Return one of Ansible's own variables as text, empty when it is absent."""
        return str(self.variables.get(variable) or "")


def _roles(name: str, raw: RawHost, catalogue: Catalogue, problems: Problems) -> frozenset[str]:
    reader = _Reader(name, raw.variables, problems)
    given = reader.take("playout_roles", values.name_or_names)
    if given is None:
        return catalogue.role_ids.intersection(raw.groups)
    for role in given:
        if role not in catalogue.role_ids:
            known = ", ".join(sorted(catalogue.role_ids))
            problems.error(name, "playout_roles", f"'{role}' is not a role; known are {known}", list(given))
    return catalogue.role_ids.intersection(given)


def _check_fleet_size(inventory: Inventory, visible: int) -> None:
    """Fail closed on a sliced or truncated inventory, before anything else is looked at."""
    problems = Problems()
    declared = 0
    for name, raw in inventory.items():
        reader = _Reader(name, raw.variables, problems)
        declared = max(declared, reader.take("playout_fleet_size", values.number(1), 0))
    problems.raise_errors()
    if visible < declared:
        message = (
            f"{visible} hosts with a role are visible and {declared} are declared: this inventory is sliced or "
            "truncated. Run against the whole inventory, or correct the number"
        )
        raise InventoryError([Problem("all", "playout_fleet_size", message, str(declared))])


def _read_host(reader: _Reader, roles: frozenset[str], catalogue: Catalogue) -> Host:
    take, platform = reader.take, _platform(reader, roles, catalogue)
    take("playout_partial", _refuse_partial)
    overrides = take("playout_port_overrides", lambda value: parse_overrides(value, catalogue), {})
    service = _known(catalogue.services, "service")
    everywhere = all(role == GATEWAY_ROLE or catalogue.roles[role].party for role in roles)
    default_systems = ALL_SYSTEMS if everywhere else frozenset({DEFAULT_SYSTEM})
    return Host(
        name=reader.host,
        roles=roles,
        listens_as=catalogue.listening_roles(roles),
        addresses=_addresses(reader),
        systems=take("playout_system", lambda value: frozenset(values.name_or_names(value)), default_systems),
        site=take("playout_site", values.name, DEFAULT_SITE),
        platform=platform,
        peers=take("playout_peers", _peers(catalogue), {}),
        networks=_networks(reader, catalogue),
        features=take("playout_features", _each(_known(catalogue.feature_ids, "feature"))),
        settings=_settings(reader, roles, overrides, catalogue),
        overrides=overrides,
        ftp_data=take("playout_ftp_data", values.choice(*FTP_DATA)),
        allow=take("playout_allow", values.mapping(values.networks, service), {}),
        publish=take("playout_publish", _each(service)),
        public_address=take("playout_public_address", values.translated_address),
        forward_ports=take("playout_forward_ports", values.mapping(values.number(FIRST, LAST), service), {}),
        egress=take("playout_egress", values.flag, False),
        management=take("playout_management", values.networks, ()),
        management_port=take("ansible_port", values.number(FIRST, LAST)),
        keep=tuple(Keep(*item) for item in take("playout_keep", values.listing(values.keep_item), ())),
        enforcement=take("playout_enforcement", values.choice("scoped", "default_deny"), "scoped"),
        probe=take("playout_probe", values.flag, platform == "linux"),
        gateway=_gateway(reader) if GATEWAY_ROLE in roles else None,
    )


def _warn_of_unknown(inventory: Inventory, names: t.Iterable[str], catalogue: Catalogue, problems: Problems) -> None:
    """Note variables with our prefix that we do not know: a mistyped one would count for nothing, unsaid."""
    known = VARIABLES | PLAYBOOK_VARIABLES | _names_of_interest(catalogue)
    ours = ("playout_", *(f"{product.id}_" for product in catalogue.products.values() if product.numbering))
    unknown: dict[str, list[str]] = {}
    for name in names:
        for variable in inventory[name].variables:
            if variable.startswith(ours) and variable not in known and not variable.startswith(f"{NETWORKS}_"):
                unknown.setdefault(variable, []).append(name)
    for variable, hosts in sorted(unknown.items()):
        near = difflib.get_close_matches(variable, known, n=1, cutoff=0.8)
        meant = f"; did you mean {near[0]}?" if near else " and counts for nothing"
        problems.warn(f"{listing(hosts)}: {variable} is not a variable of ours{meant}")


def _refuse_partial(_value: t.Any) -> None:
    raise values.ValueProblem("adding without removing is not in this version: run against the whole inventory")


def _names_of_interest(catalogue: Catalogue) -> frozenset[str]:
    numbered = [product.id for product in catalogue.products.values() if product.numbering]
    numbering = {f"{product}{suffix}" for product in numbered for suffix in NUMBERING_SUFFIXES}
    return frozenset(CONNECTION_VARIABLES) | numbering


def _addresses(reader: _Reader) -> tuple[Network, ...]:
    given = reader.take("playout_addresses", values.addresses)
    if given is not None:
        return tuple(given)
    host = reader.text("ansible_host") or reader.host
    return (parse_address(host),) if is_address(host) and not is_nobody(parse_address(host)) else ()


def _platform(reader: _Reader, roles: frozenset[str], catalogue: Catalogue) -> str:
    given = reader.take("playout_platform", values.choice(*PLATFORMS))
    if given is not None:
        return str(given)
    known = [catalogue.roles.get(role) for role in sorted(roles)]
    defaults = {"none" if role and role.party else role and role.platform for role in known} or {"none"}
    default = defaults.pop()
    if default and not defaults:
        return default
    network_os = reader.text("ansible_network_os")
    if network_os:
        return _network_platform(reader, network_os)
    if reader.text("ansible_connection").rpartition(".")[2] in ("psrp", "winrm"):
        return "windows"
    return "windows" if reader.text("ansible_shell_type") == "powershell" else "linux"


def _network_platform(reader: _Reader, network_os: str) -> str:
    platform = network_os.rpartition(".")[2]
    if platform in PLATFORMS:
        return platform
    message = f"no platform of ours; set playout_platform to one of {', '.join(PLATFORMS)}"
    reader.problems.error(reader.host, "ansible_network_os", message, network_os)
    return "none"


def _peers(catalogue: Catalogue) -> values.Parse:
    return values.mapping(lambda value: frozenset(values.name_or_names(value)), _known(catalogue.roles, "role"))


def _networks(reader: _Reader, catalogue: Catalogue) -> dict[str, tuple[Party, ...]]:
    """Merge all variables of the prefix: Ansible would let one group's replace another's."""
    merged: dict[str, tuple[Party, ...]] = {}
    read = values.mapping(_parties, _known(catalogue.roles, "role"))
    for variable in sorted(reader.variables):
        if variable == NETWORKS or variable.startswith(f"{NETWORKS}_"):
            for role, parties in reader.take(variable, read, {}).items():
                merged[role] = tuple(dict.fromkeys((*merged.get(role, ()), *parties)))
    return merged


def _parties(value: t.Any) -> tuple[Party, ...]:
    return values.networks(value, _party)


def _party(entry: t.Any) -> tuple[Party, ...]:
    if not isinstance(entry, t.Mapping):
        return tuple(map(Party, parse_networks(entry)))
    if set(entry) != {"network", "site"}:
        raise values.ValueProblem("an entry is a network or {network: 10.0.5.0/24, site: hq}")
    return (Party(parse_network(entry["network"]), values.name(entry["site"])),)


def _settings(reader: _Reader, roles: frozenset[str], overrides: t.Any, catalogue: Catalogue) -> dict[str, Settings]:
    settings = {}
    for product in catalogue.products.values():
        numbering = product.numbering
        if numbering is None or numbering.role not in roles:
            continue
        releases = values.choice(*numbering.releases) if numbering.releases else str
        settings[product.id] = Settings(
            instances=reader.take(f"{product.id}_instances", values.number(1, numbering.maximum_instances), 1),
            release=reader.take(f"{product.id}_release", releases, numbering.release),
            numbering=reader.take(f"{product.id}_numbering", values.choice(*NUMBERINGS), numbering.reading or "union"),
            overrides=overrides,
        )
    return settings


def _gateway(reader: _Reader) -> Gateway:
    take = reader.take
    nat = take("playout_nat", values.flag, True)
    wan_addresses = take("playout_wan_addresses", values.single_addresses, ())
    gateway = Gateway(
        nat=nat,
        wan_addresses=wan_addresses,
        wan_interfaces=take("playout_wan_interfaces", values.name_or_names, ()),
        lan_interfaces=take("playout_lan_interfaces", values.name_or_names, ()),
        seen_as=take("playout_seen_as", values.networks, wan_addresses if nat else ()),
        routed_sites=frozenset(take("playout_routed_sites", values.name_or_names, ())),
        inbound=take("playout_inbound", values.flag, True),
        masquerade=take("playout_masquerade", values.flag, False),
        hairpin=take("playout_hairpin", values.flag, False),
        transit=take("playout_transit", values.choice("leave", "deny"), "leave"),
    )
    for wish, needed, interfaces in (
        ("playout_masquerade", "playout_wan_interfaces", gateway.wan_interfaces if gateway.masquerade else "none"),
        ("playout_hairpin", "playout_lan_interfaces", gateway.lan_interfaces if gateway.hairpin else "none"),
    ):
        if not interfaces:
            reader.problems.error(reader.host, wish, f"needs {needed}, such as [eth0]", "true")
    if gateway.masquerade and not nat:
        message = "contradicts playout_nat: false, by which this gateway translates nothing: remove one of the two"
        reader.problems.error(reader.host, "playout_masquerade", message, "true")
    return gateway


def _check_sites(fleet: Fleet, inventory: Inventory, problems: Problems) -> None:
    sites = {host.site for host in fleet.hosts.values()}
    if len(sites) > 1:
        silent = [name for name in fleet.hosts if inventory[name].variables.get("playout_site") is None]
        if silent:
            message = f"there are {len(sites)} sites ({listing(sorted(sites))}): say for every host where it is"
            problems.error(listing(silent), "playout_site", message)
    for host in fleet.hosts.values():
        for role, parties in host.networks.items():
            for party in parties:
                if party.site is not None and party.site not in sites:
                    message = f"'{party.site}' is no host's site; known are {listing(sorted(sites))}"
                    problems.error(host.name, NETWORKS, message, f"{role}: {party.network}")
        for site in host.gateway.routed_sites if host.gateway else ():
            if site not in sites:
                message = f"'{site}' is no host's site; known are {listing(sorted(sites))}"
                problems.error(host.name, "playout_routed_sites", message)


def _check_peers(fleet: Fleet, problems: Problems) -> None:
    for host in fleet.hosts.values():
        for role, peers in host.peers.items():
            for peer in sorted(peers):
                found = fleet.hosts.get(peer)
                if found is None or role not in found.roles | found.listens_as:
                    message = f"'{peer}' is no inventory host with the role {role}"
                    problems.error(host.name, "playout_peers", message, {role: sorted(peers)})
                elif not host.shares_system(found):
                    message = (
                        f"'{peer}' has no playout_system in common with this host: name one for both, or remove it"
                    )
                    problems.error(host.name, "playout_peers", message, {role: sorted(peers)})


def _known(known: t.Container[str], what: str) -> values.Parse:
    def read(value: t.Any) -> str:
        if value not in known:
            raise values.ValueProblem(f"'{value}' is not a {what} of the catalogue{_nearest(value, known)}")
        return str(value)

    return read


def _nearest(value: t.Any, known: t.Container[str]) -> str:
    near = difflib.get_close_matches(str(value), t.cast(t.Iterable[str], known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _each(read: values.Parse) -> values.Parse:
    return lambda value: frozenset(values.listing(read)(value))
