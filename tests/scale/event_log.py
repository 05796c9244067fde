"""What Spark's event log says of the tables that queries read: how many of their folders.

The log is JSON lines. A query's plan names its scans and the counters of each; a counter's value is an event of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SQL = "org.apache.spark.sql.execution.ui.SparkListener"


def properties(folder: Path) -> str:
    """Spark's settings that keep a log there, as one readable file for each session."""
    folder.mkdir()
    return (
        f"spark.eventLog.enabled true\nspark.eventLog.dir {folder.as_uri()}\n"
        "spark.eventLog.compress false\nspark.eventLog.rolling.enabled false\n"
    )


def folders_read(log: Path, table: str) -> list[tuple[str, int]]:
    """Plans that read a table that has a folder a day, as the log has them, and how many of its folders they read."""
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    counted: dict[int, str] = {}
    found = []
    for event in events:
        kind = str(event["Event"]).removeprefix(_SQL)
        if kind == "SQLExecutionStart":
            for scan in _scans(event["sparkPlanInfo"], table):
                for metric in scan["metrics"]:
                    if metric["name"] == "number of partitions read":
                        counted[metric["accumulatorId"]] = event["physicalPlanDescription"]
        elif kind == "DriverAccumUpdates":
            found += [(counted[i], value) for i, value in event["accumUpdates"] if i in counted]
    return found


def _scans(plan: dict[str, Any], table: str) -> Iterator[dict[str, Any]]:
    if plan["nodeName"].startswith("Scan parquet") and plan["nodeName"].endswith(f".{table}"):
        yield plan
    for child in plan["children"]:
        yield from _scans(child, table)
