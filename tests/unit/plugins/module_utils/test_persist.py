# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot files: what is written, replaced, repaired and removed, in a directory that plays the host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.module_utils._command import Result
from ansible_collections.playout.firewall.plugins.module_utils._persist import (
    DROP_IN,
    ENABLED,
    RULESET,
    UNIT,
    Persistence,
)

NFT = "/usr/sbin/nft"


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

    def differing(self, text: str = "rules\n", modules: Sequence[str] = ()) -> list[str]:
        files = self.persistence.differing(self.persistence.wanted(text, NFT, modules))
        return [file.path for file in files]

    def write(self, text: str = "rules\n", modules: Sequence[str] = ()) -> None:
        self.persistence.write(self.persistence.differing(self.persistence.wanted(text, NFT, modules)))

    def text(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")


def test_everything_is_written_once_and_then_as_it_should_be(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert host.differing() == [RULESET, UNIT, DROP_IN, ENABLED]
    host.write()
    assert host.differing() == []
    assert host.text(RULESET) == "rules\n"
    assert (tmp_path / RULESET).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / RULESET).parent.stat().st_mode & 0o777 == 0o700
    assert os.readlink(tmp_path / ENABLED) == f"/{UNIT}"
    assert f"ExecStart={NFT} -f /{RULESET}\n" in host.text(UNIT)
    # A failure of ours must not become one of the distribution's service.
    assert f"ExecStartPost=-{NFT} -f /{RULESET}\nExecReload=-{NFT} -f /{RULESET}\n" in host.text(DROP_IN)


def test_kernel_modules_of_helpers_are_loaded_before_the_rules(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(modules=["nf_conntrack_ftp", "nf_nat_ftp"])
    assert "ExecStartPre=-/sbin/modprobe -a -q nf_conntrack_ftp nf_nat_ftp\nExecStart=" in host.text(UNIT)


def test_systemd_is_told_only_where_it_runs_and_only_of_its_own_files(tmp_path: Path) -> None:
    image = Host(tmp_path / "image")
    image.write()
    assert image.calls == []
    host = Host(tmp_path / "host", running=True)
    host.write()
    host.write("other rules\n")
    assert host.calls == [["systemctl", "daemon-reload"]]


def test_without_systemd_only_the_rules_are_written(tmp_path: Path) -> None:
    host = Host(tmp_path, installed=False)
    assert not host.persistence.supported
    assert host.differing() == [RULESET]


@pytest.mark.parametrize("path", [RULESET, UNIT, DROP_IN])
def test_an_edited_file_is_noticed_and_replaced(tmp_path: Path, path: str) -> None:
    host = Host(tmp_path)
    host.write()
    with (tmp_path / path).open("a", encoding="utf-8") as stream:
        stream.write("edited\n")
    assert host.differing() == [path]
    host.write()
    assert "edited" not in host.text(path)


def test_a_changed_mode_is_noticed_and_repaired(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write()
    (tmp_path / RULESET).chmod(0o644)
    assert host.differing() == [RULESET]
    host.write()
    assert host.differing() == []


def test_a_unit_that_somebody_masked_is_noticed_and_the_mask_not_written_through(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write()
    (tmp_path / UNIT).unlink()
    (tmp_path / UNIT).symlink_to("/dev/null")
    assert host.differing() == [UNIT]
    host.write()
    assert not (tmp_path / UNIT).is_symlink()


@pytest.mark.parametrize("path", [RULESET, ENABLED])
def test_what_a_killed_run_left_is_no_obstacle(tmp_path: Path, path: str) -> None:
    host = Host(tmp_path)
    left = tmp_path / Path(path).parent / f".{Path(path).name}.new"
    left.parent.mkdir(parents=True)
    left.write_text("half", encoding="utf-8")
    host.write()
    assert host.differing() == []
    assert not left.exists()


def test_removal_takes_everything_of_ours_and_nothing_else(tmp_path: Path) -> None:
    host = Host(tmp_path, running=True)
    theirs = tmp_path / "etc/systemd/system/nftables.service.d/theirs.conf"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    host.write()
    (tmp_path / RULESET).with_name(".ruleset.nft.new").touch()
    host.persistence.remove()
    assert host.persistence.existing() == []
    assert theirs.exists()
    assert [path.name for path in tmp_path.rglob("*playout*")] == []
    host.persistence.remove()
    assert host.calls == [["systemctl", "daemon-reload"]] * 2
