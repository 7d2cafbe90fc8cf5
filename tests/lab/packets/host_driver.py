# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host of the lab: the module's own backend, without Ansible around it, and probes.

    host_driver.py compare|apply|try   {policy, enforcement, backend} as JSON on stdin; the change as JSON on stdout
    host_driver.py absent              the change as JSON on stdout
    host_driver.py probe|probe-patiently   [[protocol, address, port], ...] on stdin; one word each on stdout

``try`` changes the rules in force for a second, in which nobody confirms them.

A probe's word is who answered (``cms:80`` from a listener's greeting), ``refused``, ``rejected`` (an error of a
firewall), or ``filtered``.
"""

from __future__ import annotations

import errno
import json
import socket
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / ".build" / "collections"))

from ansible_collections.playout.firewall.plugins.module_utils import _backends, _engine, _kernel, _nft_memory
from ansible_collections.playout.firewall.plugins.module_utils._backend import BackendError, Machine
from ansible_collections.playout.firewall.plugins.module_utils._command import run
from ansible_collections.playout.firewall.plugins.module_utils._nft_state import NftError, read_ruleset
from ansible_collections.playout.firewall.plugins.module_utils._policy import Policy
from ansible_collections.playout.firewall.plugins.module_utils._statements import Connection, Options

# The patient one lets a first packet that is lost be sent again.
_SECONDS = {"probe": 1.0, "probe-patiently": 5.0}


def main(action: str) -> None:
    if action in _SECONDS:
        targets = json.load(sys.stdin)
        with ThreadPoolExecutor(max(1, len(targets))) as pool:
            print(json.dumps(list(pool.map(lambda target: _probe(*target, _SECONDS[action]), targets))))
        return
    try:
        print(json.dumps(_ensure(action)))
    except (NftError, BackendError, _kernel.KernelError) as error:
        print(json.dumps({"error": str(error)}))


def _ensure(action: str) -> dict[str, object]:
    wish = _engine.Wish(None)
    if action != "absent":
        wanted = json.load(sys.stdin)
        connection = Connection(**wanted["connection"]) if wanted.get("connection") else None
        options = Options(wanted["enforcement"], connection)
        wish = _engine.Wish(Policy.from_dict(wanted["policy"]), options, wanted.get("backend", "auto"))
    machine = Machine(run, read_ruleset(run))
    # What tests prove is the comparison, not that it was spared.
    _nft_memory.forget(machine)
    work = _engine.plan_work(machine, wish, _backends.open_backend)
    if action != "compare" and work.changed:
        _engine.carry_out(work, machine, 1 if action == "try" else 0)
    boot = bool(work.files) or any(change.stored for _backend, change in work.parts)
    told = {"backend": work.backend, "warnings": work.warnings, "diff": work.diff}
    return {"live": work.live, "boot": boot, **told}


def _probe(protocol: str, address: str, port: int, seconds: float) -> str:
    """The port of a ping is its sequence number."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    family, ping, request = (
        (socket.AF_INET6, socket.IPPROTO_ICMPV6, 128) if ":" in address else (socket.AF_INET, socket.IPPROTO_ICMP, 8)
    )
    with socket.socket(family, kind, ping if protocol == "ping" else 0) as client:
        client.settimeout(seconds)
        try:
            client.connect((address, port))
            if protocol == "udp":
                client.send(b"udp echo\n")
            if protocol == "ping":
                client.send(struct.pack("!BBHHH", request, 0, 0, 0, port))
                return "echo" if client.recv(4096) else "closed"
            return client.recv(4096).decode().strip() or "closed"
        except ConnectionError:
            return "refused"
        except (TimeoutError, PermissionError) as error:
            # What this host's own firewall drops may be told at once; an ICMPv6 refusal is another PermissionError.
            return "rejected" if error.errno == errno.EACCES else "filtered"
        except OSError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            return "rejected"


if __name__ == "__main__":
    main(sys.argv[1])
