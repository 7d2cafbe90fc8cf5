# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening sockets from the text of /proc: decoded for either byte order, each once, with their owners."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils import _sockets
from ansible_collections.playout.firewall.plugins.module_utils._sockets import Entry, Listener

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:00000000 00:00000000 00000000     0        0"
TCP = HEAD + (
    f"   0: 00000000:0016 00000000:0000 0A {REST} 101 1 0 100 0 0 10 0\n"
    f"   1: 0100007F:4E20 00000000:0000 0A {REST} 102 1 0 100 0 0 10 0\n"
    f"   2: 0100007F:4E20 0100007F:9C40 01 {REST} 103 1 0 20 4 30 10 -1\n"
)
TCP6 = HEAD + (
    f"   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A {REST} 104 1 0\n"
    f"   1: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A {REST} 105 1 0\n"
    f"   2: B80D0120000000000000000001000000:0052 00000000000000000000000000000000:0000 0A {REST} 106 1 0\n"
)
UDP = HEAD + (
    f"  10: 00000000:0202 00000000:0000 07 {REST} 107 2 0 0\n  11: 0100007F:1FA4 0100007F:0202 01 {REST} 108 2 0 0\n"
)


def test_only_listening_lines_count_and_numbers_are_decoded() -> None:
    assert _sockets.parse_table("tcp", TCP, "little") == [
        Entry("tcp", "ipv4", "0.0.0.0", 22, 101),
        Entry("tcp", "ipv4", "127.0.0.1", 20000, 102),
    ]
    assert _sockets.parse_table("udp", UDP, "little") == [Entry("udp", "ipv4", "0.0.0.0", 514, 107)]


def test_ipv6_is_decoded_word_by_word_and_a_mapped_address_is_the_ipv4_one() -> None:
    assert _sockets.parse_table("tcp", TCP6, "little") == [
        Entry("tcp", "ipv6", "::", 80, 104),
        Entry("tcp", "ipv4", "127.0.0.1", 81, 105),
        Entry("tcp", "ipv6", "2001:db8::1", 82, 106),
    ]


def test_a_big_endian_machine_writes_the_same_address_the_other_way_round() -> None:
    assert _sockets.decode_address("7F000001", "big") == _sockets.decode_address("0100007F", "little")
    assert _sockets.decode_address("20010DB8000000000000000000000001", "big") == ("ipv6", "2001:db8::1")


def test_a_line_that_the_kernel_never_wrote_is_an_error_with_its_text() -> None:
    with pytest.raises(ValueError, match="garbage"):
        _sockets.parse_table("tcp", HEAD + "garbage\n")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    for name, text in (("tcp", TCP), ("tcp6", TCP6), ("udp", UDP), ("udp6", HEAD)):
        (tmp_path / "net" / name).write_text(text)
    for pid, name, links in ((30, "worker", ["socket:[104]"]), (7, "nginx", ["/dev/null", "socket:[104]"])):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
        for number, link in enumerate(links):
            (tmp_path / str(pid) / "fd" / str(number)).symlink_to(link)
    return tmp_path


def test_listeners_are_sorted_and_name_the_first_of_several_owners(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sockets.sys, "byteorder", "little")
    assert _sockets.listeners(str(proc)) == [
        Listener("tcp", "ipv4", "0.0.0.0", 22, None),
        Listener("tcp", "ipv6", "::", 80, "nginx"),
        Listener("tcp", "ipv4", "127.0.0.1", 81, None),
        Listener("tcp", "ipv6", "2001:db8::1", 82, None),
        Listener("tcp", "ipv4", "127.0.0.1", 20000, None),
        Listener("udp", "ipv4", "0.0.0.0", 514, None),
    ]


def test_a_machine_without_ipv6_is_listed_and_one_without_proc_is_an_error(proc: Path) -> None:
    (proc / "net" / "tcp6").unlink()
    (proc / "net" / "udp6").unlink()
    assert {row.port for row in _sockets.listeners(str(proc))} == {22, 20000, 514}
    (proc / "net" / "udp").unlink()
    with pytest.raises(FileNotFoundError):
        _sockets.listeners(str(proc))


def test_a_process_that_ends_meanwhile_is_no_error(proc: Path) -> None:
    (proc / "7" / "comm").unlink()
    assert _sockets.process_names(str(proc), {104}) == {104: "worker"}


def test_two_sockets_of_one_port_are_one_listener(proc: Path) -> None:
    (proc / "net" / "tcp").write_text(TCP + TCP.splitlines()[1].replace(" 101 ", " 201 ") + "\n")
    assert [row.port for row in _sockets.listeners(str(proc))].count(22) == 1


def test_this_machine_shows_what_this_test_opens_and_no_longer_what_it_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        tcp_port, udp_port = server.getsockname()[1], datagrams.getsockname()[1]
        name = Path(f"/proc/{os.getpid()}/comm").read_text().strip()
        found = _sockets.listeners()
        assert Listener("tcp", "ipv4", "127.0.0.1", tcp_port, name) in found
        assert Listener("udp", "ipv4", "127.0.0.1", udp_port, name) in found
    assert tcp_port not in {row.port for row in _sockets.listeners() if row.address == "127.0.0.1"}
