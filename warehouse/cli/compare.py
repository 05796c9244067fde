"""`warehouse compare`: gold of two targets side by side."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import typer

from warehouse import locks
from warehouse.cli.app import app, console, settings_for
from warehouse.settings import Settings


@app.command()
def compare(
    left: str = typer.Argument("duckdb", help="A target, or a DuckDB file."),
    right: str = typer.Argument("spark", help="Another one."),
) -> None:
    """Compare gold row by row between two targets, and print what differs (exit code 1)."""
    from warehouse.comparison import compare as compare_files

    settings = settings_for()
    files = [_file(settings, side) for side in (left, right)]
    with ExitStack() as locked:
        # in one order, so that two of us never wait for each other
        for path in sorted(
            {path for path in files if path.parent == settings.home and path.exists()}
        ):
            locked.enter_context(
                locks.hold(path, what="warehouse compare", timeout=settings.lock_timeout)
            )
        found = compare_files(*files)
    width = max(len(one.table) for one in found)
    for one in found:
        mark = "[red]✗[/]" if one.differences else "…" if one.is_awaited else "✓"
        console.print(
            f"{mark} {one.table:{width}} {one.left:>10,} rows {one.right:>10,} rows {one.differences:>8,} differences",
            highlight=False,
            soft_wrap=True,
        )
        for example in one.examples:
            console.print(f"    {example}", highlight=False, markup=False, soft_wrap=True)
    if awaited := sum(one.is_awaited for one in found):
        console.print(
            f"…: {awaited} tables are made of scores, and one side has not scored yet; there run `warehouse score`, "
            "then `warehouse build --layer ml`, to compare them too",
            highlight=False,
            soft_wrap=True,
        )
    if any(one.differences for one in found):
        raise typer.Exit(1)


def _file(settings: Settings, side: str) -> Path:
    path = Path(side)
    return path if path.suffix == ".duckdb" else settings.over(target=side).warehouse_db
