# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaks with firewalld, and runs in the interpreter that firewalld itself runs in.

A module's own interpreter may have no D-Bus, and the one that goes the way back may know nothing of us. So this file is
handed over as text, with a request; it imports nothing but the standard library and firewalld, and nothing in it is
newer than Python 3.6.

A reload makes firewalld forget what was set only while it ran, and empties the tables of iptables, whoever filled them.
Both are read before and put back after it, and new connections wait until then: nobody gets in, or is turned away, for
want of a rule.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t

MARK = "playout-"
# A table of ours that is there only during a reload; what it drops, TCP and UDP, it forgets when its time is over.
PAUSE = "playout_pause"
KINDS = ("helpers", "services", "ipsets", "policies")

# firewalld answers when it has finished, which takes a while with large sets.
_PATIENCE = 600
_PAUSE = """
table inet {name} {{
    set protocols {{
        type inet_proto; flags timeout; elements = {{ tcp timeout {seconds}s, udp timeout {seconds}s }}
    }}
    chain input {{
        type filter hook input priority -5; policy accept;
        iifname != "lo" ct state new meta l4proto @protocols drop
    }}
    chain forward {{
        type filter hook forward priority -5; policy accept;
        ct state new meta l4proto @protocols drop
    }}
}}
"""

Files = t.Dict[str, t.Optional[str]]
Problems = t.List[str]


def main(request: t.Dict[str, t.Any]) -> None:
    """Carry out a request and print the answer as one line of JSON; what fails is said in words, with an exit code."""
    actions = {"read": _read, "check": _check, "write": _write, "activate": _activate}
    try:
        answer = actions[request["action"]](request)
    except Exception as error:
        # No module of Ansible runs here.
        sys.exit(_words(error))  # pylint: disable=ansible-bad-function
    print(json.dumps(answer))  # pylint: disable=ansible-bad-function


# -- reading ----------------------------------------------------------------------------------------------------------


def _read(_request: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    """Return what runs, what of it is ours, and what waits in the files of others for a reload."""
    client = _client()
    if client is None:
        return {"running": False}
    config = client.config()
    # A policy of ours that names a zone which is deleted for the next boot would be firewalld's end there.
    lasting = {name.split("/")[0] for name in config.getZoneNames()}
    return {
        "running": True,
        "state": str(client.get_property("state")),
        "version": str(client.get_property("version")),
        "backend": _stored_backend(),
        "zones": {name: bound for name, bound in client.getActiveZones().items() if name in lasting},
        "ours": _ours(client),
        "waiting": _waiting(client, config),
    }


def _client() -> t.Any:
    """Return firewalld's client; None where firewalld does not run."""
    try:
        client = _module("firewall.client").FirewallClient()
    except _module("firewall.errors").FirewallError:
        # There is no bus to ask on.
        return None
    return client if client.connected else None


def _stored_backend() -> str:
    """Return what a reload would switch to, which firewalld itself may not have noticed yet."""
    path = _module("firewall.config").FIREWALLD_CONF
    settings = _module("firewall.core.io.firewalld_conf").firewalld_conf(path)
    settings.read()
    return str(settings.get("FirewallBackend"))


def _module(name: str) -> t.Any:
    return importlib.import_module(name)


def _ours(client: t.Any) -> t.Dict[str, t.Dict[str, t.Any]]:
    return {
        "policies": {
            name: client.getPolicySettings(name).getSettingsDict()
            for name in client.getPolicies()
            if name.startswith(MARK)
        },
        "ipsets": {name: _ipset(client, name) for name in client.getIPSets() if name.startswith(MARK)},
        "services": {
            name: client.getServiceSettings(name).getSettingsDict()
            for name in client.listServices()
            if name.startswith(MARK)
        },
        "helpers": {name: _helper(client, name) for name in client.getHelpers() if name.startswith(MARK)},
    }


def _ipset(client: t.Any, name: str) -> t.Dict[str, t.Any]:
    settings = client.getIPSetSettings(name)
    return {"type": settings.getType(), "options": settings.getOptions(), "entries": settings.getEntries()}


def _expires(settings: t.Dict[str, t.Any]) -> bool:
    return str(settings["options"].get("timeout", "0")) != "0"


def _helper(client: t.Any, name: str) -> t.Dict[str, t.Any]:
    settings = client.getHelperSettings(name)
    return {"module": settings.getModule(), "family": settings.getFamily(), "ports": settings.getPorts()}


def _waiting(client: t.Any, config: t.Any) -> t.List[str]:
    """Return what a reload would bring or take besides ours: it cannot be held back."""
    stored = {
        "zone": ([name for name in config.getZoneNames() if "/" not in name], client.getZones()),
        "policy": (config.getPolicyNames(), client.getPolicies()),
        "ipset": (config.getIPSetNames(), client.getIPSets()),
    }
    return [
        f"{kind} {name}"
        for kind, (there, running) in stored.items()
        for name in sorted(set(there) ^ set(running))
        if not name.startswith(MARK)
    ]


# -- files ------------------------------------------------------------------------------------------------------------


def _check(request: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    """Have firewalld read the files as they would be, from a copy; see that what a reload loses can be read, too."""
    client = _client()
    if client is not None:
        _Others(client)
    directory = tempfile.mkdtemp(prefix="playout-firewall-")
    try:
        copy = os.path.join(directory, "firewalld")
        shutil.copytree(request["root"], copy)
        _put(copy, request["files"])
        _module("firewall.config").set_system_config_paths(copy)
        functions = _module("firewall.core.io.functions")
        # The older name did the same.
        check = getattr(functions, "check_on_disk_config", None) or functions.check_config
        check(_module("firewall.core.fw").Firewall(offline=True))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return {}


def _write(request: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    _put(request["root"], request["files"])
    _forget(request["root"], request["files"])
    return {}


def _put(root: str, files: Files) -> None:
    """Replace files, each in one step, so that none refers to what is not there: first what policies need, then they.

    A file without a text is removed, the policies first.
    """
    order = sorted(files, key=lambda path: KINDS.index(path.split("/")[0]))
    for path in order:
        text = files[path]
        if text is not None:
            _replace(os.path.join(root, path), text)
    for path in reversed(order):
        full = os.path.join(root, path)
        if files[path] is None and os.path.lexists(full):
            os.replace(full, _beside(full, "old"))


def _replace(path: str, text: str) -> None:
    """Replace a file, and keep the former one: the way back must need no room on a disk."""
    former, temporary = _beside(path, "old"), _beside(path, "new")
    if _text(path) == text:
        return
    if _text(former) == text:
        os.replace(former, path)
        return
    if not os.path.isdir(os.path.dirname(path)):
        os.mkdir(os.path.dirname(path), 0o750)
    try:
        with open(temporary, "w", encoding="utf-8") as stream:
            os.chmod(temporary, 0o644)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        _unlink(temporary)
        raise
    if os.path.lexists(path):
        _unlink(former)
        os.link(path, former)
    os.replace(temporary, path)


def _forget(root: str, files: Files) -> None:
    """Remove what was kept of these files."""
    for path in files:
        _unlink(_beside(os.path.join(root, path), "old"))


def _beside(path: str, ending: str) -> str:
    """Return a name that firewalld does not read."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.{ending}")


def _text(path: str) -> t.Optional[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return None


def _unlink(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)


# -- the rules in force -----------------------------------------------------------------------------------------------


def _activate(request: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    """Bring files into force, then leave behind others for the next boot.

    firewalld has no other way to create a policy or an ipset than to read it from its files.
    """
    client = _client()
    if client is None:
        _write({**request, "files": request["stored"]})
        if request["needed"]:
            raise RuntimeError("firewalld does not run any more")
        return {"lost": [], "endless": 0}
    others = _Others(client)
    _put(request["root"], request["files"])
    _pause(60)
    try:
        ended = _reload(client)
    finally:
        lost = others.put_back()
        _pause(0)
        _put(request["root"], request["stored"])
        _forget(request["root"], request["stored"])
    if str(client.get_property("state")) != "RUNNING":
        raise RuntimeError("firewalld has failed, its log says why (journalctl -u firewalld)")
    return {"lost": lost, "endless": ended}


def _pause(seconds: int) -> None:
    """Have new connections wait, or go on."""
    removal = f"table inet {PAUSE}\ndelete table inet {PAUSE}\n"
    _library().cmd(removal + (_PAUSE.format(name=PAUSE, seconds=seconds) if seconds else ""))


def _reload(client: t.Any) -> int:
    """Have firewalld read its files anew; return how many settings with a timeout have lost it."""
    _ensure_tables(str(client.get_property("version")))
    ended = 0
    while True:
        try:
            client.fw.reload(timeout=_PATIENCE)
        except Exception as error:
            # What firewalld 2.3 to 2.5 say, which have then forgotten one timeout more and drop every new connection.
            if "changed size during iteration" not in _words(error):
                raise
            ended += 1
            continue
        return ended


def _ensure_tables(version: str) -> None:
    """Have the tables that a reload begins with removing. Without them it fails, and leaves new connections dropped."""
    tables = [entry["table"] for entry in _nft({"list": {"tables": None}}).get("nftables", []) if "table" in entry]
    there = [table["family"] for table in tables if table["name"] == "firewalld"]
    for family in ("inet", "ip", "ip6") if version.startswith("0.") else ("inet",):
        if family not in there:
            _nft({"add": {"table": {"family": family, "name": "firewalld"}}})


class _Others:
    """What others have set while firewalld runs."""

    def __init__(self, client: t.Any) -> None:
        self._client = client
        self._zones = {name: client.getZoneSettings(name) for name in client.getZones()}
        self._policies = {
            name: client.getPolicySettings(name) for name in client.getPolicies() if not name.startswith(MARK)
        }
        self._entries = self._read_entries()
        self._direct = self._read_direct()
        self._iptables = {restore: _save(restore) for restore in _restorers()}

    def put_back(self) -> Problems:
        """Set again what is missing, and take away what came; return what could not be done, in words."""
        # What moved from one zone to another is free for the second only when the first has let it go.
        self._settings()
        problems = self._settings()
        for name, entries in self._entries.items():
            problems += self._try(f"ipset {name}", self._put_entries, name, entries)
        problems += self._put_direct()
        for restore, text in self._iptables.items():
            problems += self._try(restore, _restore, restore, text)
        return problems

    def _settings(self) -> Problems:
        client, problems = self._client, []
        for name, settings in self._zones.items():
            problems += self._try(f"zone {name}", _set, name, settings, client.getZoneSettings, client.setZoneSettings)
        for name, settings in self._policies.items():
            get, put = client.getPolicySettings, client.setPolicySettings
            problems += self._try(f"policy {name}", _set, name, settings, get, put)
        return problems

    def _read_entries(self) -> t.Dict[str, t.List[str]]:
        """Return the entries of others' ipsets. Of those with a timeout only the kernel knows them."""
        settings = {name: _ipset(self._client, name) for name in self._client.getIPSets() if not name.startswith(MARK)}
        kernel = _kernel_entries()
        return {name: kernel.get(name, []) if _expires(told) else told["entries"] for name, told in settings.items()}

    def _put_entries(self, name: str, entries: t.List[str]) -> None:
        now = _ipset(self._client, name)
        if not _expires(now):
            if sorted(now["entries"]) != sorted(entries):
                self._client.setEntries(name, entries)
            return
        there = _kernel_entries().get(name, [])
        for entry in entries:
            if entry not in there:
                self._client.addEntry(name, entry)

    def _read_direct(self) -> t.Dict[str, t.List[t.Any]]:
        client = self._client
        return {
            "Chain": list(client.getAllChains()),
            "Rule": list(client.getAllRules()),
            "Passthrough": list(client.getAllPassthroughs()),
        }

    def _put_direct(self) -> Problems:
        now, problems = self._read_direct(), []
        for kind, items in self._direct.items():
            for item in items:
                if item not in now[kind]:
                    problems += self._try(f"direct {item}", getattr(self._client, f"add{kind}"), *item)
        return problems

    @staticmethod
    def _try(what: str, action: t.Callable[..., t.Any], *arguments: t.Any) -> Problems:
        try:
            action(*arguments)
        except Exception as error:
            return [f"{what}: {_words(error)}"]
        return []


def _set(name: str, wanted: t.Any, get: t.Callable[[str], t.Any], put: t.Callable[[str, t.Any], None]) -> None:
    if _plain(get(name)) != _plain(wanted):
        put(name, wanted)


def _plain(settings: t.Any) -> t.Dict[str, t.Any]:
    """Return what can be set while firewalld runs, in one order."""
    fixed = ("version", "short", "description", "target", "priority")
    told = {key: value for key, value in settings.getSettingsDict().items() if key not in fixed}
    return {key: sorted(value) if isinstance(value, list) else value for key, value in told.items()}


def _restorers() -> t.List[str]:
    config = _module("firewall.config")
    commands = [config.COMMANDS.get(name, "") for name in ("ipv4-restore", "ipv6-restore", "eb-restore")]
    return [command for command in commands if os.path.exists(command)]


def _save(restore: str) -> str:
    """Return what a family's tables hold; nothing where this kernel or machine does not have them."""
    command = [restore.replace("-restore", "-save")]
    if "ebtables" not in restore:
        command.append("--counters")
    try:
        return _run(command)
    except (OSError, RuntimeError):
        return ""


def _restore(restore: str, text: str) -> None:
    """Fill the tables again where the reload emptied them."""
    if text and _rules(text) != _rules(_save(restore)):
        _run([restore] if "ebtables" in restore else [restore, "--counters"], text)


def _rules(saved: str) -> t.List[str]:
    """Return saved rules without comments and counters."""
    lines = [re.sub(r"\[\d+:\d+\]", "", line).strip() for line in saved.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _run(command: t.List[str], text: str = "") -> str:
    pipe = subprocess.PIPE
    started = subprocess.Popen(  # pylint: disable=ansible-bad-function
        command, stdin=pipe, stdout=pipe, stderr=pipe
    )
    with started as process:
        out, said = process.communicate(text.encode(), timeout=_PATIENCE)
    if process.returncode:
        raise RuntimeError(said.decode(errors="replace").strip() or f"exit code {process.returncode}")
    return out.decode(errors="replace")


def _kernel_entries() -> t.Dict[str, t.List[str]]:
    """Return what the kernel has in firewalld's sets, in firewalld's spelling."""
    listed = _nft({"list": {"sets": {"family": "inet", "table": "firewalld"}}})
    sets = [entry["set"] for entry in listed.get("nftables", []) if "set" in entry]
    return {
        body["name"]: [_entry(element) for element in body.get("elem", [])]
        for body in sets
        if body.get("table") == "firewalld"
    }


def _entry(element: t.Any) -> str:
    if isinstance(element, dict) and "elem" in element:
        element = element["elem"]["val"]
    if isinstance(element, dict) and "prefix" in element:
        return "{addr}/{len}".format(**element["prefix"])
    if isinstance(element, dict) and "concat" in element:
        return ",".join(map(_entry, element["concat"]))
    return str(element)


def _nft(command: t.Dict[str, t.Any]) -> t.Dict[str, t.Any]:
    code, output, error = _library().json_cmd({"nftables": [command]})
    if code and "add" in command:
        raise RuntimeError(str(error).strip())
    return output if isinstance(output, dict) else {}


def _library() -> t.Any:
    """Return libnftables, by which firewalld itself writes its rules."""
    library = _module("nftables.nftables").Nftables()
    library.set_json_output(True)
    return library


def _words(error: BaseException) -> str:
    get_message = getattr(error, "get_dbus_message", None)
    return _file(error) + (str(get_message() if get_message else error) or type(error).__name__)


def _file(error: BaseException) -> str:
    """Return the name of the file that could not be read, which firewalld leaves out."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        local = trace.tb_frame.f_locals
        name = str(local.get("filename", ""))
        if name.endswith(".xml"):
            found = os.path.join(os.path.basename(str(local.get("path", ""))), name) + ": "
        trace = trace.tb_next
    return found
