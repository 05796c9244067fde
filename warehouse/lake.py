"""The lake: raw and gold as files, for tools and engines that read Parquet or Delta. What both layers share.

A folder of the lake has a manifest: what is in it. It is written last and in one step: what it does not know is written
again by the next export. A Parquet file is written beside its place and renamed over it, so that whoever reads finds
all of the old or all of the new.

Reads and writes: `<home>/lake/`. Run: imported by `ingestion.lake` and `serving.lake`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from warehouse import locks
from warehouse.durable import sync
from warehouse.errors import CallError, WarehouseError
from warehouse.settings import Settings

MANIFEST = "manifest.json"
FORMATS = ("parquet", "delta")


@dataclass
class Exported:
    """What an export did to a folder of the lake.

    Attributes:
        written: Files (of Delta: partitions) that are new or were replaced.
        unchanged: Those that were there and stay.
        removed: Those whose rows are gone, or too old.
        rows: Rows in those written.
    """

    written: int = 0
    unchanged: int = 0
    removed: int = 0
    rows: int = 0


def folder(settings: Settings, layer: str, form: str) -> Path:
    """Where a layer is, in a format."""
    return settings.lake_dir / layer if form == "parquet" else settings.lake_dir / form / layer


def hold_raw(settings: Settings, what: str) -> AbstractContextManager[int]:
    """The lock of the raw layer: whoever reads it for long, or writes it, holds it."""
    return locks.hold(settings.lake_dir / "raw", what=what, timeout=settings.lock_timeout)


def writer(form: str, folder: Path) -> ParquetFiles | DeltaTables:
    """What writes a folder of the lake.

    Args:
        form: One of `FORMATS`.
        folder: The folder.

    Raises:
        CallError: There is no such format, or its package is not installed.
    """
    if form == "parquet":
        return ParquetFiles(folder)
    if form != "delta":
        raise CallError(f"no format '{form}'", f"formats are: {', '.join(FORMATS)}")
    try:
        import deltalake  # noqa: F401 - an extra: say at once that it is missing
    except ImportError:
        raise CallError(
            "Delta needs the package deltalake, which is not installed",
            "install it: `pip install .[delta]`",
        ) from None
    return DeltaTables(folder)


class ParquetFiles:
    """A folder of Parquet files: `<table>/<key>=<value>/part-0.parquet`, or `<table>.parquet`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, table: str, partition: str) -> Path:
        """Where a partition's rows are; all rows of the table where there are no partitions."""
        if partition:
            return self.folder / table / partition / "part-0.parquet"
        return self.folder / f"{table}.parquet"

    def has(self, entry: dict[str, Any], table: str, partition: str) -> bool:
        """Whether it is there, as long as the manifest's entry says."""
        path = self.path(table, partition)
        return path.exists() and path.stat().st_size == entry["bytes"]

    def write(
        self, con: duckdb.DuckDBPyConnection, query: str, table: str, partition: str
    ) -> dict[str, Any]:
        """Replace a partition by a query's rows; returns what the manifest is to say of it."""
        path = self.path(table, partition)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # readers of Parquet folders pass over such names
        fresh = path.with_name(f".{path.name}-{os.getpid()}")
        target = str(fresh).replace("'", "''")
        try:
            ((rows,),) = con.execute(
                f"copy ({query}) to '{target}' (format parquet, compression zstd)"
            ).fetchall()
            fresh.chmod(0o640)
            sync(fresh)
            with fresh.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = fresh.stat().st_size
            fresh.replace(path)
            sync(path.parent)
        finally:
            fresh.unlink(missing_ok=True)
        place = path.relative_to(self.folder).as_posix()
        return {"file": place, "rows": rows, "bytes": size, "sha256": digest}

    def keep_only(self, kept: Iterable[tuple[str, str]]) -> int:
        """Remove all other files, and folders that are empty then; returns how many files went."""
        places = {self.path(table, partition) for table, partition in kept}
        gone = [path for path in self.folder.rglob("*.parquet") if path not in places]
        # what an export that was killed had begun
        for path in [*gone, *self.folder.rglob(".*.parquet-*")]:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        return len(gone)

    def forget(self, days: int) -> None:
        """Nothing: a file that is replaced is gone."""


class DeltaTables:
    """A folder of Delta tables: `<table>/`, with a column for the partition's key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, entry: dict[str, Any], table: str, partition: str) -> bool:  # noqa: ARG002 - its log knows its files
        """Whether the table has the partition."""
        return partition in self._partitions(table) if partition else bool(self._table(table))

    def write(
        self, con: duckdb.DuckDBPyConnection, query: str, table: str, partition: str
    ) -> dict[str, Any]:
        """Replace a partition by a query's rows, in one commit; returns what the manifest is to say of it."""
        from deltalake import write_deltalake

        path = self.folder / table
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        key, _, value = partition.partition("=")
        # a version of ours may have other columns than the one before
        options: dict[str, Any] = {} if partition else {"schema_mode": "overwrite"}
        if partition:
            query = f"select *, '{value}' as {key} from ({query})"
            options["partition_by"] = [key]
            if self._table(table):
                options["predicate"] = _only(partition)
        ((rows,),) = con.execute(f"select count(*) from ({query})").fetchall()
        reader = con.sql(query).to_arrow_reader(122_880)
        write_deltalake(str(path), reader, mode="overwrite", **options)
        return {"table": table, "partition": partition, "rows": rows}

    def keep_only(self, kept: Iterable[tuple[str, str]]) -> int:
        """Delete the other partitions' rows, and tables without partitions; returns how many of them went.

        Files of rows stay for readers of older versions, until they are to be forgotten.
        """
        wanted = set(kept)
        gone = [
            (table, partition)
            for table in self._tables()
            for partition in (
                self._partitions(table) if self._table(table).metadata().partition_columns else {""}
            )
            if (table, partition) not in wanted
        ]
        for table, partition in gone:
            if partition:
                self._table(table).delete(_only(partition))
            else:
                shutil.rmtree(self.folder / table)
        return len(gone)

    def forget(self, days: int) -> None:
        """Remove the files of versions that were replaced more than so many days ago."""
        for table in self._tables():
            self._table(table).vacuum(
                retention_hours=24 * days, dry_run=False, enforce_retention_duration=False
            )

    def _tables(self) -> list[str]:
        logs = self.folder.rglob("_delta_log")
        return [log.parent.relative_to(self.folder).as_posix() for log in logs]

    def _table(self, table: str) -> Any:
        from deltalake import DeltaTable

        path = str(self.folder / table)
        return DeltaTable(path) if DeltaTable.is_deltatable(path) else None

    def _partitions(self, table: str) -> set[str]:
        found = self._table(table)
        if found is None or not found.metadata().partition_columns:
            return set()
        return {f"{key}={value}" for each in found.partitions() for key, value in each.items()}


def _only(partition: str) -> str:
    key, _, value = partition.partition("=")
    return f"{key} = '{value}'"


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a folder's manifest says; nothing where there is none.

    Raises:
        WarehouseError: It is damaged.
    """
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise WarehouseError(
            f"{path} is damaged", "remove it and export again: every file is written anew then"
        )
    return found


def write_manifest(folder: Path, said: dict[str, Any]) -> None:
    """Replace a folder's manifest in one step."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = folder / f".{MANIFEST}-{os.getpid()}"
    fresh.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    fresh.chmod(0o640)
    sync(fresh)
    fresh.replace(folder / MANIFEST)
    sync(folder)
