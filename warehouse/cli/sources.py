"""`warehouse source` and `warehouse sync`: look at connectors, and land what they have."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import typer
from rich.markup import escape
from rich.table import Table

from warehouse.cli.app import app, console, settings_for
from warehouse.errors import CallError
from warehouse.sources import SOURCES
from warehouse.sources import source as source_named

source = typer.Typer(
    help="The connectors: what they are, whether they answer, what they have.", no_args_is_help=True
)
app.add_typer(source, name="source")


@source.command("list")
def list_sources() -> None:
    """List the sources and their streams."""
    table = Table("source", "style", "streams")
    for name, spec in SOURCES.items():
        table.add_row(name, spec.style, ", ".join(spec.streams))
    console.print(table)


@source.command()
def spec(name: str) -> None:
    """Show the settings that a connector takes."""
    from ingestion.runner import source_spec

    typer.echo(json.dumps(source_spec(name, settings_for()), indent=2))


@source.command()
def check(name: str) -> None:
    """Ask a source whether it answers."""
    from ingestion.runner import source_check
    from sandbox.serve import running

    with running(settings_for(prepare=True)) as settings:
        message = source_check(name, settings)
    console.print(f"[green]✓[/] {name}: {escape(message)}", highlight=False)


@source.command()
def discover(name: str) -> None:
    """Show a source's catalog."""
    from ingestion.runner import source_discover
    from sandbox.serve import running

    with running(settings_for(prepare=True)) as settings:
        typer.echo(json.dumps(source_discover(name, settings), indent=2))


@source.command()
def read(
    name: str,
    stream: str = typer.Option(None, help="Only this stream."),
    limit: int = typer.Option(10, min=1, help="How many records to show."),
) -> None:
    """Show the first records of a source, without landing them."""
    from ingestion.runner import source_read
    from sandbox.serve import running

    with running(settings_for(prepare=True)) as settings:
        for record in source_read(name, settings, stream=stream, limit=limit):
            typer.echo(json.dumps(record))


def _window(since: datetime | None, until: datetime | None):
    if (since is None) != (until is None):
        raise CallError(
            "--from and --to belong together",
            "give both, as days: --from 2025-06-01 --to 2025-06-07",
        )
    if since is None or until is None:
        return None
    if until < since:
        raise CallError("--to lies before --from", "a window is --from FIRST_DAY --to LAST_DAY")
    return since.date(), until.date()


@app.command()
def sync(
    name: str = typer.Argument(None, help="A source out of `warehouse source list`."),
    since: datetime = typer.Option(
        None, "--from", formats=["%Y-%m-%d"], help="Backfill: first day."
    ),
    until: datetime = typer.Option(None, "--to", formats=["%Y-%m-%d"], help="Backfill: last day."),
    full_refresh: bool = typer.Option(
        False, "--full-refresh", help="Forget the cursor and read everything again."
    ),
    execute: str = typer.Option(
        None, "--exec", help="Any Airbyte connector: an executable or a docker command line."
    ),
    config: Path = typer.Option(
        None, exists=True, dir_okay=False, help="With --exec: its config file."
    ),
    as_name: str = typer.Option(None, "--name", help="With --exec: what to call it."),
    select: list[str] = typer.Option(None, "--stream", help="With --exec: only these streams."),
    restart_from_complete: bool = typer.Option(
        None,
        "--restart-from-complete/--resume",
        help="With --exec, and kept for its name: after a failure go on from where the stream was last complete, "
        "for a connector that marks streams done too early; or from its last state (as at first).",
    ),
) -> None:
    """Land what is new in a source."""
    from ingestion.runner import sync as sync_source
    from ingestion.runner import sync_exec
    from sandbox.serve import running

    window = _window(since, until)
    if (name is None) == (execute is None):
        raise CallError(
            "say which source",
            "either `warehouse sync NAME` or `warehouse sync --exec CMD --config F --name N`",
        )
    if name is not None:
        source_named(name)
    if execute is None and (config or as_name or select or restart_from_complete is not None):
        raise CallError(
            "--config, --name, --stream and --restart-from-complete belong to --exec",
            "a source of ours takes its settings from .env: `warehouse sync NAME`",
        )
    if execute is not None and (config is None or as_name is None):
        raise CallError("--exec needs --config and --name", "see docs/add-a-source.md")
    settings = settings_for(prepare=True)
    with console.status(f"syncing {name or as_name}") as status:

        def progress(rows: int) -> None:
            status.update(f"syncing {name or as_name}: {rows:,} rows")

        if execute is not None:
            result = sync_exec(
                execute,
                config,
                as_name,
                settings,
                select=select or None,
                window=window,
                full_refresh=full_refresh,
                restart_from_complete=restart_from_complete,
                progress=progress,
            )
        else:
            with running(settings) as reachable:
                result = sync_source(
                    name, reachable, window=window, full_refresh=full_refresh, progress=progress
                )
    console.print(
        f"{result.source}: {result.rows:,} rows landed, {result.quarantined:,} quarantined, "
        f"complete through {result.complete_through or 'unknown'}",
        highlight=False,
    )
    for warning in result.warnings:
        console.print(f"  [yellow]![/] {escape(warning)}", highlight=False)
    raise typer.Exit(quarantine_exit(result.rows, result.quarantined, settings.quarantine_warning))


def quarantine_exit(rows: int, quarantined: int, warning_share: float) -> int:
    """3 where the share of quarantined rows lies above the warning share, else 0."""
    total = rows + quarantined
    return 3 if total and quarantined / total > warning_share else 0
