"""An answer on a terminal: as a grid, or a record below the other where a grid would be too wide."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from serving.sql import Table
from warehouse.cli.app import literal

# So narrow, on average, a column can still be read.
LEAST_WIDTH = 8


def grid(answer: Table) -> Grid:
    """Columns side by side."""
    shown = Grid(*(literal(column) for column in answer.columns))
    for row in answer.rows:
        shown.add_row(*(_text(value) for value in row))
    return shown


def records(answer: Table) -> Group:
    """A record below the other, a line for each column."""
    blocks: list[RenderableType] = []
    for number, row in enumerate(answer.rows, start=1):
        block = Grid.grid(padding=(0, 2))
        block.add_column(style="bold", no_wrap=True)
        block.add_column()
        for column, value in zip(answer.columns, row, strict=True):
            block.add_row(literal(column), _text(value))
        blocks += [Text(f"record {number}", style="dim"), block]
    return Group(*blocks)


def is_too_wide(answer: Table, width: int) -> bool:
    """Whether a grid of so many columns would be unreadable on a terminal of that width."""
    return len(answer.columns) * (LEAST_WIDTH + 3) > width


def _text(value: Any) -> str:
    return "" if value is None else literal(str(value))
