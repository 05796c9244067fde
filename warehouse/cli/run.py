"""`warehouse run`: the whole road, in order, with live progress and a closing table of headline KPIs."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from itertools import groupby
from typing import Any

import psutil
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from warehouse.cli.app import app, console, not_foreseen, settings_for, stderr
from warehouse.cli.sources import quarantine_exit
from warehouse.errors import CallError, NothingToDo, WarehouseError
from warehouse.locks import hold
from warehouse.settings import Settings
from warehouse.sources import SOURCES
from warehouse.stages import STAGES, Stage

log = logging.getLogger(__name__)

SOURCES_AT_ONCE = 2


@app.command()
def run() -> None:
    """Land, build, check, score and publish: everything that is new, in order."""
    from sandbox.serve import running
    from warehouse import spark_session

    settings = settings_for(prepare=True)
    if settings.mode == "real" and not any(spec.is_on(settings) for spec in SOURCES.values()):
        raise CallError(
            "every source is off", "set STRIPE_API_KEY, or another source's settings (.env.example)"
        )
    started = time.monotonic()
    done: dict[str, dict[str, Any]] = {}
    failed: list[WarehouseError] = []
    # two runs side by side would build behind the back of each other's gates
    alone = hold(settings.home / "run", what="warehouse run", timeout=settings.lock_timeout)
    try:
        with (
            alone,
            running(settings) as reachable,
            _progress() as progress,
            spark_session.shared(settings),
        ):
            for _, group in groupby(STAGES, key=lambda stage: stage.group or stage.name):
                failed += _run_group(list(group), reachable, progress, done)
    except BaseException:
        # what stopped the road is told last; a source that failed before may well be why
        _warn(done, failed)
        raise
    _warn(done, failed[1:])
    _closing_table(settings, done, time.monotonic() - started)
    if failed:
        raise failed[0]
    landed = [figures for figures in done.values() if "quarantined" in figures]
    raise typer.Exit(
        quarantine_exit(
            sum(f["rows"] for f in landed),
            sum(f["quarantined"] for f in landed),
            settings.quarantine_warning,
        )
    )


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}[/]"),
        console=stderr,
    )


def _run_group(
    group: list[Stage], settings: Settings, progress: Progress, done: dict[str, dict[str, Any]]
) -> list[WarehouseError]:
    """Run the stages of a group side by side.

    A source that fails doesn't hold up the others nor the rest of the road: its figures stay as
    they were, and
    `complete_through` says so. Any other stage that fails stops the road.
    """
    failed: list[WarehouseError] = []
    with ThreadPoolExecutor(max_workers=SOURCES_AT_ONCE) as pool:
        futures = {pool.submit(_run_stage, stage, settings, progress): stage for stage in group}
        try:
            for future in as_completed(futures):
                stage = futures[future]
                try:
                    done[stage.name] = future.result()
                except WarehouseError as error:
                    if stage.group != "ingest":
                        raise
                    failed.append(error)
                except Exception as error:  # one source's bug holds up no other source
                    if stage.group != "ingest":
                        raise
                    log.debug("%s failed", stage.title, exc_info=True)
                    failed.append(
                        WarehouseError(
                            f"{stage.title}: {type(error).__name__}: {error}",
                            not_foreseen(),
                        )
                    )
        except BaseException:
            # without this, stopping would wait for the stages under way and start those that wait
            pool.shutdown(wait=False, cancel_futures=True)
            _end_children()
            raise
    return failed


def _end_children() -> None:
    """Ask our connectors and dbt to end: what they have not committed is not there."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            child.terminate()


def _run_stage(stage: Stage, settings: Settings, progress: Progress) -> dict[str, Any]:
    task = progress.add_task(f"{stage.title:<28}", total=None, note="")

    def say(line: str) -> None:
        progress.update(task, note=line[:70])

    try:
        figures = stage.run(settings, say)
    except NothingToDo as nothing:
        progress.update(task, total=1, completed=1, note=nothing.message)
        return {}
    except BaseException:
        progress.update(task, note="[red]failed[/]", total=1)
        progress.stop_task(task)
        raise
    progress.update(task, total=1, completed=1, note=_note(figures))
    return figures


def _note(figures: dict[str, Any]) -> str:
    shown = (
        "rows",
        "quarantined",
        "models",
        "tests",
        "checks",
        "version",
        "customers",
        "rules",
        "firing",
    )
    return ", ".join(
        f"{figures[key]:,} {key}" if isinstance(figures[key], int) else f"{figures[key]}"
        for key in shown
        if figures.get(key) not in (None, 0)
    )


def _warn(done: dict[str, dict[str, Any]], failed: list[WarehouseError]) -> None:
    for figures in done.values():
        for warning in figures.get("warnings", ()):
            stderr.print(f"[yellow]![/] {escape(warning)}", highlight=False)
    for error in failed:
        stderr.print(f"[red]![/] {escape(error.message)}", highlight=False)


def _closing_table(settings: Settings, done: dict[str, dict[str, Any]], seconds: float) -> None:
    from serving.headlines import headlines

    table = Table(
        title=f"Headline KPIs, {done['publish']['version']}",
        title_justify="left",
        show_header=False,
    )
    table.add_column("")
    table.add_column("", justify="right")
    for label, value in headlines(settings):
        table.add_row(label, value)
    console.print(table)
    console.print(
        f'done in {seconds:.0f} s; ask it anything: warehouse sql "select …"', highlight=False
    )
