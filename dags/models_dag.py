"""`train_models` weekly, `score_models` whenever gold is new."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from common import DAG_OPTIONS, GOLD, ML, MODELS, WRITER_POOL, run_stage


@dag(
    schedule="@weekly",
    tags=["ml"],
    doc_md="""
### Train the churn model

Fits candidates on gold, split by time, and promotes one only if it beats the model in use and the
dumb baseline.
Every decision is a row in the model registry. What was decided and how good the models are stands in the task's XCom
and beside the asset `models`: challenger and champion, forecasting methods and their errors, lifetime value, segments.
""",
    **DAG_OPTIONS,
)
def train_models() -> None:
    """Train once a week."""

    @task(pool=WRITER_POOL, outlets=[MODELS], doc_md="Calls `warehouse.stages.train`.")
    def train(*, outlet_events: Any = None) -> dict[str, Any]:
        figures = run_stage("train", force=True)
        outlet_events[MODELS].extra = figures
        return figures

    train()


@dag(
    schedule=[GOLD],
    tags=["ml"],
    doc_md="""
### Score customers

Writes churn scores with reasons, and segments, to schema `ml`; dbt builds gold's contracted tables
from them; the
gate checks them. The same date and model give the same rows. How many were scored, their risk and what has drifted most
stands in the XCom of `score` and beside the asset `ml`.
""",
    **DAG_OPTIONS,
)
def score_models() -> None:
    """Score, build, check."""

    @task(pool=WRITER_POOL, doc_md="Calls `warehouse.stages.score`.")
    def score() -> dict[str, Any]:
        return run_stage("score")

    @task(pool=WRITER_POOL, doc_md="dbt: gold's tables over what was scored.")
    def gold_ml() -> dict[str, Any]:
        return run_stage("build", "ml")

    @task(pool=WRITER_POOL, outlets=[ML], doc_md="Great Expectations on the scores.")
    def gate_scores(scored: dict[str, Any], *, outlet_events: Any = None) -> dict[str, Any]:
        checked = run_stage("gate", ["scores"])
        outlet_events[ML].extra = scored
        return checked

    scored = score()
    scored >> gold_ml() >> gate_scores(scored)


train_models()
score_models()
