"""Audit a candidate before readers see it: whole, equal to the warehouse, and without persons where none may be.

Reads: the candidate's two files. Writes: nothing.
Run: by `serving.publish`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import duckdb

from serving import leaks, pii
from serving.editions import CUSTOMER, MADE_AT_PUBLISH, columns_of, fingerprint
from serving.sql import EDITIONS, open_edition
from warehouse.errors import WarehouseError
from warehouse.settings import Settings


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


def is_whole(settings: Settings, version: Path) -> bool:
    """Whether a published version can still be read: both editions open, as big and with the rows that it says.

    A file that was cut off opens and counts its rows all the same, so its size is looked at too.

    Args:
        settings: Limits for opening.
        version: The version's folder.
    """
    try:
        said = json.loads((version / "manifest.json").read_text(encoding="utf-8"))
        rows, sizes = dict(said["tables"]), dict(said.get("bytes", {}))
        counts = {}
        for edition in EDITIONS:
            path = version / f"{edition}.duckdb"
            if path.stat().st_size != sizes.get(path.name, path.stat().st_size):
                return False
            with open_edition(settings, path) as con:
                counts[edition] = {table: _rows(con, table) for table in columns_of(con)}
    except (OSError, ValueError, KeyError, TypeError, WarehouseError, duckdb.Error):
        return False
    restricted, analyst = counts["restricted"], counts["analyst"]
    # small groups are left out of the analyst's
    return all(
        restricted.get(table) == count and analyst.get(table, count + 1) <= count
        for table, count in rows.items()
    )


def _audit_analyst(
    settings: Settings, restricted: Path, analyst: Path, counts: Mapping[str, int]
) -> None:
    with open_edition(settings, restricted) as con:
        tables = columns_of(con)
        persons = leaks.persons_of(con, tables.get("dim_customers", {}))
    classes = pii.classify(tables)
    with open_edition(settings, analyst) as con:
        shown = columns_of(con)
        if missing := set(tables) - set(shown):
            raise _refused(f"analyst: gold.{min(missing)} is missing")
        for table, columns in shown.items():
            rows = _rows(con, table)
            grouped = pii.small_groups(table, tables[table], classes[table]) is not None
            if rows > counts[table] or (rows < counts[table] and not grouped):
                raise _refused(f"analyst: gold.{table} has {rows} rows, restricted {counts[table]}")
            for column in columns:
                if classes[table].get(column, "drop") == "drop":
                    raise _refused(f"analyst: gold.{table}.{column} must not be there")
        texts = [
            leaks.TextColumn(schema, table, column, has_customers=CUSTOMER in columns)
            for schema, of_schema in (("gold", shown), ("ops", columns_of(con, "ops")))
            for table, columns in of_schema.items()
            for column, kind in columns.items()
            if kind in ("VARCHAR", "JSON")
        ]
        if leak := leaks.find(con, texts, persons):
            raise _refused(f"analyst: {leak}")


def _rows(con: duckdb.DuckDBPyConnection, table: str) -> int:
    row = con.execute(f'select count(*) from gold."{table}"').fetchone()
    return int(row[0]) if row else 0


def _refused(reason: str) -> WarehouseError:
    return WarehouseError(
        f"the candidate was not published: {reason}",
        "the last published version stays up; if it is a column, classify it in serving/pii.yml",
    )
