# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix's HTML page in a real browser: complete, quiet, readable on screens and on paper."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix import render, rows

pytestmark = pytest.mark.browser

PLAN = json.loads((Path(__file__).parents[1] / "golden" / "matrix" / "plan.json").read_text(encoding="utf-8"))
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
# What the page shows, as the browser laid it out: rows, cells whose text does not fit, and how far the page sticks out.
MEASURE = """
<script id="measure" type="application/json"></script>
<script>
addEventListener("load", () => {
  const rows = [...document.querySelectorAll("#matrix tr.row")];
  const cells = [...document.querySelectorAll("td, th, li, p, h1, h2, h3, .wide")];
  const sticksOut = (cell) => cell.scrollWidth > cell.clientWidth + 1 || cell.scrollHeight > cell.clientHeight + 1;
  const seen = (cell) => cell.innerText.replace(/\\s+/g, " ").trim();
  document.getElementById("measure").textContent = JSON.stringify({
    rows: rows.map((row) => [...row.cells].map(seen)),
    hidden: rows.filter((row) => row.getBoundingClientRect().height < 10).length,
    cut: cells.filter((cell) => cell.clientWidth > 0 && sticksOut(cell)).map(seen),
    beyond: document.documentElement.scrollWidth - innerWidth,
  });
});
</script>
"""


@pytest.fixture
def page(tmp_path):
    """Return a function that saves the page, changed or as it is."""

    def save(text=None):
        path = tmp_path / "matrix.html"
        path.write_text(text or render(PLAN, "html"), encoding="utf-8")
        return path

    return save


def _measured(browser, page, width, style="", text=None):
    """Return what a script sees in the page, whose own policy would not let any script run."""
    text, count = POLICY.subn("", text or render(PLAN, "html"))
    assert count == 1
    path = page(text.replace("</body>", f"{style}{MEASURE}</body>"))
    printed, _console = browser.open(path, "--dump-dom", width=width)
    return json.loads(re.search(r'<script id="measure"[^>]*>(.*?)</script>', printed, re.DOTALL)[1])


def test_rows_equal_the_plans(browser, page):
    """Every row of the plan is on the page, in order, with its ports, ends, status and enforcement points."""
    shown = _measured(browser, page, 1400)
    expected = rows(PLAN)
    assert shown["hidden"] == 0
    assert len(shown["rows"]) == len(expected) == len(PLAN["flows"])
    for cells, row in zip(shown["rows"], expected, strict=True):
        listener, service, ports, initiators, seen_as, direction, status, enforced_at, source = cells
        assert listener.split()[0] == row["listener"]
        assert all(address in listener for address in row["outside"])
        assert service.split()[0] == row["service"]
        assert ("mandatory" in service) == row["mandatory"]
        assert ports == f"{row['protocol'].upper()} {', '.join(row['ports'])}"
        assert initiators.startswith(row["initiators"][0])
        assert seen_as.startswith(row["seen_as"][0] if row["seen_as"] else "")
        assert direction == row["direction"] + (f" reading: {row['reading']}" if row["reading"] else "")
        assert (status, enforced_at) == (row["status"], ", ".join(row["enforced_at"]))
        assert source


@pytest.mark.parametrize("width", [1280, 1366, 1400, 1441, 1920])
def test_no_text_is_cut(browser, page, width):
    shown = _measured(browser, page, width)
    assert shown["cut"] == []
    assert shown["beyond"] <= 0


def test_narrow_window_scrolls_the_table_and_not_the_page(browser, page):
    assert _measured(browser, page, 800)["beyond"] <= 0


def test_no_text_is_cut_on_paper(browser, page):
    """What holds for paper, applied to a window as wide as the printed part of an A4 sheet: 273 mm."""
    media = {"screen": "print", "print": "screen"}
    text, count = re.subn("@media (screen|print)", lambda match: f"@media {media[match[1]]}", render(PLAN, "html"))
    assert count == 3
    shown = _measured(browser, page, 1032, text=text)
    assert shown["cut"] == []
    assert shown["beyond"] <= 0


def test_cut_text_would_be_noticed(browser, page):
    """The measure itself works: a page whose cells clip their text does not pass."""
    shown = _measured(browser, page, 1400, "<style>td > div { width: 1em; white-space: nowrap; }</style>")
    assert shown["cut"]


def test_console_stays_empty(browser, page):
    printed, console = browser.open(page(), "--dump-dom")
    assert "</html>" in printed
    assert console == ""


def test_page_cannot_fetch_anything(browser, page):
    """Even with an image and a script put into it, the page's own policy keeps the browser from asking anybody."""
    asked = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *args):
            """Stay quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        spoilt = render(PLAN, "html").replace(
            "</body>", f'<img src="{base}/image"><script src="{base}/script"></script></body>'
        )
        _printed, console = browser.open(page(spoilt), "--dump-dom")
        assert asked == []
        assert "Content Security Policy" in console
        browser.open(page(POLICY.sub("", spoilt)), "--dump-dom")
        assert sorted(asked) == ["/image", "/script"]
        server.shutdown()


@pytest.fixture
def paper(browser, page, tmp_path):
    """Print the page to a file."""
    file = tmp_path / "matrix.pdf"
    browser.open(page(), "--no-pdf-header-footer", f"--print-to-pdf={file}")
    return file


def test_prints_on_a4_landscape(paper):
    """Printing gives several landscape sheets."""
    sheets = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper.read_bytes())
    assert len(sheets) > 1
    assert {(round(float(wide)), round(float(high))) for wide, high in sheets} == {(842, 595)}


def test_paper_has_what_the_page_has(paper):
    """Every listener, service and signature line is printed, with headings and the plan's digest on each sheet."""
    if not shutil.which("pdftotext"):
        pytest.skip(
            "the printed text cannot be read: pdftotext is not installed (Debian: apt-get install poppler-utils)"
        )
    command = ["pdftotext", "-layout", str(paper), "-"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    for row in rows(PLAN):
        assert row["listener"] in text
        assert row["service"] in text
        assert all(ports in text for ports in row["ports"])
    pages = text.rstrip("\f").split("\f")
    assert all(f"Plan {PLAN['digest']}" in page for page in pages)
    with_rows = [page for page in pages if re.search(r"\b(stated|inferred)\b +(planned|local|not published)", page)]
    assert len(with_rows) > 1
    assert all(re.search(r"Listener +Service +Ports +Initiators", page) for page in with_rows)
    for mode in ("scoped; transit: deny; platform linux.", "default_deny; platform linux.", "planned only; scoped;"):
        assert mode in text
    assert re.search(r"Name +Date +Signature", text)
