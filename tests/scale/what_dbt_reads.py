"""What dbt reads on an engine that sees no landing file: raw out of the lake, and what Python wrote into schema ml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from warehouse.settings import Settings


def as_files(settings: Settings, folder: Path) -> dict[tuple[str, str], str]:
    """Parquet files (a path or a pattern) of each table, by schema and name."""
    return dict(_lake(settings.home / "lake" / "raw")) | dict(_written_by_python(settings, folder))


def _lake(lake: Path) -> Iterator[tuple[tuple[str, str], str]]:
    for source in sorted(lake.iterdir()):
        for path in sorted(source.iterdir()):
            if path.name == "_landing":
                for file in sorted(path.glob("*.parquet")):
                    yield (f"landing_{source.name}", file.stem), str(file)
            elif path.is_dir():
                yield (f"raw_{source.name}", path.name), str(path / "*" / "*.parquet")


def _written_by_python(settings: Settings, folder: Path) -> Iterator[tuple[tuple[str, str], str]]:
    with duckdb.connect(settings.warehouse_db, read_only=True) as con:
        for (name,) in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'ml'"
        ).fetchall():
            file = folder / f"ml.{name}.parquet"
            con.execute(f"copy ml.{name} to '{file}' (format parquet)")
            yield ("ml", name), str(file)
