# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flows: who talks to whom, before any firewall is thought of."""

from __future__ import annotations

from ansible_collections.playout.firewall.plugins.plugin_utils._flows import Flows, find_flows, services_by_port
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems
from ansible_collections.playout.firewall.plugins.plugin_utils._topology import Topology
from ansible_collections.playout.firewall.tests.unit.plugins.plugin_utils.fleets import Hosts, fleet_of

SERVER = {"groups": "viz_world_server", "playout_addresses": ["10.0.0.1"]}
CLIENT = {"groups": "viz_world_client", "playout_addresses": ["10.0.0.2"]}


def flows_of(hosts: Hosts) -> tuple[Flows, Problems]:
    """Find the flows of a fleet, and what is wrong with them."""
    fleet, problems = fleet_of(hosts), Problems()
    return find_flows(fleet, Topology(fleet), problems), problems


def ports(flows: Flows, host: str) -> dict[str, list[str]]:
    """Return service -> ports on which a host listens."""
    (found,) = [services for listener, services in flows.listening.items() if listener.name == host]
    return {service: [str(line.ports) for line in lines] for service, lines in found.items()}


def test_what_a_host_listens_on_includes_what_nobody_uses() -> None:
    flows, _problems = flows_of({"server": SERVER, "client": CLIENT})
    assert ports(flows, "server") == {"viz_client": ["102"], "viz_config": ["103"]}
    assert [flow.service.id for flow in flows.groups] == ["viz_client"]


def test_internal_services_without_initiators_do_not_exist() -> None:
    flows, problems = flows_of({"server": SERVER, "client": CLIENT})
    assert not any(service.startswith(("viz_udp", "viz_http")) for service in ports(flows, "server"))
    assert not problems.errors


def test_an_allocator_listens_on_what_all_its_servers_use() -> None:
    servers = {f"server{n}": {**SERVER, "viz_world_instances": n, "viz_world_numbering": "formula"} for n in (1, 3)}
    allocator = {"groups": "viz_world_allocator", "playout_addresses": ["10.0.0.3"]}
    flows, _problems = flows_of({**servers, "client": CLIENT, "allocator": allocator})
    assert ports(flows, "allocator")["viz_udp_allocator"] == ["10200", "10200-10202"]


def test_the_same_line_of_ports_is_listened_on_once() -> None:
    hosts = {"server1": SERVER, "server2": SERVER, "client": CLIENT, "allocator": {"groups": "viz_world_allocator"}}
    flows, _problems = flows_of(hosts)
    assert ports(flows, "allocator")["viz_udp_allocator"] == ["10200"]


def test_every_mandatory_service_that_nobody_uses_is_an_error_of_its_listener() -> None:
    _flows, problems = flows_of({"cms": {"groups": "cayin_cms"}, "backup": {"groups": "cayin_backup_server"}})
    assert len(problems.errors) == 6
    assert {(problem.host, problem.variable) for problem in problems.errors} == {
        ("cms", "playout_networks"),
        ("backup", "playout_networks"),
    }


def test_services_that_share_ports_are_found_in_pairs() -> None:
    hosts = {
        "cms": {"groups": "cayin_cms", "playout_features": ["web", "supermonitor", "ftp"]},
        "smp": {"groups": "cayin_smp"},
    }
    flows, _problems = flows_of(hosts)
    (listening,) = [found for host, found in flows.listening.items() if host.name == "cms"]
    pairs = [{one, other} for one, other, _line, _other_line in services_by_port(listening)]
    assert pairs == [
        {"cayin_content", "cayin_web"},
        {"cayin_registration", "cayin_supermonitor"},
        {"cayin_cms_pro", "cayin_ftp_data"},
    ]
