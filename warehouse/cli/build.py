"""`warehouse build`, `check`, `train`, `score`, `publish`, `notebooks`, `reset`: one stage at a time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import typer
from rich.markup import escape

from warehouse import stages
from warehouse.cli.app import app, console, settings_for
from warehouse.errors import CallError, GateRefused
from warehouse.ledger import GATES
from warehouse.settings import Settings


def _with_status(
    title: str, run: Callable[[Callable[[str], None]], dict[str, Any]]
) -> dict[str, Any]:
    with console.status(title) as status:
        return run(lambda line: status.update(f"{title}: {line}"[: console.width - 4]))


@app.command()
def build(
    layer: list[str] = typer.Option(
        None, "--layer", help="bronze, silver, gold or ml; all of them otherwise."
    ),
    full_refresh: bool = typer.Option(
        False, "--full-refresh", help="Rebuild incremental models from all that landed."
    ),
) -> None:
    """Build the warehouse's layers with dbt, tests included."""
    from warehouse.transform import build_each

    settings = settings_for(prepare=True)
    layers = layer or ["silver", "gold", *(["ml"] if _has_scores(settings) else [])]
    with console.status("building") as status:

        def say(line: str) -> None:
            status.update(f"building: {line}"[: console.width - 4])

        for result in build_each(settings, layers, full_refresh=full_refresh, progress=say):
            console.print(
                f"{result.layer}: {result.models} models built, {result.tests} tests passed",
                highlight=False,
            )


def _has_scores(settings: Settings) -> bool:
    from warehouse import duck, locks

    path = settings.warehouse_db
    if not path.exists():
        return False
    with (
        locks.hold(path, what="warehouse build", timeout=settings.lock_timeout),
        duck.connect(path, read_only=True) as con,
    ):
        ((tables,),) = con.execute(
            "select count(*) from information_schema.tables where table_schema = 'ml'"
        ).fetchall()
    return tables > 0


@app.command()
def check(
    gate: str = typer.Argument(None, help="raw, gold or scores; all of them otherwise."),
    as_json: bool = typer.Option(False, "--json", help="For machines."),
) -> None:
    """Evaluate the quality gates and show what failed."""
    from quality.gates import check as check_gates

    if gate is not None and gate not in GATES:
        raise CallError(f"no gate '{gate}'", f"gates are: {', '.join(GATES)}")
    settings = settings_for(prepare=True)
    with console.status("evaluating expectations"):
        report = check_gates([gate] if gate else list(GATES), settings)
    failed = [result for result in report.results if not result.success]
    if as_json:
        typer.echo(json.dumps([result.__dict__ for result in report.results], default=str))
    else:
        for result in failed:
            console.print(
                f"[red]✗[/] {result.table}: {escape(f'{result.expectation}: {result.finding}')}",
                highlight=False,
                soft_wrap=True,
            )
        console.print(f"{len(report.results)} checks, {len(failed)} failed", highlight=False)
    errors = [result for result in failed if result.severity == "error"]
    raise typer.Exit(GateRefused.exit_code if errors else 0)


@app.command()
def train() -> None:
    """Train the churn model now; it is promoted only if it is better."""
    settings = settings_for(prepare=True)
    _print(_with_status("training", lambda say: stages.train(settings, say, force=True)))


@app.command()
def score() -> None:
    """Score churn and segments as of now."""
    settings = settings_for(prepare=True)
    _print(_with_status("scoring", lambda say: stages.score(settings, say)))


@app.command()
def publish(
    rollback: bool = typer.Option(
        False, "--rollback", help="Withdraw the current version, go back to the one before."
    ),
    again: bool = typer.Option(
        False, "--again", help="Publish content, too, that a rollback withdrew."
    ),
) -> None:
    """Publish what passed the gates, or go back one version."""
    from serving.publish import rollback as roll_back

    if rollback and again:
        raise CallError("--rollback goes back, --again goes forward", "give one of them")
    settings = settings_for(prepare=True)
    if rollback:
        console.print(f"current version is now {roll_back(settings).name}", highlight=False)
        return
    figures = _with_status("publishing", lambda say: stages.publish(settings, say, again=again))
    console.print(
        f"{figures['version']} {'published' if figures['new'] else 'is already current'}",
        highlight=False,
    )


@app.command()
def notebooks() -> None:
    """Run the notebooks on the published version and render them to HTML beside it."""
    settings = settings_for(prepare=True)
    for page in _with_status("running notebooks", lambda say: stages.notebooks(settings, say))[
        "pages"
    ]:
        console.print(page, highlight=False, soft_wrap=True)


@app.command()
def reset(yes: bool = typer.Option(False, "--yes", help="Don't ask.")) -> None:
    """Delete the data folder, with everything in it."""
    settings = settings_for()
    if not settings.home.exists():
        console.print(f"{settings.home} does not exist; nothing to do", highlight=False)
        return
    if not (settings.home / "mode").exists():
        raise CallError(f"{settings.home} is not a warehouse's data folder", "check WAREHOUSE_HOME")
    if not yes:
        typer.confirm(
            f"Delete {settings.home} with all landed data and published versions?", abort=True
        )
    shutil.rmtree(settings.home)
    console.print(f"deleted {settings.home}", highlight=False)


def _print(figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        console.print(f"{name}: {value}", highlight=False)
