# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab keeps its promises: separate hosts, real listeners, and nothing left behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from playout_lab.errors import LabError
from playout_lab.ports import WHOLE_RANGE, parse_ports, sample
from playout_lab.running import PROGRAM, RunningLab
from playout_lab.topology import parse_topology

DEMO = Path(__file__).parents[2] / "inventories" / "demo"
PYTHON = "/usr/bin/python3"

TWO_SITES = {
    "segments": ["internet", "office"],
    "hosts": {
        "gateway": {
            "forward": True,
            "masquerade": "wan",
            "interfaces": {
                "wan": {"segment": "internet", "addresses": ["203.0.113.1/24", "2001:db8:1::1/64"]},
                "lan": {"segment": "office", "addresses": ["10.0.0.1/24", "2001:db8:2::1/64"]},
            },
        },
        "server": {
            "interfaces": {"eth0": {"segment": "internet", "addresses": ["203.0.113.2/24", "2001:db8:1::2/64"]}},
            "routes": ["2001:db8:2::/64 via 2001:db8:1::1"],
            "listeners": {"tcp": ["80", "30000-39999"], "udp": ["514"]},
            "ftp": {"port": 21, "passive": "20001-20099"},
        },
        "client": {
            "interfaces": {"eth0": {"segment": "office", "addresses": ["10.0.0.2/24", "2001:db8:2::2/64"]}},
            "routes": ["default via 10.0.0.1", "default via 2001:db8:2::1"],
        },
    },
}

# Connects and prints what comes back; "refused" also proves that the packet arrived and the answer returned.
TALK = """
import socket, sys
kind, address, port = sys.argv[1:]
talk = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, getattr(socket, kind))
talk.settimeout(5)
try:
    talk.connect((address, int(port)))
    if kind == "SOCK_DGRAM":
        talk.send(b"echo")
    print(talk.recv(100).decode().strip())
except ConnectionRefusedError:
    print("refused")
"""


@pytest.fixture(scope="module")
def sites(lab: Callable[..., Any]) -> Iterator[RunningLab]:
    with lab(TWO_SITES) as it:
        yield it


def talk(it: RunningLab, host: str, address: str, port: int, kind: str = "SOCK_STREAM") -> str:
    return it.exec(host, PYTHON, "-c", TALK, kind, address, str(port)).stdout.strip()


def processes_of(marker: str) -> list[int]:
    """The processes with this text on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker in entry.joinpath("cmdline").read_text(encoding="utf-8", errors="replace"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.lab
class TestHosts:
    def test_have_files_of_their_own(self, sites: RunningLab) -> None:
        for place in ("/etc", "/var/lib", "/run", "/tmp", "/root"):
            assert sites.exec("client", "touch", f"{place}/of-the-client").returncode == 0
            assert sites.exec("server", "test", "-e", f"{place}/of-the-client").returncode == 1
            # As an ordinary user we may not even look into /root: what we cannot see is not there either.
            assert not os.path.exists(f"{place}/of-the-client")

    def test_may_replace_what_the_machine_brought(self, sites: RunningLab) -> None:
        assert sites.exec("client", "sh", "-c", "echo changed > /etc/passwd && rm /etc/group").returncode == 0
        assert "changed" not in Path("/etc/passwd").read_text(encoding="utf-8")
        assert Path("/etc/group").exists()

    def test_have_names_interfaces_and_processes_of_their_own(self, sites: RunningLab) -> None:
        assert sites.exec("client", "hostname").stdout == "client\n"
        assert sites.exec("client", "ls", "/sys/class/net").stdout.split() == ["eth0", "lo"]
        numbers = sites.exec("client", "sh", "-c", "ls -d /proc/[0-9]*").stdout.split()
        assert "/proc/1" in numbers
        assert len(numbers) < 10

    def test_reach_each_other_as_routed_in_both_families(self, sites: RunningLab) -> None:
        assert talk(sites, "client", "203.0.113.2", 80) == "server tcp/80"
        assert talk(sites, "client", "2001:db8:1::2", 80) == "server tcp/80"
        assert talk(sites, "client", "10.0.0.1", 81) == "refused"

    def test_are_hidden_by_the_gateways_own_source_nat(self, sites: RunningLab) -> None:
        assert "No route to host" not in sites.exec("client", "ip", "route", "get", "203.0.113.2").stderr
        assert sites.exec("server", "ip", "route", "get", "10.0.0.2").returncode != 0
        assert "table ip uplink" in sites.exec("gateway", "nft", "list", "tables").stdout


@pytest.mark.lab
class TestListeners:
    def test_echo_udp_from_the_address_that_was_asked(self, sites: RunningLab) -> None:
        assert talk(sites, "client", "203.0.113.2", 514, "SOCK_DGRAM") == "echo"
        assert talk(sites, "client", "2001:db8:1::2", 514, "SOCK_DGRAM") == "echo"

    def test_listen_on_a_sample_of_a_long_range(self, sites: RunningLab) -> None:
        assert talk(sites, "client", "203.0.113.2", 34999) == "server tcp/34999"
        assert talk(sites, "client", "203.0.113.2", 30001) == "refused"

    def test_are_replaced_while_the_lab_runs(self, sites: RunningLab) -> None:
        sites.listen({"gateway": {"tcp": ["8080"]}})
        assert talk(sites, "client", "10.0.0.1", 8080) == "gateway tcp/8080"
        sites.listen({"gateway": {"tcp": ["8081"], "udp": []}})
        assert talk(sites, "client", "10.0.0.1", 8080) == "refused"
        assert talk(sites, "client", "10.0.0.1", 8081) == "gateway tcp/8081"

    def test_say_which_port_is_taken(self, sites: RunningLab) -> None:
        sites.exec("gateway", PYTHON, "-c", HOLD_A_PORT)
        with pytest.raises(LabError, match="gateway: tcp/7000: Address already in use"):
            sites.listen({"gateway": {"tcp": ["7000"]}})


# Leaves a process behind that listens on 7000.
HOLD_A_PORT = """
import os, socket, time
holder = socket.create_server(("", 7000))
if os.fork() == 0:
    os.setsid()
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    time.sleep(600)
"""


@pytest.mark.lab
class TestFtp:
    @pytest.fixture(autouse=True)
    def _needs_a_server(self) -> None:
        pytest.importorskip("pyftpdlib", reason="no FTP server: pip install pyftpdlib")

    def transfer(self, it: RunningLab, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Through standard input: the checkout may lie where a host sees other files.
        program = PROGRAM.with_name("ftp_transfer.py").read_text(encoding="utf-8")
        return it.exec("client", PYTHON, "-", *arguments, input=program)

    def test_transfers_both_ways_in_every_passive_mode(self, sites: RunningLab) -> None:
        modes = [f"--mode={mode}" for mode in ("epsv", "pasv", "pasv-address")]
        done = self.transfer(sites, "203.0.113.2", *modes)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("passed, 65536 bytes each way, data connections to 203.0.113.2:200") == 3

    def test_transfers_over_ipv6(self, sites: RunningLab) -> None:
        assert self.transfer(sites, "2001:db8:1::2", "--mode=epsv").returncode == 0

    def test_fails_within_bounds_where_nothing_answers(self, sites: RunningLab) -> None:
        begun = time.monotonic()
        done = self.transfer(sites, "203.0.113.250", "--mode=epsv", "--timeout=1")
        assert done.returncode == 1
        assert done.stdout.startswith("epsv: failed: ")
        assert time.monotonic() - begun < 5


@pytest.mark.lab
@pytest.mark.usefixtures("lab_possible")
class TestLife:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "lab.yml"
        path.write_text(yaml.safe_dump(TWO_SITES), encoding="utf-8")
        return path

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        pipe = subprocess.PIPE
        command = [sys.executable, str(PROGRAM), *arguments]
        with subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe) as lab:
            try:
                yield lab
            finally:
                # A test that fails must not wait for what it started.
                lab.terminate()

    def test_ends_with_the_commands_exit_code(self, file: Path) -> None:
        with self.start("run", str(file), "--", "sh", "-c", "echo $PLAYOUT_LAB_DIR; exit 7") as lab:
            directory = Path(lab.communicate(timeout=30)[0].strip())
        assert lab.returncode == 7
        assert directory.name.startswith("playout-lab-")
        assert not directory.exists()

    def test_may_be_known_in_a_directory_that_its_hosts_have_for_themselves(self, file: Path) -> None:
        with TemporaryDirectory(dir="/var/tmp") as place:
            inside = [sys.executable, str(PROGRAM), "exec", "client", "--", "ls", "/root", "/var/tmp"]
            with self.start("run", "--directory", f"{place}/lab", str(file), "--", *inside) as lab:
                said, errors = lab.communicate(timeout=30)
        assert (lab.returncode, errors) == (0, "")
        assert "/root:" in said

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_passes_signals_on_and_leaves_nothing(self, file: Path, number: signal.Signals) -> None:
        with self.start("run", str(file), "--", "sh", "-c", "echo $PLAYOUT_LAB_DIR; exec sleep 600") as lab:
            assert lab.stdout is not None
            directory = Path(lab.stdout.readline().strip())
            lab.send_signal(number)
            assert lab.wait(timeout=15) == 128 + number
        assert not directory.exists()

    def test_killed_without_mercy_leaves_no_process_and_no_mount(self, file: Path) -> None:
        # In a session of its own, beside the lab and inside of a host: nothing but the kernel can end these.
        stray = f"exec -a stray-{file.parent.name} sleep 600"
        inside = shlex.join([sys.executable, str(PROGRAM), "exec", "client", "--", "setsid", "-f", "bash", "-c", stray])
        with self.start(
            "run", str(file), "--", "bash", "-c", f"(setsid bash -c '{stray}' &) ; {inside}; echo; exec sleep 600"
        ) as lab:
            assert lab.stdout is not None
            lab.stdout.readline()
            marker = f"stray-{file.parent.name}\0"
            assert wait_until(lambda: len(processes_of(marker)) == 2)
            lab.kill()
            lab.wait(timeout=10)
            assert wait_until(lambda: not processes_of(marker))
            assert wait_until(lambda: not processes_of(str(file)))
        assert "playout-lab" not in Path("/proc/mounts").read_text(encoding="utf-8")

    def test_stays_up_until_down(self, file: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        directory = tmp_path_factory.mktemp("up") / "d"
        environment = {**os.environ, "PLAYOUT_LAB_DIR": str(directory)}

        def lab(*arguments: str) -> subprocess.CompletedProcess[str]:
            argv = [sys.executable, str(PROGRAM), *arguments]
            return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False)

        assert lab("up", str(file)).returncode == 0
        try:
            assert lab("list").stdout.split() == ["client", "gateway", "server"]
            assert lab("exec", "server", "--", "hostname").stdout == "server\n"
            assert "a lab runs there already" in lab("up", str(file)).stderr
            ports = file.with_name("ports.json")
            ports.write_text(json.dumps({"server": {"tcp": ["90"]}, "sever": {}}), encoding="utf-8")
            assert "no such host: sever; known are: client, gateway, server" in lab("listen", str(ports)).stderr
        finally:
            assert lab("down").returncode == 0
        assert not directory.exists()
        assert "no host 'server'" in lab("exec", "server", "--", "true").stderr

    def test_two_labs_run_at_once(self, lab: Callable[..., Any]) -> None:
        with lab(TWO_SITES) as one, lab(TWO_SITES) as other:
            one.exec("client", "touch", "/etc/of-one")
            assert one.directory != other.directory
            assert other.exec("client", "test", "-e", "/etc/of-one").returncode == 1

    def test_a_failing_build_says_why_and_leaves_nothing(self, tmp_path: Path) -> None:
        file, directory = tmp_path / "broken.yml", tmp_path / "lab"
        broken = {"segments": ["s"], "hosts": {"h": {"interfaces": {"lo": {"segment": "s", "addresses": []}}}}}
        file.write_text(yaml.safe_dump(broken), encoding="utf-8")
        with self.start("run", "--directory", str(directory), str(file), "--", "true") as lab:
            said = lab.communicate(timeout=30)
        assert lab.returncode == 1
        assert "ip -batch" in said[1]
        assert not directory.exists()

    def test_the_demo_is_built_in_about_a_second(self, lab: Callable[..., Any]) -> None:
        pytest.importorskip("pyftpdlib", reason="no FTP server: pip install pyftpdlib")
        begun = time.monotonic()
        with lab(DEMO / "lab.yml") as it:
            # Measured: 0.25 s. The bound is for a machine that is busy with something else.
            assert time.monotonic() - begun < 5
            assert len(it.hosts) == 17


class TestDemo:
    def test_the_lab_has_every_host_of_the_inventory_at_its_addresses(self) -> None:
        topology = parse_topology(yaml.safe_load((DEMO / "lab.yml").read_text(encoding="utf-8")), "lab.yml")
        built = {h.name: {str(a.ip) for link in h.links for a in link.addresses} for h in topology.hosts}
        groups = yaml.safe_load((DEMO / "hosts.yml").read_text(encoding="utf-8"))["all"]["children"].values()
        for name, variables in (item for group in groups for item in group["hosts"].items()):
            wanted = {variables.get("ansible_host"), *variables.get("playout_addresses", [])} - {None}
            assert wanted <= built[name], name


class TestLabFile:
    def refused(self, host: dict[str, Any]) -> str:
        with pytest.raises(LabError) as caught:
            parse_topology({"segments": ["lan"], "hosts": {"h": host}}, "lab.yml")
        return str(caught.value)

    def test_reports_all_problems_at_once_with_place_value_and_way_out(self) -> None:
        link = {"segment": "wan", "addresses": ["10.0.0.1/33"]}
        said = self.refused(
            {"interfaces": {"eth0": link}, "routes": ["default"], "forwad": True, "masquerade": "wan", "firewall": "pf"}
        )
        assert said.splitlines() == [
            "lab.yml: h: 'forwad': unknown; "
            "known are firewall, forward, ftp, interfaces, listeners, masquerade, routes",
            "lab.yml: h.interfaces.eth0.segment: 'wan': name one of: lan",
            "lab.yml: h.interfaces.eth0.addresses: '10.0.0.1/33': write an address with its prefix, 192.0.2.1/24",
            "lab.yml: h.masquerade: 'wan': name one of its interfaces: eth0",
            "lab.yml: h.firewall: 'pf': write one of: nftables, iptables, ufw, firewalld",
            "lab.yml: h.routes: 'default': write 'default via 192.0.2.1' or '198.51.100.0/24 via 192.0.2.1'",
        ]

    def test_refuses_a_gateway_that_is_no_neighbour(self) -> None:
        link = {"segment": "lan", "addresses": ["10.0.0.1/24"]}
        said = self.refused({"interfaces": {"eth0": link}, "routes": ["default via 10.9.0.1"]})
        assert said == "lab.yml: h.routes: 'default via 10.9.0.1': 10.9.0.1 is on none of its interfaces' networks"

    @pytest.mark.parametrize("port", ["0", "65536", "20-10", "http", True])
    def test_refuses_what_is_no_port(self, port: Any) -> None:
        assert f"h.listeners: {port!r} is" in self.refused({"interfaces": {}, "listeners": {"tcp": [port]}})


class TestSample:
    def test_is_all_of_a_short_range_and_three_of_a_long_one(self) -> None:
        ports = parse_ports({"tcp": ["20000", "20001-29999"], "udp": ["8100-8226"]})
        assert sample(ports.tcp) == [20000, 20001, 25000, 29999]
        assert sample(ports.udp) == list(range(8100, 8227))

    def test_changes_over_at_the_declared_length(self) -> None:
        assert len(sample(((1, WHOLE_RANGE),))) == WHOLE_RANGE
        assert len(sample(((1, WHOLE_RANGE + 1),))) == 3
