"""The whole project on a Spark cluster of two executor processes, over the default sandbox: gold must say what DuckDB's gold says.

After a full build, and after each of two more days. The scores are made from features that came back from Spark, and published.

Needs `make install-scale`; run by `make test-scale`. Another company: `pytest tests/scale/test_spark.py --sandbox-seed 8`.
"""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

from tests.road.conftest import Warehouse
from warehouse.sources import SOURCES
from warehouse.spark import EXECUTORS

pytestmark = [pytest.mark.scale, pytest.mark.timeout(2400)]

SPARK = {"WAREHOUSE_TARGET": "spark"}


class Company:
    """The default sandbox, built on both targets."""

    def __init__(self, home: Warehouse) -> None:
        self.home = home

    def land(self) -> None:
        for source in SOURCES:
            self.home("sync", source)

    def build(self) -> None:
        """On DuckDB, then on Spark, where both layers run in one session."""
        self.home("build", "--layer", "silver", "--layer", "gold")
        self.home("build", "--layer", "silver", "--layer", "gold", **SPARK)

    def differences(self) -> list[str]:
        said = self.home("compare", "duckdb", "spark")
        assert re.search(r"✓ fact_api_usage +[1-9]", said)
        return [line for line in said.splitlines() if not line.startswith("✓")]

    def tasks(self) -> list[int]:
        """Tasks that each executor of the last build has run, as Spark's REST API told them."""
        said = json.loads((self.home.settings.dbt_target_dir / "spark" / EXECUTORS).read_text())
        return [one["tasks"] for one in said]


@pytest.fixture(scope="module")
def company(tmp_path_factory, pytestconfig) -> Company:
    home = Warehouse(tmp_path_factory.mktemp("scale") / "data")
    home("sandbox", "create", "--seed", str(pytestconfig.getoption("--sandbox-seed")))
    company = Company(home)
    company.land()
    company.build()
    return company


def test_gold_of_a_full_build_is_the_same(company):
    assert company.differences() == []


def test_both_executors_ran_tasks(company):
    tasks = company.tasks()
    assert len(tasks) == 2
    assert all(count > 50 for count in tasks)


def test_what_workers_write_stays_in_the_data_folder(company):
    assert list((company.home.settings.spark_dir / "installation" / "work").iterdir())
    pyspark = find_spec("pyspark")
    assert pyspark is not None
    assert not (Path(str(pyspark.origin)).parent / "work").exists()


@pytest.mark.parametrize("day", [1, 2])
def test_gold_of_one_more_day_is_the_same(company, day):
    company.home("sandbox", "advance", "--days", "1")
    company.land()
    company.build()
    assert company.differences() == []
    assert all(count > 0 for count in company.tasks())


def test_what_spark_built_is_scored_and_published(company):
    company.home("score", **SPARK)
    company.home("build", "--layer", "ml", **SPARK)
    company.home("check", **SPARK)
    # the gates looked at the cluster's tables, not at what came back alone
    con = duckdb.connect(str(company.home.settings.ops_db), read_only=True)
    asked = con.execute(
        "select count(*), bool_and(success) from check_results where expectation = 'has as many rows as came back'"
    ).fetchone()
    con.close()
    assert asked is not None
    assert asked[0] > 60
    assert asked[1]
    assert "published" in company.home("publish", **SPARK)
    assert "0 differences" in company.home("verify", **SPARK)
    paying = company.home(
        "sql",
        "--format",
        "csv",
        "select count(*) as n from gold.customer_churn_scores where is_latest",
        **SPARK,
    )
    assert int(paying.split()[-1]) > 100
