"""Ways to land usage events that need nothing but this project: ours, and DuckDB's own reading of the same files.

Reads: the files that `benchmarks.landing_events` made. Writes: a DuckDB file in the scratch folder.
Run: `python -m benchmarks.landing_ways WAY FORMAT FILES SCRATCH`, which `benchmarks.landing` does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from benchmarks import landing_connector, landing_cost
from benchmarks.landing_events import COLUMNS
from ingestion import runner
from warehouse import duck
from warehouse.settings import Settings

NOW = datetime(2030, 1, 1, tzinfo=UTC)
THREADS = 2
MEMORY_LIMIT = "4GB"  # the settings' own default


def ours(kind: str, files: Path, scratch: Path) -> int:
    """`warehouse sync usage`, or `warehouse sync --exec` of a program that prints the messages."""
    settings = Settings.for_test(
        scratch, as_of=NOW, threads=THREADS, memory_limit=MEMORY_LIMIT, usage_location=str(files)
    )
    if kind == "messages":
        return runner.sync_exec(
            str(landing_connector.write(files, scratch)), None, "printed", settings
        ).rows
    return runner.sync("usage", settings).rows


def duckdb_text(kind: str, files: Path, scratch: Path) -> int:
    """DuckDB reads the files into a table of text columns: nothing of a value is lost. Messages: the record's data as text."""
    names = dict.fromkeys(COLUMNS, "VARCHAR")
    if kind == "messages":
        record = "STRUCT(stream VARCHAR, data VARCHAR, emitted_at VARCHAR)"
        return _create(
            "select record.stream, record.data, record.emitted_at from "
            + _json(files, kind, {"type": "VARCHAR", "record": record})
            + " where type = 'RECORD'",
            scratch,
        )
    if kind == "csv":
        return _create(
            f"select * from read_csv('{files}/*', header = true, all_varchar = true)", scratch
        )
    if kind == "parquet":
        return _create(f"select columns(*)::varchar from read_parquet('{files}/*')", scratch)
    return _create(f"select * from {_json(files, kind, names)}", scratch)


def duckdb_json(kind: str, files: Path, scratch: Path) -> int:
    """DuckDB reads each line, or row, into one JSON column; Parquet and CSV have no such text, so they are made into one."""
    if kind == "csv":
        return _create(
            f"select to_json(t) from read_csv('{files}/*', header = true, all_varchar = true) t",
            scratch,
        )
    if kind == "parquet":
        return _create(f"select to_json(t) from read_parquet('{files}/*') t", scratch)
    return _create(f"select * from read_ndjson_objects('{files}/*')", scratch)


def _json(files: Path, kind: str, columns: dict[str, str]) -> str:
    zipped = "gzip" if kind.endswith(".gz") else "uncompressed"
    return f"read_json('{files}/*', format = 'newline_delimited', compression = '{zipped}', columns = {columns})"


def _create(query: str, scratch: Path) -> int:
    with duck.connect(scratch / "t.duckdb", threads=THREADS, memory_limit=MEMORY_LIMIT) as con:
        return con.execute(f"create table t as {query}").fetchone()[0]


WAYS: dict[str, landing_cost.Way] = {
    "ours": ours,
    "duckdb-text": duckdb_text,
    "duckdb-json": duckdb_json,
}

if __name__ == "__main__":
    landing_cost.main(WAYS)
