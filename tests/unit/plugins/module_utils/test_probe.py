# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prober's arithmetic, its table of errors, and its event loop against sockets of 127.0.0.1."""

from __future__ import annotations

import errno
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _probe
from ansible_collections.playout.firewall.plugins.module_utils._probe import IcmpReport, Target

TCP = Target("tcp", "192.0.2.1", 80)
UDP = Target("udp", "192.0.2.1", 80)
UDP6 = Target("udp", "2001:db8::1", 80)
OWN = "192.0.2.9"


@pytest.mark.parametrize(
    ("text", "sample", "ports"),
    [
        ("80", 3, [80]),
        (" 80 ", 3, [80]),
        ("20001-29999", 3, [20001, 25000, 29999]),
        ("20001-29999", 1, [20001]),
        ("20001-29999", 2, [20001, 29999]),
        ("8100-8101", 3, [8100, 8101]),
        ("8100-8102", 9, [8100, 8101, 8102]),
        ("7-7", 3, [7]),
        ("1-65535", 5, [1, 16384, 32768, 49151, 65535]),
    ],
)
def test_a_sample_holds_both_ends_and_no_port_twice(text: str, sample: int, ports: list[int]) -> None:
    assert _probe.sample_ports(text, sample) == ports


@pytest.mark.parametrize("text", ["", "0", "65536", "20-10", "80,443", "-80", "80-", "1-2-3", "http", "²", "+80"])
def test_what_is_not_a_port_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a port or a range|begins above its end") as caught:
        _probe.sample_ports(text, 3)
    assert f"'{text}'" in str(caught.value)


@pytest.mark.parametrize("address", ["cms.example", "192.0.2.0/24", "192.0.2", "", "2001:db8::g", "any"])
def test_what_is_not_an_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="write the address"):
        _probe.family_of(address)


def test_families_are_told_apart_and_a_zone_is_allowed() -> None:
    assert _probe.family_of("192.0.2.1") == socket.AF_INET
    assert _probe.family_of("2001:db8::1") == socket.AF_INET6
    assert _probe.family_of("fe80::1%eth0") == socket.AF_INET6


@pytest.mark.parametrize(
    ("target", "report", "result"),
    [
        (UDP, IcmpReport(errno.ECONNREFUSED, 3, 3, "192.0.2.1"), "refused"),
        (UDP6, IcmpReport(errno.ECONNREFUSED, 1, 4, "2001:db8::1"), "refused"),
        (UDP6._replace(address="2001:DB8:0::1"), IcmpReport(errno.ECONNREFUSED, 1, 4, "2001:db8::1"), "refused"),
        (UDP, IcmpReport(errno.ECONNREFUSED, 3, 3, "192.0.2.254"), "filtered"),
        (TCP, IcmpReport(errno.ECONNREFUSED, 3, 3, "192.0.2.1"), "filtered"),
        (TCP, IcmpReport(errno.EHOSTUNREACH, 3, 13, "192.0.2.1"), "filtered"),
        (TCP, IcmpReport(errno.EHOSTUNREACH, 3, 1, "192.0.2.254"), "filtered"),
        (TCP, IcmpReport(errno.EHOSTUNREACH, 3, 1, OWN), "not tried"),
        (TCP, IcmpReport(errno.EHOSTUNREACH, 3, 13, OWN), "filtered"),
        (TCP, IcmpReport(errno.EHOSTUNREACH, 11, 0, "192.0.2.254"), "filtered"),
        (UDP6, IcmpReport(errno.EACCES, 1, 1, "2001:db8::fe"), "filtered"),
    ],
)
def test_an_icmp_message_counts_by_type_and_by_its_sender(target: Target, report: IcmpReport, result: str) -> None:
    assert _probe.judge_icmp(target, OWN, report)[0] == result


def test_an_ipv6_neighbour_that_does_not_exist_is_not_tried() -> None:
    report = IcmpReport(errno.EHOSTUNREACH, 1, 3, "2001:db8::9")
    assert _probe.judge_icmp(UDP6, "2001:db8::9", report)[0] == "not tried"


def test_host_unreachable_for_an_address_of_this_machine_is_a_rule_not_a_neighbour() -> None:
    report = IcmpReport(errno.EHOSTUNREACH, 3, 1, "192.0.2.1")
    assert _probe.judge_icmp(TCP, "192.0.2.1", report)[0] == "filtered"


@pytest.mark.parametrize(
    ("number", "sync", "result"),
    [
        (errno.ECONNREFUSED, True, "refused"),
        (errno.ECONNREFUSED, False, "refused"),
        (errno.ECONNRESET, False, "passed"),
        (errno.EPIPE, False, "passed"),
        (errno.ETIMEDOUT, False, "filtered"),
        (errno.EHOSTUNREACH, False, "filtered"),
        (errno.EPERM, True, "filtered"),
        (errno.EACCES, True, "filtered"),
        (errno.ENETUNREACH, True, "not tried"),
        (errno.EHOSTUNREACH, True, "not tried"),
        (errno.EAFNOSUPPORT, True, "not tried"),
        (errno.EADDRNOTAVAIL, True, "not tried"),
        (errno.EAGAIN, True, "not tried"),
        (errno.EMFILE, True, "not tried"),
    ],
)
def test_an_errno_counts_by_whether_a_packet_left(number: int, sync: bool, result: str) -> None:
    assert _probe.judge_error(number, sync)[0] == result


def test_silence_is_filtered_for_tcp_and_never_more_than_unknown_for_udp() -> None:
    assert _probe.judge_silence(TCP, 2.0) == ("filtered", "no answer in 2 s")
    assert _probe.judge_silence(UDP, 0.5) == ("unknown", "no answer in 0.5 s")


def _extended(origin: int, sockaddr: bytes) -> bytes:
    return struct.pack("=IBBBBII", errno.EHOSTUNREACH, origin, 3, 13, 0, 0, 0) + sockaddr


def test_the_kernels_structure_is_read_with_its_offender() -> None:
    ipv4 = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.254"))
    ipv6 = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, "2001:db8::fe"), 0)
    nobody = struct.pack("=H14x", socket.AF_UNSPEC)
    assert _probe.parse_report(_extended(2, ipv4)) == IcmpReport(errno.EHOSTUNREACH, 3, 13, "192.0.2.254")
    assert _probe.parse_report(_extended(3, ipv6)) == IcmpReport(errno.EHOSTUNREACH, 3, 13, "2001:db8::fe")
    assert _probe.parse_report(_extended(2, nobody)) == IcmpReport(errno.EHOSTUNREACH, 3, 13, "an unknown sender")
    assert _probe.parse_report(_extended(1, ipv4)) is None, "a local error is not an ICMP message"


@pytest.fixture
def udp_server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        yield server


def test_results_keep_the_order_of_the_targets_whatever_ends_first(udp_server: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        targets = [
            Target("udp", "127.0.0.1", udp_server.getsockname()[1]),
            Target("tcp", "127.0.0.1", server.getsockname()[1]),
            Target("tcp", "127.0.0.1", 1),
            Target("udp", "127.0.0.1", 1),
        ]
        for parallel in (1, 4):
            found = _probe.probe(targets, timeout=0.2, parallel=parallel)
            assert [outcome.result for outcome in found] == ["unknown", "passed", "refused", "refused"]


def test_a_udp_answer_to_the_repeated_packet_is_passed(udp_server: socket.socket) -> None:
    def answer_the_second() -> None:
        udp_server.recvfrom(100)
        payload, peer = udp_server.recvfrom(100)
        udp_server.sendto(payload, peer)

    thread = threading.Thread(target=answer_the_second)
    thread.start()
    (found,) = _probe.probe([Target("udp", "127.0.0.1", udp_server.getsockname()[1])], timeout=1.0, retries=1)
    thread.join(5)
    assert found.result == "passed"
    assert 0.5 <= found.seconds < 1.0


def test_without_retries_one_packet_is_sent_and_the_whole_time_is_waited(udp_server: socket.socket) -> None:
    (found,) = _probe.probe([Target("udp", "127.0.0.1", udp_server.getsockname()[1])], timeout=0.3, retries=0)
    assert udp_server.recv(100) == _probe.PAYLOAD
    udp_server.setblocking(False)
    with pytest.raises(BlockingIOError):
        udp_server.recv(100)
    assert found.result == "unknown"
    assert found.seconds >= 0.3


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_a_socket_that_reaches_itself_is_no_listener(
    monkeypatch: pytest.MonkeyPatch, protocol: str, kind: socket.SocketKind
) -> None:
    """The kernel may choose as its own port the very one that is probed: then the packet comes back as it went."""
    port = _free_port(kind)
    make = _probe._socket

    def bound_to_the_probed_port(target: Target) -> socket.socket:
        sock = make(target)
        sock.bind(("127.0.0.1", port))
        return sock

    monkeypatch.setattr(_probe, "_socket", bound_to_the_probed_port)
    (found,) = _probe.probe([Target(protocol, "127.0.0.1", port)], timeout=1.0)
    assert (found.result, found.reason) == ("refused", "nothing listens")


def _free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def test_an_unknown_interface_is_not_tried_and_says_so() -> None:
    (found,) = _probe.probe([Target("tcp", "fe80::1%nosuch0", 80)])
    assert found.result == "not tried"
    assert "interface" in found.reason


def test_a_name_is_refused_before_anything_is_tried() -> None:
    with pytest.raises(ValueError, match=r"cms\.example"):
        _probe.probe([TCP, Target("tcp", "cms.example", 80)])


def test_nothing_to_try_is_no_error() -> None:
    assert _probe.probe([]) == []


def test_silent_targets_are_waited_for_together(udp_server: socket.socket) -> None:
    started = time.monotonic()
    found = _probe.probe([Target("udp", "127.0.0.1", udp_server.getsockname()[1])] * 400, timeout=0.2, parallel=200)
    assert {outcome.result for outcome in found} == {"unknown"}
    assert 0.4 <= time.monotonic() - started < 2.0, "two batches of 0.2 s, not 400 waits"


def test_a_low_limit_of_open_files_means_fewer_at_a_time_not_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"now": (100, 300)}
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, pair: limits.update(now=pair))
    assert _probe._open_files(20) == 36, "enough already: nothing is raised"
    assert limits["now"] == (100, 300)
    assert _probe._open_files(100) == 100
    assert limits["now"] == (164, 300), "raised by what is needed"
    assert _probe._open_files(1000) == 236, "never above the hard limit"
    limits["now"] = (10, 10)
    assert _probe._open_files(1000) == 1, "at least one"
