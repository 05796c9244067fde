"""Gold as comparable content: every table's business columns, row by row, in an order of its own."""

from __future__ import annotations

from pathlib import Path

from warehouse import duck

# what names a load, not the business: two builds of the same truth may differ in these
LOAD_COLUMNS = ("_load_id", "load_id", "_extracted_at")


def contents(path: Path, schema: str = "gold") -> dict[str, list[tuple]]:
    """Every table of a schema as its sorted rows, without load columns.

    Args:
        path: A DuckDB file.
        schema: Which schema.
    """
    con = duck.connect(path, read_only=True)
    try:
        tables = [
            name
            for (name,) in con.execute(
                "select table_name from information_schema.tables where table_schema = ? order by 1",
                [schema],
            ).fetchall()
        ]
        return {table: _rows(con, schema, table) for table in tables}
    finally:
        con.close()


def _rows(con, schema, table):
    columns = [
        name
        for (name,) in con.execute(
            "select column_name from information_schema.columns"
            " where table_schema = ? and table_name = ? order by ordinal_position",
            [schema, table],
        ).fetchall()
        if name not in LOAD_COLUMNS
    ]
    listed = ", ".join(f'"{column}"' for column in columns)
    return con.execute(f'select {listed} from "{schema}"."{table}" order by all').fetchall()


def differences(left: dict[str, list[tuple]], right: dict[str, list[tuple]]) -> list[str]:
    """One line per table that differs, with its first differing rows."""
    lines = []
    for table in sorted(left.keys() | right.keys()):
        one, other = left.get(table), right.get(table)
        if one is None or other is None:
            lines.append(f"{table}: only on the {'right' if one is None else 'left'}")
        elif one != other:
            only_left = [row for row in one if row not in set(other)][:2]
            only_right = [row for row in other if row not in set(one)][:2]
            lines.append(
                f"{table}: {len(one)} and {len(other)} rows; {only_left} against {only_right}"
            )
    return lines
