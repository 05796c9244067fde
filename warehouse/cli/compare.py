"""`warehouse compare`: gold of two targets side by side."""

from __future__ import annotations

from pathlib import Path

import typer

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
    found = compare_files(_file(settings, left), _file(settings, right))
    width = max(len(one.table) for one in found)
    for one in found:
        mark = "[red]✗[/]" if one.differences else "✓"
        console.print(
            f"{mark} {one.table:{width}} {one.left:>10,} rows {one.right:>10,} rows {one.differences:>8,} differences",
            highlight=False,
            soft_wrap=True,
        )
        for example in one.examples:
            console.print(f"    {example}", highlight=False, markup=False, soft_wrap=True)
    if any(one.differences for one in found):
        raise typer.Exit(1)


def _file(settings: Settings, side: str) -> Path:
    path = Path(side)
    return path if path.suffix == ".duckdb" else settings.over(target=side).warehouse_db
