"""A gate on Spark judges as the gate on the warehouse file does, check by check."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from threading import Barrier

import pytest

from warehouse.settings import PROJECT_ROOT

pytestmark = [pytest.mark.scale, pytest.mark.timeout(600)]


def verdicts(engine: str, home: Path) -> dict[tuple[str, str], tuple]:
    """Table and words of each check of tests/scale/verdicts.py → whether it holds, what was observed, and the detail."""
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.scale.verdicts", engine, str(home)],
        cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {
        (table, says): tuple(rest)
        for table, says, *rest in json.loads(done.stdout.splitlines()[-1])
    }


def test_both_engines_find_the_same(tmp_path):
    duckdb = verdicts("duckdb", tmp_path / "duckdb")
    spark = verdicts("spark", tmp_path / "spark")
    came_back = spark.pop(("gold.payments", "has as many rows as came back"))
    assert came_back == (False, "3", "observed 3")
    is_there, _, why = spark.pop(("gold.lost", "table can be read"))
    assert not is_there
    assert "the cluster has lost the table" in why
    assert spark == duckdb
    failed = {
        table: {says for (of, says), (success, *_) in duckdb.items() if of == table and not success}
        for table in ("gold.payments", "gold.refunds")
    }
    assert failed == {
        "gold.payments": {
            "has at least 80% of the published version's 20 rows", "has the promised columns id, amount, lost",
            "id is never null", "(id) is unique", "every customer_id is in dim_customers",
            "currency is a code of three capital letters", "probability is at least 0 and at most 1",
            "date_partition is not in the future", "occurred_at is not in the future",
        },
        "gold.refunds": {"(id) is unique", "every customer_id is in dim_customers"},
    }  # fmt: skip
    assert (tmp_path / "spark" / "docs" / "index.html").exists()


def test_suites_are_asked_side_by_side_and_answered_in_order(monkeypatch):
    from quality import engine_spark

    both = Barrier(2, timeout=60)

    def run(self, gate, suite):
        both.wait()
        return [suite]

    monkeypatch.setattr(engine_spark.SparkEvaluator, "run", run)
    evaluator = object.__new__(engine_spark.SparkEvaluator)
    assert evaluator.run_all("gold", ["first", "second"]) == ["first", "second"]
