"""A report's content as one HTML file, as a PDF, and as the body of a message; none asks another host for anything.

Reads: the templates beside this file. Writes: nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from serving.reports.content import Card, Cards, Figure, Report
from serving.reports.source import fonts

_HERE = Path(__file__).parent
_NAMED = re.compile(r'\bid="|\burl\(#|href="#')
_SIZE = re.compile(r'(<svg[^>]*?) width="[\d.]+" height="[\d.]+"')


def html(report: Report) -> str:
    """The whole report in one file: styles and drawings are inside, and the page's own policy forbids anything else."""
    return _templates().get_template("report.html.j2").render(report=report)


def mail_html(report: Report) -> str:
    """What a message shows by itself; mail programs draw neither SVG nor style sheets, so it is the numbers on top."""
    return _templates().get_template("mail.html.j2").render(report=report, cards=_cards(report))


def mail_text(report: Report) -> str:
    """The same for who reads plain text."""
    lines = [report.title, report.words, report.about, ""]
    lines += [f"{card.label}: {card.value}  {card.change}".rstrip() for card in _cards(report)]
    if report.changes:
        lines += ["", f"Revision {report.revision}; what differs from the issue before:"]
        lines += [f"- {change}" for change in report.changes]
    lines += ["", "The whole report is attached, as PDF and as a page for the browser.", ""]
    return "\n".join(lines)


def pdf(report: Report) -> bytes:
    """The report on A4, set by Typst: compiler and letters come in its wheel, those of charts with matplotlib."""
    return _typeset(report, "pdf")


def pages(report: Report, *, dots_per_inch: int = 110) -> list[bytes]:
    """The PDF's pages as pictures (PNG), to be looked at."""
    found = _typeset(report, "png", ppi=float(dots_per_inch))
    return found if isinstance(found, list) else [found]


def _typeset(report: Report, form: str, **options: Any) -> Any:
    import typst

    said = report.as_json()
    for section, part in zip(said["sections"], report.sections, strict=True):
        section["rows"] = [[asdict(block) for block in row] for row in _in_rows(part.blocks)]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "content.json").write_text(json.dumps(said), encoding="utf-8")
        template = Path(folder) / "report.typ"
        template.write_bytes((_HERE / "report.typ").read_bytes())
        return typst.compile(
            str(template),
            root=folder,
            format=form,
            font_paths=[str(fonts())],
            ignore_system_fonts=True,
            **options,
        )


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["in_rows"] = _in_rows
    environment.filters["drawing"] = _drawing
    return environment


def _in_rows(blocks: Iterable[Any]) -> list[list[Any]]:
    """Blocks one below the other, half figures two in a row."""
    rows: list[list[Any]] = []
    for block in blocks:
        is_half = isinstance(block, Figure) and block.is_half
        before = rows[-1] if rows else []
        if is_half and len(before) == 1 and isinstance(before[0], Figure) and before[0].is_half:
            before.append(block)
        else:
            rows.append([block])
    return rows


def _drawing(svg: str, title: str) -> Markup:
    """An SVG of ours within the page: as wide as there is room, and named for who can't see it."""
    scaled = _SIZE.sub(r"\1", svg, count=1)
    # the drawings of a page share one space of names
    mark = hashlib.sha256(f"{title}{svg}".encode()).hexdigest()[:8]
    scaled = _NAMED.sub(rf"\g<0>{mark}-", scaled)
    return Markup(scaled.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1))  # noqa: S704 - drawn here


def _cards(report: Report) -> list[Card]:
    return [
        card
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Cards)
        for card in block.cards
    ]
