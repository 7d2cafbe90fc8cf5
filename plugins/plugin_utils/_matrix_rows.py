# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the matrix: a plan's flows, ordered and worded for people. Nothing is cut here."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import BACKED_PLATFORMS
from ansible_collections.playout.firewall.plugins.plugin_utils._flows import OWN_ROLE
from ansible_collections.playout.firewall.plugins.plugin_utils._plan import NOWHERE

Data = t.Mapping[str, t.Any]
PlanData = Data

PLANNED_ONLY = " (planned only)"


class Row(t.TypedDict):
    """One line of ports that some initiators of one role use at one listener.

    ``seen_as``: the initiators' addresses as the listener's site sees them. ``outside``: address and port at which
    they reach the listener, where that is translated. ``status``: planned, local, not published or site's own.
    ``enforced_at``: names of hosts, followed by ``PLANNED_ONLY`` where this version cannot write to the platform.
    """

    product: str
    product_title: str
    site: str
    listener: str
    listener_role: str
    listener_addresses: list[str]
    outside: list[str]
    service: str
    purpose: str
    protocol: str
    ports: list[str]
    initiator_role: str
    initiators: list[str]
    initiator_sites: list[str]
    seen_as: list[str]
    direction: str
    mandatory: bool
    scope: str
    reading: str
    status: str
    enforced_at: list[str]
    source: str


def rows(plan: PlanData) -> list[Row]:
    """Return the matrix of a plan (what ``Plan.to_dict`` returned or a saved plan.json holds).

    Sorted by product, the listener's site and name, then port; two services on one port are two rows.
    """
    titles = {product["product"]: product["title"] for product in plan["products"]}
    places = {product: place for place, product in enumerate(titles)}
    marks = {name: PLANNED_ONLY for name, host in plan["hosts"].items() if is_planned_only(host)}
    found = [_row(flow, titles[flow["product"]], marks) for flow in plan["flows"]]
    return sorted(found, key=lambda row: (places[row["product"]], *_order(row)))


def _row(flow: Data, title: str, marks: t.Mapping[str, str]) -> Row:
    own = flow["initiator_role"] == OWN_ROLE
    return {
        "product": flow["product"],
        "product_title": title,
        "site": flow["listener_site"] or "",
        "listener": flow["listener"],
        "listener_role": "" if own else flow["listener_role"],
        "listener_addresses": list(flow["listener_addresses"]),
        "outside": _outside(flow),
        "service": flow["service"],
        "purpose": flow["purpose"],
        "protocol": flow["protocol"],
        "ports": list(flow["ports"]),
        "initiator_role": "" if own else flow["initiator_role"],
        "initiators": sorted(flow["initiators"], key=natural),
        "initiator_sites": list(flow["initiator_sites"]),
        "seen_as": list(flow["initiator_addresses"]),
        "direction": flow["direction"],
        "mandatory": flow["mandatory"],
        "scope": flow["scope"],
        "reading": flow["reading"] or "",
        "status": OWN_ROLE if own and flow["status"] == "planned" else flow["status"],
        "enforced_at": [name + marks.get(name, "") for name in flow["enforced_at"]],
        "source": flow["source"],
    }


def _outside(flow: Data) -> list[str]:
    """Return where initiators find the listener, as far as it is not the listener's own address and port."""
    own = set(flow["listener_addresses"])
    return [
        f"{address}:{ports}"
        for target in flow["reached_at"]
        if target["ports"] != flow["ports"] or not target["addresses"] or not own.issuperset(target["addresses"])
        for address in map(_bracketed, target["addresses"] or ["the gateway's address"])
        for ports in target["ports"]
    ]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _order(row: Row) -> tuple[t.Any, ...]:
    first_port = int(row["ports"][0].partition("-")[0]) if row["ports"] else 0
    place = (natural(row["site"]), natural(row["listener"]), first_port, row["protocol"], row["service"])
    return (*place, row["initiator_role"], row["initiators"], row["seen_as"], row["status"])


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key by which ``player2`` comes before ``player10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def is_nowhere(row: Row) -> bool:
    """Whether somebody may connect although no enforcement point of the plan decides about it."""
    return row["status"] in ("planned", OWN_ROLE) and row["enforced_at"] == [NOWHERE]


def is_planned_only(host: Data) -> bool:
    """Whether this version writes nothing to the host's platform."""
    return host["platform"] not in BACKED_PLATFORMS


def names_planned_only(row: Row) -> bool:
    """Whether a point that is to decide about a row is planned only."""
    return any(name.endswith(PLANNED_ONLY) for name in row["enforced_at"])


def rests_on_plan(row: Row) -> bool:
    """Whether every point that is to decide about a row is planned only."""
    return all(name.endswith(PLANNED_ONLY) for name in row["enforced_at"])


def spell_ports(protocol: str, ports: t.Iterable[str]) -> str:
    """Spell protocol and ports: ``TCP 20001-29999``."""
    return f"{protocol.upper()} {', '.join(ports)}"
