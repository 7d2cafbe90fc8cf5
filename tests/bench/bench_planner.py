# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long planning takes as fleets grow. Needs the collection on PYTHONPATH, as `make` sets it up in .build.

    PYTHONPATH=.build/collections python tests/bench/bench_planner.py --sizes 100 1000 10000

The last column is what a tenfold fleet costs: about 10 is linear, 100 would be quadratic.
"""

from __future__ import annotations

import argparse
import gc
import math
import time
import typing as t

from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._inventory_reader import RawHost, read_fleet
from ansible_collections.playout.firewall.plugins.plugin_utils._planner import make_plan
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems

Inventory = dict[str, RawHost]


def address(network: str, number: int) -> str:
    """Return an address by its number in a network of two or three fixed octets."""
    rest = 4 - len(network.split("."))
    return ".".join([network, *(str(number >> 8 * step & 255) for step in reversed(range(rest)))])


def host(group: str, **variables: t.Any) -> RawHost:
    """Return a host of one group."""
    return RawHost([group], {f"playout_{name}": value for name, value in variables.items()})


def shops(size: int) -> Inventory:
    """One CMS in a headquarters; players, each behind the gateway of its own shop."""
    found = {
        "cms": host("cayin_cms", addresses=["10.0.0.10"], site="hq", features=[]),
        "gateway": host("playout_gateway", addresses=["10.0.0.1"], site="hq", wan_addresses=["203.0.113.1"]),
    }
    for number in range((size - len(found)) // 2):
        site = f"shop{number:05}"
        found[f"smp{number:05}"] = host("cayin_smp", addresses=["192.168.1.10"], site=site, features=[])
        found[f"gateway{number:05}"] = host(
            "playout_gateway", addresses=["192.168.1.1"], site=site, wan_addresses=[address("198.18", number)]
        )
    return found


def systems(size: int) -> Inventory:
    """Map servers, their clients and an allocator in systems of ten hosts."""
    found: Inventory = {}
    for number in range(size):
        system, place = divmod(number, 10)
        role = "server" if place < 5 else "client" if place < 9 else "allocator"
        found[f"{role}{number:05}"] = host(
            f"viz_world_{role}", addresses=[address("10.1", number)], system=f"system{system:04}"
        )
    return found


def branches(size: int) -> Inventory:
    """A headquarters with five operators and a CMS; players in branches of twenty, published and all ruled."""
    found = {
        f"people{number}": host("cayin_operator", addresses=[f"10.0.1.{number}"], site="hq") for number in range(5)
    }
    found["cms"] = host("cayin_cms", addresses=["10.0.0.10"], site="hq", features=["web"])
    found["gateway"] = host(
        "playout_gateway", addresses=["10.0.0.1"], site="hq", wan_addresses=["203.0.113.1"], egress=True
    )
    for number in range(size - len(found)):
        site, place = divmod(number, 21)
        variables: dict[str, t.Any] = {"addresses": [f"192.168.1.{place + 1}"], "site": f"branch{site:04}"}
        if place == 0:
            wan = [address("198.18", site)]
            found[f"gateway{site:04}"] = host("playout_gateway", **variables, wan_addresses=wan, egress=True)
        else:
            forward_ports = {"cayin_web_player": 8080 + place}
            publish = ["cayin_web_player"]
            found[f"smp{number:05}"] = host("cayin_smp", **variables, publish=publish, forward_ports=forward_ports)
    return found


SHAPES: dict[str, t.Callable[[int], Inventory]] = {"shops": shops, "systems": systems, "branches": branches}


def measure(inventory: Inventory) -> tuple[dict[str, float], dict[str, int]]:
    """Return the seconds of each step, and the plan's counts. Python's garbage collector rests, as with timeit."""
    gc.collect()
    gc.disable()
    seconds: dict[str, float] = {}
    problems, catalogue = Problems(), load_catalogue()

    def step(name: str, work: t.Callable[[], t.Any]) -> t.Any:
        start = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - start
        return result

    fleet = step("read", lambda: read_fleet(inventory, catalogue, problems))
    plan = step("plan", lambda: make_plan(fleet, problems))
    step("write", plan.to_dict)
    return seconds, plan.counts


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10000], help="numbers of hosts")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), help="kinds of fleets")
    arguments = parser.parse_args()
    columns = ("shape", "hosts", "flows", "rules", "forwards", "read s", "plan s", "write s", "ms/host", "per x10")
    print("".join(f"{column:>10}" for column in columns))
    for shape in arguments.shapes:
        before: tuple[int, float] | None = None
        for size in sorted(arguments.sizes):
            seconds, counts = measure(SHAPES[shape](size))
            total, hosts = sum(seconds.values()), counts["hosts"]
            growth = ""
            if before:
                growth = f"{(total / before[1]) ** (1 / math.log10(hosts / before[0])):.1f}"
            before = hosts, total
            cells = [shape, *(str(counts[name]) for name in ("hosts", "flows", "rules", "forwards"))]
            cells += [f"{value:.3f}" for value in seconds.values()]
            print("".join(f"{cell:>10}" for cell in [*cells, f"{1000 * total / hosts:.2f}", growth]), flush=True)


if __name__ == "__main__":
    main()
