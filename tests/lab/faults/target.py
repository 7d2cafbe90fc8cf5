# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host to which faults happen: what runs on it, and in which state it is."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from typing import Any

from ssh_target import SshTarget

from .policies import ADMIN, ARGUMENTS, OPEN, PROBES, SSH, TARGET

# An expected answer may take its time on a busy machine; the others' silence only has to last so long.
_PATIENT, _BRIEF = 10.0, 0.25
_UNIT = "/etc/systemd/system/playout-firewall.service"


@dataclass(frozen=True)
class Manager:
    """What a backend's manager adds to faults.

    :param programs: what a run calls, and what can fail.
    :param needed: the program without which nothing works; none where it is a daemon.
    :param old: that one as it was when it was too old, as a script; none where it does not tell its age.
    :param daemon: what has to run.
    :param rules: the directory to which a changed policy is written.
    :param store: what the manager itself loads at boot; without one, a unit of ours loads everything.
    :param boot: loads that where nothing is in force; empty where only a daemon does.
    :param accept: opens port 9000 in it to everybody, behind whatever is there, until ``forget`` is run.
    """

    programs: tuple[str, ...]
    needed: str = ""
    old: str = ""
    daemon: str = ""
    rules: str = "/etc/playout-firewall"
    store: tuple[str, ...] = ()
    boot: str = ""
    accept: str = "true"
    forget: str = "true"


@dataclass(frozen=True)
class State:
    """The rules in force, what a unit of ours would load at boot, and the manager's own files."""

    live: dict[str, Any]
    boot: dict[str, Any]
    store: str


@dataclass(frozen=True)
class Outcome:
    """How a run of the module ended. A step is a change of a file or a program that was started."""

    signal: int
    result: dict[str, Any]
    steps: list[str]

    @property
    def failed(self) -> bool:
        return bool(self.result.get("failed"))

    @property
    def message(self) -> str:
        return str(self.result.get("msg", ""))


class Agent:
    """agent.py on one host."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def ask(self, request: dict[str, Any]) -> Any:
        self.tell(request)
        return self.hear()


class Target:
    """The host, with who may reach it around it. Its known states are ``old``, ``new`` and ``none`` (of ours)."""

    def __init__(self, lab: Any, backend: str, manager: Manager, agents: dict[str, Agent], ssh: SshTarget) -> None:
        self.lab = lab
        self.backend = backend
        self.manager = manager
        self.ssh = ssh
        self._agents = agents
        self._known: dict[str, State] = {}

    def learn(self) -> None:
        """Find out what the states look like where nothing fails, and that packets see them."""
        # What was there once may leave an empty table behind.
        self.succeed("new")
        for name in ("none", "new", "old"):
            self.succeed(name)
            self._known[name] = self.state()
            if name in OPEN:
                self.check_packets(name)
        assert len({json.dumps(state.live, sort_keys=True) for state in self._known.values()}) == len(self._known)

    def start(self, wanted: str, environment: dict[str, str] | None = None, **options: Any) -> int:
        """Start a run that brings about a state; its number."""
        how = {name: options.pop(name) for name in ("kill_before", "victim", "patience") if name in options}
        arguments = {"backend": self.backend, **ARGUMENTS[wanted], **options}
        connection = {"SSH_CONNECTION": f"{ADMIN} 50000 {TARGET} 22", **(environment or {})}
        number: int = self._agents["target"].ask({"start": arguments, "environment": connection, **how})
        return number

    def wait(self, number: int) -> Outcome:
        told = self._agents["target"].ask({"wait": number})
        return Outcome(told["signal"], told["result"] or {}, told["steps"])

    def run(self, wanted: str, **options: Any) -> Outcome:
        return self.wait(self.start(wanted, **options))

    def succeed(self, wanted: str, **options: Any) -> Outcome:
        outcome = self.run(wanted, **options)
        assert outcome.signal == 0
        assert not outcome.failed, outcome.message
        return outcome

    def settle(self) -> None:
        """Wait for what a killed run left at work: it holds the lock until it has come to its end."""
        self.shell("flock /run/playout-firewall.lock true")

    def expire(self) -> None:
        """Let the time for a confirmation be over, and wait for what happens then."""
        self.shell("kill $(pgrep -x sleep) 2>/dev/null || true")
        self.wait_for_timers()

    def wait_for_timers(self) -> None:
        # The brackets keep it from finding the shell that looks for it.
        timers = "pgrep -f [/]run/playout-firewall/ >/dev/null"
        self.shell(f"while {timers}; do sleep 0.05; done")

    def shell(self, command: str, host: str = "target") -> str:
        done = self.lab.exec(host, "sh", "-euc", command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        out: str = done.stdout
        return out

    def state(self) -> State:
        """Everything, read in one go: in force here, and loaded where nothing is in force."""
        files = " ".join(self.manager.store)
        listing = "nft -j list ruleset; echo; if command -v ipset >/dev/null; then ipset save | sort; fi"
        boot = f"""{self.manager.boot}
            if [ -e /etc/systemd/system/sysinit.target.wants/playout-firewall.service ]; then
                eval "$(sed -n 's/^ExecStart=//p' {_UNIT})"
            elif [ ! -d /lib/systemd ] && [ -e /etc/playout-firewall/ruleset.nft ]; then
                nft -f /etc/playout-firewall/ruleset.nft
            fi
        """
        store = f"find {files} -name '*.rules' -o -name '*.xml' | sort | xargs tail -vn +1" if files else "true"
        text = self.shell(f"{{ {listing}; }}; echo @@; unshare --net sh -euc '{boot} {listing}'; echo @@; {store}")
        live, loaded, stored = text.split("@@\n", 2)
        return State(_parse(live), _parse(loaded), stored)

    def names(self) -> tuple[str, str]:
        """The names of the states that are in force and loaded at boot; anything else is a failure."""
        found = self.state()
        live = [name for name, known in self._known.items() if known.live == found.live]
        boot = [name for name, known in self._known.items() if (known.boot, known.store) == (found.boot, found.store)]
        assert live, f"a third state is in force: {self._differences('live', found)}"
        assert boot, f"a third state is loaded at boot: {self._differences('boot', found)} {found.store}"
        return live[0], boot[0]

    def _differences(self, part: str, found: State) -> dict[str, list[Any]]:
        """What differs from each of the known states."""
        have = getattr(found, part)
        told = {}
        for name, known in self._known.items():
            want = getattr(known, part)
            different = [key for key in {**want, **have} if want.get(key) != have.get(key)]
            told[name] = [(key, want.get(key), have.get(key)) for key in different]
        return told

    def check(self, live: str, boot: str | None = None) -> None:
        """Check the state by listings and by packets."""
        assert self.names() == (live, boot or live)
        self.check_packets(live)

    def check_packets(self, name: str, shut: bool = True) -> None:
        """Check who gets in where; SSH always.

        :param shut: also who does not, which takes a while.
        """
        wanted = OPEN.get(name, SSH)
        probes = [probe for probe in PROBES if probe in wanted or (shut and name in OPEN)]
        found = []
        split = {host: [probe for probe in probes if probe[0] == host] for host in ("admin", "stranger")}
        split = {host: own for host, own in split.items() if own}
        for host, own in split.items():
            self._agents[host].tell({"probe": [[*probe[1:], _PATIENT if probe in wanted else _BRIEF] for probe in own]})
        for host, own in split.items():
            found += [probe for probe, is_open in zip(own, self._agents[host].hear(), strict=True) if is_open]
        assert set(found) == wanted, f"not the packets of the {name} state: {set(found) ^ wanted}"

    def opens(self, host: str, address: str, port: int) -> bool:
        """Whether a host gets in where it is not expected to."""
        [is_open] = self._agents[host].ask({"probe": [[address, port, _BRIEF]]})
        return bool(is_open)

    def boot_files(self) -> str:
        """The identity of every file that counts at boot: what was written again has another."""
        places = " ".join(("/etc/playout-firewall", "/etc/systemd/system", *self.manager.store))
        return self.shell(f"find {places} ! -type d -exec stat -c '%n %i %Y %s' {{}} + 2>/dev/null | sort; true")


def _parse(listing: str) -> dict[str, Any]:
    """A listing by names, without what means nothing: handles, counters, the order of tables and of elements."""
    ruleset, sets = listing.split("\n", 1)
    found: dict[str, Any] = {"ipset": [re.sub(r" initval \S+", "", line) for line in sets.splitlines()]}
    for entry in json.loads(ruleset)["nftables"]:
        kind, body = next(iter(entry.items()))
        if kind == "metainfo":
            continue
        body = _plain({key: value for key, value in body.items() if key != "handle"})
        table = f"{body.pop('family')} {body.pop('table', '')}"
        if kind == "rule":
            found.setdefault(f"rules {table} {body.pop('chain')}", []).append(body)
        else:
            found[f"{kind} {table} {body.pop('name', '')}"] = body
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"counter"}:
            return "counter"
        plain = {key: _plain(entry) for key, entry in value.items()}
        return {key: _sorted(entry) if key in ("elem", "set") else entry for key, entry in plain.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


def _sorted(elements: Any) -> Any:
    return sorted(elements, key=json.dumps) if isinstance(elements, list) else elements
