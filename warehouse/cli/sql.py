"""`warehouse sql`: one question and its answer, or a shell to ask in."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from warehouse.cli.app import app, console, literal, settings_for, stderr
from warehouse.errors import CallError
from warehouse.settings import Settings


@app.command()
def sql(
    query: str = typer.Argument(
        None,
        help='SQL on schemas gold and ops, such as "select * from gold.kpi_daily"; from standard input '
        "if that is piped. Without any, a shell opens.",
    ),
    file: Path = typer.Option(None, "--file", help="A file with the query."),
    question: str = typer.Option(
        None, "--question", help="A saved question; `\\l` in the shell lists them."
    ),
    landing: str = typer.Option(
        None,
        help="Ask what this source has landed instead: latest.<stream>, raw_<source>.<stream>.",
    ),
    form: str = typer.Option(
        None, "--format", "-f", help="table, csv, json or parquet; else what --output ends with."
    ),
    output: Path = typer.Option(None, "--output", "-o", help="Write the answer to this file."),
    edition: str = typer.Option(
        None, help="restricted (all columns; the default) or analyst (pseudonyms, no PII)."
    ),
    limit: int = typer.Option(100_000, min=1, help="Most rows to return."),
) -> None:
    """Ask the newest published version (or, with --landing, what a source has said)."""
    from serving import reader
    from serving.sql import FORMS, render
    from warehouse.cli import tables

    if landing and edition:
        raise CallError(
            "--landing has no editions: it shows all that the source said, persons too",
            "leave out --edition; without --landing the published version is asked",
        )
    edition = edition or "restricted"
    settings = settings_for()
    asked = _asked(settings, query, file, question)
    form = form or (output.suffix.removeprefix(".") if output else "table")
    if form not in FORMS and (form != "table" or output):
        raise CallError(f"no format '{form}'", f"formats are: table, {', '.join(FORMS)}")
    if asked is None:
        if landing or output:
            raise CallError("there is no query", 'say it: warehouse sql "select …"')
        from warehouse.cli.shell import Shell

        Shell(settings, edition).run()
        return
    answer = (
        reader.query_landing(settings, landing, asked, limit=limit)
        if landing
        else reader.query(settings, asked, edition=edition, limit=limit)
    )
    if output:
        output.write_bytes(render(answer, form))
        stderr.print(f"{len(answer.rows):,} rows in {output}", highlight=False)
    elif form == "table":
        console.print(tables.grid(answer))
    else:
        sys.stdout.buffer.write(render(answer, form))
        sys.stdout.buffer.flush()
    if answer.is_truncated:
        stderr.print(
            f"[yellow]![/] only the first {len(answer.rows):,} rows; add a filter, or raise --limit"
        )


def _asked(
    settings: Settings, query: str | None, file: Path | None, question: str | None
) -> str | None:
    """The SQL, from wherever it comes; None for the shell.

    Raises:
        CallError: It comes from two places at once, or from one that holds no text.
    """
    from serving.questions import find

    if sum(way is not None for way in (query, file, question)) > 1:
        raise CallError("more than one query", "give SQL, --file or --question")
    if question is not None:
        found = find(settings, question)
        stderr.print(f"[bold]{literal(found.title)}[/]", highlight=False)
        return found.sql
    try:
        if file is not None:
            return file.read_text(encoding="utf-8")
        if query is None and not sys.stdin.isatty():
            return sys.stdin.read()
    except UnicodeDecodeError:
        raise CallError(f"{file or 'standard input'} is not UTF-8", "save it as UTF-8") from None
    return query
