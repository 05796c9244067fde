"""The whole project on a Spark cluster of two executor processes, over the default sandbox: gold must say what DuckDB's gold says.

The scores are made from features that came back from Spark, gates run on the cluster, and what passed is published.

Needs `make install-scale`; run by `make test-scale`. Another company: `pytest tests/scale/test_spark.py --sandbox-seed 8`.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

from tests.scale.both_targets import SPARK

pytestmark = [pytest.mark.scale, pytest.mark.timeout(2400)]


def test_gold_of_a_full_build_is_the_same(both_targets):
    said = both_targets.home("compare", "duckdb", "spark")
    assert re.search(r"✓ fact_api_usage +[1-9]", said)


def test_both_executors_ran_tasks(both_targets):
    tasks = both_targets.tasks()
    assert len(tasks) == 2
    assert all(count > 50 for count in tasks)


def test_what_workers_write_stays_in_the_data_folder(both_targets):
    assert list((both_targets.home.settings.spark_dir / "installation" / "work").iterdir())
    pyspark = find_spec("pyspark")
    assert pyspark is not None
    assert not (Path(str(pyspark.origin)).parent / "work").exists()


def test_what_spark_built_is_scored_and_published(both_targets):
    # the gates looked at the cluster's tables, not at what came back alone
    con = duckdb.connect(str(both_targets.home.settings.ops_db), read_only=True)
    asked = con.execute(
        "select count(*), bool_and(success) from check_results where expectation = 'has as many rows as came back'"
    ).fetchone()
    con.close()
    assert asked is not None
    assert asked[0] > 60
    assert asked[1]
    assert re.search(r"Headline KPIs, v000001-", both_targets.said)
    assert "0 differences" in both_targets.home("verify", **SPARK)
    paying = both_targets.home(
        "sql",
        "--format",
        "csv",
        "select count(*) as n from gold.customer_churn_scores where is_latest",
        **SPARK,
    )
    assert int(paying.split()[-1]) > 100
