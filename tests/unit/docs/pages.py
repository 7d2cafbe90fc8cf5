# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation's pages as tests see them: their YAML blocks, and the parts of them that are computed.

A YAML block is an inventory when it looks like one, and a catalogue file when it has a product and services. One that
begins with a comment such as ``# catalog/mine.yml`` is a file of that name, beside the page's inventories.

What stands between ``<!-- computed: KIND ARGUMENTS -->`` and ``<!-- end -->`` is made from the inventory or catalogue
file above it (in ``inventories/``, from the ``hosts.yml`` beside the page).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.playout.firewall.plugins.module_utils._nftables import REMOVAL, render
from ansible_collections.playout.firewall.plugins.module_utils._statements import Options
from ansible_collections.playout.firewall.plugins.plugin_utils import _hostvars
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import CatalogueError, load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_markdown import render_markdown
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_table import table
from ansible_collections.playout.firewall.plugins.plugin_utils._plan import Plan
from ansible_collections.playout.firewall.plugins.plugin_utils._planner import make_plan
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import InventoryError

ROOT = Path(__file__).parents[3]
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "inventories").glob("*/*.md")})

_BLOCK = re.compile(r"^```yaml\n(?P<yaml>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMPUTED = re.compile(
    r"^<!-- computed: (?P<kind>\w+)(?P<arguments>[^\n]*) -->\n(?P<text>.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL
)
_FILE_NAME = re.compile(r"# ([\w./-]+\.ya?ml)\n")
_WIDTH = 118
_MATRIX_WIDTH = 140

Compute = Callable[[Path, str], str]


@dataclass(frozen=True)
class Files:
    """The files that were written from a page so far, the last of each kind."""

    directory: Path
    inventory: Path | None = None
    catalogue: Path | None = None


def yaml_blocks(text: str) -> list[str]:
    """Return the YAML blocks of a page."""
    return [match["yaml"] for match in _BLOCK.finditer(text)]


def is_inventory(data: Any) -> bool:
    """Whether a YAML block is an inventory: groups with hosts, children or vars and nothing else."""
    return (
        isinstance(data, Mapping)
        and bool(data)
        and all(isinstance(group, Mapping) and set(group) <= {"hosts", "children", "vars"} for group in data.values())
    )


def plan_inventory(source: Path) -> Plan:
    """Plan an inventory as Ansible reads it.

    :raises InventoryError: with every problem.
    """
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(source)])
    hostvars = HostVars(inventory, VariableManager(loader=loader, inventory=inventory), loader)
    return make_plan(*_hostvars.read(hostvars))


def inventories(page: Path, directory: Path) -> Iterator[tuple[Path, bool]]:
    """Write a page's YAML files and yield each inventory, and whether the page shows problems of it."""
    files, text = Files(directory), page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        before = files.inventory
        files = _write(match["yaml"], files)
        if files.inventory and files.inventory != before:
            following = _COMPUTED.match(text, match.end() + len("\n\n"))
            yield files.inventory, bool(following and following["kind"] == "problems")


def computed(page: Path, directory: Path, kinds: Mapping[str, Compute]) -> str:
    """Return a page with its computed parts made anew."""
    own = page.with_name("hosts.yml")
    files = Files(directory, own if own.is_file() else None)
    text, position, parts = page.read_text(encoding="utf-8"), 0, []
    for match in sorted((*_BLOCK.finditer(text), *_COMPUTED.finditer(text)), key=lambda found: found.start()):
        if "yaml" in match.groupdict():
            files = _write(match["yaml"], files)
            continue
        assert match["kind"] in kinds, f"{page}: {match['kind']} is not one of {', '.join(kinds)}"
        kind, arguments = match["kind"], match["arguments"]
        source = files.catalogue if kind == "faults" else files.inventory
        made = kinds[kind](source or directory, arguments.strip())
        head = f"<!-- computed: {kind}{arguments} -->"
        parts += [text[position : match.start()], f"{head}\n\n{made}\n\n<!-- end -->"]
        position = match.end()
    return "".join([*parts, text[position:]])


def _write(block: str, files: Files) -> Files:
    data = yaml.safe_load(block)
    named = _FILE_NAME.match(block)
    if named is None and not is_inventory(data):
        return files
    path = files.directory / (named[1] if named else f"inventory{len(list(files.directory.iterdir()))}.yml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block, encoding="utf-8")
    if is_inventory(data):
        return Files(files.directory, path, files.catalogue)
    if isinstance(data, Mapping) and {"product", "services"} <= set(data):
        return Files(files.directory, files.inventory, path)
    return files


# ---- kinds of computed parts ----------------------------------------------------------------------------------------


def _matrix(source: Path, _arguments: str) -> str:
    """The table that ``playout.firewall.plan`` prints."""
    return _fenced(table(plan_inventory(source).to_dict(), _MATRIX_WIDTH))


def _points(source: Path, arguments: str) -> str:
    """Rules and forwards of the named enforcement points, as ``matrix.md`` has them."""
    text = render_markdown(plan_inventory(source).to_dict())
    text = re.split(r"^## |^Nothing is opened", text.partition("## Enforcement points\n")[2], flags=re.MULTILINE)[0]
    sections = re.split(r"^### ", text, flags=re.MULTILINE)
    by_name = {section.partition("\n")[0]: section.partition("\n")[2].strip() for section in sections[1:]}
    return "\n\n".join(f"`{name}`:\n\n{by_name[name]}" for name in arguments.split())


def _problems(source: Path, _arguments: str) -> str:
    """What is said of an inventory that cannot be planned."""
    try:
        plan_inventory(source)
    except InventoryError as error:
        return _fenced(_wrapped(str(error)))
    raise AssertionError(f"{source} has no problem")


def _warnings(source: Path, _arguments: str) -> str:
    """What is said of an inventory that can be planned."""
    return _fenced(_wrapped("\n".join(f"Warning: {warning}" for warning in plan_inventory(source).warnings)))


def _nft(source: Path, arguments: str) -> str:
    """The table that a host gets, or the named chain of it."""
    host, enforcement, *chains = arguments.split()
    text = render(plan_inventory(source).policies[host], Options(enforcement))
    text = text.removeprefix(REMOVAL).replace("\t", "    ")
    for name in chains:
        found = re.search(rf"^    chain {name} {{.*?^    }}", text, re.MULTILINE | re.DOTALL)
        assert found, f"{host} has no chain {name}"
        text = textwrap.dedent(found[0])
    return _fenced(text)


def _faults(source: Path, _arguments: str) -> str:
    """What is said of a catalogue file that cannot be used."""
    try:
        load_catalogue((str(source),))
    except CatalogueError as error:
        return _fenced(_wrapped(str(error).replace(f"{source.parent}/", "")))
    raise AssertionError(f"{source} has no fault")


def _fenced(text: str) -> str:
    return f"```text\n{text.strip()}\n```"


def _wrapped(text: str) -> str:
    options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False, "subsequent_indent": "  "}
    return "\n".join(textwrap.fill(line, _WIDTH, **options) for line in text.splitlines())


KINDS: dict[str, Compute] = {
    "matrix": _matrix,
    "points": _points,
    "problems": _problems,
    "warnings": _warnings,
    "nft": _nft,
    "faults": _faults,
}
