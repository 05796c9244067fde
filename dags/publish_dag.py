"""`publish`: a new version of both editions, after each scoring that passed its gate; then alerts and notebooks."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from common import DAG_OPTIONS, ML, PUBLISHED, WRITER_POOL, run_stage


@dag(
    # scoring follows each gold that passed: to wait for both would count an extra scoring for the next night's
    schedule=[ML],
    tags=["publish"],
    doc_md="""
### Publish what passed

Copies gold into a candidate version (editions `restricted` and `analyst`), audits it, and switches
the pointer
`published/current` in one step. Open readers keep the version they have. It refuses a warehouse
whose gates did
not pass since its last build.

Then the alerts' rules are judged on that version, and what is new is told (docs/alerts.md). A message that doesn't
arrive fails the task `alerts`: its retries, and each evaluation after it, try again.

The notebooks are run on that version and rendered to `published/<version>/notebooks/*.html`. One that fails
fails its own task and nothing else: the version stays published.

To go back one version: `warehouse publish --rollback`. What it goes back from is withdrawn: this task fails, saying so,
until the warehouse holds something else (docs/runbook.md).
""",
    **DAG_OPTIONS,
)
def publish() -> None:
    """Publish both editions, then show them."""

    @task(
        task_id="publish",
        pool=WRITER_POOL,
        outlets=[PUBLISHED],
        doc_md="Calls `warehouse.stages.publish`.",
    )
    def publish_editions() -> dict[str, Any]:
        return run_stage("publish")

    @task(
        task_id="notebooks",
        doc_md="Calls `warehouse.stages.notebooks`: readers' copies only, so it needs no turn at the warehouse file.",
    )
    def render_notebooks() -> dict[str, Any]:
        return run_stage("notebooks")

    @task(
        task_id="alerts",
        doc_md="Calls `warehouse.stages.alerts`: it needs no turn. Fails where a message did not arrive.",
    )
    def judge_alerts() -> dict[str, Any]:
        return run_stage("alerts", insist=True)

    publish_editions() >> [judge_alerts(), render_notebooks()]


publish()
