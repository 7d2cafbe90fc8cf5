# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the initiators of one listener in groups that listeners share, so that nobody goes through the fleet twice."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import ANY, FAMILIES, Network, text
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import Service
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import ALL_SYSTEMS, Fleet, Host, Party
from ansible_collections.playout.firewall.plugins.plugin_utils._service_ports import Settings
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import End, Group, Relation, Topology

Systems = frozenset[str] | None


@dataclass(frozen=True)
class Found:
    """The initiators of one role for one listener. ``local``: the listener is one of them."""

    groups: tuple[Group, ...] = ()
    local: bool = False


@dataclass(frozen=True)
class _Pool:
    """Hosts of a role in some systems: those free to use any listener, and those with ``playout_peers``, by peer."""

    free: Group
    pinned: t.Mapping[str, tuple[End, ...]]


class Initiators:
    """Looks initiators up; everything that does not depend on the single listener is computed once."""

    def __init__(self, fleet: Fleet, topology: Topology) -> None:
        self.fleet, self.topology = fleet, topology
        self._ends = {host: End(host.name, host.addresses, host.site, host) for host in fleet.hosts.values()}
        self._party_ends: dict[Party, End] = {}
        self._everybody: dict[tuple[Network, ...], End] = {}
        self._groups: dict[tuple[End, ...], Group] = {}
        self._pools: dict[tuple[str, str, str, Systems], _Pool] = {}
        self._by_system = _index_by_system(fleet)
        self._parts: dict[tuple[Group, str | None], tuple[tuple[Relation, Group], ...]] = {}
        self._by_settings: dict[tuple[Group, str], tuple[tuple[Settings, Group], ...]] = {}

    def end(self, host: Host) -> End:
        """Return a host as one end of a flow."""
        return self._ends[host]

    def party_ends(self, parties: t.Iterable[Party]) -> tuple[End, ...]:
        """Return networks as ends of flows, each as one; everything of both families is one as well."""
        known = tuple(parties)
        everything = tuple(party.network for party in known if party.network.prefixlen == 0)
        if len(everything) < len(FAMILIES):
            return tuple(map(self.party_end, known))
        rest = [self.party_end(party) for party in known if party.network not in everything]
        return (*rest, self._everybody.setdefault(everything, End(ANY, everything)))

    def party_end(self, party: Party) -> End:
        """Return a network as one end of a flow."""
        return self._party_ends.setdefault(party, End(text(party.network), (party.network,), party.site))

    def group(self, ends: t.Iterable[End]) -> Group:
        """Return the one group of exactly these ends."""
        key = tuple(ends)
        return self._groups.setdefault(key, Group(key))

    def find(self, service: Service, role: str, listener: Host, listener_role: str) -> Found:
        """Return who initiates a service in one role towards one listener."""
        pool = self._pool(service, role, listener_role, listener.systems)
        allowed, own = listener.peers.get(role), self.end(listener)
        shared = self._without(pool.free, own, allowed)
        special = self._without(self.group(pool.pinned.get(listener.name, ())), own, allowed)
        # Networks declare no features; what senders declare, the listener declares for them.
        declared = self.fleet.uses(service, listener, "sender")
        parties = self.party_ends(listener.networks.get(role, ())) if declared else ()
        is_initiator = role in listener.roles and declared
        used = listener.peers.get(listener_role)
        local = is_initiator and all(names is None or listener.name in names for names in (allowed, used))
        groups = tuple(group for group in (shared, self.group((*special.ends, *parties))) if group.ends)
        return Found(groups, local)

    def parts(self, group: Group, site: str | None) -> tuple[tuple[Relation, Group], ...]:
        """Split a group by how its members' places relate to a listener's site."""
        key = (group, site)
        if key not in self._parts:
            split: dict[Relation, list[End]] = {}
            for end in group.ends:
                split.setdefault(self.topology.relation(end.site, site), []).append(end)
            self._parts[key] = tuple((relation, self.group(ends)) for relation, ends in split.items())
        return self._parts[key]

    def by_settings(self, group: Group, product: str) -> tuple[tuple[Settings, Group], ...]:
        """Split a group by how its members' instances are set up."""
        key = (group, product)
        if key not in self._by_settings:
            split: dict[tuple[t.Any, ...], tuple[Settings, list[End]]] = {}
            for end in group.ends:
                settings = end.host.settings_of(product) if end.host else Settings()
                values = (settings.instances, settings.release, settings.numbering)
                split.setdefault(values, (settings, []))[1].append(end)
            self._by_settings[key] = tuple((settings, self.group(ends)) for settings, ends in split.values())
        return self._by_settings[key]

    def _without(self, group: Group, own: End, allowed: frozenset[str] | None) -> Group:
        """Leave out the listener itself and whoever is not among its peers."""
        if allowed is None:
            return self.group(end for end in group.ends if end is not own) if own in group.members else group
        named = (self.end(self.fleet.hosts[name]) for name in sorted(allowed) if name in self.fleet.hosts)
        return self.group(end for end in named if end is not own and end in group.members)

    def _pool(self, service: Service, role: str, listener_role: str, systems: Systems) -> _Pool:
        key = (service.id, role, listener_role, systems)
        if key not in self._pools:
            free: list[End] = []
            pinned: dict[str, list[End]] = {}
            for host in self.hosts(role, systems):
                if not self.fleet.uses(service, host, "sender"):
                    continue
                peers = host.peers.get(listener_role)
                if peers is None:
                    free.append(self.end(host))
                for peer in peers or ():
                    pinned.setdefault(peer, []).append(self.end(host))
            self._pools[key] = _Pool(self.group(free), {name: tuple(ends) for name, ends in pinned.items()})
        return self._pools[key]

    def hosts(self, role: str, systems: Systems) -> tuple[Host, ...]:
        """Return the hosts of a role that share a system, each once, in the order of their names."""
        if systems is ALL_SYSTEMS:
            return self.fleet.by_role.get(role, ())
        names = [ALL_SYSTEMS, *sorted(systems)]
        found = {host.name: host for name in names for host in self._by_system.get((role, name), ())}
        return tuple(found[name] for name in sorted(found))


def _index_by_system(fleet: Fleet) -> dict[tuple[str, str | None], list[Host]]:
    index: dict[tuple[str, str | None], list[Host]] = {}
    for role, hosts in fleet.by_role.items():
        for host in hosts:
            for system in host.systems if host.systems is not ALL_SYSTEMS else (ALL_SYSTEMS,):
                index.setdefault((role, system), []).append(host)
    return index
