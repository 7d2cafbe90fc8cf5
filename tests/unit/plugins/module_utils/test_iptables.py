# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The renderer for iptables: byte by byte for whole policies, and its small decisions one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.playout.firewall.plugins.module_utils._iptables import AddressSet, Rules, render
from ansible_collections.playout.firewall.plugins.module_utils._iptables_script import table_text
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Connection, Options
from ansible_collections.playout.firewall.tests.unit.plugins.module_utils.policies import forward_with, rule_with

GOLDEN = Path(__file__).parents[3] / "golden" / "iptables"
# The same policies as for nftables, so that the two can be read side by side.
POLICIES = GOLDEN.parent / "nftables"
CASES = sorted(path.stem for path in POLICIES.glob("*.yml"))


def _text(rules: Rules) -> str:
    tables = [f"# {family}\n{table_text(name, table)}" for (family, name), table in rules.tables.items()]
    sets = [
        f"# ipset {name}: {made.header}\n" + "".join(f"{e}\n" for e in made.elements) for name, made in _sets(rules)
    ]
    return "\n".join(tables + sets)


def _sets(rules: Rules) -> list[tuple[str, AddressSet]]:
    return list(rules.sets.items())


def _rendered(enforcement: str = "scoped", with_sets: bool = True, **parts: Any) -> Rules:
    return render(Policy.from_dict({"host": "h", **parts}), Options(enforcement), with_sets=with_sets)


def _lines(rules: Rules, chain: str, table: str = "filter", family: str = "ipv4") -> list[str]:
    return list(rules.tables[family, table].chains[chain])


def _gateway(**parts: Any) -> dict[str, Any]:
    return {"wan_interfaces": ["w"], "lan_interfaces": ["l"], "transit": "leave", "hairpin": False, **parts}


@pytest.mark.parametrize("case", CASES)
def test_golden_policies_are_rendered_byte_by_byte(case: str, golden: Any) -> None:
    data = yaml.safe_load((POLICIES / f"{case}.yml").read_text(encoding="utf-8"))
    options = dict(data["options"])
    connection = Connection(**options["connection"]) if options.get("connection") else None
    rules = render(Policy.from_dict(data["policy"]), Options(options["enforcement"], connection))
    golden(GOLDEN / f"{case}.txt", _text(rules))


def test_there_is_a_golden_file_for_each_policy() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == CASES


def test_a_list_of_addresses_is_one_rule_with_a_set_named_after_what_it_holds() -> None:
    rules = _rendered(rules=[rule_with(sources=["192.0.2.2", "192.0.2.1"])])
    [(name, made)] = _sets(rules)
    assert (made.kind, made.elements) == ("ip", ("192.0.2.1", "192.0.2.2"))
    assert _lines(rules, "PLAYOUT-INPUT")[-1] == (
        f'-m set --match-set {name} src -p tcp --dport 80 -m comment --comment "a" -j ACCEPT'
    )
    other = _rendered(rules=[rule_with(sources=["192.0.2.2", "192.0.2.3"])])
    assert [name for name, _made in _sets(other)] != [name]


def test_equal_lists_share_a_set_and_families_do_not() -> None:
    sources = ["192.0.2.1", "198.51.100.0/24"]
    sixes = rule_with(id="c", family="ipv6", sources=["2001:db8::1", "2001:db8::2"])
    rules = _rendered(rules=[rule_with(sources=sources), rule_with(id="b", protocol="udp", sources=sources), sixes])
    assert sorted(name.partition("-")[2].partition("-")[0] for name in rules.sets) == ["ip6", "net4"]


def test_names_of_sets_are_short_enough_for_the_kernel() -> None:
    rules = _rendered(rules=[rule_with(id="x" * 200, family="ipv6", sources=["2001:db8::/48", "2001:db9::/48"])])
    assert all(len(name) <= 31 for name in rules.sets)
    assert len(rules.sets) == 1


def test_without_sets_there_is_a_rule_for_each_pair_of_addresses() -> None:
    addresses = {"sources": ["192.0.2.1", "192.0.2.5"], "destinations": ["10.0.0.1", "10.0.0.5"]}
    rules = _rendered(with_sets=False, rules=[rule_with(direction="forward", **addresses)])
    assert not rules.sets
    assert [line.split()[1:4:2] for line in _lines(rules, "PLAYOUT-FORWARD")[2:]] == [
        [source, destination] for source in addresses["sources"] for destination in addresses["destinations"]
    ]


def test_ports_are_cut_into_what_one_rule_can_hold() -> None:
    single = [str(port) for port in range(10, 40, 2)]
    lines = _lines(_rendered(rules=[rule_with(ports=[*single, "50-59"])]), "PLAYOUT-INPUT")[3:]
    assert [line.partition(" -m comment")[0] for line in lines] == [
        f"-p tcp -m multiport --dports {','.join(single)}",
        "-p tcp --dport 50:59",
    ]


def test_a_range_takes_two_slots() -> None:
    ranges = [f"{first}-{first + 5}" for first in range(100, 260, 20)]
    lines = _lines(_rendered(rules=[rule_with(ports=ranges)]), "PLAYOUT-INPUT")[3:]
    assert [line.count(":") for line in lines] == [7, 1]


def test_a_chain_without_rules_is_not_made() -> None:
    rules = _rendered(rules=[rule_with()])
    assert list(rules.tables) == [("ipv4", "filter")]
    assert [jump.chain for jump in rules.tables["ipv4", "filter"].jumps] == ["INPUT"]
    assert not _rendered().tables


def test_what_holds_for_both_families_is_said_to_both() -> None:
    rules = _rendered(governed={"in": {"tcp": ["80"]}})
    assert _lines(rules, "PLAYOUT-INPUT")[-1] == _lines(rules, "PLAYOUT-INPUT", family="ipv6")[-1]


def test_a_kernel_without_ipv6_gets_no_rules_of_it() -> None:
    policy = Policy.from_dict({"host": "h", "governed": {"in": {"tcp": ["80"]}}})
    assert list(render(policy, Options(), ["ipv4"]).tables) == [("ipv4", "filter")]


def test_the_connection_in_use_comes_first() -> None:
    policy = Policy.from_dict({"host": "h", "governed": {"in": {"tcp": ["8022"]}}})
    rules = render(policy, Options("scoped", Connection("192.0.2.9", 8022)))
    assert _lines(rules, "PLAYOUT-INPUT")[0].startswith("-s 192.0.2.9 -p tcp --dport 8022 ")
    assert "192.0.2.9" not in "".join(_lines(rules, "PLAYOUT-INPUT", family="ipv6"))


def test_hairpin_on_a_dynamic_gateway_takes_only_what_is_sent_to_the_gateway() -> None:
    rules = _rendered(forwards=[forward_with(external_addresses=[])], gateway=_gateway(hairpin=True))
    from_outside, from_inside = _lines(rules, "PLAYOUT-DNAT", "nat")
    assert from_outside.startswith("-i w -p tcp --dport 8080 -m addrtype --dst-type LOCAL -m comment")
    assert from_inside.startswith(
        "-i l -p tcp --dport 8080 -m addrtype --dst-type LOCAL -m addrtype ! --dst-type LOCAL --limit-iface-in "
    )


def test_an_ipv6_target_with_a_port_is_in_brackets() -> None:
    rules = _rendered(
        forwards=[forward_with(family="ipv6", external_addresses=["2001:db8::1"], to_address="2001:db8:f::1")]
    )
    assert _lines(rules, "PLAYOUT-DNAT", "nat", "ipv6")[0].endswith("-j DNAT --to-destination [2001:db8:f::1]:80")


def test_several_inside_interfaces_are_left_out_by_a_chain() -> None:
    transit = {"family": "ipv4", "protocol": "tcp", "ports": ["80"], "sources": ["any"], "destinations": ["10.0.0.1"]}
    governed = {"forward": [transit, {**transit, "protocol": "udp"}]}
    rules = _rendered(governed=governed, gateway=_gateway(lan_interfaces=["l", "m"]))
    assert [line.split()[-1] for line in _lines(rules, "PLAYOUT-FORWARD")[-2:]] == ["PLAYOUT-OUTSIDE"] * 2
    assert [line.split()[-1] for line in _lines(rules, "PLAYOUT-OUTSIDE")] == ["RETURN", "RETURN", "DROP"]
    alone = _rendered(governed=governed, gateway=_gateway())
    assert "! -i l " in _lines(alone, "PLAYOUT-FORWARD")[-1]


def test_a_published_management_port_is_dropped_by_what_it_was_sent_to() -> None:
    rules = _rendered(
        forwards=[forward_with(to_ports=["22"], external_addresses=["203.0.113.1", "203.0.113.2"])],
        gateway=_gateway(),
        management={"ports": ["22"], "sources": []},
    )
    assert [line.partition(" -m comment")[0] for line in _lines(rules, "PLAYOUT-FORWARD")[-2:]] == [
        f"-d 10.0.0.1 -p tcp --dport 22 -m conntrack --ctstate DNAT --ctorigdst {address} --ctorigdstport 8080"
        for address in ("203.0.113.1", "203.0.113.2")
    ]


@pytest.mark.parametrize(
    ("forward", "before"),
    [
        pytest.param(
            forward_with(external_ports=["2121"], to_ports=["21"]),
            ["-d 203.0.113.1 -i w -p tcp --dport 2121"],
            id="port",
        ),
        pytest.param(
            forward_with(external_ports=["20-30"], to_ports=["20-30"]),
            ["-d 203.0.113.1 -i w -p tcp --dport 21"],
            id="range",
        ),
        pytest.param(forward_with(), [], id="another port"),
        pytest.param(
            forward_with(external_ports=["21"], to_ports=["21"], to_address="10.0.0.2"), [], id="another target"
        ),
    ],
)
def test_a_helper_is_assigned_before_the_translation_to_what_will_be_translated(
    forward: dict[str, Any], before: list[str]
) -> None:
    helper = {"name": "ftp", "protocol": "tcp", "port": 21, "addresses": ["10.0.0.1"]}
    rules = _rendered(helpers=[helper], forwards=[forward], gateway=_gateway())
    plain = '-d 10.0.0.1 -p tcp --dport 21 -m comment --comment "ftp helper" -j CT --helper ftp'
    assert _lines(rules, "PLAYOUT-HELPER-OUT", "raw") == [plain]
    first, *others = _lines(rules, "PLAYOUT-HELPER", "raw")
    assert first == plain
    assert [line.partition(" -m comment")[0] for line in others] == before


def test_a_long_comment_is_cut_to_what_the_kernel_takes_without_cutting_a_letter() -> None:
    line = _lines(_rendered(rules=[rule_with(comment="ü" * 200)]), "PLAYOUT-INPUT")[-1]
    comment = line.split('"')[1]
    assert len(comment.encode()) in (254, 255)
    assert set(comment) == {"a", ":", " ", "ü"}
