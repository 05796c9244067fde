"""Ask a published edition: read-only, no other file, no network, within limits of memory and time.

An engineer asks a landing file the same way, by its source's name.

Reads: `published/current/<edition>.duckdb`, `landing/<source>.duckdb`. Writes: nothing.
Run: `warehouse sql "select …"`; notebooks and dashboards call `query`.
"""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import duckdb

from warehouse import locks
from warehouse.errors import CallError, WarehouseError
from warehouse.settings import Settings

EDITIONS = ("restricted", "analyst")
SECONDS = 60.0
ROWS = 100_000
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """An answer.

    Attributes:
        columns: Names, in order.
        rows: Values as Python objects.
        is_truncated: There were more rows than the limit.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]
    is_truncated: bool = False


def query(
    settings: Settings,
    sql: str,
    *,
    edition: str = "restricted",
    parameters: list[Any] | None = None,
    limit: int = ROWS,
    seconds: float = SECONDS,
) -> Table:
    """Run one select on the newest published edition.

    Args:
        settings: Where the editions are.
        sql: One select (or explain, describe, show, summarize).
        edition: restricted or analyst.
        parameters: Values for `?`.
        limit: Most rows to return.
        seconds: Longest time to run.

    Raises:
        CallError: The statement isn't a select, or DuckDB can't make sense of it.
        WarehouseError: Nothing is published, or the time is up.
    """
    if edition not in EDITIONS:
        raise CallError(f"no edition '{edition}'", f"editions are: {', '.join(EDITIONS)}")
    with open_edition(settings, current_file(settings, edition)) as con:
        return ask(con, sql, parameters=parameters, limit=limit, seconds=seconds)


def ask(
    con: duckdb.DuckDBPyConnection,
    sql: str,
    *,
    parameters: list[Any] | None = None,
    limit: int = ROWS,
    seconds: float = SECONDS,
) -> Table:
    """Run one select on what `open_edition` opened: several answers of one version.

    Args:
        con: The open edition.
        sql: One select (or explain, describe, show, summarize).
        parameters: Values for `?`.
        limit: Most rows to return.
        seconds: Longest time to run.

    Raises:
        CallError: The statement isn't a select, or DuckDB can't make sense of it.
        WarehouseError: The time is up.
    """
    _only_select(con, sql)
    return _run(con, sql, parameters, limit, seconds)


def query_landing(
    settings: Settings, source: str, sql: str, *, limit: int = ROWS, seconds: float = SECONDS
) -> Table:
    """Run one select on what a source has landed; its syncs wait with their commits until it has an answer.

    Args:
        settings: Where the landing files are.
        source: A source, or what a connector was called (`--name`).
        sql: One select on `latest.<stream>`, `raw_<source>.<stream>` or the tables of schema `landing`.
        limit: Most rows to return.
        seconds: Longest time to run.

    Raises:
        CallError: There is no such landing file, or the statement isn't a select.
        WarehouseError: The time is up.
    """
    landed = sorted(path.stem for path in settings.landing_dir.glob("*.duckdb"))
    if source not in landed:
        raise CallError(
            f"nothing has landed from '{source}'", f"there is: {', '.join(landed) or 'nothing yet'}"
        )
    path = settings.landing(source)
    what = f"warehouse sql --landing {source}"
    with (
        locks.hold(path, what=what, timeout=settings.lock_timeout),
        open_edition(settings, path) as con,
    ):
        _only_select(con, sql)
        return _run(con, sql, None, limit, seconds, tables="show tables from latest")


def current_file(settings: Settings, edition: str) -> Path:
    """The file of an edition in the version that readers see now (resolved: it stays theirs if a new one comes).

    Raises:
        WarehouseError: Nothing is published.
    """
    path = (settings.published_dir / "current").resolve() / f"{edition}.duckdb"
    if not path.exists():
        raise WarehouseError("nothing is published yet", "run `warehouse run` first")
    return path


@contextmanager
def open_edition(settings: Settings, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an edition locked down (TRUST §2): no other file is read or written, nothing is loaded or changed.

    The file is attached to a database in memory, so that several readers of one process don't share settings.
    """
    con = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
            "memory_limit": settings.memory_limit,
            "threads": settings.threads,
        },
    )
    try:
        escaped = str(path).replace("'", "''")
        con.execute("set timezone = 'UTC'")
        # without a folder to spill to, a query that is too big fails instead of filling the disk
        con.execute("set temp_directory = ''")
        try:
            con.execute(f"attach '{escaped}' as edition (read_only)")
        except duckdb.Error as error:
            raise WarehouseError(
                f"can't open {path}: {str(error).splitlines()[0]}",
                "go back with `warehouse publish --rollback`, or publish again",
            ) from error
        con.execute("use edition")
        con.execute("set enable_external_access = false")
        con.execute("set lock_configuration = true")
        yield con
    finally:
        con.close()


def _only_select(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse what isn't one select.

    The settings alone don't do: DuckDB lets `COPY … TO` write beside an attached file, to `<file>.wal`.
    """
    inner = _EXPLAIN.sub("", sql, count=1) if _EXPLAIN.match(sql) else sql
    try:
        statements = con.extract_statements(inner)
    except duckdb.Error as error:
        raise CallError(f"SQL: {_first_line(error)}", "check the statement") from None
    if len(statements) != 1:
        raise CallError(f"expected one statement, found {len(statements)}", "ask one at a time")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise CallError(
            f"only select is allowed here, not {statements[0].type.name.lower()}",
            "editions are read-only; use select, describe, show or explain",
        )


def _run(
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: list[Any] | None,
    limit: int,
    seconds: float,
    tables: str = "show tables from gold",
) -> Table:
    timer = threading.Timer(seconds, con.interrupt)
    timer.daemon = True
    timer.start()
    try:
        cursor = con.execute(sql, parameters) if parameters else con.execute(sql)
        columns = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchmany(limit + 1)
    except duckdb.InterruptException:
        raise WarehouseError(
            f"the query ran longer than {seconds:g} s and was stopped",
            "narrow it down, by date_partition for one",
        ) from None
    except duckdb.OutOfMemoryException:
        raise WarehouseError(
            f"the query needs more than {_setting(con, 'memory_limit')} of memory",
            "narrow it down, or raise WAREHOUSE_MEMORY_LIMIT",
        ) from None
    except duckdb.Error as error:
        raise CallError(
            f"SQL: {_first_line(error)}", f'tables: the same command with "{tables}"'
        ) from None
    finally:
        timer.cancel()
    return Table(columns, rows[:limit], len(rows) > limit)


def _setting(con: duckdb.DuckDBPyConnection, name: str) -> str:
    row = con.execute(f"select current_setting('{name}')").fetchone()
    return str(row[0]) if row else "?"


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def render(table: Table, form: str) -> str:
    """An answer as text: csv, json, or a plain table.

    Raises:
        CallError: Another form.
    """
    if form == "csv":
        return to_csv(table)
    if form == "json":
        return to_json(table)
    if form == "table":
        return to_text(table)
    raise CallError(f"no format '{form}'", "formats are: table, csv, json")


def to_csv(table: Table) -> str:
    """CSV in which no text cell can act as a formula in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_safe_cell(column) for column in table.columns])
    for row in table.rows:
        writer.writerow([_safe_cell(value) for value in row])
    return out.getvalue()


def _safe_cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | Decimal):
        return _plain(value)
    text = str(_plain(value))
    return "'" + text if text.startswith(_FORMULA) else text


def to_json(table: Table) -> str:
    """A JSON list of objects; decimals as text, so that no digit is lost."""
    rows = [
        {column: _plain(value) for column, value in zip(table.columns, row, strict=True)}
        for row in table.rows
    ]
    return json.dumps(rows, ensure_ascii=False, default=str, indent=2) + "\n"


def to_text(table: Table) -> str:
    """A table for the eye."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as RichTable

    shown = RichTable(*(escape(column) for column in table.columns))
    for row in table.rows:
        shown.add_row(*("" if value is None else escape(str(_plain(value))) for value in row))
    console = Console(file=io.StringIO(), width=200)
    console.print(shown)
    return console.file.getvalue()  # type: ignore[attr-defined]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.hex()
    # JSON has no number for NaN and infinity
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
