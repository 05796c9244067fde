"""Billing's numbers of the company of `billing_company.py`, worked by hand; and that order, batches and repetition are nothing.

Two starts of dbt: everything in one load with all of billing's tests, then in several loads, shuffled and sent twice.
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.billing_company import NOW, company, rates
from tests.dbt.landing_files import ensure_all, land
from tests.dbt.warehouse_of import differences, rows_of
from warehouse.dbt_process import run_dbt
from warehouse.settings import Settings

pytestmark = pytest.mark.slow(minutes=2)

GOLD = (
    "fact_revenue", "fact_revenue_recognised_daily", "fact_revenue_recognised_customer_months", "fact_invoices", "fact_dunning",
    "fact_balance_transactions", "fact_payouts", "kpi_recognised_revenue_monthly", "fact_mrr_movements", "fact_subscription_events", "fact_customer_months", "dim_plans", "kpi_mrr_daily",
    "kpi_mrr_monthly", "kpi_revenue_daily", "kpi_revenue_monthly", "kpi_retention_monthly", "kpi_cohorts",
    "fact_mrr_history", "dim_customer_months", "fact_customer_retention", "kpi_revenue_by_dimension",
)  # fmt: skip


def build(home: Path, *, batches: int, times: int, with_tests: bool) -> Settings:
    """A warehouse of the company, landed in so many batches, everything so many times."""
    home.mkdir(parents=True, exist_ok=True)
    settings = Settings.for_test(home, as_of=NOW)
    ensure_all(settings)
    shuffle = random.Random(batches)
    streams: dict[tuple[str, str], list[Any]] = {
        ("stripe", stream): list(records) * times for stream, records in company().items()
    }
    streams["inputs", "fx_rates"] = rates() * times
    for (source, stream), records in streams.items():
        if times > 1:
            shuffle.shuffle(records)
        for number in range(batches):
            read_at = NOW - timedelta(hours=batches - number)
            land(settings, source, stream, records[number::batches], at=read_at)
    command = ["build", "--select", *(f"+{model}" for model in GOLD)]
    if with_tests:
        command += ["--indirect-selection", "cautious", "--exclude-resource-types", "unit_test"]
    else:
        command += ["--exclude-resource-types", "test", "unit_test"]
    run_dbt(settings, command, target="dev")
    return settings


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return build(tmp_path_factory.mktemp("at_once"), batches=1, times=1, with_tests=True)


def at(text: str) -> datetime:
    """An instant as the warehouse gives it: UTC without a zone."""
    return datetime.fromisoformat(text)


def movements(warehouse: Settings, customer_id: str) -> list[tuple[Any, ...]]:
    """(instant, type, amount, reason) of a customer's movements, in order."""
    return rows_of(
        warehouse,
        "select occurred_at, movement_type, amount_minor, reason from gold.fact_mrr_movements "
        f"where customer_id = '{customer_id}' order by 1",
    )


def test_an_old_api_version_is_read_like_todays(warehouse: Settings) -> None:
    assert movements(warehouse, "acc_old") == [(at("2024-01-05"), "new", Decimal(9000), None)]
    assert rows_of(
        warehouse,
        "select entry_type, revenue_type, amount_minor, tax_minor, discount_minor, processed_at, billing_period_end "
        "from gold.fact_revenue where customer_id = 'acc_old' order by processed_at",
    ) == [
        ("line", "subscription", 9000, 1710, 1000, at("2024-01-05"), at("2024-02-05")),
        ("refund", "subscription", -4500, 0, 0, at("2024-02-01"), at("2024-02-05")),
    ]


def test_a_discounts_end_is_the_first_mrr_though_no_event_tells(warehouse: Settings) -> None:
    assert movements(warehouse, "acc_free_months") == [
        (at("2024-04-01"), "new", Decimal(10_000), None)
    ]
    assert rows_of(
        warehouse,
        "select min(month), count(*) from gold.fact_customer_months "
        "where customer_id = 'acc_free_months' and closing_mrr_minor > 0",
    ) == [(date(2024, 4, 1), 2)]


def test_seats_before_the_first_sight_come_from_invoices(warehouse: Settings) -> None:
    assert movements(warehouse, "acc_listed") == [
        (at("2024-01-01"), "new", Decimal(1000), None),
        (at("2024-02-01"), "expansion", Decimal(2000), None),
    ]
    assert rows_of(
        warehouse,
        "select bool_and(is_inferred) from silver.int_item_mrr where customer_id = 'acc_listed'",
    ) == [(True,)]


def test_changes_of_one_second_are_one_and_dunning_is_followed(warehouse: Settings) -> None:
    assert movements(warehouse, "acc_busy") == [
        (at("2024-02-01"), "new", Decimal(3000), None),
        (at("2024-03-15"), "churn", Decimal(-3000), "involuntary"),
        (at("2024-04-01"), "reactivation", Decimal(3000), None),
    ]
    assert rows_of(
        warehouse,
        "select event_type from gold.fact_subscription_events where customer_id = 'acc_busy' order by occurred_at",
    ) == [("created",), ("past_due",), ("unpaid",), ("recovered",)]


def test_a_deleted_customer_keeps_its_history(warehouse: Settings) -> None:
    assert movements(warehouse, "acc_gone") == [
        (at("2024-02-10"), "new", Decimal(10_000), None),
        (at("2024-03-20"), "churn", Decimal(-10_000), "voluntary"),
    ]


def test_a_stray_customer_is_known_by_its_stripe_id_and_exchange_rates_are_apart(
    warehouse: Settings,
) -> None:
    assert rows_of(
        warehouse,
        "select month, category, closing_mrr_minor, closing_mrr_reporting_minor, fx_reporting_minor "
        "from gold.fact_customer_months where customer_id = 'cus_stray' and month in ('2024-02-01', '2024-05-01') order by 1",
    ) == [
        (date(2024, 2, 1), "new", Decimal(10_000), Decimal(11_000), Decimal(0)),
        (date(2024, 5, 1), "retained", Decimal(10_000), Decimal(12_000), Decimal(1_000)),
    ]


def test_test_mode_is_nowhere(warehouse: Settings) -> None:
    for table in ("fact_mrr_movements", "fact_customer_months", "fact_subscription_events"):
        assert rows_of(
            warehouse, f"select count(*) from gold.{table} where customer_id like '%test%'"
        ) == [(0,)]


def test_the_month_of_march(warehouse: Settings) -> None:
    # start: 9000 + 3000 + 3000 + 10000 + 11000 (€10000 at 1.10); acc_busy and acc_gone leave
    assert rows_of(
        warehouse,
        "select opening_mrr_reporting_minor, churn_reporting_minor, fx_reporting_minor, mrr_reporting_minor, "
        "arr_reporting_minor, paying_customers, churned_customers from gold.kpi_mrr_monthly where month_start_on = '2024-03-01'",
    ) == [(Decimal(36_000), Decimal(-13_000), Decimal(0), Decimal(23_000), Decimal(276_000), 3, 2)]
    assert rows_of(
        warehouse,
        "select start_customers, churned_customers, logo_churn_rate, round(nrr, 9), round(grr, 9) "
        "from gold.kpi_retention_monthly where month_start_on = '2024-03-01' and interval_months = 1",
    ) == [(5, 2, 0.4, round(23 / 36, 9), round(23 / 36, 9))]
    assert rows_of(
        warehouse,
        "select cohort_customers, retained_customers, is_complete from gold.kpi_cohorts "
        "where cohort_month = '2024-02-01' and months_since = 1",
    ) == [(3, 1, True)]


def test_order_batches_and_repetition_change_nothing(warehouse: Settings, tmp_path: Path) -> None:
    again = build(tmp_path / "again", batches=3, times=2, with_tests=False)
    assert differences(warehouse, again, [f"gold.{table}" for table in GOLD]) == {}
