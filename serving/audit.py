"""Audit a candidate before readers see it: whole, equal to the warehouse, and without persons where none may be.

Reads: the candidate's two files. Writes: nothing.
Run: by `serving.publish`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from serving import pii
from serving.editions import MADE_AT_PUBLISH, UNKNOWN_MEMBERS, columns_of, fingerprint
from serving.sql import open_edition
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

# Columns of dim_customers that tell who a customer is: none of their values may be in the analyst's edition.
IDENTIFIERS = ("customer_id", "email", "company_name")


def audit(
    settings: Settings,
    restricted: Path,
    analyst: Path,
    *,
    counts: Mapping[str, int],
    sums: Mapping[str, str],
) -> None:
    """Refuse a candidate that isn't what it should be.

    Args:
        settings: Limits for opening.
        restricted: The candidate's restricted edition.
        analyst: The candidate's analyst edition.
        counts: Rows per gold table in the warehouse.
        sums: Checksum per gold table in the warehouse.

    Raises:
        WarehouseError: Names the edition, the table and the difference.
    """
    for path in (restricted, analyst):
        stray = path.with_name(path.name + ".wal")
        if stray.exists():
            raise _refused(f"{stray.name} was left behind, the file would not open")
    with open_edition(settings, restricted) as con:
        found_counts, found_sums = fingerprint(con)
    for table in sorted(set(counts) | (set(found_counts) - MADE_AT_PUBLISH)):
        if counts.get(table) != found_counts.get(table):
            raise _refused(
                f"restricted: gold.{table} has {found_counts.get(table)} rows, the warehouse {counts.get(table)}"
            )
        if sums[table] != found_sums[table]:
            raise _refused(f"restricted: gold.{table} differs from the warehouse's")
    _audit_analyst(settings, restricted, analyst, found_counts)


def _audit_analyst(
    settings: Settings, restricted: Path, analyst: Path, counts: Mapping[str, int]
) -> None:
    with open_edition(settings, restricted) as con:
        tables = columns_of(con)
        identifiers = _identifiers(con, tables.get("dim_customers", {}))
    classes = pii.classify(tables)
    with open_edition(settings, analyst) as con:
        shown = columns_of(con)
        if missing := set(tables) - set(shown):
            raise _refused(f"analyst: gold.{min(missing)} is missing")
        con.execute("create temp table identifiers (value varchar)")
        if identifiers:
            con.execute("insert into identifiers select unnest(?)", [identifiers])
        for table, columns in shown.items():
            row = con.execute(f'select count(*) from gold."{table}"').fetchone()
            rows = int(row[0]) if row else 0
            grouped = pii.small_groups(table, tables[table], classes[table]) is not None
            if rows > counts[table] or (rows < counts[table] and not grouped):
                raise _refused(f"analyst: gold.{table} has {rows} rows, restricted {counts[table]}")
            for column, kind in columns.items():
                if classes[table].get(column, "drop") == "drop":
                    raise _refused(f"analyst: gold.{table}.{column} must not be there")
                if kind == "VARCHAR":
                    _audit_values(con, table, column)


def _identifiers(con: duckdb.DuckDBPyConnection, columns: Mapping[str, str]) -> list[str]:
    present = [column for column in IDENTIFIERS if column in columns]
    if not present:
        return []
    union = " union ".join(
        f'select "{column}" as value from gold.dim_customers' for column in present
    )
    return [
        row[0]
        for row in con.execute(f"select value from ({union}) where value is not null").fetchall()
        if row[0] not in UNKNOWN_MEMBERS
    ]


def _audit_values(con: duckdb.DuckDBPyConnection, table: str, column: str) -> None:
    """Every distinct text is looked at once: an address, or a value that tells who a customer is."""
    row = con.execute(
        f'with texts as (select distinct "{column}" as value from gold."{table}") '
        "select count(*) filter (contains(value, '@') "
        "and regexp_matches(value, '[^@[:space:]]+@[^@[:space:]]+[.][a-z]{2,}')), "
        "count(*) filter (value in (select value from identifiers)) from texts"
    ).fetchone()
    addresses, names = row or (0, 0)
    if addresses or names:
        what = (
            f"{addresses} e-mail addresses" if addresses else f"{names} names or ids of customers"
        )
        raise _refused(f"analyst: gold.{table}.{column} holds {what}")


def _refused(reason: str) -> WarehouseError:
    return WarehouseError(
        f"the candidate was not published: {reason}",
        "the last published version stays up; if it is a column, classify it in serving/pii.yml",
    )
