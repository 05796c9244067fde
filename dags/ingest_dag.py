"""One DAG per source: `ingest_<source>`, generated from the list of sources."""

from __future__ import annotations

from datetime import date
from typing import Any

from airflow.sdk import DAG, Param, dag, task
from airflow.sdk.exceptions import AirflowFailException

from common import DAG_OPTIONS, raw, run_stage
from warehouse.sources import SOURCES

WINDOW = {
    "from": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Backfill from",
        description="First day to read again. Leave both empty to take what is new since the cursor.",
    ),
    "to": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Backfill to",
        description="Last day to read again.",
    ),
}


def ingest_dag(source: str) -> DAG:
    """The DAG that lands one source."""

    @dag(
        dag_id=f"ingest_{source}",
        schedule="@daily",
        tags=["ingest", source],
        params=WINDOW,
        doc_md=f"""
### Land what is new in `{source}`

Starts the connector at its own cursor and commits rows and cursor together into
`landing/{source}.duckdb`. Bad rows go to the quarantine table with file, line and reason.

**To backfill**, trigger it with *Backfill from* and *Backfill to*: the window is read again, and
running it
twice changes nothing.

**If it fails**, nothing after the last committed cursor was kept; clear the task, it goes on from
there. The other sources and the published version are not touched (docs/runbook.md).
""",
        **DAG_OPTIONS,
    )
    def ingest() -> None:
        @task(outlets=[raw(source)], doc_md=f"Calls `warehouse.stages.ingest` for `{source}`.")
        def sync(params: dict[str, Any] | None = None) -> dict[str, Any]:
            params = params or {}
            first, last = params.get("from"), params.get("to")
            if bool(first) != bool(last):
                raise AirflowFailException("a backfill names both days: 'from' and 'to'")
            window = (date.fromisoformat(first), date.fromisoformat(last)) if first else None
            return run_stage("ingest", source, window=window)

        sync()

    return ingest()


for name in SOURCES:
    globals()[f"ingest_{name}"] = ingest_dag(name)
