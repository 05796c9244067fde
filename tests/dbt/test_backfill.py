"""A window of the usage log read again: its days say what the files say now, all other days are untouched.

Five files of four days. Then the files of the second day are corrected: of its calls one is deleted, one has got faster (so
that the former version would win by content), one was put under the wrong day, one is also in a late file and stays. The
only call of the fourth day is deleted by a file of the second.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date

import pytest

from ingestion import runner
from tests.dbt.landing_files import ensure_all
from tests.dbt.warehouse_of import rows_of, settings_at
from warehouse.dbt_process import run_dbt

pytestmark = pytest.mark.slow(minutes=2)

MODELS = (
    "int_api_calls",
    "int_customer_usage_daily",
    "fact_api_usage",
    "fact_feature_usage",
    "agg_api_usage_daily",
)
WINDOW = (date(2024, 1, 2), date(2024, 1, 2))


def call(key: str, day: int, ms: float = 100.0) -> str:
    return json.dumps(
        {
            "request_id": key, "customer_id": "acc_1", "endpoint": "/analyze", "method": "POST", "status_code": 200,
            "response_time_ms": ms, "bytes_processed": 10, "feature": "batch_processing", "region": "eu",
            "timestamp": f"2024-01-{day:02d}T12:00:00Z",
        }
    )  # fmt: skip


BEFORE = {
    "2024-01-01": [call("a1", 1), call("a2", 1)],
    "2024-01-02": [call("kept", 2), call("deleted", 2), call("faster", 2, 900.0), call("moved", 3), call("twice", 2), call("far", 4)],
    "2024-01-02.late-1": [call("twice", 2), call("late", 2)],
    "2024-01-03": [call("c1", 3)],
}  # fmt: skip
AFTER = {"2024-01-02": [call("kept", 2), call("faster", 2, 90.0), call("moved", 2), call("new", 2)]}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    home = tmp_path_factory.mktemp("backfill")
    return settings_at(home).over(usage_location=str(home / "usage"))


def put(settings, files: dict[str, list[str]]) -> None:
    folder = settings.home / "usage"
    folder.mkdir(exist_ok=True)
    for name, lines in files.items():
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


def build(settings, *words: str) -> None:
    selection = [f"+{model}" for model in MODELS]
    run_dbt(
        settings,
        ["build", "--select", *selection, "--exclude-resource-types", "unit_test", *words],
        target="dev",
    )


def days(settings, model: str) -> dict[str, str]:
    """A hash of each day's rows, less what says which load brought them."""
    schema = "silver" if model.startswith("int_") else "gold"
    rows = rows_of(
        settings,
        f"select date_partition::text, list(t::text order by t::text) "
        f"from (select * exclude (load_id) from {schema}.{model}) as t group by date_partition",
    )
    return {day: hashlib.sha256("\n".join(lines).encode()).hexdigest() for day, lines in rows}


def test_a_backfill_changes_its_days_and_no_other(settings):
    ensure_all(settings)
    put(settings, BEFORE)
    runner.sync("usage", settings)
    build(settings, "--exclude-resource-types", "test")
    before = {model: days(settings, model) for model in MODELS}
    assert set(before["fact_api_usage"]) == {"2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"}

    put(settings, AFTER)
    result = runner.sync("usage", settings, window=WINDOW)
    assert result.rows == 6  # both files of the day
    build(settings, "--indirect-selection", "cautious")

    calls = "select request_id, response_time_ms::float from gold.fact_api_usage where date_partition = date '2024-01-02' order by 1"
    assert rows_of(settings, calls) == [
        ("faster", 90.0), ("kept", 100.0), ("late", 100.0), ("moved", 100.0), ("new", 100.0), ("twice", 100.0),
    ]  # fmt: skip
    after = {model: days(settings, model) for model in MODELS}
    for model in MODELS:
        assert after[model]["2024-01-01"] == before[model]["2024-01-01"]
        assert set(after[model]) == {"2024-01-01", "2024-01-02", "2024-01-03"}, (
            model
        )  # the fourth day is empty now
    assert rows_of(
        settings,
        "select request_id from gold.fact_api_usage where date_partition = date '2024-01-03'",
    ) == [("c1",)]

    runner.sync(
        "usage", settings, window=WINDOW
    )  # the same window once more, and all of it from the start
    build(settings, "--full-refresh", "--exclude-resource-types", "test")
    assert {model: days(settings, model) for model in MODELS} == after
