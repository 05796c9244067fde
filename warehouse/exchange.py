"""What the warehouse file and a cluster give each other: gold comes back from it, and what Python wrote goes out to it.

A build on a cluster leaves gold in Parquet files there. They are taken into a warehouse file of the target's own, with
the types of their contracts, so that ML and publish read what they always read. Tables of which no file has
changed stay as they are.

Reads: the cluster's tables, dbt's manifest. Writes: the target's warehouse file, `lake/ml/`.
Run: by `warehouse.transform`, under the warehouse's lock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse import duck, lake, spark
from warehouse.errors import WarehouseError
from warehouse.failpoints import hit

if TYPE_CHECKING:
    import duckdb

    from warehouse.settings import Settings

# table → what its files were when it was taken in, in schema main of the target's warehouse file
_SEEN = (
    "create table if not exists main.brought_back (table_name varchar primary key, files varchar)"
)


def bring_gold(settings: Settings, manifest: Path) -> dict[str, int]:
    """Take gold's tables in from the cluster's files, in one transaction.

    Args:
        settings: Where the cluster keeps its tables, and the warehouse file.
        manifest: dbt's manifest of the build: it says which tables there are, and their columns' types.

    Returns:
        Rows of each table that was taken in anew.

    Raises:
        WarehouseError: There is no table of gold where the cluster's tables should be.
    """
    models = gold_models(json.loads(manifest.read_text(encoding="utf-8")))
    root = spark.tables_folder(settings) / "gold.db"
    folders = {name: root / name for name in models if (root / name).is_dir()}
    if not folders:
        raise WarehouseError(
            f"no table of gold is in {root}",
            "this machine must see the cluster's tables there (spark.sql.warehouse.dir, docs/scale.md)",
        )
    con = duck.connect(
        settings.warehouse_db, memory_limit=settings.memory_limit, threads=settings.threads
    )
    try:
        con.execute("set timezone = 'UTC'")
        con.execute(_SEEN)
        seen = dict(con.execute("select table_name, files from main.brought_back").fetchall())
        con.begin()
        brought = {
            name: _bring(con, name, models[name], files, said)
            for name, folder in folders.items()
            if (said := _said(files := _files(folder))) != seen.get(name)
        }
        hit("bring_gold.before_commit", settings)
        con.commit()
    finally:
        con.close()
    return brought


def gold_models(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Gold's tables by name, views left out: they are made anew over what came back."""
    return {
        node["alias"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        and node["schema"] == "gold"
        and node["config"]["materialized"] != "view"
    }


def _files(folder: Path) -> list[Path]:
    """A table's files as Spark sees them: what it was writing when it was killed has a name that it passes over."""
    return sorted(
        path
        for path in folder.rglob("*.parquet")
        if not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    )


def _said(files: list[Path]) -> str:
    """What tells one state of a table's files from another: Spark never writes a file twice under one name."""
    return hashlib.sha256("\n".join(map(str, files)).encode()).hexdigest()


def _bring(
    con: duckdb.DuckDBPyConnection,
    table: str,
    model: Mapping[str, Any],
    files: list[Path],
    said: str,
) -> int:
    columns = model["columns"].values()
    typed = ", ".join(f'cast("{c["name"]}" as {c["data_type"]}) as "{c["name"]}"' for c in columns)
    if files:
        con.execute(
            f'create or replace table gold."{table}" as select {typed} '
            # a partition's column stands in the folder's name
            "from read_parquet(?, hive_partitioning = true, union_by_name = true)",
            [[str(file) for file in files]],
        )
    else:  # a table of days without any has no file
        empty = ", ".join(f'"{c["name"]}" {c["data_type"]}' for c in columns)
        con.execute(f'create or replace table gold."{table}" ({empty})')
    _describe(con, f'table gold."{table}"', model["description"])
    for column in columns:
        _describe(con, f'column gold."{table}"."{column["name"]}"', column["description"])
    con.execute("insert or replace into main.brought_back values (?, ?)", [table, said])
    row = con.execute(f'select count(*) from gold."{table}"').fetchone()
    return int(row[0]) if row else 0


def _describe(con: duckdb.DuckDBPyConnection, what: str, text: str) -> None:
    if text:
        literal = text.replace("'", "''")
        con.execute(f"comment on {what} is '{literal}'")


def hand_out_scores(settings: Settings) -> None:
    """Write schema ml into the lake, where the cluster reads it.

    Raises:
        WarehouseError: Nothing was scored yet.
    """
    files = lake.ParquetFiles(settings.lake_dir / "ml")
    con = duck.connect(settings.warehouse_db, read_only=True)
    try:
        tables = [
            name
            for (name,) in con.execute(
                "select table_name from duckdb_tables() where schema_name = 'ml' order by table_name"
            ).fetchall()
        ]
        if not tables:
            raise WarehouseError("there are no scores yet", "run `warehouse score` first")
        for table in tables:
            files.write(con, f"select * from ml.{table}", table, "")
    finally:
        con.close()
