# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes: real packets from this machine to many ports at once, and what became of each.

What came back, and the result word that it gives. *Sync* means that the system call itself failed, so that
no packet left; an ICMP message is read from the socket's error queue, which names its type and its sender.

=====================================================  ==========  ==============================================
What came back                                         Result      Why
=====================================================  ==========  ==============================================
TCP: handshake completed (even when reset at once)     passed      the far side answered
TCP: RST                                               refused     came through, nothing listens (or a firewall
                                                                   that resets: nobody can tell these apart)
TCP: ICMP port unreachable                             filtered    hosts answer TCP with RST: a firewall's reject
TCP: no answer in time                                 filtered
UDP: any datagram from the target                      passed
UDP: ICMP port unreachable from the target             refused     came through, nothing listens
UDP: ICMP port unreachable from anybody else           filtered    a router's reject
UDP: no answer in time                                 unknown     listeners may stay silent, so may firewalls
other ICMP unreachable, prohibited, time exceeded      filtered
ICMP host (address) unreachable from this machine      not tried   no neighbour has that address: nothing left
sync EPERM, EACCES                                     filtered    this machine's own out rule or prohibit route
sync anything else (no route, no such family, ...)     not tried   nothing left
=====================================================  ==========  ==============================================

Kernels before 5.9 keep no error queue for TCP: there a firewall's port unreachable looks like an RST and is
``refused``, and every other ICMP message is ``filtered``. Linux hosts send few ICMP errors a second to one peer,
so many closed UDP ports of one host may show as ``unknown``.
"""

from __future__ import annotations

import collections
import errno
import heapq
import os
import resource
import selectors
import socket
import struct
import time
import typing as t

PASSED = "passed"
REFUSED = "refused"
FILTERED = "filtered"
UNKNOWN = "unknown"
NOT_TRIED = "not tried"
RESULTS = (PASSED, REFUSED, FILTERED, UNKNOWN, NOT_TRIED)

# Readable, because a log server that is probed writes it down.
PAYLOAD = b"playout.firewall probe\n"

_LEVEL_AND_RECVERR = {socket.AF_INET: (socket.SOL_IP, 11), socket.AF_INET6: (41, 25)}
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ICMP_ORIGINS = (2, 3)
_ICMP_NEIGHBOUR = {socket.AF_INET: (3, 1), socket.AF_INET6: (1, 3)}
# The interpreter's own files, the selector, and the pipes that Ansible holds.
_SPARE_FILES = 64


class Target(t.NamedTuple):
    """One port of one address: ``protocol`` is tcp or udp, ``address`` numeric (IPv6 may carry ``%interface``)."""

    protocol: str
    address: str
    port: int


class Outcome(t.NamedTuple):
    """What became of one target: a word of ``RESULTS``, the reason in words, and the seconds that it took."""

    result: str
    reason: str
    seconds: float


class IcmpReport(t.NamedTuple):
    """One ICMP message about a socket: the errno that the kernel made of it, type, code, and who sent it."""

    number: int
    kind: int
    code: int
    offender: str


Finding = t.Tuple[str, str]


def family_of(address: str) -> socket.AddressFamily:
    """Tell the family of a numeric address.

    :raises ValueError: where it is not an address, such as a host name or a network.
    """
    for family, text in ((socket.AF_INET, address), (socket.AF_INET6, address.partition("%")[0])):
        try:
            socket.inet_pton(family, text)
        except OSError:
            continue
        return family
    raise ValueError(f"'{address}' is not an IPv4 or IPv6 address; write the address, not a name or a network")


def sample_ports(text: str, sample: int) -> t.List[int]:
    """Choose at most ``sample`` ports of ``"80"`` or ``"20001-29999"``: first and last, the others evenly between.

    :raises ValueError: where the text is not a port or a rising range of ports.
    """
    ends = [part.strip() for part in text.split("-")]
    if len(ends) > 2 or not all(part.isascii() and part.isdigit() and 1 <= int(part) <= 65535 for part in ends):
        raise ValueError(f"'{text}' is not a port or a range; write '80' or '20001-29999', from 1 to 65535")
    first, last = int(ends[0]), int(ends[-1])
    if first > last:
        raise ValueError(f"'{text}' begins above its end; write '{last}-{first}'")
    count = min(sample, last - first + 1)
    if count == 1:
        return [first]
    return [first + (last - first) * step // (count - 1) for step in range(count)]


def judge_icmp(target: Target, own: str, report: IcmpReport) -> Finding:
    """Give the result and the reason for an ICMP message; ``own`` is the local address of the socket."""
    family = family_of(target.address)
    if report.number == errno.ECONNREFUSED:
        if target.protocol == "udp" and report.offender == _normal(target.address):
            return REFUSED, "ICMP port unreachable from the target"
        return FILTERED, f"ICMP port unreachable from {report.offender}: a firewall's reject"
    from_here = report.offender == _normal(own) != _normal(target.address)
    if from_here and (report.kind, report.code) == _ICMP_NEIGHBOUR[family]:
        return NOT_TRIED, "no neighbour has this address"
    return FILTERED, f"ICMP type {report.kind} code {report.code} from {report.offender}"


def judge_error(number: int, sync: bool) -> Finding:
    """Give the result and the reason for an errno without an ICMP message; ``sync``: the call itself failed."""
    if number == errno.ECONNREFUSED:
        return REFUSED, "reset"
    if number in (errno.ECONNRESET, errno.EPIPE):
        return PASSED, "connected, then reset"
    if not sync:
        return FILTERED, os.strerror(number)
    if number in (errno.EPERM, errno.EACCES):
        return FILTERED, f"this machine does not let it out: {os.strerror(number)}"
    return NOT_TRIED, os.strerror(number)


def judge_silence(target: Target, timeout: float) -> Finding:
    """Give the result and the reason where nothing at all came back."""
    return (FILTERED if target.protocol == "tcp" else UNKNOWN), f"no answer in {timeout:g} s"


def probe(targets: t.Sequence[Target], timeout: float = 2.0, retries: int = 1, parallel: int = 512) -> t.List[Outcome]:
    """Try all targets and return their outcomes in the same order.

    :param timeout: seconds that one target may take altogether.
    :param retries: how often a UDP datagram is repeated, evenly within that time. TCP's first packet is repeated
        by the kernel, first after one second.
    :param parallel: sockets open at a time; fewer where the limit of open files is lower and cannot be raised.
    :raises ValueError: where an address is not numeric.
    """
    for target in targets:
        family_of(target.address)
    return _Run(targets, timeout, retries, min(parallel, _open_files(parallel))).outcomes()


class _Trial:
    """A target that is being tried."""

    __slots__ = ("index", "repeats", "sock", "started", "target")

    def __init__(self, index: int, target: Target, repeats: int) -> None:
        self.index = index
        self.target = target
        self.repeats = repeats
        self.started = time.monotonic()
        self.sock: t.Optional[socket.socket] = None


class _Run:
    """One event loop over all targets: sockets ready, timers due, new targets as others end."""

    def __init__(self, targets: t.Sequence[Target], timeout: float, retries: int, parallel: int) -> None:
        self._timeout = timeout
        self._retries = retries
        self._parallel = parallel
        self._waiting = collections.deque(enumerate(targets))
        self._selector = selectors.DefaultSelector()
        # A trial has one timer at a time, so that index decides every tie and trials are never compared.
        self._timers: t.List[t.Tuple[float, int, _Trial]] = []
        self._open = 0
        self._outcomes: t.Dict[int, Outcome] = {}

    def outcomes(self) -> t.List[Outcome]:
        with self._selector:
            while self._waiting or self._open:
                while self._waiting and self._open < self._parallel:
                    self._start(*self._waiting.popleft())
                if not self._open:
                    break
                for key, _events in self._selector.select(self._until_next_timer()):
                    self._look(key.data)
                self._ring()
        return [self._outcomes[index] for index in sorted(self._outcomes)]

    def _start(self, index: int, target: Target) -> None:
        udp = target.protocol == "udp"
        trial = _Trial(index, target, self._retries if udp else 0)
        self._open += 1
        try:
            sock = trial.sock = _socket(target)
            sock.connect(_sockaddr(target))
            if udp:
                sock.send(PAYLOAD)
        except BlockingIOError as error:
            # EAGAIN has the same class, but there nothing is on its way.
            if error.errno != errno.EINPROGRESS:
                self._failed(trial, error)
                return
        except OSError as error:
            self._failed(trial, error)
            return
        interest = selectors.EVENT_READ if udp else selectors.EVENT_WRITE
        self._selector.register(sock, interest, trial)
        self._set_timer(trial, trial.started)

    def _set_timer(self, trial: _Trial, now: float) -> None:
        pause = self._timeout / (1 + self._retries) if trial.target.protocol == "udp" else self._timeout
        heapq.heappush(self._timers, (now + pause, trial.index, trial))

    def _until_next_timer(self) -> float:
        return max(0.0, self._timers[0][0] - time.monotonic())

    def _ring(self) -> None:
        """Repeat or give up every trial whose timer is due."""
        while self._timers and (self._timers[0][0] <= time.monotonic() or self._timers[0][2].sock is None):
            due, _index, trial = heapq.heappop(self._timers)
            if trial.sock is None:
                continue
            if not trial.repeats:
                self._finish(trial, judge_silence(trial.target, self._timeout))
                continue
            trial.repeats -= 1
            try:
                trial.sock.send(PAYLOAD)
                self._set_timer(trial, due)
            except OSError as error:
                self._failed(trial, error)

    def _failed(self, trial: _Trial, error: OSError) -> None:
        """End a trial whose system call failed, be it for an ICMP message that was waiting there."""
        icmp = _icmp(trial)
        unnumbered = (NOT_TRIED, str(error)) if error.errno is None else None
        self._finish(trial, icmp or unnumbered or judge_error(error.errno or 0, sync=True))

    def _look(self, trial: _Trial) -> None:
        """Find out why a socket became ready; it may have been for nothing."""
        sock = trial.sock
        if sock is None:
            return
        # The queue first: reading the error or the data may clear what announces it.
        icmp = _icmp(trial)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number == 0 and _answered(sock, trial.target):
            self._finish(trial, (REFUSED, "nothing listens") if _is_own_echo(sock) else (PASSED, "answered"))
        elif icmp is not None:
            self._finish(trial, icmp)
        elif number:
            self._finish(trial, judge_error(number, sync=False))

    def _finish(self, trial: _Trial, finding: Finding) -> None:
        self._open -= 1
        if trial.sock is not None:
            if trial.sock in self._selector.get_map():
                self._selector.unregister(trial.sock)
            trial.sock.close()
            trial.sock = None
        seconds = round(time.monotonic() - trial.started, 3)
        self._outcomes[trial.index] = Outcome(finding[0], finding[1], seconds)


def _socket(target: Target) -> socket.socket:
    family = family_of(target.address)
    sock = socket.socket(family, socket.SOCK_DGRAM if target.protocol == "udp" else socket.SOCK_STREAM)
    sock.setblocking(False)
    level, option = _LEVEL_AND_RECVERR[family]
    sock.setsockopt(level, option, 1)
    return sock


def _sockaddr(target: Target) -> t.Tuple[t.Any, ...]:
    address, _percent, zone = target.address.partition("%")
    if not zone:
        return (address, target.port)
    return (address, target.port, 0, int(zone) if zone.isdigit() else socket.if_nametoindex(zone))


def _answered(sock: socket.socket, target: Target) -> bool:
    """Whether TCP is connected, or UDP has a datagram. A ready socket without an error proves neither."""
    try:
        if target.protocol == "tcp":
            sock.getpeername()
        else:
            sock.recv(1)
    except OSError:
        return False
    return True


def _is_own_echo(sock: socket.socket) -> bool:
    """Whether the socket talks to itself: its own port, chosen by the kernel, is the free port that it probes."""
    return bool(sock.getsockname() == sock.getpeername())


def _icmp(trial: _Trial) -> t.Optional[Finding]:
    """Judge the first ICMP message in the socket's error queue, None where there is none."""
    if trial.sock is None:
        return None
    while True:
        try:
            _data, ancillary, _flags, _address = trial.sock.recvmsg(512, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return None
        for level, kind, data in ancillary:
            if (level, kind) in _LEVEL_AND_RECVERR.values():
                report = parse_report(data)
                if report is not None:
                    return judge_icmp(trial.target, trial.sock.getsockname()[0], report)


def parse_report(data: bytes) -> t.Optional[IcmpReport]:
    """Read the kernel's ``struct sock_extended_err`` and the offender's address behind it; None if not ICMP."""
    number, origin, kind, code, _pad, _info, _more = _EXTENDED_ERROR.unpack_from(data)
    if origin not in _ICMP_ORIGINS:
        return None
    sockaddr = data[_EXTENDED_ERROR.size :]
    (family,) = struct.unpack_from("=H", sockaddr)
    if family == socket.AF_INET:
        offender = socket.inet_ntop(socket.AF_INET, sockaddr[4:8])
    elif family == socket.AF_INET6:
        offender = socket.inet_ntop(socket.AF_INET6, sockaddr[8:24])
    else:
        offender = "an unknown sender"
    return IcmpReport(number, kind, code, offender)


def _normal(address: str) -> str:
    """Spell an address as the kernel's messages are spelled here: canonical, without a zone."""
    family = family_of(address)
    return socket.inet_ntop(family, socket.inet_pton(family, address.partition("%")[0]))


def _open_files(wanted: int) -> int:
    """Make room for that many sockets, within the hard limit, and return how many there is room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    needed = wanted + _SPARE_FILES
    if soft < needed and (hard == resource.RLIM_INFINITY or soft < hard):
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, soft - _SPARE_FILES)
