# Copyright (c) 2026, playout.firewall contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the matrix's HTML page looks: on a light or dark screen, and on A4 paper in landscape."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1b2430; --soft: #566273; --line: #d5dbe3; --band: #f2f5f8; --link: #0b5cad;
  --good: #17663a; --good-band: #e3f3e9; --care: #855000; --care-band: #fff1d6; --bad: #a1262a; --bad-band: #fde8e8;
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.5rem 3rem; max-width: 100rem;
  background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.8rem; letter-spacing: -.01em; }
h2 { margin: 2.2rem 0 .7rem; font-size: 1.25rem; }
h3 { margin: 1.4rem 0 .4rem; font-size: 1rem; }
p { margin: .4rem 0; max-width: 75rem; }
a { color: var(--link); }
code, .mono {
  font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .9em;
}
code { overflow-wrap: anywhere; }
ul { margin: .4rem 0; padding-left: 1.2rem; }
li { margin: .15rem 0; }
.soft { color: var(--soft); }
.small { font-size: .87em; }
.counts { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1.2rem 0; padding: 0; list-style: none; }
.counts li { margin: 0; padding: .5rem .9rem; border: 1px solid var(--line); background: var(--band); }
.counts b { display: block; font-size: 1.35rem; line-height: 1.2; }
.box { margin: 1rem 0; padding: .6rem 1rem .7rem; border-left: .3rem solid var(--line); background: var(--band); }
.box h2 { margin: 0 0 .3rem; font-size: 1rem; }
.box.warning { border-color: var(--care); background: var(--care-band); }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .4rem .55rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { background: var(--band); border-bottom: 2px solid var(--soft); font-size: .87em; white-space: nowrap; }
tbody th { padding-top: 1.1rem; border-bottom-color: var(--soft); font-size: 1.02em; }
td { overflow-wrap: break-word; }
td.ports { white-space: nowrap; }
#matrix td:first-child { min-width: 13.5em; }
td > div { margin-top: .1rem; }
.tag { display: inline-block; padding: 0 .45em; border: 1px solid; border-radius: .3em; }
.tag { font-size: .87em; white-space: nowrap; }
.good { color: var(--good); background: var(--good-band); }
.care { color: var(--care); background: var(--care-band); }
.bad { color: var(--bad); background: var(--bad-band); }
.plain { color: var(--soft); }
.point, .document { break-inside: avoid; }
.point table { table-layout: fixed; }
.signatures td { height: 3.6rem; border: 1px solid var(--soft); }
.signatures th { border: 1px solid var(--soft); }
@media screen and (max-width: 90rem) { #matrix { font-size: 12.5px; } }
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #12171e; --ink: #e4e9f0; --soft: #9ba8b8; --line: #303a47; --band: #1b222c; --link: #7db8f5;
    --good: #86d6a5; --good-band: #15301f; --care: #f0c270; --care-band: #352810; --bad: #f39a9d; --bad-band: #3a191b;
  }
}
@media print {
  :root { color-scheme: light; font-size: 10pt; }
  body { padding: 0; max-width: none; font-size: 7.5pt; line-height: 1.35; }
  h2, h3 { break-after: avoid; }
  thead { display: table-header-group; }
  tr, .box, .signing { break-inside: avoid; }
  tbody th { break-after: avoid; }
  .wide { overflow: visible; }
  a { color: inherit; text-decoration: none; }
  th, td { padding: .15rem .35rem; }
  h1 { font-size: 15pt; }
  h2 { margin-top: 1.2rem; font-size: 11pt; }
  h3 { font-size: 8.5pt; }
  .counts b { font-size: 11pt; }
  tbody th { padding-top: .6rem; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

# Every sheet says to which plan it belongs; %s is the digest.
SHEET = """
@page {
  size: A4 landscape; margin: 12mm 12mm 15mm;
  @bottom-left { content: "Plan %s"; font: 7pt monospace; color: #566273; }
  @bottom-right { content: counter(page) " / " counter(pages); font: 7pt sans-serif; color: #566273; }
}
"""
