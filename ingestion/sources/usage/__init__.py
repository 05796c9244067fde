"""API usage logs as files by reference: JSONL, JSONL.gz, Parquet or CSV, one line a request.

Reads: `USAGE_LOCATION`. Writes: `landing/usage.duckdb` through `ingestion.files`. Run: `warehouse
sync usage`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingestion.destination.typecheck import Rule, Rules
from ingestion.files.stream import FileStream

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(days=2)  # a server's clock may run ahead; more is a unit mistaken


def api_call(now: datetime) -> Rules:
    """What one API call must say; fields that are not named here are kept as they are."""
    return Rules(
        (
            Rule("request_id", "text", required=True),
            Rule("customer_id", "text", required=True),
            Rule("endpoint", "text"),
            Rule("method", "text"),
            Rule("status_code", "integer", required=True, low=100, high=599),
            Rule("response_time_ms", "number", required=True, low=0),
            Rule("bytes_processed", "integer", required=True, low=0),
            Rule("feature", "text"),
            Rule("region", "text"),
            Rule(
                "timestamp",
                "instant",
                required=True,
                low=EARLIEST,
                high=now + CLOCK_SKEW,
                epoch=True,
            ),
        )
    )


FILE_STREAMS = (
    FileStream(
        name="api_calls",
        patterns=(
            "*.jsonl", "*.jsonl.gz", "*.ndjson", "*.ndjson.gz", "*.json", "*.json.gz",
            "*.parquet", "*.csv", "*.csv.gz",
        ),
        columns=("request_id", "customer_id", "status_code", "timestamp"),
        rules=api_call,
        is_daily=True,
    ),
)  # fmt: skip
