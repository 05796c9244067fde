"""What there is to ask: tables, their columns, and what those mean, from the file itself.

Descriptions are dbt's: they travel in an edition as comments. A landing file has none.

Reads: the file that somebody has open. Writes: nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from serving.sql import Table

_RELATIONS = """
select schema_name, table_name, comment, estimated_size from duckdb_tables()
where database_name = current_database() and not internal
union all
select schema_name, view_name, comment, null from duckdb_views()
where database_name = current_database() and not internal
order by all
"""
_COLUMNS = """
select schema_name, table_name, column_name, data_type, comment from duckdb_columns()
where database_name = current_database() and not internal
order by schema_name, table_name, column_index
"""


@dataclass(frozen=True)
class Column:
    """A column: its name, DuckDB's type, and what it means."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Relation:
    """A table or view.

    Attributes:
        schema: Such as gold.
        name: Without the schema.
        comment: What a row is; empty if nobody said.
        rows: How many rows it has, about; None for a view.
        columns: In order.
    """

    schema: str
    name: str
    comment: str
    rows: int | None
    columns: tuple[Column, ...]

    @property
    def full_name(self) -> str:
        """As SQL names it."""
        return f"{self.schema}.{self.name}"


def relations(ask: Callable[[str], Table]) -> list[Relation]:
    """Every table and view of a file, by schema and name; `ask` answers a select on it."""
    columns: dict[tuple[str, str], list[Column]] = {}
    for schema, table, name, kind, comment in ask(_COLUMNS).rows:
        columns.setdefault((schema, table), []).append(Column(name, kind, (comment or "").strip()))
    return [
        Relation(
            schema, name, (comment or "").strip(), rows, tuple(columns.get((schema, name), ()))
        )
        for schema, name, comment, rows in ask(_RELATIONS).rows
    ]


def find(known: list[Relation], name: str) -> list[Relation]:
    """The relations of a name, with or without its schema."""
    wanted = name.lower().strip('"')
    return [one for one in known if wanted in (one.name.lower(), one.full_name.lower())]
