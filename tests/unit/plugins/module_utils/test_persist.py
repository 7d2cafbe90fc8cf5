# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot files: what is written, replaced, repaired and removed, in a directory that plays the host."""

from __future__ import annotations

import errno
import itertools
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._command import Result
from ansible_collections.playout.firewall.plugins.module_utils._persist import (
    ENABLED,
    NFT_RULES,
    PRIVATE,
    SCRIPT_RULES,
    UNIT,
    BootFile,
    Differences,
    Loader,
    Persistence,
    PersistError,
    drop_in,
)

NFT = ["/usr/sbin/nft", "-f", f"/{NFT_RULES}"]
SHELL = ["/bin/sh", f"/{SCRIPT_RULES}"]
DROP_IN = drop_in("nftables")
# Everything that puts something on a disk or takes it away.
WRITES = ("makedirs", "open", "symlink", "link", "replace", "unlink", "fsync")


def _nft(text: str = "rules\n", modules: Sequence[str] = ()) -> Loader:
    return Loader(BootFile(NFT_RULES, text, PRIVATE), NFT, ("nftables",), modules)


def _script(text: str = "steps\n") -> Loader:
    return Loader(BootFile(SCRIPT_RULES, text, PRIVATE), SHELL, ("netfilter-persistent", "iptables"))


class Host:
    """A directory as a host's root, with or without systemd in it."""

    def __init__(self, root: Path, *, installed: bool = True, running: bool = False) -> None:
        self.root = root
        self.calls: list[list[str]] = []
        (root / "etc/systemd/system").mkdir(parents=True)
        if installed:
            (root / "lib/systemd").mkdir(parents=True)
            (root / "lib/systemd/systemd").touch()
        if running:
            (root / "run/systemd/system").mkdir(parents=True)
        self.persistence = Persistence(self._run, str(root))

    def _run(self, arguments: Sequence[str], _text: str) -> Result:
        self.calls.append(list(arguments))
        return Result(0)

    def differing(self, loader: Loader | None) -> list[str]:
        differences = self.persistence.compare(loader)
        return [file.path for file in differences.write] + list(differences.remove)

    def write(self, loader: Loader | None) -> None:
        differences = self.persistence.compare(loader)
        self.persistence.stage(differences)
        self.commit(differences)

    def commit(self, differences: Differences) -> None:
        with self.persistence.commit(differences):
            pass

    def text(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def everything(self) -> dict[str, tuple[int, str]]:
        """Return all that is there: path -> mode, and content or target."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            content = os.readlink(path) if path.is_symlink() else path.read_text("utf-8") if path.is_file() else ""
            found[str(path.relative_to(self.root))] = (path.lstat().st_mode, content)
        return found


@contextmanager
def _failing(host: Host, first: int, last: int, number: int) -> Iterator[None]:
    """Let the calls from ``first`` to ``last`` of those that write something on the host fail."""
    calls = itertools.count()
    real = {name: getattr(os, name) for name in WRITES}

    def counted(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            reading = name == "open" and not arguments[1] & os.O_CREAT
            # fsync is given no path.
            ours = name == "fsync" or str(arguments[0]).startswith(str(host.root))
            if ours and not reading and first <= next(calls) <= last:
                raise OSError(number, os.strerror(number))
            return real[name](*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(os, name, counted(name))
        yield


def _refused(
    host: Host, at: int, number: int, step: Callable[[Differences], None], differences: Differences
) -> str | None:
    """Return what a step says when one of its calls fails; None when it never came so far, or did not mind."""
    with _failing(host, at, at, number):
        try:
            step(differences)
        except PersistError as error:
            return str(error)
    return None


@contextmanager
def _files_limited_to(size: int) -> Iterator[None]:
    """Let the kernel refuse to write more than this into a file, in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# -- what is written ----------------------------------------------------------------------------------------------


def test_everything_is_written_once_and_then_as_it_should_be(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert host.differing(_nft()) == [NFT_RULES, UNIT, DROP_IN, ENABLED]
    host.write(_nft())
    assert host.differing(_nft()) == []
    assert not host.persistence.compare(_nft())
    assert host.text(NFT_RULES) == "rules\n"
    assert (tmp_path / NFT_RULES).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / NFT_RULES).parent.stat().st_mode & 0o777 == 0o700
    assert os.readlink(tmp_path / ENABLED) == f"/{UNIT}"
    load = f"{NFT[0]} -f /{NFT_RULES}"
    assert f"ExecStart={load}\nExecReload={load}\n" in host.text(UNIT)
    assert "After=nftables.service\n" in host.text(UNIT)
    # A failure of ours must not become one of the distribution's service.
    assert f"ExecStartPost=-{load}\nExecReload=-{load}\nExecStopPost=-/bin/sh -c " in host.text(DROP_IN)


def test_a_script_is_loaded_after_every_service_that_flushes_its_rules(tmp_path: Path) -> None:
    host = Host(tmp_path)
    drop_ins = [drop_in("netfilter-persistent"), drop_in("iptables")]
    assert host.differing(_script()) == [SCRIPT_RULES, UNIT, *drop_ins, ENABLED]
    host.write(_script())
    assert host.differing(_script()) == []
    assert f"ConditionPathExists=/{SCRIPT_RULES}\n" in host.text(UNIT)
    assert "After=netfilter-persistent.service iptables.service\n" in host.text(UNIT)
    for path in drop_ins:
        assert f"ExecStartPost=-/bin/sh /{SCRIPT_RULES}\n" in host.text(path)


def test_what_a_services_own_file_needs_is_made_before_it_is_loaded(tmp_path: Path) -> None:
    host = Host(tmp_path)
    loader = _script()._replace(prepare=[*SHELL, "sets"])
    host.write(loader)
    assert f"[Service]\nExecStartPre=-/bin/sh /{SCRIPT_RULES} sets\nExecStartPost=" in host.text(drop_in("iptables"))
    assert host.differing(_script()) == [drop_in("netfilter-persistent"), drop_in("iptables")]


def test_kernel_modules_of_helpers_are_loaded_before_the_rules(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(_nft(modules=["nf_conntrack_ftp", "nf_nat_ftp"]))
    assert "ExecStartPre=-/sbin/modprobe -a -q nf_conntrack_ftp nf_nat_ftp\nExecStart=" in host.text(UNIT)


def test_systemd_is_told_only_where_it_runs_and_only_of_its_own_files(tmp_path: Path) -> None:
    image = Host(tmp_path / "image")
    image.write(_nft())
    assert image.calls == []
    host = Host(tmp_path / "host", running=True)
    host.write(_nft())
    host.write(_nft("other rules\n"))
    assert host.calls == [["systemctl", "daemon-reload"]]


def test_without_systemd_only_the_rules_are_written(tmp_path: Path) -> None:
    host = Host(tmp_path, installed=False)
    assert not host.persistence.supported
    assert host.differing(_nft()) == [NFT_RULES]


# -- what somebody changed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [NFT_RULES, UNIT, DROP_IN])
def test_an_edited_file_is_noticed_and_replaced(tmp_path: Path, path: str) -> None:
    host = Host(tmp_path)
    host.write(_nft())
    with (tmp_path / path).open("a", encoding="utf-8") as stream:
        stream.write("edited\n")
    assert host.differing(_nft()) == [path]
    host.write(_nft())
    assert "edited" not in host.text(path)


@pytest.mark.parametrize("path", [NFT_RULES, UNIT, DROP_IN, ENABLED])
def test_a_deleted_file_is_noticed_and_written_again(tmp_path: Path, path: str) -> None:
    host = Host(tmp_path)
    host.write(_nft())
    before = host.everything()
    (tmp_path / path).unlink()
    assert host.differing(_nft()) == [path]
    host.write(_nft())
    assert host.everything() == before


def test_a_changed_mode_is_noticed_and_repaired(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(_nft())
    (tmp_path / NFT_RULES).chmod(0o644)
    assert host.differing(_nft()) == [NFT_RULES]
    host.write(_nft())
    assert host.differing(_nft()) == []


def test_a_unit_that_somebody_masked_is_noticed_and_the_mask_not_written_through(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(_nft())
    (tmp_path / UNIT).unlink()
    (tmp_path / UNIT).symlink_to("/dev/null")
    assert host.differing(_nft()) == [UNIT]
    host.write(_nft())
    assert not (tmp_path / UNIT).is_symlink()


# -- what goes ----------------------------------------------------------------------------------------------------


def test_the_files_of_another_backend_go_when_the_new_ones_come(tmp_path: Path) -> None:
    host = Host(tmp_path, running=True)
    host.write(_nft())
    host.write(_script())
    fresh = Host(tmp_path.with_name("fresh"), running=True)
    fresh.write(_script())
    assert host.everything() == fresh.everything()
    assert not (tmp_path / DROP_IN).parent.exists()
    # A backend whose own program loads its rules needs none of them.
    host.write(None)
    assert host.everything() == Host(tmp_path.with_name("bare"), running=True).everything()


def test_removal_takes_everything_of_ours_and_nothing_else(tmp_path: Path) -> None:
    host = Host(tmp_path, running=True)
    theirs = [Path(DROP_IN).with_name("theirs.conf"), Path(NFT_RULES).with_name("notes"), Path(ENABLED).with_name("x")]
    for path in theirs:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("theirs\n", encoding="utf-8")
    before = host.everything()
    host.write(_nft())
    host.write(_script())
    (tmp_path / SCRIPT_RULES).with_name(".ruleset.sh.new").touch()
    assert host.differing(None)[-1].endswith(".ruleset.sh.new")
    host.write(None)
    assert host.everything() == before
    assert host.differing(None) == []
    host.write(None)
    reload = ["systemctl", "daemon-reload"]
    assert host.calls == [reload, reload, ["systemctl", "stop", "playout-firewall.service"], reload]


@pytest.mark.parametrize("path", [NFT_RULES, UNIT, DROP_IN, ENABLED])
@pytest.mark.parametrize("kind", ["new", "old"])
@pytest.mark.parametrize("loader", [_nft(), _nft("other\n"), _script(), None])
def test_what_a_killed_run_left_is_noticed_no_obstacle_and_removed(
    tmp_path: Path, path: str, kind: str, loader: Loader | None
) -> None:
    host = Host(tmp_path)
    host.write(_nft())
    left = (tmp_path / path).with_name(f".{Path(path).name}.{kind}")
    left.write_text("half", encoding="utf-8")
    assert str(left.relative_to(tmp_path)) in host.differing(loader)
    host.write(loader)
    assert host.differing(loader) == []
    assert not left.exists()


# -- what cannot be written ---------------------------------------------------------------------------------------


def test_a_file_that_does_not_fit_names_itself_and_leaves_everything_as_it_was(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(_nft())
    before = host.everything()
    differences = host.persistence.compare(_nft("long\n" * 1000))
    with pytest.raises(PersistError, match=rf"^/{NFT_RULES} cannot be written: File too large"), _files_limited_to(64):
        host.persistence.stage(differences)
    assert host.everything() == before


@pytest.mark.parametrize("loader", [_nft("other\n"), _script()])
def test_wherever_staging_fails_nothing_has_changed(tmp_path: Path, loader: Loader) -> None:
    host = Host(tmp_path)
    host.write(_nft())
    before = host.everything()
    differences = host.persistence.compare(loader)
    told = {f"/{file.path} cannot be written: No space left on device" for file in differences.write}
    failures = 0
    while message := _refused(host, failures, errno.ENOSPC, host.persistence.stage, differences):
        assert message in told
        assert host.everything() == before
        failures += 1
    # Every file needs a directory, a name and, unless it is a link, the disk.
    assert failures >= 3 * len(differences.write) - 1
    host.commit(differences)
    assert host.differing(loader) == []


@pytest.mark.parametrize("loader", [_nft("other\n"), _script(), None])
def test_wherever_replacing_fails_the_old_files_return_byte_by_byte(tmp_path: Path, loader: Loader | None) -> None:
    host = Host(tmp_path)
    host.write(_nft())
    before = host.everything()
    differences = host.persistence.compare(loader)
    paths = [*(file.path for file in differences.write), *differences.remove]
    told = {f"/{path} cannot be replaced: Input/output error" for path in paths}
    failures = 0
    host.persistence.stage(differences)
    while message := _refused(host, failures, errno.EIO, host.commit, differences):
        assert message in told
        assert host.everything() == before
        failures += 1
        host.persistence.stage(differences)
    # Every file is put in place, or away, and its directory on the disk.
    assert failures >= 2 * len(paths)
    # From there on, only second names of the old ones can be left, for the next run to remove.
    host.write(loader)
    assert host.differing(loader) == []


@pytest.mark.parametrize("loader", [_nft("other\n"), _script(), None])
def test_what_else_fails_once_the_files_are_in_place_has_them_taken_back(tmp_path: Path, loader: Loader | None) -> None:
    host = Host(tmp_path, running=True)
    host.write(_nft())
    before = host.everything()
    differences = host.persistence.compare(loader)
    host.persistence.stage(differences)

    def keep_and_fail() -> None:
        with host.persistence.commit(differences):
            assert host.everything() != before
            raise ValueError("not stored")

    with pytest.raises(ValueError, match=r"^not stored$"):
        keep_and_fail()
    assert host.everything() == before
    assert host.calls == [["systemctl", "daemon-reload"]]


def test_a_file_that_could_not_be_put_back_is_named_and_its_old_content_is_there(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(_nft())
    differences = host.persistence.compare(_script())
    for at in range(100):
        host.persistence.stage(differences)
        with _failing(host, at, 10**6, errno.EROFS), pytest.raises(PersistError) as raised:
            host.commit(differences)
        stuck = str(raised.value).partition("not put back, their old content is beside them: ")[2]
        if f"/{UNIT}" in stuck and f"/{SCRIPT_RULES}" in host.text(UNIT):
            break
        host.write(_nft())
    former = (tmp_path / UNIT).with_name(f".{Path(UNIT).name}.old")
    assert f"/{NFT_RULES}" in former.read_text(encoding="utf-8")
    host.write(_script())
    assert host.differing(_script()) == []


@pytest.mark.parametrize("loader", [_nft("other\n"), _script()])
def test_a_read_only_directory_is_an_error_that_names_the_file(tmp_path: Path, loader: Loader) -> None:
    host = Host(tmp_path)
    host.write(_nft())
    before = host.everything()
    with (
        _failing(host, 0, 10**6, errno.EROFS),
        pytest.raises(PersistError, match=rf"^/{loader.rules.path} cannot be written: Read-only file system$"),
    ):
        host.persistence.stage(host.persistence.compare(loader))
    with (
        _failing(host, 0, 10**6, errno.EROFS),
        pytest.raises(PersistError, match=rf"^/{ENABLED} cannot be replaced: Read-only file system$"),
    ):
        host.commit(Differences(remove=[ENABLED, UNIT]))
    assert host.everything() == before


def test_a_file_where_a_directory_must_be_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    host = Host(tmp_path)
    (tmp_path / NFT_RULES).parent.write_text("theirs\n", encoding="utf-8")
    with pytest.raises(PersistError, match=f"^/{NFT_RULES} cannot be written: File exists$"):
        host.write(_nft())


def test_what_was_staged_and_is_not_wanted_after_all_leaves_nothing(tmp_path: Path) -> None:
    host = Host(tmp_path)
    before = set(host.everything())
    differences = host.persistence.compare(_nft())
    host.persistence.stage(differences)
    assert set(host.everything()) > before
    host.persistence.discard(differences)
    assert set(host.everything()) == before
