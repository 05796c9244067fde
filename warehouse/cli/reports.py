"""`warehouse report`: the reports that are kept; write one, send one."""

from __future__ import annotations

import typer
from rich.table import Table

from warehouse import stages
from warehouse.cli.app import app, console, settings_for
from warehouse.errors import CallError


@app.command()
def report(
    kind: str = typer.Argument(None, help="weekly or monthly; the list of those kept otherwise."),
    period: str = typer.Option(
        None,
        help="A week such as 2025-W26, a month such as 2025-06; the newest that is complete otherwise.",
    ),
    send: bool = typer.Option(
        False, "--send", help="Send it to its recipients, by the settings' mail server."
    ),
) -> None:
    """Write the report of a week or month, or list those that are kept."""
    from serving.reports import archive, delivery
    from serving.reports.periods import kind_of

    if kind is None:
        if period or send:
            raise CallError("say which report", "weekly or monthly")
        _list()
        return
    settings = settings_for(prepare=True)
    with console.status(f"writing the {kind} report"):
        kept = archive.issue(settings, kind_of(kind), period)
    console.print(kept.pdf, highlight=False, soft_wrap=True)
    console.print(kept.html, highlight=False, soft_wrap=True)
    if not kept.is_new:
        console.print(f"it says what revision {kept.revision} said already", highlight=False)
    for line in archive.report_of(kept)["changes"] if kept.is_new else ():
        console.print(f"  changed: {line}", highlight=False, markup=False)
    if send:
        figures = stages.send_report(
            settings, kept.kind, kept.period, delivery.by_smtp(settings), lambda _: None
        )
        console.print(f"sent to {figures['recipients']} recipients", highlight=False)


def _list() -> None:
    from serving.reports import archive

    table = Table("report", "period", "revision", "of version", "folder")
    for kept in archive.listed(settings_for()):
        table.add_row(kept.kind, kept.period, str(kept.revision), kept.version, str(kept.folder))
    console.print(table)
