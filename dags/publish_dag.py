"""`publish`: a new version of both editions, after gold and its ML tables have passed their gates."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from common import DAG_OPTIONS, GOLD, ML, PUBLISHED, WRITER_POOL, run_stage


@dag(
    schedule=[GOLD, ML],
    tags=["publish"],
    doc_md="""
### Publish what passed

Copies gold into a candidate version (editions `restricted` and `analyst`), audits it, and switches
the pointer
`published/current` in one step. Open readers keep the version they have. It refuses a warehouse
whose gates did
not pass since its last build.

To go back one version: `warehouse publish --rollback`.
""",
    **DAG_OPTIONS,
)
def publish() -> None:
    """Publish both editions."""

    @task(
        task_id="publish",
        pool=WRITER_POOL,
        outlets=[PUBLISHED],
        doc_md="Calls `warehouse.stages.publish`.",
    )
    def publish_editions() -> dict[str, Any]:
        return run_stage("publish")

    publish_editions()


publish()
