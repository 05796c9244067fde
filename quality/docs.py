"""The quality page: what was checked, what failed, since when; one HTML file that works offline.

Great Expectations' own data docs stand beside it. They load styles, scripts and a tracking picture from the network:
all of that is cut out here, with what works by those scripts alone, and their list of tables is written anew.

Reads: `ops.duckdb` (through rows handed in), `<home>/logs/quality/<gate>/`.
Writes: a folder `quality` with index.html and ge/<gate>/.
Run: by `serving.publish`.
"""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

# Scripts need a library from the network; the footers offer newsletters and tutorials there.
_OUTSIDE = re.compile(
    r"<script\b.*?</script>|<footer\b.*?</footer>|<form\b.*?</form>"
    r"|<link\b[^>]*>"
    r"|<img\b[^>]*\bsrc=[\"']https?://[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_OUTSIDE_LINK = re.compile(r"href=([\"'])https?://[^\"']*\1", re.IGNORECASE)
_IMPORT = re.compile(r"@import\s+url\([^)]*https?://[^)]*\)\s*;?", re.IGNORECASE)

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}
th{font-weight:600;background:#f6f8fa}.n{text-align:right;font-variant-numeric:tabular-nums}
.ok{color:#1a7f37}.bad{color:#b42318;font-weight:600}.warn{color:#9a6700}details{margin:.4rem 0}
summary{cursor:pointer;padding:.25rem 0}code{background:#f6f8fa;padding:0 .2rem}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,code{background:#161b22}
th,td{border-color:#30363d}.ok{color:#3fb950}.bad{color:#ff7b72}.warn{color:#d29922}}
"""
# GE's pages lean on bootstrap and an icon font; this is as much of them as they need to be read.
_GE_STYLE = """<style>
:root{color-scheme:light dark}body{font:14px/1.5 system-ui,sans-serif;margin:0 auto;max-width:75rem;padding:1rem}
h4,h5,h6{margin:.8rem 0 .4rem;font-size:1.05rem}.lead,.card-header{opacity:.75}.container{padding:0}
.container-fluid>.row:has(>.col-lg-2){display:grid;grid-template-columns:15rem minmax(0,1fr);gap:2rem}
.ge-navigation-sidebar-content,ol.breadcrumb{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:0 1rem}
.ge-navigation-sidebar-content{flex-direction:column;flex-wrap:nowrap}.ge-navigation-sidebar-container{max-height:none!important}
nav.navbar{height:auto!important}.sticky{top:1rem!important}.card{max-height:none!important}a{color:LinkText;text-decoration:none}
.card:has([data-toggle=buttons]),[data-toggle=collapse],.modal,.cooltip .top,thead[hidden]{display:none}
.table-responsive,.show-scrollbars{overflow-x:auto}table{border-collapse:collapse;min-width:50%}
td,th{border:0;border-bottom:1px solid color-mix(in srgb,currentColor 18%,transparent);padding:.3rem .7rem .3rem 0}
td,th{text-align:left;vertical-align:top}
.table{color:inherit!important;background:none!important}pre,code{white-space:pre-wrap}img{max-width:10rem}
.fa-check-circle::before{content:"✓";color:#1a7f37}.fa-times::before,.fa-times-circle::before{content:"✗";color:#c9372c}
.fa-exclamation-triangle::before{content:"!";color:#9a6700}.fas{font-style:normal;font-weight:700}
@media(max-width:640px){.container-fluid>.row:has(>.col-lg-2){display:block}.sticky{position:static}}
</style>"""


@dataclass(frozen=True)
class Row:
    """One check result as the page shows it."""

    gate: str
    table: str
    expectation: str
    dimension: str
    severity: str
    success: bool
    observed: str
    detail: str


def build(
    target: Path, staging: Path, rows: Sequence[Row], *, version: str, checked_at: datetime
) -> Path:
    """Write the quality folder of a version.

    Args:
        target: The folder to make.
        staging: `<home>/logs/quality`, with a folder per gate.
        rows: Results of the newest run of each gate.
        version: The version they belong to.
        checked_at: When they were checked (warehouse time).

    Returns:
        The index page.
    """
    target.mkdir(parents=True, mode=0o700)
    gates = []
    for gate_dir in sorted(staging.iterdir()) if staging.exists() else ():
        if gate_dir.is_dir():
            _copy_ge(gate_dir, target / "ge" / gate_dir.name)
            gates.append(gate_dir.name)
    index = target / "index.html"
    index.write_text(_page(rows, gates, version, checked_at), encoding="utf-8")
    for gate in gates:
        page = _list_of_ge(target / "ge" / gate, gate, rows)
        (target / "ge" / gate / "index.html").write_text(page, encoding="utf-8")
    return index


def _copy_ge(source: Path, target: Path) -> None:
    for page in sorted(source.rglob("*.html")):
        destination = target / page.relative_to(source)
        destination.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        destination.write_text(offline(page.read_text(encoding="utf-8")), encoding="utf-8")
    styles = source / "static" / "styles"
    if styles.exists():
        shutil.copytree(styles, target / "static" / "styles", dirs_exist_ok=True)
        for sheet in (target / "static" / "styles").rglob("*.css"):
            sheet.write_text(_IMPORT.sub("", sheet.read_text(encoding="utf-8")), encoding="utf-8")


def offline(page: str) -> str:
    """A page of GE's without anything that is loaded from, or leads to, the network."""
    page = _OUTSIDE.sub("", page)
    page = _OUTSIDE_LINK.sub('href="#"', page)
    page = _IMPORT.sub("", page)
    return page.replace("</head>", _GE_STYLE + "</head>", 1)


def _list_of_ge(folder: Path, gate: str, rows: Sequence[Row]) -> str:
    """The tables of a gate with GE's newest page on each; its own list is drawn by a script from the network."""
    lines = []
    for suite in sorted((folder / "expectations").rglob("*.html")):
        name = suite.relative_to(folder / "expectations").with_suffix("")
        newest = max((folder / "validations" / name).rglob("*.html"), default=None)
        table = ".".join(name.parts)
        found = [row for row in rows if (row.gate, row.table) == (gate, table)]
        bad = sum(not row.success for row in found)
        mark = f'<td class="bad">✗ {bad}</td>' if bad else '<td class="ok">✓</td>'
        links = [(suite, "what must hold"), *([(newest, "what was found")] if newest else [])]
        cells = "".join(
            f'<td><a href="{html.escape(page.relative_to(folder).as_posix())}">{text}</a></td>'
            for page, text in links
        )
        lines.append(f"<tr>{mark}<td><code>{html.escape(table)}</code></td>{cells}</tr>")
    head = "<tr><th></th><th>Table</th><th></th><th></th></tr>"
    return "\n".join(
        [
            '<!doctype html><html lang=en><meta charset=utf-8><meta name="viewport" content="width=device-width">',
            f"<title>Great Expectations, gate {html.escape(gate)}</title><style>{_STYLE}</style>",
            f"<h1>Gate {html.escape(gate)}, as Great Expectations shows it</h1>",
            '<p><a href="../../index.html">All gates</a></p>',
            f"<table>{head}{''.join(lines)}</table></html>",
        ]
    )


def _page(rows: Sequence[Row], gates: Sequence[str], version: str, checked_at: datetime) -> str:
    failed = [row for row in rows if not row.success]
    tables: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        tables.setdefault((row.gate, row.table), []).append(row)
    verdict = (
        f'<span class="warn">{len(failed)} of {len(rows)} checks failed</span>'
        if failed
        else f'<span class="ok">all {len(rows)} checks passed</span>'
    )
    parts = [
        '<!doctype html><html lang=en><meta charset=utf-8><meta name="viewport" content="width=device-width">',
        f"<title>Data quality, {html.escape(version)}</title><style>{_STYLE}</style>",
        f"<h1>Data quality of version {html.escape(version)}</h1>",
        f"<p>{verdict}, on {len(tables)} tables, as of {checked_at:%Y-%m-%d %H:%M} UTC.</p>",
    ]
    if gates:
        links = " · ".join(f'<a href="ge/{gate}/index.html">{gate}</a>' for gate in gates)
        parts.append(f"<p>Great Expectations' own pages: {links}</p>")
    if failed:
        parts.append("<h2>Failed</h2>" + _rows_table(failed, with_table=True))
    for gate in dict.fromkeys(row.gate for row in rows):
        parts.append(f"<h2>Gate {html.escape(gate)}</h2>")
        for (of_gate, table), found in tables.items():
            if of_gate != gate:
                continue
            bad = sum(not row.success for row in found)
            mark = f'<span class="bad">{bad} failed</span>' if bad else '<span class="ok">ok</span>'
            parts.append(
                f"<details><summary><code>{html.escape(table)}</code> · {len(found)} checks · {mark}"
                f"</summary>{_rows_table(found)}</details>"
            )
    parts.append("</html>")
    return "\n".join(parts)


def _rows_table(rows: Sequence[Row], *, with_table: bool = False) -> str:
    head = ("<th>Table</th>" if with_table else "") + (
        "<th></th><th>What must hold</th><th>Dimension</th><th>Severity</th><th>Observed</th><th>Detail</th>"
    )
    lines = []
    for row in rows:
        mark = '<td class="ok">✓</td>' if row.success else '<td class="bad">✗</td>'
        table = f"<td><code>{html.escape(row.table)}</code></td>" if with_table else ""
        cells = "".join(
            f"<td>{html.escape(str(text or ''))}</td>"
            for text in (row.expectation, row.dimension, row.severity, row.observed, row.detail)
        )
        lines.append(f"<tr>{table}{mark}{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"
