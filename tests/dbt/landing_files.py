"""Fills landing files by hand, as the connectors would: one load per call, records as JSON text.

Writes: `<home>/landing/<source>.duckdb`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ingestion.destination.opening import ensure, opened
from tests import parsed
from warehouse.settings import Settings
from warehouse.sources import SOURCES

Record = dict[str, Any]


def ensure_all(settings: Settings) -> None:
    """Make every source's landing file, for dbt to attach."""
    parsed.give(settings, "dev")
    for source in SOURCES:
        ensure(source, settings)


def land(
    settings: Settings,
    source: str,
    stream: str,
    records: Sequence[Record],
    *,
    at: datetime,
    complete_through: datetime | None = None,
) -> int:
    """Land records as one load; returns its id.

    Args:
        settings: Whose data folder.
        source: A name in `SOURCES`.
        stream: One of its streams.
        records: What the source said.
        at: When it was read.
        complete_through: What the source says of its completeness.
    """
    with opened(source, settings) as landing, landing.transaction() as load_id:
        rows = pa.table(
            {
                "line": pa.array([json.dumps(record) for record in records], pa.string()),
                "position": pa.array(range(len(records)), pa.int64()),
                "file": pa.array([f"load-{load_id}.jsonl"] * len(records), pa.string()),
            }
        )
        landing.insert(stream, rows.schema, rows.to_batches(), load_id, at)
        landing.record_load(
            load_id, stream, started_at=at, landed=len(records), quarantined=0, sync_id=load_id
        )
        if complete_through is not None:
            landing.con.execute("delete from landing.complete_through where stream = ?", [stream])
            landing.con.execute(
                "insert into landing.complete_through values (?, ?)",
                [stream, complete_through.astimezone(UTC).replace(tzinfo=None)],
            )
    return load_id
