# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: the facts of our own two products, and the questions it answers."""

from __future__ import annotations

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import Catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


def facts(catalogue: Catalogue, product: str) -> set[str]:
    """Spell every pairing: service, initiators -> listeners, ports, direction, and what switches it on."""
    lines = set()
    for service in catalogue.products[product].services.values():
        ports = " ".join(
            f"{item.protocol}/{item.first}" + (f"+{item.from_instance}" if item.from_instance else f"-{item.last}")
            for item in service.ports
        )
        when = service.feature or service.reading or ("mandatory" if service.mandatory else "optional")
        for pairing in service.pairings:
            ends = f"{','.join(pairing.initiators)} -> {','.join(pairing.listeners)}"
            lines.add(f"{service.id}: {ends} {ports} {pairing.direction} {when}")
    return lines


def test_the_facts_of_cayin(catalogue: Catalogue) -> None:
    assert facts(catalogue, "cayin") == {
        "cayin_content: cayin_smp -> cayin_cms tcp/80-80 stated mandatory",
        "cayin_web: cayin_operator -> cayin_cms tcp/80-80 inferred web",
        "cayin_web_player: cayin_operator -> cayin_smp tcp/80-80 stated web",
        "cayin_https: cayin_smp -> cayin_cms tcp/443-443 stated https",
        "cayin_https: cayin_operator -> cayin_cms,cayin_smp tcp/443-443 inferred https",
        "cayin_registration: cayin_smp -> cayin_cms tcp/20000-20000 stated mandatory",
        "cayin_supermonitor: cayin_supermonitor -> cayin_cms tcp/20000-20000 inferred supermonitor",
        "cayin_cms_pro: cayin_smp -> cayin_cms tcp/20001-20001 inferred mandatory",
        "cayin_ftp: cayin_smp -> cayin_cms tcp/21-21 stated ftp",
        "cayin_ftp_data: cayin_smp -> cayin_cms tcp/20001-29999 stated ftp",
        "cayin_ftp_user: cayin_operator -> cayin_cms,cayin_smp tcp/21-21 tcp/20001-29999 inferred ftp_user",
        "cayin_smb: cayin_operator -> cayin_cms,cayin_smp tcp/139-139 inferred smb",
        "cayin_rtb: cayin_cms -> cayin_smp udp/8100-8226 inferred rtb",
        "cayin_mail: cayin_cms -> playout_mail_server tcp/25-25 stated mail",
        "cayin_remote_log: cayin_cms,cayin_smp -> cayin_superreporter tcp/35000-35000 stated remote_log",
        "cayin_syslog: cayin_cms,cayin_smp -> playout_log_server udp/514-514 stated syslog",
        "cayin_backup: cayin_cms -> cayin_backup_server tcp/22-22 tcp/30001-30001 inferred backup",
        "cayin_backup: cayin_backup_server -> cayin_cms tcp/22-22 tcp/30001-30001 inferred backup",
        "cayin_site: cayin_site_server -> cayin_cms tcp/22-22 tcp/40001-40001 stated site",
    }


def test_the_facts_of_viz_world(catalogue: Catalogue) -> None:
    server, allocator = "viz_world_server", "viz_world_allocator"
    assert facts(catalogue, "viz_world") == {
        f"viz_client: viz_world_client -> {server} tcp/102-102 stated mandatory",
        f"viz_client_instances: viz_world_client -> {server} tcp/10100+2 stated mandatory",
        f"viz_config: viz_world_config -> {server} tcp/103-103 stated optional",
        f"viz_allocator: viz_world_client -> {allocator} tcp/10100-10100 stated mandatory",
        f"viz_udp_server: {allocator} -> {server} udp/10100-10100 stated formula",
        f"viz_udp_allocator: {server} -> {allocator} udp/10200+1 stated formula",
        f"viz_http: {allocator} -> {server} tcp/10300+1 stated formula",
        f"viz_udp_allocator_example: {server} -> {allocator} udp/10100-10100 inferred example",
        f"viz_udp_server_example: {allocator} -> {server} udp/10200+1 inferred example",
        f"viz_http_example: {allocator} -> {server} tcp/10301+1 inferred example",
        f"viz_http_allocator: {server} -> {allocator} tcp/10300+1 inferred union",
    }


def test_the_source_port_of_active_ftp_is_never_listened_on(catalogue: Catalogue) -> None:
    assert not any(item.first <= 20 <= item.last for service in catalogue.services.values() for item in service.ports)


def test_the_last_client_port_of_the_most_instances_is_below_the_http_ports(catalogue: Catalogue) -> None:
    numbering = catalogue.products["viz_world"].numbering
    assert numbering is not None
    assert 10100 + numbering.maximum_instances == 10300


def test_stand_ins_listen_as_what_they_stand_in_for(catalogue: Catalogue) -> None:
    assert catalogue.listening_roles(["cayin_backup_server"]) == {"cayin_backup_server", "cayin_cms"}
    assert catalogue.listening_roles(["cayin_cms", "viz_world_client"]) == {"cayin_cms", "viz_world_client"}
    assert catalogue.listening_roles(["webservers", "playout_gateway"]) == set()


def test_roles_include_gateways_which_are_nobodys_product(catalogue: Catalogue) -> None:
    assert "playout_gateway" in catalogue.role_ids
    assert "playout_gateway" not in catalogue.roles
    assert {"cayin_cms", "viz_world_server"} <= catalogue.role_ids


def test_supermonitor_moves_with_registration(catalogue: Catalogue) -> None:
    assert catalogue.port_group("cayin_supermonitor") == "cayin_registration"
    assert catalogue.port_group("cayin_registration") == "cayin_registration"


def test_a_service_finds_its_feature_and_numbering(catalogue: Catalogue) -> None:
    feature = catalogue.feature_of(catalogue.services["cayin_backup"])
    assert feature is not None
    assert (feature.id, feature.default, feature.role) == ("backup", "exists", "cayin_backup_server")
    assert catalogue.feature_of(catalogue.services["cayin_content"]) is None
    assert catalogue.numbering_of(catalogue.services["cayin_content"]) is None
    assert catalogue.numbering_of(catalogue.services["viz_http"]) is not None


def test_only_these_features_are_on_by_themselves(catalogue: Catalogue) -> None:
    features = catalogue.products["cayin"].features.values()
    assert {feature.id for feature in features if feature.default is True} == {"web", "supermonitor"}
    assert catalogue.feature_ids == {feature.id for feature in features}
