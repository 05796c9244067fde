"""`train_models` weekly, `score_models` whenever gold is new."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from common import DAG_OPTIONS, GOLD, ML, WRITER_POOL, run_stage


@dag(
    schedule="@weekly",
    tags=["ml"],
    doc_md="""
### Train the churn model

Fits candidates on gold, split by time, and promotes one only if it beats the model in use and the
dumb baseline.
Every decision is a row in the model registry.
""",
    **DAG_OPTIONS,
)
def train_models() -> None:
    """Train once a week."""

    @task(pool=WRITER_POOL, doc_md="Calls `warehouse.stages.train`.")
    def train() -> dict[str, Any]:
        return run_stage("train", force=True)

    train()


@dag(
    schedule=[GOLD],
    tags=["ml"],
    doc_md="""
### Score customers

Writes churn scores with reasons, and segments, to schema `ml`; dbt builds gold's contracted tables
from them; the
gate checks them. The same date and model give the same rows.
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

    @task(pool=WRITER_POOL, retries=0, outlets=[ML], doc_md="Great Expectations on the scores.")
    def gate_scores() -> dict[str, Any]:
        return run_stage("gate", ["scores"])

    score() >> gold_ml() >> gate_scores()


train_models()
score_models()
