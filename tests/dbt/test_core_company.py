"""The fixture company's numbers (see `company.py`), and that neither order nor batches nor repetition change them.

Six starts of dbt: three batches one after another in one warehouse; everything at once, twice over and shuffled, in
a second one, which starts empty: that is a full refresh; one over landing files without a row; and the tests of a damaged copy.
"""

from __future__ import annotations

import json
import shutil
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from quality import dbt_tests, scoring
from tests.dbt.company import AS_OF, BATCHES
from tests.dbt.landing_files import ensure_all
from tests.dbt.warehouse_of import (
    GOLD,
    SILVER,
    differences,
    land_batch,
    merged,
    rows_of,
    run_core,
    settings_at,
)
from warehouse import ledger
from warehouse.dbt_process import first_row, run_dbt
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

pytestmark = pytest.mark.slow(minutes=4)


def at(text: str) -> datetime:
    """An instant as the warehouse gives it: UTC without a zone."""
    return datetime.fromisoformat(text)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The incremental warehouse after its last batch, and what the first batches had left in it."""
    settings = settings_at(tmp_path_factory.mktemp("incremental"))
    land_batch(settings, 0, BATCHES[0])
    run_core(settings)
    first = rows_of(
        settings,
        "select request_id, customer_id, source_customer_id from gold.fact_api_usage order by 1",
    )
    first_days = rows_of(
        settings, "select distinct date_partition from gold.agg_api_usage_daily order by 1"
    )
    land_batch(settings, 1, BATCHES[1])
    run_core(settings)
    land_batch(settings, 2, BATCHES[2])
    run_core(settings, with_tests=True)
    return {"settings": settings, "first": first, "first_days": first_days}


@pytest.fixture(scope="module")
def warehouse(states: dict[str, object]) -> Settings:
    settings = states["settings"]
    assert isinstance(settings, Settings)
    return settings


@pytest.fixture(scope="module")
def rebuilt(warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Everything at once, every record twice, in another order, into an empty warehouse."""
    settings = settings_at(tmp_path_factory.mktemp("rebuilt"))
    land_batch(settings, 2, merged(BATCHES, times=2), shuffled=True)
    run_core(settings, full_refresh=True)
    return settings


def test_calls_are_counted_once_in_their_newest_version(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        'select request_id, customer_id, source_customer_id, response_code, compute_units, "timestamp" '
        "from gold.fact_api_usage order by request_id",
    ) == [
        ("r1", "acc_ada", "acc_ada", 200, Decimal("7.500000"), at("2024-01-02 10:00")),  # 5 * 1.5
        (
            "r2",
            "acc_ada",
            "acc_ada",
            200,
            Decimal("1.000000"),
            at("2024-01-02 11:00"),
        ),  # 1 * max(1, 0.4)
        (
            "r3",
            "acc_ada",
            "acc_ada",
            200,
            Decimal("3.000000"),
            at("2024-01-03 09:00:01"),
        ),  # 3 * 1
        (
            "r4",
            "acc_ben",
            "acc_ben",
            200,
            Decimal("5.000000"),
            at("2024-01-03 06:30"),
        ),  # 12:00 +05:30
        ("r5", "unknown", "acc_ghost", 429, Decimal("2.000000"), at("2024-01-03 13:00")),
        ("r6", "acc_ada", "acc_ada", 200, Decimal("5.000000"), at("2024-01-06 00:01")),
        (
            "r7",
            "acc_ben",
            "acc_ben",
            200,
            Decimal("25.000000"),
            at("2024-01-02 08:00"),
        ),  # 10 * 2.5
        ("r8", "acc_ada", "acc_ada", 404, Decimal("2.000000"), at("2024-01-31 10:00")),
    ]


def test_unknown_customers_wait_under_the_unknown_member(states: dict[str, object]) -> None:
    before = {request: (customer, source) for request, customer, source in states["first"]}
    assert before["r4"] == ("unknown", "acc_ben")
    assert before["r1"] == ("acc_ada", "acc_ada")


def test_a_day_that_lost_its_last_call_is_gone(
    states: dict[str, object], warehouse: Settings
) -> None:
    assert (date(2024, 1, 5),) in states["first_days"]
    for table in (
        "silver.int_api_calls",
        "silver.int_customer_usage_daily",
        "gold.fact_feature_usage",
        "gold.agg_api_usage_daily",
    ):
        assert rows_of(
            warehouse, f"select count(*) from {table} where date_partition = '2024-01-05'"
        ) == [(0,)], table


def test_usage_by_feature_and_day(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select customer_id, feature_name, date_partition, usage_count, successful_count, first_used_at "
        "from gold.fact_feature_usage order by date_partition, customer_id, feature_name",
    ) == [
        ("acc_ada", "basic_quantization", date(2024, 1, 2), 1, 1, at("2024-01-02 10:00")),
        ("acc_ben", "batch_processing", date(2024, 1, 2), 1, 1, at("2024-01-02 08:00")),
        ("acc_ada", "real_time_inference", date(2024, 1, 3), 1, 1, at("2024-01-03 09:00:01")),
        ("acc_ben", "basic_quantization", date(2024, 1, 3), 1, 1, at("2024-01-03 06:30")),
        ("unknown", "webhooks", date(2024, 1, 3), 1, 0, at("2024-01-03 13:00")),
        ("acc_ada", "basic_quantization", date(2024, 1, 6), 1, 1, at("2024-01-06 00:01")),
    ]


def test_daily_histograms_count_every_call(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select endpoint, status_class, calls, rate_limited_calls, list_sum(map_values(latency_histogram)) "
        "from gold.agg_api_usage_daily where date_partition = '2024-01-03' order by 1, 2",
    ) == [
        ("/analyze", "4xx", 1, 1, 1),
        ("/inference", "2xx", 1, 0, 1),
        ("/quantize", "2xx", 1, 0, 1),
    ]


def test_customers_as_they_stand(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select customer_id, customer_source, tier, is_deleted, signup_date, first_api_call_date, activated_at, mrr "
        "from gold.dim_customers order by customer_id",
    ) == [
        (
            "acc_ada",
            "product",
            "Team",
            False,
            at("2024-01-01 10:00"),
            at("2024-01-02 10:00"),
            at("2024-01-02 10:00"),
            0,
        ),
        (
            "acc_ben",
            "product",
            "Team",
            False,
            at("2024-01-02 07:00"),
            at("2024-01-02 08:00"),
            at("2024-01-02 08:00"),
            0,
        ),
        ("acc_cyd", "product", "Free", False, at("2024-01-01"), None, None, 0),
        ("acc_dan", "product", "Developer", False, at("2024-01-01 09:00"), None, None, 0),
        ("cus_solo", "stripe", None, False, at("2024-01-05"), None, None, 0),
        ("unknown", "unknown", None, False, None, None, None, 0),
    ]


def test_history_is_contiguous_and_knows_deletion_and_restoring(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select customer_id, tier, is_deleted, valid_from, valid_to, is_current from gold.dim_customers_history "
        "where customer_id in ('acc_ben', 'acc_cyd') order by customer_id, valid_from",
    ) == [
        ("acc_ben", "Developer", False, at("2024-01-02 07:00"), at("2024-01-20 12:00"), False),
        ("acc_ben", "Team", False, at("2024-01-20 12:00"), None, True),
        ("acc_cyd", "Free", False, at("2024-01-01"), at("2024-01-10"), False),
        ("acc_cyd", "Free", True, at("2024-01-10"), at("2024-01-12"), False),
        ("acc_cyd", "Free", False, at("2024-01-12"), None, True),
    ]


def test_ticket_times_in_calendar_and_business_minutes(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select ticket_id, customer_id, status, satisfaction, is_open, reopen_count, first_reply_minutes, "
        "first_reply_business_minutes, resolution_minutes, resolution_business_minutes, solved_at "
        "from gold.fact_support_tickets order by ticket_id",
    ) == [
        # an internal note is no reply; the first solve did not hold; closing is no solve
        (
            "11",
            "acc_ada",
            "closed",
            "good",
            False,
            1,
            3915,
            75,
            5490,
            690,
            at("2024-01-09 12:00"),
        ),
        # New Year's Day is a holiday: only 10 minutes of Tuesday count
        ("12", "acc_dan", "pending", None, True, 0, 1390, 10, None, None, None),
    ]


def test_health_of_one_day_by_hand(warehouse: Settings) -> None:
    # 7 January: 4 calls in 7 and in 30 days (trend 100), 2 of 12 features against a cap of one half (33.33), one open ticket
    # of five (80), a login that day (100), no subscription (skipped):
    # (0.30 * 100 + 0.20 * 33.33 + 0.15 * 80 + 0.15 * 100) / 0.80 = 79.58
    assert rows_of(
        warehouse,
        "select api_calls_last_7d, api_calls_last_30d, features_used_last_30d, support_tickets_open, payment_status, "
        "last_login_date, health_score, health_band, payment_status_score "
        "from gold.fact_customer_health where customer_id = 'acc_ada' and date_partition = '2024-01-07'",
    ) == [(4, 4, 2, 1, "none", at("2024-01-07 18:00"), Decimal("79.58"), "Good", None)]


def test_health_has_one_row_per_customer_and_day(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select customer_id, count(*), count(distinct date_partition), min(date_partition), max(date_partition) "
        "from gold.fact_customer_health group by 1 order by 1",
    ) == [
        ("acc_ada", 31, 31, date(2024, 1, 1), date(2024, 1, 31)),
        ("acc_ben", 30, 30, date(2024, 1, 2), date(2024, 1, 31)),
        ("acc_cyd", 31, 31, date(2024, 1, 1), date(2024, 1, 31)),
        ("acc_dan", 31, 31, date(2024, 1, 1), date(2024, 1, 31)),
        ("cus_solo", 27, 27, date(2024, 1, 5), date(2024, 1, 31)),
    ]
    # Cyd has neither calls nor logins, tickets nor subscriptions: nothing to score
    assert rows_of(
        warehouse,
        "select distinct health_score from gold.fact_customer_health where customer_id = 'acc_cyd'",
    ) == [(None,)]


def test_rates_go_straight_inverse_and_across(warehouse: Settings) -> None:
    rates = dict(
        rows_of(
            warehouse,
            "select currency, rate_to_reporting from silver.int_fx_rates where date = '2024-01-04'",
        )
    )
    assert rates["EUR"] == Decimal("1.1")
    assert rates["USD"] == 1
    assert rates["JPY"] == Decimal("0.006666666667")
    assert rates["KWD"] == Decimal("3.333333333333")  # EUR across: 1.10 / 0.33


def test_marketing_spend_in_the_reporting_currency(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select channel, spend_minor, spend_amount, round(spend_reporting_minor, 2) from gold.fact_marketing_spend order by 1",
    ) == [
        ("search", 10000, Decimal("100.000000"), Decimal("11000.00")),  # 100 EUR at 1.10
        ("social", 1500, Decimal("1500.000000"), Decimal("1000.00")),  # 1,500 JPY at 1/150
    ]


def test_experiments_by_first_exposure(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select customer_id, variant, exposures, is_mixed, conversions, value_reporting_minor from gold.fact_experiment_exposures order by 1",
    ) == [
        # what Ada bought before she was exposed does not count; 10 EUR at 1.10 do
        ("acc_ada", "a", 2, True, 1, Decimal("1100.000000")),
        ("acc_ben", "b", 1, False, 0, Decimal(0)),
    ]


def test_every_stream_says_how_far_it_is_complete(warehouse: Settings) -> None:
    rows = rows_of(
        warehouse,
        "select source, stream, complete_through from gold.complete_through where source = 'usage'",
    )
    assert rows == [("usage", "api_calls", AS_OF.replace(tzinfo=None))]


def test_batches_order_and_repetition_do_not_matter(warehouse: Settings, rebuilt: Settings) -> None:
    tables = [f"gold.{name}" for name in GOLD] + [f"silver.{name}" for name in SILVER]
    assert differences(warehouse, rebuilt, tables) == {}


def test_sources_that_are_off_leave_tables_empty(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = settings_at(tmp_path_factory.mktemp("empty"))
    ensure_all(settings)
    run_core(settings)
    assert rows_of(settings, "select customer_id from gold.dim_customers") == [("unknown",)]
    for table in GOLD:
        if table.startswith(("fact_", "agg_")):
            assert rows_of(settings, f"select count(*) from gold.{table}") == [(0,)], table


def test_a_row_twice_and_a_missing_value_are_told(warehouse: Settings, tmp_path: Path) -> None:
    damaged = warehouse.over(home=tmp_path / "damaged")
    shutil.copytree(warehouse.home, damaged.home)
    with duckdb.connect(str(damaged.warehouse_db)) as con:
        con.execute("insert into gold.fact_api_usage from gold.fact_api_usage limit 1")
        con.execute(
            "update silver.int_api_calls set compute_units = null "
            "where request_id = (select min(request_id) from silver.int_api_calls)"
        )
    models = ["int_api_calls", "fact_api_usage"]
    with pytest.raises(WarehouseError):
        run_dbt(
            damaged,
            ["test", "--select", *models, "--indirect-selection", "cautious", "--exclude-resource-types", "unit_test"],
            target="dev",
        )  # fmt: skip
    results = json.loads((damaged.dbt_target_dir / "dev" / "run_results.json").read_text())[
        "results"
    ]
    assert {
        (result["unique_id"].split(".")[2], result["failures"])
        for result in results
        if result["status"] == "fail"
    } == {
        ("unique_on_touched_days_fact_api_usage_id", 1),
        ("never_null_int_api_calls_request_id__called_at__compute_units__date_partition__load_id", 1),
    }  # fmt: skip
    # and the scores of the two tables say it, each in its dimension
    target = damaged.dbt_target_dir / "dev"
    dbt_tests.record(damaged, "gold", target, lambda test: first_row(damaged, test))
    scoring.keep(damaged)
    with ledger.ops(damaged) as con:
        newest = "from data_quality_scores where date_partition = (select max(date_partition) from data_quality_scores)"
        assert con.execute(
            f"select table_name, dimension, score < 1 from (unpivot (select table_name, completeness, consistency {newest}) "
            "on completeness, consistency into name dimension value score) "
            "where table_name in ('gold.fact_api_usage', 'silver.int_api_calls') order by all"
        ).fetchall() == [
            ("gold.fact_api_usage", "completeness", False), ("gold.fact_api_usage", "consistency", True),
            ("silver.int_api_calls", "completeness", True), ("silver.int_api_calls", "consistency", False),
        ]  # fmt: skip
        said = dict(
            con.execute(
                "select table_name, detail from data_quality_issues where is_open"
            ).fetchall()
        )
    assert set(said) == {"gold.fact_api_usage", "silver.int_api_calls"}
    assert said["silver.int_api_calls"].endswith("such as column_name compute_units, null_count 1")
