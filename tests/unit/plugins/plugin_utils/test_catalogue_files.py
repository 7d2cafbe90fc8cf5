# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalogue files: a site's own product is read whole, and every mistake is named with file, service and field."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue import Document, PortItem, Source
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import CatalogueError, load_catalogue

FLOW = {
    "initiators": ["cayin_operator"],
    "listeners": ["news_server"],
    "direction": "stated",
    "source": {"document": "manual", "place": "page 5"},
}
NEWS: dict[str, Any] = {
    "product": "news",
    "title": "Newsroom",
    "documents": {"manual": {"title": "Manual", "edition": "2"}},
    "roles": {"news_server": {"title": "server"}, "news_spare": {"title": "spare", "listens_as": ["news_server"]}},
    "features": {"chat": {"declared_by": "listener", "default": False}},
    "numbering": {"role": "news_server", "maximum_instances": 3, "releases": ["1", "2"], "release": "2"},
    "services": {
        "news_web": {"purpose": "web", "ports": [{"protocol": "tcp", "port": 8080}], "flows": [FLOW]},
        "news_chat": {
            "purpose": "chat",
            "feature": "chat",
            "releases": ["2"],
            "ports": [
                {"protocol": "udp", "base": 9000, "from_instance": 2},
                {"protocol": "tcp", "first": 1, "last": 9},
            ],
            "flows": [{**FLOW, "initiators": ["news_spare"], "main_only": True}],
        },
    },
}

Write = Callable[[Any], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a catalogue file, as text or as data, and return its path."""

    def to_file(content: Any) -> str:
        path = tmp_path / f"file{len(list(tmp_path.iterdir()))}.yml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        return str(path)

    return to_file


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the sound file with one field set; ``...`` deletes it."""
    data = copy.deepcopy(NEWS)
    *parents, last = path.split(".")
    place: Any = data
    for part in parents:
        place = place[int(part) if part.isdecimal() else part]
    key: Any = int(last) if last.isdecimal() else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return data


def faults(*paths: str) -> tuple[str, ...]:
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(paths)
    return caught.value.faults


def test_a_sites_own_product_is_read_whole(write: Write) -> None:
    product = load_catalogue((write(NEWS),)).products["news"]
    chat = product.services["news_chat"]
    assert product.roles["news_spare"].listens_as == ("news_server",)
    assert product.numbering is not None
    assert (product.numbering.maximum_instances, product.numbering.releases) == (3, ("1", "2"))
    assert chat.ports == (PortItem("udp", 9000, 9000, from_instance=2), PortItem("tcp", 1, 9))
    assert chat.pairings[0].source == Source(Document("manual", "Manual", "2"), "page 5")
    assert str(chat.pairings[0].source) == "Manual (2), page 5"
    assert (chat.feature, chat.releases, chat.scope, chat.mandatory) == ("chat", ("2",), "external", False)
    assert chat.pairings[0].main_only


PORT = "services.news_web.ports.0"


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("product", ..., "product: is missing"),
        ("colour", "red", "colour: unknown field; known are documents"),
        ("services.news_web.purpose", ..., "services.news_web.purpose: is missing"),
        ("services.news_web.flows", [], "services.news_web.flows: a list with at least one entry"),
        ("services.news_web.scope", "outer", "services.news_web.scope: 'outer' is not one of external, internal"),
        ("services.news_web.feature", "chap", "services.news_web.feature: 'chap' is not a feature of this file"),
        ("services.news_chat.mandatory", True, "services.news_chat.mandatory: a service that a feature switches on"),
        ("services.news_chat.releases", ["3"], "services.news_chat.releases: '3' is not one of numbering.releases"),
        (
            "services.news_web.port_of",
            "news_wep",
            "services.news_web.port_of: 'news_wep' is not a service of this file",
        ),
        ("services.news_web.port_of", "cayin_ftp", "services.news_web.port_of: 'cayin_ftp' is not a service of this"),
        (
            "services.news_web.published_with",
            "x",
            "services.news_web.published_with: 'x' is not a service of this file",
        ),
        (f"{PORT}.protocol", "sctp", "services.news_web.ports[0].protocol: 'sctp' is not one of tcp, udp"),
        (f"{PORT}.port", "80", "services.news_web.ports[0].port: a whole number is needed, not '80'"),
        (f"{PORT}.port", 0, "services.news_web.ports[0].port: 0 is not a port"),
        (f"{PORT}.port", 65536, "services.news_web.ports[0].port: 65536 is not a port"),
        (f"{PORT}.port", ..., "services.news_web.ports[0]: write either port, or first and last"),
        (f"{PORT}.last", 90, "services.news_web.ports[0]: write either port, or first and last"),
        (f"{PORT}.ftp_data", True, "services.news_web.ports[0].ftp_data: goes with 'first' only"),
        (f"{PORT}.helper", "sip", "services.news_web.ports[0].helper: 'sip' is not one of ftp"),
        ("services.news_chat.ports.1.last", 1, "services.news_chat.ports[1].last: 1 does not come after first, 1"),
        ("services.news_chat.ports.1.helper", "ftp", "services.news_chat.ports[1].helper: goes with 'port' only"),
        ("services.news_chat.ports.0.base", 65534, "services.news_chat.ports[0].base: the last of 3 instances would"),
        ("services.news_chat.ports.0.from_instance", 0, "services.news_chat.ports[0].from_instance: 0 is not an"),
        ("numbering", ..., "services.news_chat.ports[0].base: a port for each instance needs 'numbering'"),
        ("services.news_web.flows.0.direction", "guessed", "services.news_web.flows[0].direction: 'guessed' is not"),
        ("services.news_web.flows.0.source.document", "x", "services.news_web.flows[0].source.document: 'x' is not in"),
        ("services.news_web.flows.0.initiators", ["x"], "services.news_web.flows[0].initiators: 'x' is not a role"),
        (
            "services.news_web.flows.0.listeners",
            ["x"],
            "services.news_web.flows[0].listeners: 'x' is not a role of any",
        ),
        ("services.news_web.flows.0.listeners", ["playout_gateway"], "listeners: 'playout_gateway' is not a role of"),
        ("roles.playout_gateway", {"title": "x"}, "roles.playout_gateway: is already defined in the collection itself"),
        ("roles.cayin_cms", {"title": "x"}, "roles.cayin_cms: is already defined in "),
        ("roles.news_spare.listens_as", ["x"], "roles.news_spare.listens_as: 'x' is not a role of any catalogue file"),
        ("roles.news_server.platform", "plan9", "roles.news_server.platform: 'plan9' is not one of linux, windows"),
        ("numbering.role", "x", "numbering.role: 'x' is not a role of any catalogue file"),
        ("numbering.internal_with", "x", "numbering.internal_with: 'x' is not a role of any catalogue file"),
        ("features.chat.default", "perhaps", "features.chat.default: 'perhaps' is not one of true, false, exists"),
        ("features.chat.role", "news_spare", "features.chat.role: is needed with 'default: exists', and only there"),
        ("features.chat.declared_by", ..., "features.chat.declared_by: is needed unless 'default: exists'"),
        ("features.chat", {"default": "exists", "role": "x"}, "features.chat.role: 'x' is not a role of any catalogue"),
        ("services.cayin_ftp", NEWS["services"]["news_web"], "services.cayin_ftp: is already defined in "),
        ("product", "cayin", "product: 'cayin' is already defined in "),
    ],
)
def test_a_mistake_is_named_with_file_service_and_field(write: Write, path: str, value: Any, fault: str) -> None:
    name = write(changed(path, value))
    found = faults(name)
    assert any(text.startswith(f"{name}: ") and fault in text for text in found), found


def test_every_fault_of_every_file_is_said_at_once(write: Write) -> None:
    first, second = write(changed(f"{PORT}.port", 0)), write(changed("services.news_web.purpose", ...))
    assert [text.split(": ")[0] for text in faults(first, second)] == [first, second]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("product: news\nproduct: other\n", "'product' occurs twice"),
        ("a: [", "while parsing"),
        ("- list\n", "a mapping is needed"),
        ("", "a mapping is needed, not None"),
        ("services: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
    ],
)
def test_what_is_no_catalogue_at_all_is_refused_with_the_file(write: Write, content: str, fault: str) -> None:
    name = write(content)
    (text,) = faults(name)
    assert text.startswith(f"{name}: ")
    assert fault in text


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yml"
    binary.write_bytes(b"\xff\xfe\xfa")
    missing = str(tmp_path / "missing.yml")
    found = faults(missing, str(binary))
    assert found[0].startswith(f"{missing}: ")
    assert "No such file" in found[0]
    assert found[1].startswith(f"{binary}: ")


def test_the_message_lists_the_faults(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"the catalogue cannot be used:\n- .*missing\.yml: "):
        load_catalogue((str(tmp_path / "missing.yml"),))
