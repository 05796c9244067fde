"""Gold of two targets side by side, row by row: the same models on another engine must say the same.

Rows are matched by all their columns but floating-point ones, which must agree to nine digits: a sum of doubles depends
on the order in which an engine adds. Columns that tell when or by which load a row was made are no content. What a
target has never scored is no difference: its tables made of scores are not there yet.

Reads: two warehouse files. Run: `warehouse compare`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from quality.suites.gold import is_after_ml
from warehouse import duck
from warehouse.errors import WarehouseError

# relative difference of two doubles that count as one
TOLERANCE = 1e-9
# near zero, a difference of sums is what the sums' last digits leave
ABSOLUTE = 1e-9
NO_CONTENT = frozenset({"load_id", "extracted_at"})
FLOATS = frozenset({"DOUBLE", "FLOAT"})
SHOWN = 3


@dataclass(frozen=True)
class TableComparison:
    """What two sides say of one table.

    Attributes:
        table: Its name.
        left: Rows on the left side.
        right: Rows on the right side.
        differences: Rows that have no equal on the other side; of a changed row, one on each.
        examples: Some of them, in words.
        is_awaited: Whether it is made of scores, and one side has not scored yet.
    """

    table: str
    left: int
    right: int
    differences: int
    examples: list[str] = field(default_factory=list)
    is_awaited: bool = False


def compare(left: Path, right: Path, schema: str = "gold") -> list[TableComparison]:
    """Compare all tables and views of a schema.

    Args:
        left: A DuckDB file.
        right: Another one.
        schema: Which of their schemas.

    Returns:
        A comparison for each table that either side has, by name.

    Raises:
        WarehouseError: A file is missing, can't be opened, or has no such schema.
    """
    for path in (left, right):
        if not path.exists():
            raise WarehouseError(
                f"{path} does not exist",
                "build that target first: WAREHOUSE_TARGET=… warehouse build",
            )
    with duck.connect(":memory:") as con:
        con.execute("set timezone = 'UTC'")
        for name, path in (("l", left), ("r", right)):
            _attach(con, name, path)
        sides = [_columns(con, name, schema) for name in ("l", "r")]
        if not any(sides):
            raise WarehouseError(
                f"neither side has a table in schema {schema}", "run `warehouse build` first"
            )
        has_scored = all(any(is_after_ml(table) for table in side) for side in sides)
        return [
            _compare(con, schema, table, *(side.get(table, {}) for side in sides))
            if has_scored or not is_after_ml(table)
            else TableComparison(table, *_counts(con, schema, table, sides), 0, is_awaited=True)
            for table in sorted({*sides[0], *sides[1]})
        ]


def _attach(con: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    escaped = str(path).replace("'", "''")
    try:
        con.execute(f"attach '{escaped}' as {name} (read_only)")
    except duckdb.Error as error:
        said = str(error).splitlines()[0]
        raise WarehouseError(f"can't open {path}: {said}", duck.hint_for(said)) from error


def _columns(
    con: duckdb.DuckDBPyConnection, database: str, schema: str
) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in con.execute(
        "select table_name, column_name, data_type from duckdb_columns() where database_name = ? and schema_name = ? "
        "order by table_name, column_index",
        [database, schema],
    ).fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def _compare(
    con: duckdb.DuckDBPyConnection,
    schema: str,
    table: str,
    left: dict[str, str],
    right: dict[str, str],
) -> TableComparison:
    counts = _counts(con, schema, table, [{table: left}, {table: right}])
    if left != right:
        said = [f"{name} {kind}" for name, kind in sorted(set(left.items()) ^ set(right.items()))]
        other = (
            "columns differ: " + ", ".join(said[:SHOWN])
            if left and right
            else "it is on one side only"
        )
        return TableComparison(table, *counts, max(1, *counts), [other])
    exact = [f'"{c}"' for c, kind in left.items() if kind not in FLOATS and c not in NO_CONTENT]
    floats = [f'"{c}"' for c, kind in left.items() if kind in FLOATS]
    for name in ("l", "r"):
        # equal rows are told apart by their number, in the order of what may differ a little
        con.execute(
            f"create or replace temp table {name}_rows as select *, row_number() over (partition by content "
            f"order by {', '.join(floats) or '1'}) as copy from (select *, hash({', '.join(exact) or '1'}) as content "
            f'from {name}.{schema}."{table}")'
        )
    unequal = " or ".join(_apart(f"l_rows.{c}", f"r_rows.{c}") for c in floats) or "false"
    con.execute(
        "create or replace temp table matched as select "
        "case when l_rows.copy is not null then l_rows end as l_row, "
        "case when r_rows.copy is not null then r_rows end as r_row "
        "from l_rows full join r_rows on l_rows.content = r_rows.content and l_rows.copy = r_rows.copy "
        f"where l_rows.content is null or r_rows.content is null or {unequal}"
    )
    differences = _one(con, "select count(*) from matched")
    return TableComparison(table, *counts, differences, _examples(con, left) if differences else [])


def _apart(a: str, b: str) -> str:
    """Whether two doubles are no longer the same; both NULL, both not a number, or both the same infinity, they are."""
    return (
        f"({a} is distinct from {b} and not coalesce(isfinite({a}) and isfinite({b}) and "
        f"abs({a} - {b}) <= greatest({ABSOLUTE}, {TOLERANCE} * greatest(abs({a}), abs({b}))), false))"
    )


def _examples(con: duckdb.DuckDBPyConnection, columns: dict[str, str]) -> list[str]:
    """Rows of both sides that share an id are shown as the columns in which they differ."""
    key = "id" if "id" in columns else next(iter(columns))
    rows = con.execute(
        f'select l_row, r_row from matched order by coalesce(l_row."{key}", r_row."{key}") nulls last limit 200'
    ).fetchall()
    lefts = {row[key]: row for row, _ in rows if row}
    rights = {row[key]: row for _, row in rows if row}
    said = []
    for value in list(dict.fromkeys([*lefts, *rights]))[:SHOWN]:
        one, other = lefts.get(value), rights.get(value)
        if one and other:
            apart = [
                f"{c} {one[c]} / {other[c]}"
                for c in columns
                if c not in NO_CONTENT and one[c] != other[c]
            ]
            said.append(f"{key} {value}: " + ", ".join(apart[:8]))
        else:
            row = one or other
            shown = ", ".join(f"{c} {row[c]}" for c in list(columns)[:8])
            said.append(f"only {'left' if one else 'right'}: {shown}")
    return said


def _counts(
    con: duckdb.DuckDBPyConnection, schema: str, table: str, sides: Sequence[Mapping[str, object]]
) -> list[int]:
    return [
        _one(con, f'select count(*) from {name}.{schema}."{table}"') if side.get(table) else 0
        for name, side in zip(("l", "r"), sides, strict=True)
    ]


def _one(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0]) if row else 0
