"""The check of a batch of lines: most are proved good by their shape, the rest DuckDB filters and Python judges.

Reads and writes: nothing. Run: imported by the destination and by the file reader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pyarrow as pa

from ingestion.destination import shapes, typecheck
from ingestion.destination.lines import Lines
from ingestion.destination.typecheck import Rules

_ROWS_PER_CHUNK = 61_440  # what DuckDB's threads take at a time

Connect = Callable[[], duckdb.DuckDBPyConnection]


@dataclass
class Checked:
    """What a check found: index of each bad line with its reason, and the blank lines (which are no rows)."""

    bad: dict[int, str] = field(default_factory=dict)
    blank: set[int] = field(default_factory=set)

    def keep(self, count: int) -> np.ndarray | None:
        """Mask of the good lines, or None if all are."""
        if not self.bad and not self.blank:
            return None
        mask = np.ones(count, bool)
        mask[list(self.bad.keys() | self.blank)] = False
        return mask


def check(
    connect: Connect,
    lines: Lines,
    rules: Rules,
    proved: np.ndarray | None = None,
) -> Checked:
    """Check every line against the rules.

    Args:
        connect: Gives the connection on which DuckDB runs the filter, if there is anything to filter.
        lines: JSON texts, valid UTF-8.
        rules: What a record must be.
        proved: Which lines are known to be good, if somebody knows; else their shape tells.
    """
    found = Checked()
    unproved = np.flatnonzero(~(shapes.proved(lines, rules) if proved is None else proved))
    if not len(unproved):
        return found
    for index in _suspects(connect(), lines, unproved, rules):
        text = lines[index]
        if not text.strip():
            found.blank.add(index)
        elif reason := typecheck.judge(rules, text):
            found.bad[index] = reason
    return found


def _suspects(
    con: duckdb.DuckDBPyConnection, lines: Lines, which: np.ndarray, rules: Rules
) -> list[int]:
    """Those of some lines that may be bad, by index."""
    rows = _rows(lines, which)
    suspects = _run(con, rows, typecheck.suspects_sql(rules, "check_rows"))
    if suspects is not None:
        return suspects
    # some line is not JSON at all: find those, then filter the rest
    broken = _run(con, rows, "select i from check_rows where not json_valid(line) order by i") or []
    rest = _rows(lines, which[~np.isin(which, broken)])
    return sorted(broken + (_run(con, rest, typecheck.suspects_sql(rules, "check_rows")) or []))


def _rows(lines: Lines, which: np.ndarray) -> pa.Table:
    """Some lines with their index, in chunks that DuckDB's threads can share."""
    table = pa.table({"i": which, "line": lines.take(which).arrow()})
    return pa.Table.from_batches(table.to_batches(max_chunksize=_ROWS_PER_CHUNK), table.schema)


def _run(con: duckdb.DuckDBPyConnection, rows: pa.Table, sql: str) -> list[int] | None:
    """Indices that a query selects, or None if DuckDB can't parse a line as JSON."""
    con.register("check_rows", rows)
    try:
        return [index for (index,) in con.execute(sql).fetchall()]
    except duckdb.InvalidInputException as error:
        if "JSON" in str(error):
            return None
        raise
    finally:
        con.unregister("check_rows")
