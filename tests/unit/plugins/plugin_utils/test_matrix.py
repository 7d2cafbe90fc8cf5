# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix shows every flow of the plan once, in every format, and no value can break out of its cell."""

from __future__ import annotations

import copy
import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from ansible_collections.playout.firewall.plugins.plugin_utils import _matrix
from ansible_collections.playout.firewall.plugins.plugin_utils._catalogue_files import load_catalogue
from ansible_collections.playout.firewall.plugins.plugin_utils._inventory_reader import RawHost, read_fleet
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_csv import safe_cell
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_markdown import escape
from ansible_collections.playout.firewall.plugins.plugin_utils._matrix_table import NARROWEST, fit
from ansible_collections.playout.firewall.plugins.plugin_utils._planner import make_plan
from ansible_collections.playout.firewall.plugins.plugin_utils._problems import Problems

GOLDEN = Path(__file__).parents[3] / "golden" / "matrix"
HOSTILE = "=<img src=x onerror=alert(1)>|\"'&`*_"


def _plan():
    hosts = yaml.safe_load((GOLDEN / "fleet.yml").read_text(encoding="utf-8"))
    raw = {name: RawHost(host["groups"], host["variables"]) for name, host in hosts.items()}
    problems = Problems()
    return make_plan(read_fleet(raw, load_catalogue(), problems), problems).to_dict()


@pytest.fixture(scope="module")
def _made():
    return _plan()


@pytest.fixture
def plan(_made):
    """Return a plan that a test may spoil."""
    return copy.deepcopy(_made)


def _rows(plan, **values):
    return [row for row in _matrix.rows(plan) if all(row[key] == value for key, value in values.items())]


class _Cells(HTMLParser):
    """Collects the text of the matrix's rows, cell by cell, and every tag of the page."""

    def __init__(self):
        super().__init__()
        self.rows, self.tags = [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.is_row = ("class", "row") in attrs
            if self.is_row:
                self.rows.append([])
        elif tag == "td" and self.is_row:
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1] and self.is_row:
            self.rows[-1][-1] += data


def _read_html(text):
    reader = _Cells()
    reader.feed(text)
    return reader


@pytest.fixture
def saved(request, plan):
    """Return the saved plan from which the golden files are made, so that they change only when the matrix does."""
    golden = GOLDEN / "plan.json"
    if request.config.getoption("--regenerate-golden", default=False):
        golden.write_text(_matrix.render(plan, "json"), encoding="utf-8")
    return json.loads(golden.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("matrix.csv", lambda plan: _matrix.render(plan, "csv")),
        ("matrix.md", lambda plan: _matrix.render(plan, "markdown")),
        ("matrix.html", lambda plan: _matrix.render(plan, "html")),
        ("matrix.txt", _matrix.table),
    ],
)
def test_golden(golden, saved, name, make):
    """The whole output is the reviewed one; ``make golden`` writes it anew."""
    golden(GOLDEN / name, make(saved))


def test_saved_plan_has_the_shape_of_a_plan(saved, plan):
    """The golden files speak for the plans that are made today."""
    assert saved.keys() == plan.keys()
    assert saved["flows"][0].keys() == plan["flows"][0].keys()
    for name, policy in saved["policies"].items():
        assert policy.keys() == plan["policies"][name].keys()


@pytest.mark.parametrize("form", _matrix.FORMATS)
def test_saved_plan_renders_the_same(plan, form):
    """A plan read back from its JSON gives the same bytes: nothing depends on when, or on objects."""
    assert _matrix.render(json.loads(_matrix.render(plan, "json")), form) == _matrix.render(_plan(), form)


def test_unknown_format_is_refused(plan):
    with pytest.raises(ValueError, match="'pdf' is not a format of the matrix: write json, csv, markdown, html"):
        _matrix.render(plan, "pdf")


def test_every_flow_is_one_row(plan):
    flows = sorted((flow["service"], flow["listener"], flow["ports"], flow["initiator_role"]) for flow in plan["flows"])
    shown = [
        (row["service"], row["listener"], row["ports"], row["initiator_role"] or "site's own")
        for row in _matrix.rows(plan)
    ]
    assert sorted(shown) == flows


def test_two_services_on_one_port_are_two_rows(plan):
    found = _rows(plan, listener="cms", ports=["20000"])
    assert [row["service"] for row in found] == ["cayin_registration", "cayin_supermonitor"]


def test_rows_are_sorted_by_product_site_listener_and_port(plan):
    for flow in plan["flows"]:
        flow["listener"] = flow["listener"].replace("map2", "map10")
    keys = [
        (row["product"], row["site"], row["listener"], int(row["ports"][0].split("-")[0])) for row in _matrix.rows(plan)
    ]
    assert list(dict.fromkeys(key[:3] for key in keys)) == [
        ("cayin", "branch", "player_canteen"),
        ("cayin", "branch", "player_lobby"),
        ("cayin", "hq", "10.1.0.99"),
        ("cayin", "hq", "cms"),
        ("cayin", "hq", "cms_standby"),
        ("cayin", "hq", "mail"),
        ("cayin", "hq", "superreporter"),
        ("viz_world", "studio", "allocator"),
        ("viz_world", "studio", "map1"),
        ("viz_world", "studio", "map10"),
    ]
    for name in ("cms", "map1"):
        ports = [key[3] for key in keys if key[2] == name]
        assert ports == sorted(ports)


def test_order_of_the_plan_does_not_matter(plan):
    expected = _matrix.rows(plan)
    plan["flows"].reverse()
    assert _matrix.rows(plan) == expected


def test_outside_is_shown_only_where_it_is_translated(plan):
    assert _rows(plan, listener="player_lobby")[0]["outside"] == ["198.51.100.1:8011"]
    assert _rows(plan, listener="map1", service="viz_client")[0]["outside"] == []


def test_outside_of_a_dynamic_gateway_and_of_ipv6(plan):
    flow = next(flow for flow in plan["flows"] if flow["listener"] == "player_lobby")
    flow["reached_at"][0]["addresses"] = []
    flow["reached_at"].append({"family": "ipv6", "addresses": ["2001:db8::5"], "ports": ["80"]})
    assert _rows(plan, listener="player_lobby")[0]["outside"] == ["the gateway's address:8011", "[2001:db8::5]:80"]


def test_statuses(plan):
    assert _rows(plan, listener="player_canteen")[0]["status"] == "not published"
    assert _rows(plan, listener="map2", initiators=["map2"])[0]["status"] == "local"
    (own,) = _rows(plan, status="site's own")
    assert (own["initiators"], own["enforced_at"]) == (["10.9.0.0/24"], ["map2", "gw_studio"])
    assert _rows(plan, listener="mail")[0]["enforced_at"] == ["nowhere"]


def test_points_that_this_version_cannot_write_to_are_marked_in_every_form(plan):
    """The plan itself names the host as it is."""
    (flow,) = [flow for flow in plan["flows"] if flow["listener"] == "superreporter"]
    assert flow["enforced_at"] == ["superreporter"]
    forms = {form: _matrix.render(plan, form) for form in ("csv", "markdown", "html")}
    assert "\n" in forms["csv"].partition("planned,superreporter (planned only),")[2]
    assert "| planned | superreporter (planned only) |" in forms["markdown"]
    assert "<td>superreporter (planned only)</td>" in forms["html"]
    table = _matrix.table(plan)
    assert " *superreporter\n" in table
    assert "; * planned only" in table
    for text in (forms["markdown"], forms["html"], table):
        assert "1 row resting on planned-only points alone" in text
        assert "A point marked as planned only has a platform to which this version writes nothing." in text
        assert "enforcement points (2 planned only)" in text


def test_rows_with_a_point_that_is_written_do_not_rest_on_plans_alone(plan):
    flow = next(flow for flow in plan["flows"] if flow["listener"] == "superreporter")
    flow["enforced_at"].append("gw_hq")
    text = _matrix.render(plan, "markdown")
    assert "superreporter (planned only), gw_hq" in text
    assert "resting on" not in text
    assert "A point marked as planned only" in text


def test_without_planned_only_points_nothing_is_said_of_them(plan):
    for host in plan["hosts"].values():
        host["platform"] = "linux"
    assert "planned only" not in _matrix.table({**plan, "warnings": []})


def test_csv_holds_every_field_of_every_row_uncut(plan):
    read = list(csv.DictReader(io.StringIO(_matrix.render(plan, "csv"))))
    expected = [{key: safe_cell(value) for key, value in row.items()} for row in _matrix.rows(plan)]
    assert read == expected
    assert any(row["initiators"].count("engine") == 14 for row in read)


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"])
def test_csv_disarms_formulas(value):
    assert safe_cell(value) == f"'{value}"
    assert safe_cell([value, "b"]) == f"'{value}, b"


@pytest.mark.parametrize("value", ["", "cms", "10.1.0.10", "20000-20001", "::1"])
def test_csv_leaves_other_values_alone(value):
    assert safe_cell(value) == value


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("a\\|b", r"a\\\|b"),
        ("gw_hq", "gw_hq"),
        ("_x_", r"\_x\_"),
        ("note ** on <b>", r"note \*\* on \<b\>"),
        ("# one\ntwo", r"\# one two"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
    ],
)
def test_markdown_escapes(text, escaped):
    assert escape(text) == escaped


def test_hostile_values_stay_in_their_cells(plan):
    """Names and texts full of markup change neither the number of cells nor the elements of the page."""
    harmless = _read_html(_matrix.render(plan, "html"))
    columns = _matrix.render(plan, "markdown").replace(r"\|", "").count("|")
    for flow in plan["flows"]:
        for key in ("listener", "service", "purpose", "source"):
            flow[key] = HOSTILE
        flow["initiators"] = [HOSTILE]
    plan["warnings"] = [HOSTILE]
    plan["products"][0]["documents"][0].update(title=HOSTILE, url="javascript:alert(1)")
    for policy in plan["policies"].values():
        policy["host"] = HOSTILE
    hostile = _read_html(_matrix.render(plan, "html"))
    assert hostile.tags == harmless.tags
    assert [len(row) for row in hostile.rows] == [9] * len(plan["flows"])
    assert all(HOSTILE in row[0] and HOSTILE in row[1] for row in hostile.rows)
    assert 'href="javascript' not in _matrix.render(plan, "html")
    assert _matrix.render(plan, "markdown").replace("\\\\", "").replace(r"\|", "").count("|") == columns
    first = next(csv.DictReader(io.StringIO(_matrix.render(plan, "csv"))))
    assert first["listener"] == f"'{HOSTILE}"


def test_html_says_what_a_signer_must_know(plan):
    text = _matrix.render(plan, "html")
    assert plan["warnings"][0].split(":")[0] in text
    inferred = sum(flow["direction"] == "inferred" for flow in plan["flows"])
    assert f"{inferred} rows with an inferred direction" in text
    for words in ("enforced nowhere", "reading: example", "reading: union", "not published", "198.51.100.1:8011"):
        assert words in text
    assert text.count(plan["digest"]) == 3  # the head, the signatures, the foot of every sheet


def test_html_shows_every_row_and_writes_cut_lists_out(plan):
    text = _matrix.render(plan, "html")
    rows = _read_html(text).rows
    assert len(rows) == len(plan["flows"])
    for row, cells in zip(_matrix.rows(plan), rows, strict=True):
        assert cells[0].startswith(row["listener"])
        assert cells[1].startswith(row["service"])
        assert cells[2] == f"{row['protocol'].upper()} {', '.join(row['ports'])}"
    engines = [f"engine{number:02}" for number in range(1, 15)]
    cut = next(cells[3] for cells in rows if cells[0].startswith("map2") and "engine01" in cells[3])
    assert cut.startswith("engine01, engine02, engine03, engine04 … 14 in all, list ")
    assert f"</b>: {', '.join(engines)}</p>" in text


def test_html_fetches_nothing(plan):
    text = _matrix.render(plan, "html")
    assert not _read_html(text).tags & {"script", "link", "img", "iframe", "object"}
    assert "url(" not in text
    assert "default-src 'none'" in text


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_enforcement_points_show_all_rules_and_forwards(plan, form):
    text = _matrix.render(plan, form)
    for words in ("203.0.113.2", "TCP 21, 80, 20000-20001", "Connection tracking helper ftp", "Source NAT", "UDP 161"):
        assert words in text
    assert "Nothing is opened or governed at engine01" in text


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_enforcement_points_say_how_they_are_enforced(plan, form):
    text = _matrix.render(plan, form).replace("\\", "")
    for name, mode in (
        ("gw_hq", "scoped; transit: leave; platform linux."),
        ("gw_studio", "scoped; transit: deny; platform linux."),
        ("map1", "default_deny; platform linux."),
        ("superreporter", "planned only; scoped; platform windows."),
    ):
        heading = f"### {name}\n\n{mode}\n" if form == "markdown" else f"<h3>{name}</h3><p>{mode}</p>"
        assert heading in text
    assert "default_deny drops at every port of the host itself" in text


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_every_reference_leads_to_its_statement(plan, form):
    text = _matrix.render(plan, form)
    sources = {flow["source"] for flow in plan["flows"]} - {"playout_allow of the inventory"}
    matrix, statements = text.split("Sources", 1)
    for number in range(1, len(sources) + 1):
        assert f"[{number}]" in matrix.replace("\\", "")
        assert f"[{number}]" in statements
    assert f"[{len(sources) + 1}]" not in text


@pytest.mark.parametrize("width", [40, 120, 140, 160])
def test_table_keeps_to_its_width_and_never_cuts_ports(plan, width):
    lines = _matrix.table(plan, width).splitlines()
    assert max(map(len, lines)) <= max(width, NARROWEST)
    for row in _matrix.rows(plan):
        ports = f"{row['protocol'].upper()} {row['ports'][0]}"
        assert any(f" {ports} " in line for line in lines)


def test_table_aligns_its_columns(plan):
    lines = _matrix.table(plan, 140).splitlines()
    heads = [line for line in lines if line.startswith("LISTENER")]
    assert len(set(heads)) == 1
    at = heads[0].index("PORTS")
    rows = [line for line in lines if line[at : at + 4] in ("TCP ", "UDP ")]
    assert len(rows) == len(plan["flows"])
    assert all(line[at - 1] == " " for line in rows)


def test_table_leaves_out_a_column_that_nobody_needs(plan):
    plan["flows"] = [flow for flow in plan["flows"] if flow["product"] == "viz_world"]
    assert "OUTSIDE" not in _matrix.table(plan)


@pytest.mark.parametrize(
    ("items", "width", "kind", "fitted"),
    [
        (["a", "b"], 10, "", "a, b"),
        (["one", "two", "three"], 11, "", "one, two +1"),
        (["one", "two", "three"], 6, "", "one +2"),
        (["much_too_long"], 6, "", "much_…"),
        (["one", "two", "three"], 11, "cayin_smp", "3 cayin_smp"),
        ([], 5, "", ""),
    ],
)
def test_fit(items, width, kind, fitted):
    assert fit(items, width, kind) == fitted


def test_plan_without_flows_is_a_page_too():
    empty = make_plan(read_fleet({}, load_catalogue(), Problems()), Problems()).to_dict()
    for form in _matrix.FORMATS:
        assert _matrix.render(empty, form)
    assert "0 hosts" in _matrix.table(empty)
