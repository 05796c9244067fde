"""Ask a published edition: read-only, no other file, no network, within limits of memory and time.

This runs in the caller's process, for the project's own SQL. What a person typed goes through `serving.reader`: DuckDB
alone doesn't keep its limits of memory and time against every query.

Reads: `published/current/<edition>.duckdb`, `landing/<source>.duckdb`. Writes: nothing.
Run: notebooks and dashboards call `query`.
"""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.errors import CallError, WarehouseError

if TYPE_CHECKING:
    # costs more than everything else here together, and a reader's process starts for each question
    from warehouse.settings import Settings

EDITIONS = ("restricted", "analyst")
FORMS = ("csv", "json", "parquet")
SECONDS = 60.0
ROWS = 100_000
# A spreadsheet takes a cell that begins so for a formula, or looks for one behind it.
_FORMULA = ("=", "+", "-", "@", "\t", "\n")
_EXPLAIN = re.compile(r"\s*explain\s+(analyze\s+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """An answer.

    Attributes:
        columns: Names, in order.
        rows: Values as Python objects.
        is_truncated: There were more rows than the limit.
        types: DuckDB's name of each column's type, such as DECIMAL(18,2).
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]
    is_truncated: bool = False
    types: list[str] = field(default_factory=list)


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
    with open_current(settings, edition) as con:
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


def current_file(settings: Settings, edition: str) -> Path:
    """The file of an edition in the version that readers see now (resolved: it stays theirs if a new one comes).

    Raises:
        CallError: There is no such edition.
        WarehouseError: Nothing is published.
    """
    if edition not in EDITIONS:
        raise CallError(f"no edition '{edition}'", f"editions are: {', '.join(EDITIONS)}")
    path = (settings.published_dir / "current").resolve() / f"{edition}.duckdb"
    if not path.exists():
        raise WarehouseError("nothing is published yet", "run `warehouse run` first")
    return path


def open_edition(
    settings: Settings, path: Path
) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """Open an edition locked down, within the settings' limits."""
    return open_locked(path, memory_limit=settings.memory_limit, threads=settings.threads)


@contextmanager
def open_current(settings: Settings, edition: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an edition of the version that readers see now.

    Where publishes follow each other fast, a version can be gone between the look at the pointer and its opening: then
    the next one is looked for.

    Raises:
        WarehouseError: Nothing is published, or the file can't be opened.
    """
    with ExitStack() as opened:
        while True:
            seen = (settings.published_dir / "current").resolve()
            try:
                con = opened.enter_context(open_edition(settings, current_file(settings, edition)))
                break
            except WarehouseError:
                if seen == (settings.published_dir / "current").resolve():
                    raise
        yield con


@contextmanager
def open_locked(
    path: Path, *, memory_limit: str, threads: int
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a file locked down (TRUST §2): no other file is read or written, nothing is loaded or changed.

    The file is attached to a database in memory, so that several readers of one process don't share settings.
    """
    con = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
            "memory_limit": memory_limit,
            "threads": threads,
        },
    )
    try:
        escaped = str(path).replace("'", "''")
        con.execute("set timezone = 'UTC'")
        # only where it is on: in a notebook it is off, and DuckDB refuses to be told so
        if _setting(con, "enable_progress_bar").lower() == "true":
            con.execute("set enable_progress_bar = false")
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
) -> Table:
    timer = threading.Timer(seconds, con.interrupt)
    timer.daemon = True
    timer.start()
    try:
        cursor = con.execute(sql, parameters) if parameters else con.execute(sql)
        described = cursor.description or ()
        rows = cursor.fetchmany(limit + 1)
    except duckdb.InterruptException:
        raise took_too_long(seconds) from None
    except (duckdb.OutOfMemoryException, MemoryError):
        raise WarehouseError(
            f"the query needs more than {_setting(con, 'memory_limit')} of memory",
            "narrow it down, or raise the limit (.env.example)",
        ) from None
    except duckdb.Error as error:
        raise CallError(
            f"SQL: {_first_line(error)}", "`show all tables` names what there is"
        ) from None
    finally:
        timer.cancel()
    return Table(
        [column[0] for column in described],
        rows[:limit],
        len(rows) > limit,
        [str(column[1]) for column in described],
    )


def took_too_long(seconds: float) -> WarehouseError:
    """What a reader is told whose query was stopped."""
    return WarehouseError(
        f"the query ran longer than {seconds:g} s and was stopped",
        "narrow it down, by date_partition for one",
    )


def _setting(con: duckdb.DuckDBPyConnection, name: str) -> str:
    row = con.execute(f"select current_setting('{name}')").fetchone()
    return str(row[0]) if row else "?"


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def render(table: Table, form: str) -> bytes:
    """An answer as a file's content: csv, json or parquet.

    Raises:
        CallError: Another form.
    """
    if form == "csv":
        return to_csv(table).encode()
    if form == "json":
        return to_json(table).encode()
    if form == "parquet":
        return to_parquet(table)
    raise CallError(f"no format '{form}'", f"formats are: {', '.join(FORMS)}")


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
    # a lone carriage return is a new row to a spreadsheet, and csv.writer doesn't quote it
    text = str(_plain(value)).replace("\r\n", "\n").replace("\r", "\n")
    return "'" + text if text.startswith(_FORMULA) else text


def to_json(table: Table) -> str:
    """A JSON list of objects; decimals as text, so that no digit is lost, and a name that repeats gets a number."""
    names = told_apart(table.columns)
    rows = [
        {name: _plain(value) for name, value in zip(names, row, strict=True)} for row in table.rows
    ]
    return json.dumps(rows, ensure_ascii=False, default=str, indent=2) + "\n"


def to_parquet(table: Table) -> bytes:
    """A Parquet file; what Arrow has no type for is text, and a name that repeats gets a number."""
    import pyarrow as pa
    from pyarrow import parquet

    types = table.types or [""] * len(table.columns)
    values = zip(*table.rows, strict=True) if table.rows else ([] for _ in table.columns)
    arrays = [_array(list(of_one), kind) for of_one, kind in zip(values, types, strict=True)]
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, names=told_apart(table.columns)), out)
    return out.getvalue()


def told_apart(names: list[str]) -> list[str]:
    """Names as they are, and where one repeats, with a number that makes it new."""
    taken: list[str] = []
    for name in names:
        candidates = (name, *(f"{name}_{number}" for number in range(1, len(names) + 1)))
        taken.append(next(candidate for candidate in candidates if candidate not in taken))
    return taken


def _array(values: list[Any], kind: str) -> Any:
    """A column for Arrow, of the type that DuckDB said it has."""
    import pyarrow as pa

    known = {
        "BOOLEAN": pa.bool_(), "INTEGER": pa.int32(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(),
        "VARCHAR": pa.string(), "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us"),
    }  # fmt: skip
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        known[kind] = pa.decimal128(int(found[1]), int(found[2]))
    try:
        return pa.array(values, known.get(kind))
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(_plain(value)) for value in values])


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
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    return value
