"""The models on chdb, ClickHouse itself as a library: those that run are pinned, and docs/targets.md says why the others don't."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale.engines import Ran, build, compiled, models, needs, unlike_duckdb
from warehouse.settings import Settings

pytestmark = [
    pytest.mark.scale,
    pytest.mark.slow(minutes=2),
    needs("chdb", "dbt.adapters.clickhouse"),
]

# `a.*` of a table that is joined with two others keeps `a.` in the names of the columns they share
REFUSED = {"int_discounts", "fact_dunning", "fact_revenue_recognised_daily"}
BUILT = 119


@pytest.fixture(scope="module")
def ran(company: Settings, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder: Path = tmp_path_factory.mktemp("clickhouse") / "run"
    return build(company, "clickhouse", "tests.scale.dbt_on_chdb", folder, times=1)


def test_those_that_run_are_built(ran: Ran) -> None:
    assert ran.failed == REFUSED
    assert len(ran.succeeded) == BUILT


def test_their_gold_is_what_duckdb_has(company: Settings, ran: Ran) -> None:
    tables = {path.stem for path in ran.gold.glob("*.parquet")}
    assert {"fact_revenue", "fact_invoices", "kpi_revenue_daily", "kpi_revenue_monthly"} <= tables
    assert unlike_duckdb(company, ran.gold) == {}


def test_every_model_is_compiled(company: Settings, tmp_path: Path) -> None:
    assert compiled(company, "clickhouse", "tests.scale.dbt_on_chdb", tmp_path) == models()
