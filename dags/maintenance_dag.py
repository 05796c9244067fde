"""`maintenance`: what nobody wants to think of: leftovers of crashed syncs and publishes, old logs."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from common import DAG_OPTIONS, WRITER_POOL, run_stage


@dag(
    schedule="@weekly",
    tags=["maintenance"],
    doc_md="""
### Tidy up

Removes spool files and candidate versions that a crash left behind, and logs older than 30 days.
Nothing that was
landed, published or recorded is touched.
""",
    **DAG_OPTIONS,
)
def maintenance() -> None:
    """Tidy the data folder once a week."""

    @task(pool=WRITER_POOL, doc_md="Calls `warehouse.stages.tidy`.")
    def tidy() -> dict[str, Any]:
        return run_stage("tidy")

    tidy()


maintenance()
