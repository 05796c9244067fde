"""The models on Snowflake's emulator: its SQL is parsed as Snowflake's and run by DuckDB (docs/targets.md says what that shows)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale.engines import Ran, build, models, needs, unlike_duckdb
from warehouse.settings import Settings

pytestmark = [
    pytest.mark.scale,
    pytest.mark.slow(minutes=6),
    needs("fakesnow", "dbt.adapters.snowflake"),
]


@pytest.fixture(scope="module")
def ran(company: Settings, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Two builds: the second one takes the incremental strategies."""
    folder: Path = tmp_path_factory.mktemp("snowflake") / "run"
    return build(company, "snowflake", "tests.scale.dbt_on_fakesnow", folder, times=2)


def test_every_model_is_built(ran: Ran) -> None:
    assert (ran.failed, models() - ran.succeeded) == (set(), set())


def test_gold_is_what_duckdb_has(company: Settings, ran: Ran) -> None:
    tables = {path.stem for path in ran.gold.glob("*.parquet")}
    assert {"dim_customers", "fact_revenue", "kpi_mrr_monthly", "kpi_retention_monthly"} <= tables
    assert len(tables) == 73
    assert unlike_duckdb(company, ran.gold) == {}
