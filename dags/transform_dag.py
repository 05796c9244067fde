"""`transform`: landing → bronze → silver → gold, then the gate that gold must pass."""

from __future__ import annotations

from typing import Any

from airflow.sdk import AssetAny, AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from common import DAG_OPTIONS, GOLD, WRITER_POOL, raw, run_stage
from warehouse.settings import load_settings
from warehouse.sources import SOURCES


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(load_settings().transform_cron, timezone="UTC"),
        assets=AssetAny(*(raw(source) for source in SOURCES)),
    ),
    tags=["transform", "dbt"],
    doc_md="""
### Build bronze, silver and gold with dbt

Runs on its schedule and after each ingest. It goes by load id, not by date: whatever landed since
the last build
is taken in, late rows too. It does not wait for a source that failed; that source's
`complete_through` stays
where it was, and gold says so.

`anything_new` → `gate_raw` → `silver` → `gold` → `gate_gold`. A failed gate names the table and the
expectation; nothing is
published then, and the last good version stays up (docs/runbook.md).
""",
    **DAG_OPTIONS,
)
def transform() -> None:
    """Build the layers in order, one task each."""

    @task.short_circuit(
        pool=WRITER_POOL,
        doc_md="Ends the run here if no sync has finished since the last one, and that one came to a judgement. "
        "A run by hand always goes on.",
    )
    def anything_new(dag_run: Any = None) -> bool:
        if dag_run.run_type == "manual":
            return True
        return bool(run_stage("anything_new")["new"])

    @task(pool=WRITER_POOL, doc_md="Great Expectations on the landed rows.")
    def gate_raw() -> dict[str, Any]:
        return run_stage("gate", ["raw"])

    @task(pool=WRITER_POOL, doc_md="dbt: bronze views and silver tables, with their tests.")
    def silver() -> dict[str, Any]:
        return run_stage("build", "silver")

    @task(pool=WRITER_POOL, doc_md="dbt: the star schema and the KPI tables, with their tests.")
    def gold() -> dict[str, Any]:
        return run_stage("build", "gold")

    @task(pool=WRITER_POOL, outlets=[GOLD], doc_md="Great Expectations on gold.")
    def gate_gold() -> dict[str, Any]:
        return run_stage("gate", ["gold"])

    anything_new() >> gate_raw() >> silver() >> gold() >> gate_gold()


transform()
