"""Billing's numbers of the histories in `billing_cases.py`, worked by hand, and the same company with nothing but Stripe.

Three starts of dbt: everything of silver and gold from Stripe and rates (reported in EUR, on New York's clock); all unit tests
of all models, which need the tables to be there; and a company in USD that has Stripe alone, not even rates.
"""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.dbt import billing_cases
from tests.dbt.billing_company import NOW
from tests.dbt.landing_files import ensure_all, land
from tests.dbt.warehouse_of import rows_of
from warehouse.dbt_process import run_dbt
from warehouse.errors import WarehouseError
from warehouse.settings import Settings
from warehouse.transform import build

pytestmark = pytest.mark.slow(minutes=7)


def landed(home: Path, streams: dict[tuple[str, str], list[Any]], **settings: Any) -> Settings:
    """A data folder into which these streams alone have landed."""
    home.mkdir(parents=True, exist_ok=True)
    own = Settings.for_test(home, as_of=NOW, **settings)
    ensure_all(own)
    for (source, stream), records in streams.items():
        land(own, source, stream, records, at=NOW - timedelta(hours=1))
    return own


def built(home: Path, streams: dict[tuple[str, str], list[Any]], **settings: Any) -> Settings:
    """A warehouse of these streams alone: silver and gold with all their data tests."""
    own = landed(home, streams, **settings)
    build(own, ("silver", "gold"))
    return own


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    streams = {("stripe", stream): rows for stream, rows in billing_cases.company().items()}
    streams["inputs", "fx_rates"] = billing_cases.rates()
    return built(
        tmp_path_factory.mktemp("cases"), streams, reporting_currency="EUR", reporting_timezone="America/New_York"
    )  # fmt: skip


def test_every_unit_test_of_every_model(warehouse: Settings) -> None:
    # production builds leave them out: hand-worked cases test the code, not the day's data; they go by the project's own variables
    usual = warehouse.over(
        reporting_currency="USD", reporting_timezone="UTC", as_of=datetime(2025, 7, 1, tzinfo=UTC)
    )
    run_dbt(usual, ["test", "--resource-type", "unit_test"], target="dev")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # asked to cancel and withdrawn: nothing moved
        ("acc_withdrawn", [("2024-01-01", "new", "10000", None)]),
        # (10000 a month + 120000 a year) at 50 %
        ("acc_two", [("2024-01-01", "new", "10000", None)]),
        (
            "acc_zero",
            [
                ("2024-01-01", "new", "1000", None),
                ("2024-02-01", "churn", "-1000", "voluntary"),
                ("2024-03-01", "reactivation", "2000", None),
            ],
        ),
        # 20 % of 120000 a year for three months, by the discount's end, not by the bill
        (
            "acc_annual",
            [("2024-01-01", "new", "8000", None), ("2024-04-01", "expansion", "2000", None)],
        ),
        # gone already when it ends
        (
            "acc_paused",
            [("2024-01-01", "new", "10000", None), ("2024-02-01", "churn", "-10000", "pause")],
        ),
        # (11900 - 10 %) / 1.19
        ("acc_taxed", [("2024-01-10", "new", "9000", None)]),
        ("acc_yen", [("2024-01-01", "new", "1500", None)]),
        ("acc_dinar", [("2024-01-01", "new", "3000", None)]),
        # 2 seats of 5000 a quarter
        ("acc_plan", [("2024-01-05", "new", "3333.333333", None)]),
        # Stripe's list has forgotten this customer
        ("cus_lost", [("2024-01-01", "new", "10000", None)]),
    ],
)
def test_movements(warehouse: Settings, name: str, expected: list[tuple[Any, ...]]) -> None:
    found = rows_of(
        warehouse,
        "select occurred_at, movement_type, amount_minor, reason from gold.fact_mrr_movements "
        f"where customer_id = '{name}' order by 1",
    )
    assert found == [
        (datetime.fromisoformat(day), kind, Decimal(amount), reason)
        for day, kind, amount, reason in expected
    ]


def test_minor_units_of_other_currencies_are_their_own(warehouse: Settings) -> None:
    # ¥1500 = $10 = €8; 3.000 KWD = $9.75 = €7.80; $100 = €80
    assert rows_of(
        warehouse,
        "select customer_id, mrr, round(mrr_reporting_minor, 3) from gold.dim_customers "
        "where customer_id in ('acc_yen', 'acc_dinar', 'acc_withdrawn') order by 1",
    ) == [
        ("acc_dinar", Decimal(3), Decimal(780)),
        ("acc_withdrawn", Decimal(100), Decimal(8000)),
        ("acc_yen", Decimal(1500), Decimal(800)),
    ]


def test_months_end_on_the_reporting_clock(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select month, category, closing_mrr_minor from gold.fact_customer_months where customer_id = 'acc_edge' order by 1 limit 2",
    ) == [
        (date(2024, 1, 1), "new", Decimal(10_000)),
        (date(2024, 2, 1), "retained", Decimal(10_000)),
    ]


def test_a_withdrawn_request_is_kept(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select event_type from gold.fact_subscription_events where customer_id = 'acc_withdrawn' order by occurred_at",
    ) == [("created",), ("cancel_requested",), ("cancel_withdrawn",)]


def test_revenue(warehouse: Settings) -> None:
    assert rows_of(
        warehouse,
        "select stripe_invoice_id, entry_type, amount_minor, processed_at, customer_id from gold.fact_revenue "
        "order by stripe_invoice_id nulls last, processed_at",
    ) == [
        ("in_disputed", "line", 10_000, datetime(2024, 1, 10), "acc_money"),
        ("in_disputed", "dispute", -10_000, datetime(2024, 2, 5), "acc_money"),
        ("in_disputed", "dispute_reversal", 10_000, datetime(2024, 3, 5), "acc_money"),
        ("in_hopeless", "line", 10_000, datetime(2024, 1, 10), "acc_money"),
        ("in_hopeless", "bad_debt", -10_000, datetime(2024, 2, 10), "acc_money"),
        ("in_hopeless", "bad_debt_recovered", 10_000, datetime(2024, 3, 10), "acc_money"),
        ("in_lost", "line", 700, datetime(2024, 1, 10), "cus_lost"),
        # more credited than was still to pay
        ("in_owed", "line", 10_000, datetime(2024, 1, 10), "acc_money"),
        ("in_owed", "credit_note", -5_000, datetime(2024, 1, 20), "acc_money"),
        # 11900 - 1190 - 1710
        ("in_taxed", "line", 9_000, datetime(2024, 1, 10), "acc_taxed"),
    ]


def test_everybody_in_a_fact_is_a_customer(warehouse: Settings) -> None:
    for fact in (
        "fact_revenue",
        "fact_mrr_movements",
        "fact_customer_months",
        "fact_subscription_events",
    ):
        assert rows_of(
            warehouse,
            f"select count(*) from gold.{fact} where customer_id not in (select customer_id from gold.dim_customers)",
        ) == [(0,)]


def test_the_master_table_begins_with_the_first_customer_of_stripe(warehouse: Settings) -> None:
    # midnight of 1 January in UTC is the day before in New York; the last day that is over there is 30 May
    assert rows_of(warehouse, "select min(day), max(day) from gold.kpi_daily") == [
        (date(2023, 12, 31), date(2024, 5, 30))
    ]
    # MRR: 5 times 10000 (withdrawn, two, annual, edge, lost) + 2000 + 9000 + 3333.333333 USD at 0.8, and 800 + 780 EUR
    assert rows_of(
        warehouse,
        "select customers_paying, round(mrr_amount, 2), calls, error_rate from gold.kpi_daily where day = '2024-05-30'",
    ) == [(10, Decimal("530.47"), 0, None)]


def test_a_late_rate_is_carried_and_a_missing_one_stops_the_build(
    warehouse: Settings, tmp_path: Path
) -> None:
    shutil.copytree(warehouse.home, tmp_path / "late")
    bridge = ["run", "--full-refresh", "--select", "int_fx_rates", "kpi_mrr_daily"]
    # the last rates are of 31 May; four days after them the build stands on those
    late = warehouse.over(home=tmp_path / "late", as_of=NOW + timedelta(days=4))
    run_dbt(late, bridge, target="dev")
    assert rows_of(
        late,
        "select max(quoted_on), max(date) from silver.int_fx_rates where currency = 'USD' and is_carried",
    ) == [(date(2024, 5, 31), date(2024, 6, 4))]
    assert rows_of(
        late,
        "select max(date_partition), max(mrr_reporting_minor) from gold.kpi_mrr_daily "
        "where currency = 'JPY' and date_partition > '2024-05-31'",
    ) == [(date(2024, 6, 3), Decimal(800))]
    # on the fifth it stops, and says what is missing
    with pytest.raises(WarehouseError, match=r"no exchange rate from \w{3} to EUR on 2024-06-05"):
        run_dbt(late.over(as_of=NOW + timedelta(days=6)), bridge, target="dev")


def test_a_company_of_one_currency_needs_no_rates(tmp_path: Path) -> None:
    seat = billing_cases.subscribed("solo", billing_cases.MONTH, "2024-01-01")
    alone = landed(
        tmp_path / "alone",
        {
            ("stripe", "prices"): billing_cases.PRICES,
            ("stripe", "customers"): [billing_cases.customer("cus_solo", "acc_solo")],
            ("stripe", "subscriptions"): [seat],
            ("stripe", "events"): [
                billing_cases.event("evt_1", "customer.subscription.created", "2024-01-01", seat)
            ],
        },
    )
    everything = [
        "build",
        "--select",
        "+kpi_daily",
        "--exclude-resource-types",
        "test",
        "unit_test",
    ]
    run_dbt(alone, everything, target="dev")
    assert rows_of(
        alone,
        "select mrr_amount, mrr_new_amount, mrr_fx_amount, customers_total from gold.kpi_daily where day = '2024-01-01'",
    ) == [(100, 100, 0, 1)]
