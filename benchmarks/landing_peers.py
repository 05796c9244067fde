"""Ways to land the same usage events with other tools, each in an environment of its own.

Reads: the files that `benchmarks.landing_events` made. Writes: a DuckDB file in the scratch folder.
Run: `python -m benchmarks.landing_peers WAY FORMAT FILES SCRATCH` with the peer's Python, which `benchmarks.landing`
does; `make bench-peers` makes the environments.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import landing_connector, landing_cost
from benchmarks.landing_connector import STREAM

_SINGER = {"str": "string", "int": "integer", "float": "number"}


def dlt_arrow(kind: str, files: Path, scratch: Path) -> int:
    """The fastest path of dlt: Arrow tables, passed on as Parquet."""
    import dlt
    import pyarrow.json
    import pyarrow.parquet

    @dlt.resource(name=STREAM)
    def tables() -> Iterator[Any]:
        for path in sorted(files.iterdir()):
            yield (
                pyarrow.parquet.read_table(path)
                if kind == "parquet"
                else pyarrow.json.read_json(path)
            )

    pipeline = dlt.pipeline(
        "landing", dataset_name="raw", destination=dlt.destinations.duckdb(str(scratch / "t.duckdb")),
        pipelines_dir=str(scratch / "dlt"),
    )  # fmt: skip
    pipeline.run(tables(), loader_file_format="parquet")
    return _count(scratch / "t.duckdb", f"raw.{STREAM}")


def target_duckdb(kind: str, files: Path, scratch: Path) -> int:
    """The Singer target for DuckDB, fed with the same records in Singer's envelopes."""
    records = _records(files, kind)
    first = next(records)
    properties = {name: {"type": [_SINGER[type(value).__name__]]} for name, value in first.items()}
    schema = {
        "type": "SCHEMA",
        "stream": STREAM,
        "key_properties": ["request_id"],
        "schema": {"properties": properties},
    }
    config = scratch / "config.json"
    config.write_text(
        json.dumps({"filepath": str(scratch / "t.duckdb"), "default_target_schema": "raw"})
    )
    messages = scratch / "singer.jsonl"
    with messages.open("w") as out:
        out.write(json.dumps(schema) + "\n")
        for record in (first, *records):
            out.write(json.dumps({"type": "RECORD", "stream": STREAM, "record": record}) + "\n")
    with messages.open() as source:
        subprocess.run(
            [Path(sys.executable).with_name("target-duckdb"), "--config", config],
            stdin=source, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
    return _count(scratch / "t.duckdb", f"raw.{STREAM}")


def pyairbyte(_kind: str, files: Path, scratch: Path) -> int:
    """PyAirbyte with a connector that prints what is in the file."""
    import airbyte

    source = airbyte.get_source(
        "source-printed",
        config={},
        local_executable=landing_connector.write(files, scratch),
        install_if_missing=False,
    )
    source.select_all_streams()
    cache = airbyte.caches.DuckDBCache(
        db_path=scratch / "t.duckdb", schema_name="raw", cache_dir=scratch / "cache"
    )
    return source.read(cache).processed_records


def _records(files: Path, kind: str) -> Iterator[dict[str, Any]]:
    for line in (files / f"{kind}.jsonl").open():
        message = json.loads(line)
        if message["type"] == "RECORD":
            yield message["record"]["data"]


def _count(path: Path, table: str) -> int:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(f"select count(*) from {table}").fetchone()[0]


WAYS: dict[str, landing_cost.Way] = {
    "dlt-arrow": dlt_arrow,
    "target-duckdb": target_duckdb,
    "pyairbyte": pyairbyte,
}

if __name__ == "__main__":
    landing_cost.main(WAYS)
