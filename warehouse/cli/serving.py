"""`warehouse sql`, `dashboard`, `status`, `doctor`: ask the published edition, and look at the state of things."""

from __future__ import annotations

import json

import typer
from rich.markup import escape
from rich.table import Table

from warehouse.cli.app import app, console, settings_for, stderr
from warehouse.errors import CallError
from warehouse.settings import load_settings

FORMATS = ("table", "csv", "json")


@app.command()
def sql(
    query: str = typer.Argument(
        ..., help='SQL on schemas gold and ops, such as "select * from gold.kpi_daily".'
    ),
    landing: str = typer.Option(
        None,
        help="Ask what this source has landed instead: latest.<stream>, raw_<source>.<stream>.",
    ),
    output: str = typer.Option("table", "--format", "-f", help="table, csv or json."),
    edition: str = typer.Option(
        "restricted", help="restricted (all columns) or analyst (pseudonyms, no PII)."
    ),
) -> None:
    """Ask the newest published version (or, with --landing, what a source has said)."""
    from serving.sql import query as run_query
    from serving.sql import query_landing, render

    if output not in FORMATS:
        raise CallError(f"no format '{output}'", f"formats are: {', '.join(FORMATS)}")
    settings = settings_for()
    result = (
        query_landing(settings, landing, query)
        if landing
        else run_query(settings, query, edition=edition)
    )
    if output == "table":
        table = Table(*(escape(str(column)) for column in result.columns))
        for row in result.rows:
            table.add_row(*("" if value is None else escape(str(value)) for value in row))
        console.print(table)
    else:
        typer.echo(render(result, output), nl=False)
    if result.is_truncated:
        stderr.print(
            f"[yellow]![/] only the first {len(result.rows):,} rows; add a limit or a filter"
        )


@app.command(
    name="mf",
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "help_option_names": [],
    },
)
def metrics(
    context: typer.Context,
    edition: str = typer.Option(
        "restricted", "--edition", help="restricted (all columns) or analyst (pseudonyms, no PII)."
    ),
) -> None:
    """Ask the newest published version for metrics, in MetricFlow's words: `warehouse mf query --metrics mrr`."""
    from serving.metrics import ask

    ask(settings_for(), context.args or ["--help"], edition=edition)


@app.command()
def dashboard(
    port: int = typer.Option(None, help="Port on this machine; else the setting DASHBOARD_PORT."),
) -> None:
    """Open the dashboards on the newest published version, until Ctrl-C."""
    from serving.dashboards import server
    from serving.sql import current_file

    settings = settings_for()
    current_file(settings, "restricted")
    chosen = port or settings.dashboard_port
    console.print(f"dashboards on http://127.0.0.1:{chosen} (stop with Ctrl-C)")
    # in this process's place: Ctrl-C and SIGTERM reach the server itself
    server.take_over(settings, chosen)


@app.command()
def status(as_json: bool = typer.Option(False, "--json", help="For machines.")) -> None:
    """Show per source what is landed and complete, the last build and gates, and the published version."""
    from warehouse.status import status as read_status

    report = read_status(settings_for())
    if as_json:
        typer.echo(json.dumps(report, default=str, indent=2))
        return
    table = Table("source", "last sync", "rows", "quarantined", "complete through", "")
    for row in report["sources"]:
        table.add_row(
            row["source"], _minute(row["last_sync"]) or "never", f"{row['rows'] or 0:,}",
            f"{row['quarantined'] or 0:,}",
            _minute(row["complete_through"]), row["note"] or "",
        )  # fmt: skip
    console.print(table)
    for line in report["lines"]:
        console.print(line, highlight=False)


def _minute(instant: object) -> str:
    """An instant for people: to the minute."""
    return str(instant)[:16] if instant else ""


@app.command()
def doctor() -> None:
    """Check settings, rights, keys and files; strict in real mode."""
    from warehouse.doctor import examine

    findings = examine(load_settings())
    marks = {"ok": "[green]✓[/]", "note": "[yellow]·[/]", "fail": "[red]✗[/]"}
    for finding in findings:
        console.print(
            f"{marks[finding.level]} {finding.name:<26} {escape(finding.detail)}", highlight=False
        )
        if finding.level == "fail" and finding.hint:
            console.print(f"    → {escape(finding.hint)}", highlight=False)
    raise typer.Exit(1 if any(finding.level == "fail" for finding in findings) else 0)
