"""What the first sync must make of a past that it did not see: `first_sight_cases.py`, worked by hand."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.dbt import first_sight_cases
from tests.dbt.test_billing_cases import landed
from tests.dbt.warehouse_of import rows_of
from warehouse.dbt_process import run_dbt
from warehouse.settings import Settings

pytestmark = pytest.mark.slow(minutes=1)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    streams = {("stripe", stream): rows for stream, rows in first_sight_cases.company().items()}
    own = landed(tmp_path_factory.mktemp("sight"), streams)
    run_dbt(
        own,
        [
            "build", "--select", "+fact_mrr_movements", "+fact_revenue", "+kpi_mrr_daily", "assert_every_amount_was_read",
            "--exclude-resource-types", "unit_test", "--exclude", "test_type:generic",
        ],
        target="dev",
    )  # fmt: skip
    return own


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 10 at 1000 and 2 at 500; 2000 flat and 2 at 150; 1000 flat and 12 at 150: an invoice has a line for each part
        ("graduated", [("2024-01-01", "new", 11_000)]),
        ("flat", [("2024-01-01", "new", 2_300)]),
        ("volume", [("2024-01-01", "new", 2_800)]),
        # invoices are known from 2024 on, subscriptions since they began
        ("year", [("2023-03-15", "new", 10_000)]),
        ("month", [("2023-03-15", "new", 10_000)]),
        ("seats", [("2023-06-01", "new", 3_000), ("2024-01-16", "contraction", -2_000)]),
        ("paused", [("2024-01-01", "new", 10_000), ("2024-05-01", "churn", -10_000)]),
        (
            "trial",
            [
                ("2024-01-01", "new", 10_000),
                ("2024-03-01", "churn", -10_000),
                ("2024-03-15", "reactivation", 10_000),
            ],
        ),
        # 11900 with 19 % inside, by the lines alone, and by a rate that only the subscription shows
        ("open", [("2024-01-01", "new", 10_000)]),
        ("shown", [("2024-01-01", "new", 10_000)]),
        # no price in its currency: 0, and a warning
        ("euro", []),
    ],
)
def test_movements(warehouse: Settings, name: str, expected: list[tuple[Any, ...]]) -> None:
    found = rows_of(
        warehouse,
        "select occurred_at, movement_type, amount_minor from gold.fact_mrr_movements "
        f"where customer_id = 'acc_{name}' order by 1",
    )
    assert found == [
        (datetime.fromisoformat(day), kind, Decimal(amount)) for day, kind, amount in expected
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 6000 of 10000 had been paid when the rest was given up
        ("part_paid", [("2024-02-10", "bad_debt", -4_000), ("2024-03-10", "bad_debt_recovered", 4_000)]),
        (
            "credited",
            [
                ("2024-02-01", "credit_note", -3_000),
                ("2024-02-10", "bad_debt", -7_000),
                ("2024-03-10", "bad_debt_recovered", 7_000),
            ],
        ),
        ("appealed", [("2024-02-01", "dispute", -10_000), ("2024-05-01", "dispute_reversal", 10_000)]),
        ("returned", [("2024-02-03", "refund", -10_000)]),
        ("old", []),
    ],
)  # fmt: skip
def test_revenue(warehouse: Settings, name: str, expected: list[tuple[Any, ...]]) -> None:
    found = rows_of(
        warehouse,
        "select date_partition, entry_type, amount_minor, revenue_type from gold.fact_revenue "
        f"where stripe_invoice_id = 'in_{name}' order by 1",
    )
    assert found == [
        (date.fromisoformat(day), kind, amount, "subscription")
        for day, kind, amount in [("2024-01-10", "line", 10_000), *expected]
    ]
