# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The renderer for firewalld: byte by byte for whole policies, and its small decisions one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.playout.firewall.plugins.module_utils._firewalld import Site, Zone, settle, ways
from ansible_collections.playout.firewall.plugins.module_utils._firewalld_objects import Objects
from ansible_collections.playout.firewall.plugins.module_utils._nftables import BESIDE, render_table
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import (
    ACCEPT,
    DROP,
    TRANSLATE,
    Connection,
    Options,
    Statement,
    Statements,
    statements,
)
from ansible_collections.playout.firewall.tests.unit.plugins.module_utils.policies import forward_with, rule_with
from hypothesis import given
from hypothesis import strategies as st

GOLDEN = Path(__file__).parents[3] / "golden" / "firewalld"
# The same policies as for nftables, so that the two can be read side by side, and some of firewalld's own.
POLICIES = sorted([*(GOLDEN.parent / "nftables").glob("*.yml"), *GOLDEN.glob("*.yml")])
SITE = Site({}, (1, 3, 3))
APART = Site({"external": Zone(("w",)), "internal": Zone(("l",))}, (1, 3, 3))


def _settled(site: Site = SITE, enforcement: str = "scoped", **parts: Any) -> tuple[Objects, Statements]:
    return settle(statements(Policy.from_dict({"host": "h", **parts}), Options(enforcement)), site)


def _rules(objects: Objects, name: str) -> list[str]:
    return [rule.text for policy in objects.policies if policy.name == f"playout-{name}" for rule in policy.rules]


def _names(objects: Objects) -> list[str]:
    return [policy.name for policy in objects.policies]


def _published(**gateway: Any) -> dict[str, Any]:
    sources = ["198.51.100.1", "198.51.100.2"]
    transit = {"family": "ipv4", "protocol": "tcp", "ports": ["80"], "sources": ["any"], "destinations": ["10.0.0.1"]}
    both = {"wan_interfaces": ["w"], "lan_interfaces": ["l"], "transit": "leave", "hairpin": False}
    return {
        "rules": [rule_with(direction="forward", sources=sources, destinations=["10.0.0.1"])],
        "forwards": [forward_with()],
        "governed": {"forward": [transit]},
        "gateway": {**both, **gateway},
    }


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_whole_policies_are_rendered_byte_by_byte(path: Path, golden: Any) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    told = data.get("site", {"version": [1, 3, 3], "zones": {}})
    site = Site({name: Zone(tuple(bound)) for name, bound in told["zones"].items()}, tuple(told["version"]))
    options = data["options"]
    connection = Connection(**options["connection"]) if "connection" in options else None
    said = statements(Policy.from_dict(data["policy"]), Options(options["enforcement"], connection))
    objects, rest = settle(said, site)
    files = [f"==== {name}\n{text}" for name, text in objects.files.items()]
    golden(GOLDEN / f"{path.stem}.txt", "".join([*files, f"==== beside\n{render_table(rest, BESIDE)}"]))


def test_there_are_golden_policies() -> None:
    assert len(POLICIES) >= 6


def test_planned_sources_come_before_the_drop_of_all_others() -> None:
    objects, rest = _settled(rules=[rule_with(sources=["192.0.2.1"])], governed={"in": {"tcp": ["80"]}})
    assert _rules(objects, "in") == [
        'rule priority="100" family="ipv4" source address="192.0.2.1" port port="80" protocol="tcp" accept',
        'rule priority="200" port port="80" protocol="tcp" drop',
    ]
    assert not rest.input


def test_what_denies_everything_else_stands_beside_and_spares_others_bans() -> None:
    objects, rest = _settled(
        enforcement="default_deny",
        rules=[rule_with(sources=["192.0.2.1"])],
        management={"ports": ["22"], "sources": ["192.0.2.0/24"]},
    )
    assert [line.verdict for line in rest.input] == [ACCEPT, ACCEPT, DROP]
    assert _rules(objects, "in") == [
        'rule priority="100" family="ipv4" source address="192.0.2.1" port port="80" protocol="tcp" accept'
    ]
    assert _rules(objects, "open") == [
        'rule priority="100" family="ipv4" source address="192.0.2.0/24" port port="22" protocol="tcp" accept'
    ]
    assert {policy.name: policy.priority > 0 for policy in objects.policies} == {
        "playout-in": False,
        "playout-open": True,
    }


@pytest.mark.parametrize("ports", ["67", "500-600"])
def test_a_drop_that_could_hit_dhcp_stands_beside(ports: str) -> None:
    objects, rest = _settled(governed={"in": {"udp": [ports]}})
    assert not objects.policies
    assert rest.input


def test_equal_lists_share_a_set_that_is_named_by_its_content() -> None:
    sources = ["192.0.2.1", "192.0.2.2"]
    objects, _rest = _settled(rules=[rule_with(sources=sources), rule_with(id="b", protocol="udp", sources=sources)])
    [made] = objects.ipsets
    assert made.entries == tuple(sources)
    assert all(f'source ipset="{made.name}"' in rule for rule in _rules(objects, "in"))
    other, _rest = _settled(rules=[rule_with(sources=[*sources, "192.0.2.3"])])
    assert other.ipsets[0].name != made.name
    # The kernel's ipsets have at most 31 letters, and the names of ours are alike on every firewalld.
    assert len(made.name) <= 31


def test_two_rules_that_say_the_same_are_one() -> None:
    objects, _rest = _settled(rules=[rule_with(), rule_with(id="b")])
    assert len(_rules(objects, "in")) == 1


def test_an_old_firewalld_gets_a_rule_for_each_destination() -> None:
    out = rule_with(direction="out", sources=[], destinations=["192.0.2.1", "192.0.2.2"])
    old, _rest = _settled(Site({}, (0, 9, 11)), rules=[out])
    assert (len(_rules(old, "out")), old.ipsets) == (2, ())
    new, _rest = _settled(rules=[out])
    assert len(_rules(new, "out")) == 1


def test_a_forward_is_firewallds_own_where_the_outside_has_a_zone() -> None:
    objects, rest = _settled(APART, **_published())
    [made] = objects.ipsets
    assert _rules(objects, "nat") == [
        f'rule priority="100" family="ipv4" source ipset="{made.name}" destination address="203.0.113.1" '
        'forward-port port="8080" protocol="tcp" to-port="80" to-addr="10.0.0.1"'
    ]
    # Who was not planned is not translated, and must not reach the gateway's own port either.
    assert _rules(objects, "wan") == [
        'rule priority="100" family="ipv4" destination address="203.0.113.1" port port="8080" protocol="tcp" drop'
    ]
    assert not rest.translate
    assert [line.verdict for line in rest.forward] == [ACCEPT, DROP]


@pytest.mark.parametrize(
    ("zones", "changed"),
    [
        pytest.param({}, {}, id="no zone for the outside"),
        pytest.param({"public": Zone(("l", "w"))}, {}, id="one zone for both sides"),
        pytest.param({"external": Zone(("w", "w2"))}, {}, id="an interface of somebody else in the zone"),
        pytest.param({"external": Zone(("w",), ("192.0.2.0/24",))}, {}, id="addresses in the zone"),
        pytest.param(APART.zones, {"hairpin": True}, id="hairpin"),
        pytest.param(APART.zones, {"dynamic": True}, id="no address to match"),
    ],
)
def test_a_forward_stands_beside_where_firewalld_cannot_tell_the_packets_apart(zones: Any, changed: Any) -> None:
    dynamic = changed.pop("dynamic", False)
    parts = _published(**changed)
    if dynamic:
        parts["forwards"] = [forward_with(external_addresses=[])]
    objects, rest = _settled(Site(zones, (1, 3, 3)), **parts)
    assert _names(objects) == ["playout-forward"]
    assert rest.translate


def test_the_site_hides_by_the_zone_where_there_is_one() -> None:
    gateway = {"wan_interfaces": ["w"], "lan_interfaces": ["l"], "transit": "leave", "hairpin": False}
    objects, rest = _settled(APART, masquerade=True, gateway=gateway)
    [hide] = objects.policies
    assert (hide.masquerade, hide.egress, rest.source_nat) == (True, ("external",), ())
    objects, rest = _settled(masquerade=True, gateway=gateway)
    assert (objects.policies, len(rest.source_nat)) == ((), 1)


def test_a_helper_follows_what_comes_in_and_what_goes_out_and_opens_nothing() -> None:
    helper = {"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["10.0.0.1", "10.0.0.2", "2001:db8::1"]}
    objects, rest = _settled(helpers=[helper])
    assert _names(objects) == ["playout-in", "playout-out"]
    assert [dict(service.destinations) for service in objects.services] == [
        {"ipv4": "10.0.0.1", "ipv6": "2001:db8::1"},
        {"ipv4": "10.0.0.2"},
    ]
    assert not any("<port" in text for text in objects.files.values())
    assert (objects.helpers, rest.helpers) == ((), ())


def test_a_helper_for_everybody_names_no_address() -> None:
    objects, _rest = _settled(helpers=[{"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["any"]}])
    assert [service.destinations for service in objects.services] == [()]


def test_behind_a_translation_a_helper_stands_beside() -> None:
    """firewalld lets translated packets through before it comes to any helper."""
    helper = {"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["10.0.0.1"]}
    objects, rest = _settled(APART, helpers=[helper], **_published())
    assert (objects.services, len(rest.helpers)) == ((), 1)


PORTS, SOURCES = st.integers(1, 5), st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"])
CHAIN = st.lists(
    st.builds(
        lambda verdict, first, more, sources: Statement(
            verdict, "", "rule.x", "ipv4", "tcp", ((first, first + more),), tuple(sorted(set(sources)))
        ),
        st.sampled_from([ACCEPT, DROP]),
        PORTS,
        st.integers(0, 2),
        st.lists(SOURCES, max_size=2),
    ),
    max_size=5,
).map(lambda chain: sorted(chain, key=lambda line: line.verdict))


@given(CHAIN, PORTS, SOURCES)
def test_who_may_use_a_forward_is_who_gets_through_behind_it(chain: list[Statement], port: int, source: str) -> None:
    line = Statement(TRANSLATE, "", protocol="tcp", family="ipv4", ports=((1, 5),), to_address="10.0.0.1")
    found = ways(line, chain)
    if found is None:
        return
    allowed = any(
        (not way.sources or source in way.sources) and any(first <= port <= last for first, last in way.ports)
        for way in found
    )
    first_hit = next(
        (
            rule.verdict
            for rule in chain
            if (not rule.sources or source in rule.sources) and rule.ports[0][0] <= port <= rule.ports[0][1]
        ),
        ACCEPT,
    )
    assert allowed == (first_hit == ACCEPT)
