# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of one enforcement point: what the planner hands to a backend.

Plain data. Ports are text, ``"80"`` or ``"20001-29999"``; addresses are text in CIDR spelling, a single
host without its prefix length, and the word ``any`` alone stands for every address of the family.
Lists are merged and sorted by the planner: no backend has to merge again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import typing as t
from collections.abc import Mapping

from ansible_collections.playout.firewall.plugins.module_utils import _policy_check

ANY = _policy_check.ANY
DIRECTIONS = ("in", "forward", "out")
FAMILIES = ("ipv4", "ipv6")
PROTOCOLS = ("tcp", "udp")

Texts = t.Tuple[str, ...]
PortsByProtocol = t.Mapping[str, Texts]

_NONE: PortsByProtocol = {}


class PolicyError(ValueError):
    """A policy that no backend may apply; the message names the element and the value."""


class Rule(t.NamedTuple):
    """What one enforcement point lets through: sources times ports (times destinations).

    ``in`` is towards the host itself and has no destinations, ``out`` leaves the host itself and has no
    sources, ``forward`` has both and names the addresses behind the translation.
    """

    id: str
    services: Texts
    direction: str
    family: str
    protocol: str
    ports: Texts
    sources: Texts
    destinations: Texts
    comment: str


class Forward(t.NamedTuple):
    """What a gateway translates (DNAT).

    Without ``external_addresses`` it matches what arrives for the gateway itself on a WAN interface.
    Either external and internal ports are the same lists, or each is a single port.
    """

    id: str
    services: Texts
    family: str
    protocol: str
    external_addresses: Texts
    external_ports: Texts
    to_address: str
    to_ports: Texts
    sources: Texts
    comment: str


class Helper(t.NamedTuple):
    """A connection-tracking helper for control connections to these addresses (after translation)."""

    name: str
    protocol: str
    port: int
    addresses: Texts


class Transit(t.NamedTuple):
    """Transit that the plan governs: what is not let through by a rule is dropped."""

    family: str
    protocol: str
    ports: Texts
    sources: Texts
    destinations: Texts


class Governed(t.NamedTuple):
    """The ports that the plan governs here: protocol -> ports towards (in) and from (out) the host itself, in both
    families, and the governed transit of a gateway."""

    inbound: PortsByProtocol = _NONE
    outbound: PortsByProtocol = _NONE
    forward: t.Tuple[Transit, ...] = ()


class Management(t.NamedTuple):
    """Who may manage the host (TCP), besides the connection in use. Mixed families."""

    ports: Texts = ()
    sources: Texts = ()


class Keep(t.NamedTuple):
    """What ``default_deny`` leaves open for the site's own purposes. Mixed families."""

    protocol: str
    ports: Texts
    sources: Texts


class Gateway(t.NamedTuple):
    """How a gateway's policy meets its interfaces. Empty interface lists: not declared."""

    wan_interfaces: Texts = ()
    lan_interfaces: Texts = ()
    transit: str = "leave"
    hairpin: bool = False


class Policy(t.NamedTuple):
    """All rules and forwards of one enforcement point."""

    host: str
    rules: t.Tuple[Rule, ...] = ()
    forwards: t.Tuple[Forward, ...] = ()
    helpers: t.Tuple[Helper, ...] = ()
    governed: Governed = Governed()
    masquerade: bool = False
    management: Management = Management()
    keep: t.Tuple[Keep, ...] = ()
    gateway: t.Optional[Gateway] = None

    @property
    def says_nothing(self) -> bool:
        """Whether the policy neither lets through, drops nor translates anything, as that of a mere initiator."""
        told = (self.rules, self.forwards, self.helpers, self.governed.inbound, self.governed.outbound)
        denies_transit = self.gateway is not None and self.gateway.transit == "deny"
        return not (any(told) or self.governed.forward or self.masquerade or denies_transit)

    def to_dict(self) -> t.Dict[str, t.Any]:
        """Return the policy as fresh lists and dicts of plain values, with its ``digest`` (sha256, hex)."""
        data: t.Dict[str, t.Any] = _plain(self)
        governed = data["governed"]
        data["governed"] = {
            "in": governed["inbound"],
            "out": governed["outbound"],
            "forward": governed["forward"],
        }
        data["digest"] = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
        return data

    @classmethod
    def from_dict(cls, data: t.Mapping[str, t.Any]) -> Policy:
        """Read what ``to_dict`` wrote (or a person did).

        :raises PolicyError: naming the element that is missing, unknown, of the wrong kind, or that a firewall's
            command language could misunderstand.
        """
        if not isinstance(data, Mapping):
            raise PolicyError(f"policy: a dictionary is needed, not {data!r}")
        data = {key: value for key, value in data.items() if key != "digest"}
        governed = {} if data.get("governed") is None else data["governed"]
        if not isinstance(governed, Mapping):
            raise PolicyError(f"governed: a dictionary of in, out, forward is needed, not {governed!r}")
        unknown = sorted(str(key) for key in set(governed) - {"in", "out", "forward"})
        if unknown:
            raise PolicyError(f"governed: unknown key '{unknown[0]}', known are in, out, forward")
        data["governed"] = Governed(
            inbound=_ports_by_protocol(governed.get("in"), "governed.in"),
            outbound=_ports_by_protocol(governed.get("out"), "governed.out"),
            forward=_items(Transit, governed.get("forward"), "governed.forward"),
        )
        for key, kind in (("rules", Rule), ("forwards", Forward), ("helpers", Helper), ("keep", Keep)):
            data[key] = _items(kind, data.get(key), key)
        data["management"] = _item(
            Management, {} if data.get("management") is None else data["management"], "management"
        )
        if data.get("gateway") is not None:
            data["gateway"] = _item(Gateway, data["gateway"], "gateway")
        policy = t.cast(Policy, _item(cls, data, "policy"))
        try:
            _policy_check.check(policy)
        except _policy_check.PolicyValueError as error:
            raise PolicyError(str(error)) from error
        return policy


_CHOICES = {
    "direction": DIRECTIONS,
    "family": FAMILIES,
    "protocol": PROTOCOLS,
    "transit": ("leave", "deny"),
}


def _items(kind: t.Any, values: t.Any, path: str) -> t.Tuple[t.Any, ...]:
    if values is None:
        return ()
    if not isinstance(values, (list, tuple)):
        raise PolicyError(f"{path}: a list is needed, not {values!r}")
    return tuple(_item(kind, value, f"{path}[{index}]") for index, value in enumerate(values))


def _item(kind: t.Any, value: t.Any, path: str) -> t.Any:
    if not isinstance(value, Mapping):
        raise PolicyError(f"{path}: a dictionary is needed, not {value!r}")
    types = _types(kind)
    unknown = sorted(str(key) for key in value if key not in types)
    if unknown:
        raise PolicyError(f"{path}: unknown key '{unknown[0]}', known are {', '.join(sorted(types))}")
    missing = [name for name in types if name not in value and name not in kind._field_defaults]
    if missing:
        raise PolicyError(f"{path}: {', '.join(missing)} missing")
    return kind(**{key: _checked(types[key], key, entry, path) for key, entry in value.items()})


@functools.lru_cache(maxsize=None)
def _types(kind: t.Any) -> t.Dict[str, t.Any]:
    return t.get_type_hints(kind)


def _checked(kind: t.Any, key: str, value: t.Any, path: str) -> t.Any:
    """Give a value the type that the field declares, or say what is wrong with it."""
    if kind is Texts:
        if isinstance(value, (list, tuple)) and all(isinstance(entry, str) for entry in value):
            return tuple(map(str, value))
    elif kind is str:
        if isinstance(value, str) and (key not in _CHOICES or value in _CHOICES[key]):
            return str(value)
    elif kind not in (bool, int) or (isinstance(value, int) and isinstance(value, bool) is (kind is bool)):
        return value
    raise PolicyError(f"{path}.{key}: {value!r} is not a valid {key}")


def _ports_by_protocol(value: t.Any, path: str) -> t.Dict[str, Texts]:
    value = {} if value is None else value
    if not isinstance(value, Mapping):
        raise PolicyError(f"{path}: a dictionary of protocol to ports is needed, not {value!r}")
    for protocol in value:
        if protocol not in PROTOCOLS:
            raise PolicyError(f"{path}: '{protocol}' is not a protocol, known are {', '.join(PROTOCOLS)}")
    return {str(protocol): _checked(Texts, protocol, ports, path) for protocol, ports in value.items()}


def _plain(value: t.Any) -> t.Any:
    if hasattr(value, "_asdict"):
        value = value._asdict()
    elif isinstance(value, (list, tuple)):
        # Most of a policy is texts: a call for each would take longer than all the rest.
        return [entry if isinstance(entry, str) else _plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: entry if isinstance(entry, str) else _plain(entry) for key, entry in value.items()}
    return value
