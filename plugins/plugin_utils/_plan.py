# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a fleet: its flows, each with where it is enforced, and one policy for each enforcement point."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass, field
from functools import cached_property

from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.plugin_utils._addresses import Texts, spell
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import BACKED_PLATFORMS, Document, Source
from ansible_collections.playout.firewall.plugins.plugin_utils._fleet import ALL_SYSTEMS, Fleet, Host
from ansible_collections.playout.firewall.plugins.plugin_utils._flows import FlowGroup
from ansible_collections.playout.firewall.plugins.plugin_utils._inbound import Target
from ansible_collections.playout.firewall.plugins.plugin_utils._service_ports import ServicePorts

NOWHERE = "nowhere"
STATUSES = ("planned", "local", "not published")


@dataclass(frozen=True, eq=False)
class PlannedFlow:
    """One line of ports of a group of flows, with what became of it.

    ``sources``: the initiators as the listener's site sees them; ``targets``: where they find the listener.
    """

    flow: FlowGroup
    line: ServicePorts
    status: str
    sources: t.Mapping[str, Texts] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    enforced_at: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, t.Any]:
        """Return the row as plain values."""
        flow, service = self.flow, self.flow.service
        return {
            "service": service.id,
            "product": service.product,
            "purpose": service.purpose,
            "initiator_role": flow.role,
            "initiators": [end.name for end in flow.initiators.ends],
            "initiator_sites": sorted({end.site for end in flow.initiators.ends if end.site is not None}),
            "initiator_addresses": list(spell(self.sources)),
            "listener_role": flow.listener_role,
            "listener": flow.listener.name,
            "listener_site": flow.listener.site,
            "listener_addresses": list(spell(flow.listener.networks)),
            "relation": flow.relation.value,
            "protocol": self.line.protocol,
            "ports": list(self.line.ports.texts()),
            "reached_at": [
                {"family": target.family, "addresses": list(target.addresses), "ports": list(target.ports.texts())}
                for target in self.targets
            ],
            "status": self.status,
            "enforced_at": list(self.enforced_at) or [NOWHERE],
            "mandatory": service.mandatory,
            "scope": service.scope,
            "reading": service.reading,
            "direction": flow.pairing.direction if flow.pairing else "stated",
            "source": str(flow.pairing.source) if flow.pairing else "playout_allow of the inventory",
        }


@dataclass(frozen=True, eq=False)
class Plan:
    """What :func:`make_plan` returns."""

    fleet: Fleet
    flows: tuple[PlannedFlow, ...]
    policies: t.Mapping[str, Policy]
    warnings: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """The sha256 (hex) of flows, of policies, and of where and how these are enforced."""
        hosts = self.fleet.hosts
        data = {
            name: [policy.to_dict(), hosts[name].platform, hosts[name].enforcement]
            for name, policy in self.policies.items()
        }
        text = json.dumps([data, [flow.to_dict() for flow in self.flows]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def counts(self) -> dict[str, int]:
        """How much there is of what; a flow is one initiator, one listener, one service."""
        planned = [row for row in self.flows if row.status == "planned"]
        groups = {row.flow: len(row.flow.initiators.ends) for row in planned}
        policies = self.policies.values()
        return {
            "hosts": len(self.fleet.hosts),
            "enforcement_points": len(self.policies),
            "flows": sum(groups.values()),
            "rules": sum(len(policy.rules) for policy in policies),
            "forwards": sum(len(policy.forwards) for policy in policies),
            "not_published": sum(row.status == "not published" for row in self.flows),
            "enforced_nowhere": sum(not row.enforced_at for row in planned),
            "planned_only": sum(self._is_planned_only(row) for row in planned),
        }

    def to_dict(self) -> dict[str, t.Any]:
        """Return the whole plan as fresh plain values."""
        return {
            "digest": self.digest,
            "counts": dict(self.counts),
            "warnings": list(self.warnings),
            "hosts": {name: _host(host) for name, host in self.fleet.hosts.items()},
            "products": self._products(),
            "flows": [flow.to_dict() for flow in self.flows],
            "policies": {name: policy.to_dict() for name, policy in self.policies.items()},
        }

    def _is_planned_only(self, row: PlannedFlow) -> bool:
        """Whether this version writes to none of the points that enforce a flow."""
        platforms = {self.fleet.hosts[name].platform for name in row.enforced_at}
        return bool(platforms) and platforms.isdisjoint(BACKED_PLATFORMS)

    def _products(self) -> list[dict[str, t.Any]]:
        """Return the products that have flows, each with the statements of its documents on which they rest."""
        used = {row.flow.pairing.source: row.flow.service.product for row in self.flows if row.flow.pairing}
        found: dict[str, dict[Document, list[Source]]] = {row.flow.service.product: {} for row in self.flows}
        for source in sorted(used, key=str):
            found[used[source]].setdefault(source.document, []).append(source)
        return [
            {
                "product": product.id,
                "title": product.title,
                "documents": [
                    {
                        "title": document.title,
                        "edition": document.edition,
                        "url": document.url,
                        "statements": [{"place": source.place, "source": str(source)} for source in sources],
                    }
                    for document, sources in found[product.id].items()
                ],
            }
            for product in self.fleet.catalogue.products.values()
            if product.id in found
        ]


def _host(host: Host) -> dict[str, t.Any]:
    """Return what a host is as plain values; ``systems`` None stands for all."""
    return {
        "roles": sorted(host.roles),
        "systems": None if host.systems is ALL_SYSTEMS else sorted(host.systems),
        "site": host.site,
        "platform": host.platform,
        "enforced": host.enforced,
        "enforcement": host.enforcement,
        "probe": host.probe,
    }
